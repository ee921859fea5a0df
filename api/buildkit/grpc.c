#include "api/buildkit/grpc.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/parse.h"

#define PREFIX 5 /* compressed or not, and the size in network order */
#define STATUS_MESSAGE_MAX 8192

static enum grpc_code code_of(const struct error *err)
{
    switch (err->kind) {
    case ERROR_INVALID:
        return GRPC_INVALID_ARGUMENT;
    case ERROR_NOT_FOUND:
        return GRPC_NOT_FOUND;
    case ERROR_CONFLICT:
        return GRPC_ALREADY_EXISTS;
    case ERROR_FORBIDDEN:
        return GRPC_PERMISSION_DENIED;
    case ERROR_NOT_IMPLEMENTED:
        return GRPC_UNIMPLEMENTED;
    case ERROR_CANCELLED:
        return GRPC_CANCELLED;
    case ERROR_UNAVAILABLE:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

enum error_kind grpc_error_kind(int code)
{
    switch (code) {
    case GRPC_INVALID_ARGUMENT:
        return ERROR_INVALID;
    case GRPC_NOT_FOUND:
        return ERROR_NOT_FOUND;
    case GRPC_ALREADY_EXISTS:
        return ERROR_CONFLICT;
    case GRPC_PERMISSION_DENIED:
        return ERROR_FORBIDDEN;
    case GRPC_UNIMPLEMENTED:
        return ERROR_NOT_IMPLEMENTED;
    case GRPC_CANCELLED:
        return ERROR_CANCELLED;
    case GRPC_UNAVAILABLE:
        return ERROR_UNAVAILABLE;
    default:
        return ERROR_SYSTEM;
    }
}

/* grpc-message is percent-encoded. */
static void encode_message(const char *text, struct strbuf *out)
{
    for (size_t i = 0; text[i] && out->size < STATUS_MESSAGE_MAX; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '%')
            strbuf_addc(out, (char)byte);
        else
            strbuf_addf(out, "%%%02X", byte);
    }
}

static void decode_message(const char *text, struct strbuf *out)
{
    for (size_t i = 0; text[i]; i++) {
        int high = text[i] == '%' ? parse_hex_digit(text[i + 1]) : -1,
            low = high >= 0 ? parse_hex_digit(text[i + 2]) : -1;
        if (low < 0) {
            strbuf_addc(out, text[i]);
            continue;
        }
        strbuf_addc(out, (char)(high << 4 | low));
        i += 2;
    }
}

/* ---- messages ---- */

static int gone(struct error *err)
{
    return error_set(err, ERROR_CANCELLED, EPIPE, "the client has gone");
}

static int respond(struct grpc_call *call, const struct strv *own)
{
    if (!call->server || call->responded)
        return 0;
    call->responded = true;
    CLEANUP_STRV struct strv headers = STRV_INIT;
    strv_add(&headers, ":status");
    strv_add(&headers, "200");
    strv_add(&headers, "content-type");
    strv_add(&headers, "application/grpc");
    if (own)
        strv_add_all(&headers, own);
    return http2_respond(call->stream, &headers);
}

int grpc_respond(struct grpc_call *call, const struct strv *headers, struct error *err)
{
    return respond(call, headers) < 0 ? gone(err) : 0;
}

int grpc_send(struct grpc_call *call, const void *message, size_t size, struct error *err)
{
    const unsigned char prefix[PREFIX] = {0, (unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                          (unsigned char)(size >> 8), (unsigned char)size};
    int r = respond(call, NULL);
    if (r == 0)
        r = http2_write(call->stream, prefix, sizeof(prefix));
    if (r == 0)
        r = http2_write(call->stream, message, size);
    return r < 0 ? gone(err) : 0;
}

/* 1: filled; 0: the end before the first byte. */
static int read_all(struct grpc_call *call, void *buffer, size_t size, struct error *err)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = http2_read(call->stream, (char *)buffer + have, size - have);
        if (n == 0 && have == 0)
            return 0;
        if (n <= 0)
            return gone(err);
        have += (size_t)n;
    }
    return 1;
}

int grpc_receive(struct grpc_call *call, struct strbuf *ret, struct error *err)
{
    unsigned char prefix[PREFIX];
    strbuf_clear(ret);
    int r = read_all(call, prefix, sizeof(prefix), err);
    if (r <= 0)
        return r;
    size_t size = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
    if (prefix[0] != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "gRPC: compressed messages are not supported");
    if (size > GRPC_MESSAGE_MAX)
        return error_set(err, ERROR_INVALID, EMSGSIZE, "gRPC: a message of %zu bytes is larger than %zu", size,
                         GRPC_MESSAGE_MAX);
    char *place = strbuf_reserve(ret, size);
    r = size > 0 ? read_all(call, place, size, err) : 1;
    if (r == 0)
        return gone(err);
    if (r > 0) {
        ret->size += size;
        strbuf_terminate(ret);
    }
    return r;
}

/* ---- a server ---- */

static void finish(struct grpc_call *call, int r, const struct error *error)
{
    CLEANUP_STRV struct strv trailers = STRV_INIT;
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    strv_add(&trailers, "grpc-status");
    strv_addf(&trailers, "%d", r < 0 ? (int)code_of(error) : GRPC_OK);
    if (r < 0) {
        encode_message(error->message, &message);
        strv_add(&trailers, "grpc-message");
        strv_add(&trailers, strbuf_str(&message));
    }
    if (respond(call, NULL) == 0)
        http2_finish(call->stream, &trailers);
}

void grpc_serve(struct http2_stream *stream, const struct grpc_method *methods, void *data)
{
    struct grpc_call call = {.stream = stream, .server = true};
    struct error error = {0};
    const char *path = http2_header(stream, ":path");
    int r = -ENOSYS;
    while (methods->path && (!path || strcmp(methods->path, path) != 0))
        methods++;
    if (methods->path)
        r = methods->handler(&call, data, &error);
    else
        error_set(&error, ERROR_NOT_IMPLEMENTED, 0, "unknown method %.200s", path ? path : "");
    finish(&call, r, &error);
}

/* ---- a client ---- */

int grpc_call(struct http2 *connection, const char *path, const struct strv *headers, int cancel_fd,
              struct grpc_call *ret, struct error *err)
{
    static const char *const fixed[] = {":method",   "POST", ":scheme",  "http",         ":authority",
                                        "localhost", "te",   "trailers", "content-type", "application/grpc"};
    CLEANUP_STRV struct strv all = STRV_INIT;
    for (size_t i = 0; i < 6; i++)
        strv_add(&all, fixed[i]);
    strv_add(&all, ":path");
    strv_add(&all, path);
    for (size_t i = 6; i < ARRAY_SIZE(fixed); i++)
        strv_add(&all, fixed[i]);
    if (headers)
        strv_add_all(&all, headers);
    *ret = (struct grpc_call){0};
    int r = http2_request(connection, &all, &ret->stream, err);
    if (r == 0)
        http2_cancel_by(ret->stream, cancel_fd);
    return r;
}

void grpc_call_release(struct grpc_call *call)
{
    if (!call->server)
        http2_stream_unref(call->stream);
    call->stream = NULL;
}

void grpc_cancel(struct grpc_call *call)
{
    http2_cancel(call->stream);
}

int grpc_send_end(struct grpc_call *call)
{
    return http2_finish(call->stream, NULL);
}

int grpc_status(struct grpc_call *call, struct error *err)
{
    CLEANUP_FREE char *status = http2_answer(call->stream, "grpc-status");
    CLEANUP_FREE char *encoded = http2_answer(call->stream, "grpc-message");
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    int64_t code;
    if (!status || parse_int64(status, 0, 100, &code) < 0)
        return gone(err);
    if (code == GRPC_OK)
        return 0;
    decode_message(encoded ? encoded : "", &message);
    return error_set(err, grpc_error_kind((int)code), EREMOTEIO, "%s", strbuf_str(&message));
}

int grpc_unary(struct http2 *connection, const char *path, int cancel_fd, const void *message, size_t size,
               struct strbuf *ret, struct error *err)
{
    CLEANUP_GRPC_CALL struct grpc_call call = GRPC_CALL_INIT;
    CLEANUP_STRBUF struct strbuf rest = STRBUF_INIT;
    int r = grpc_call(connection, path, NULL, cancel_fd, &call, err);
    if (r < 0)
        return r;
    /* Whoever does not want the message says so in the answer. */
    if (grpc_send(&call, message, size, NULL) == 0)
        grpc_send_end(&call);
    r = grpc_receive(&call, ret, err);
    if (r > 0)
        r = grpc_receive(&call, &rest, err);
    if (r < 0)
        return r;
    return grpc_status(&call, err);
}
