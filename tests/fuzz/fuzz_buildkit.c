/* What BuildKit's clients send: bytes to a server of HTTP/2 and gRPC, and what a client that is itself a server answers
 * to a call, and texts of filters. The first byte says which. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "api/buildkit/buildkit.pb-c.h"
#include "api/buildkit/filter.h"
#include "api/buildkit/grpc.h"
#include "base/fd.h"

#define INPUT_MAX 60000 /* less than a socket's buffer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* A connection's thread may still be about to free what it has when its end is known. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* Receives all messages, looks at each as a packet of files, and sends it back. */
static int echo(struct grpc_call *call, void *data, struct error *err)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    int r;
    (void)data;
    while ((r = grpc_receive(call, &message, err)) > 0) {
        Bk__Packet *packet = bk__packet__unpack(NULL, message.size, (const uint8_t *)strbuf_str(&message));
        if (packet)
            bk__packet__free_unpacked(packet, NULL);
        if (message.size > GRPC_MESSAGE_MAX)
            abort();
        r = grpc_send(call, strbuf_str(&message), message.size, err);
        if (r < 0)
            return r;
    }
    return r;
}

static void serve(struct http2_stream *stream, void *data)
{
    static const struct grpc_method methods[] = {{"/echo", echo}, {0}};
    if (!http2_header(stream, ":path"))
        abort(); /* HTTP/2 does not let it in */
    grpc_serve(stream, methods, data);
}

/* The peer has said all it has to say, and reads nothing. */
static void talk(http2_handler handler, const uint8_t *data, size_t size)
{
    struct http2 *connection = NULL;
    int pair[2];
    if (fd_socketpair(SOCK_STREAM, pair) < 0 || fd_write_all(pair[1], data, size) < 0 ||
        shutdown(pair[1], SHUT_WR) < 0 || http2_new(pair[0], handler, NULL, &connection, NULL) < 0)
        abort();
    if (handler) {
        http2_wait(connection);
    } else {
        CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
        struct error err = {0};
        if (grpc_unary(connection, "/echo", -1, "abc", 3, &answer, &err) < 0 && err.kind == ERROR_NONE)
            abort();
        http2_wait(connection);
    }
    http2_unref(connection);
    fd_close(pair[1]);
}

/* Every text of filters is refused or can be asked. */
static void no_value(const void *record, size_t i, struct filter_value *ret)
{
    (void)record;
    ret->flag = i % 2 == 0;
}

static void filter(const uint8_t *data, size_t size)
{
    static const struct filter_field fields[] = {
        {"t", FILTER_TEXT}, {"f", FILTER_FLAG}, {"a", FILTER_TIME}, {"d", FILTER_DURATION}, {NULL, FILTER_TEXT}};
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    CLEANUP_FILTER struct filter parsed;
    if (filter_parse(&text, 1, fields, 0, &parsed, NULL) == 0)
        filter_match(&parsed, no_value, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > INPUT_MAX)
        return 0;
    if (data[0] == 'f')
        filter(data + 1, size - 1);
    else
        talk(data[0] & 1 ? serve : NULL, data + 1, size - 1);
    return 0;
}
