/* A directory of the client's with build caches: containerd.services.content.v1.Content, of the store that the call's
 * metadata names. */
#include <errno.h>
#include <string.h>

#include "api/buildkit/buildkit.pb-c.h"
#include "api/buildkit/grpc.h"
#include "api/buildkit/session.h"
#include "base/id.h"
#include "base/memory.h"
#include "daemon/build/cache_place.h"
#include "image/digest.h"

#define SERVICE "/containerd.services.content.v1.Content/"
#define PIECE ((size_t)512 * 1024)

struct content {
    struct cache_place place;
    struct session *session;
    int cancel_fd;
    struct strv headers;
    char manifest[DIGEST_TEXT_MAX]; /* "": none is wanted */
};

static struct content *content_of(struct cache_place *place)
{
    return (struct content *)place;
}

static int begin(struct content *c, const char *method, struct grpc_call *ret, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf(SERVICE "%s", method);
    return grpc_call(c->session->connection, path, &c->headers, c->cancel_fd, ret, err);
}

static int send_packed(struct grpc_call *call, const ProtobufCMessage *message, struct error *err)
{
    CLEANUP_FREE uint8_t *packed = xmalloc(protobuf_c_message_get_packed_size(message) + 1);
    return grpc_send(call, packed, protobuf_c_message_pack(message, packed), err);
}

/* The next message, or why there is none. 1, 0, or -errno. */
static int receive(struct grpc_call *call, struct strbuf *ret, struct error *err)
{
    int r = grpc_receive(call, ret, err);
    return r != 0 ? r : grpc_status(call, err);
}

static int malformed(struct error *err)
{
    return error_set(err, ERROR_INVALID, EPROTO, "build cache of the client: malformed message");
}

/* ---- reading ---- */

static int has_content(struct cache_place *place, const char *digest, int64_t *ret_size, struct error *err)
{
    CLEANUP_GRPC_CALL struct grpc_call call = GRPC_CALL_INIT;
    CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
    struct error error = {0};
    Bk__ContentInfoRequest request = BK__CONTENT_INFO_REQUEST__INIT;
    request.digest = (char *)digest;
    int r = begin(content_of(place), "Info", &call, err);
    if (r == 0)
        r = send_packed(&call, &request.base, err);
    if (r < 0)
        return r;
    grpc_send_end(&call);
    r = receive(&call, &answer, &error);
    if (r <= 0)
        return error.kind == ERROR_NOT_FOUND ? 0 : r < 0 ? error_propagate(err, &error) : malformed(err);
    Bk__ContentInfoResponse *response =
        bk__content_info_response__unpack(NULL, answer.size, (const uint8_t *)strbuf_str(&answer));
    bool fine = response && response->info;
    if (fine)
        *ret_size = response->info->size;
    if (response)
        bk__content_info_response__free_unpacked(response, NULL);
    return fine ? 1 : malformed(err);
}

/* One message of a blob that has `left` bytes to come. */
static int take_piece(const struct strbuf *message, int64_t *left, cache_sink sink, void *sink_data, struct error *err)
{
    Bk__ContentReadResponse *response =
        bk__content_read_response__unpack(NULL, message->size, (const uint8_t *)strbuf_str(message));
    int r = !response || (int64_t)response->data.len > *left ? malformed(err) : 0;
    if (r == 0) {
        *left -= (int64_t)response->data.len;
        r = sink(response->data.data, response->data.len, sink_data, err);
    }
    if (response)
        bk__content_read_response__free_unpacked(response, NULL);
    return r;
}

static int read_content(struct cache_place *place, const struct descriptor *blob, cache_sink sink, void *sink_data,
                        struct error *err)
{
    CLEANUP_GRPC_CALL struct grpc_call call = GRPC_CALL_INIT;
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    Bk__ContentReadRequest request = BK__CONTENT_READ_REQUEST__INIT;
    int64_t left = blob->size;
    request.digest = (char *)blob->digest;
    int r = begin(content_of(place), "Read", &call, err);
    if (r == 0)
        r = send_packed(&call, &request.base, err);
    if (r < 0)
        return r;
    grpc_send_end(&call);
    while ((r = receive(&call, &message, err)) > 0) {
        r = take_piece(&message, &left, sink, sink_data, err);
        if (r < 0)
            return r;
    }
    if (r == 0 && left > 0)
        r = error_set(err, ERROR_INVALID, EPROTO, "build cache of the client: %s ends too soon", blob->digest);
    return r;
}

static int to_buffer(const void *data, size_t size, void *buffer, struct error *err)
{
    (void)err;
    strbuf_add(buffer, data, size);
    return 0;
}

static int get_manifest(struct cache_place *place, struct registry_manifest *ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct descriptor blob = {0};
    memcpy(blob.digest, content_of(place)->manifest, sizeof(blob.digest));
    int r = has_content(place, blob.digest, &blob.size, err);
    if (r == 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "%s: not found", blob.digest);
    if (r > 0 && (blob.size < 0 || blob.size > MANIFEST_SIZE_MAX))
        return error_set(err, ERROR_INVALID, 0, "%s is no manifest: it has %lld bytes", blob.digest,
                         (long long)blob.size);
    if (r > 0)
        r = read_content(place, &blob, to_buffer, &text, err);
    if (r < 0)
        return r;
    digest_of(text.data, text.size, ret->digest);
    if (strcmp(ret->digest, blob.digest) != 0)
        return error_set(err, ERROR_INVALID, 0, "build cache: verification failed for digest %s", blob.digest);
    ret->size = text.size;
    ret->text = strbuf_take(&text);
    return 0;
}

/* ---- writing ---- */

/* A message, and its answer, which says how much is there now. */
static int write_message(struct grpc_call *call, const Bk__ContentWriteRequest *request, struct error *err)
{
    CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
    int r = send_packed(call, &request->base, err);
    struct error said = {0};
    int got = receive(call, &answer, &said);
    if (got > 0)
        return r;
    /* What the client says is why it takes no more. */
    return got < 0 ? error_propagate(err, &said) : malformed(err);
}

static ssize_t next_piece(const struct registry_upload *upload, size_t done, char *buffer, struct error *err)
{
    if (upload->source)
        return upload->source(buffer, PIECE, upload->data, err);
    size_t n = upload->size - done < PIECE ? upload->size - done : PIECE;
    memcpy(buffer, (const char *)upload->text + done, n);
    return (ssize_t)n;
}

static int write_pieces(struct grpc_call *call, const struct registry_upload *upload, char *ref, int64_t *ret_size,
                        struct error *err)
{
    CLEANUP_FREE char *buffer = xmalloc(PIECE);
    ssize_t n;
    while ((n = next_piece(upload, (size_t)*ret_size, buffer, err)) > 0) {
        Bk__ContentWriteRequest request = BK__CONTENT_WRITE_REQUEST__INIT;
        request.action = BK__CONTENT_WRITE_REQUEST__ACTION__WRITE;
        request.ref = ref;
        request.offset = *ret_size;
        request.data = (ProtobufCBinaryData){.len = (size_t)n, .data = (uint8_t *)buffer};
        int r = write_message(call, &request, err);
        if (r < 0)
            return r;
        *ret_size += n;
    }
    return (int)n;
}

static int commit(struct grpc_call *call, char *ref, int64_t size, char *digest, struct error *err)
{
    struct error error = {0};
    Bk__ContentWriteRequest request = BK__CONTENT_WRITE_REQUEST__INIT;
    request.action = BK__CONTENT_WRITE_REQUEST__ACTION__COMMIT;
    request.ref = ref;
    request.offset = size;
    request.total = size;
    request.expected = digest;
    int r = write_message(call, &request, &error);
    /* It is there already: nothing else was wanted. */
    return r == 0 || error.kind == ERROR_CONFLICT ? 0 : error_propagate(err, &error);
}

static int write_content(struct cache_place *place, const struct registry_upload *upload, struct error *err)
{
    CLEANUP_GRPC_CALL struct grpc_call call = GRPC_CALL_INIT;
    char random[33], ref[48], digest[DIGEST_TEXT_MAX];
    int64_t size = 0;
    id_random_hex(random, 16);
    snprintf(ref, sizeof(ref), "dory-%s", random);
    int r = begin(content_of(place), "Write", &call, err);
    if (r == 0)
        r = write_pieces(&call, upload, ref, &size, err);
    if (r < 0)
        return r;
    if (upload->source)
        upload->digest(upload->data, digest);
    else
        digest_of(upload->text, upload->size, digest);
    return commit(&call, ref, size, digest, err);
}

/* The client itself writes down which one it is: it learns the descriptor with the build's response. */
static int put_manifest(struct cache_place *place, const char *media_type, const char *text, size_t size,
                        struct error *err)
{
    const struct registry_upload upload = {.text = text, .size = size};
    char digest[DIGEST_TEXT_MAX];
    int64_t there;
    (void)media_type;
    digest_of(text, size, digest);
    int r = has_content(place, digest, &there, err);
    return r != 0 ? (r < 0 ? r : 0) : write_content(place, &upload, err);
}

static void content_free(struct cache_place *place)
{
    struct content *c = content_of(place);
    strv_release(&c->headers);
    free(c);
}

static const struct cache_place_ops ops = {
    .get_manifest = get_manifest,
    .read = read_content,
    .has = has_content,
    .write = write_content,
    .put_manifest = put_manifest,
    .free = content_free,
};

struct cache_place *session_content(struct session *session, const char *directory, const char *manifest, int cancel_fd)
{
    struct content *c = xcalloc(1, sizeof(*c));
    c->place.ops = &ops;
    c->session = session;
    c->cancel_fd = cancel_fd;
    strv_add(&c->headers, "buildkit-attachable-store-id");
    strv_addf(&c->headers, "local:%s", directory);
    snprintf(c->manifest, sizeof(c->manifest), "%s", manifest ? manifest : "");
    return &c->place;
}
