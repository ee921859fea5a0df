/* Control/Session: a session whose connection is the bytes of a call's messages, for clients that open no second
 * connection of their own. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/buildkit/service.h"
#include "api/server_private.h"
#include "base/fd.h"
#include "base/memory.h"

#define PIECE 32768

struct tunnel {
    struct grpc_call *call;
    int fd;
    pthread_t thread;
};

/* What the daemon says on the session, up to its end. */
static void *send_main(void *data)
{
    struct tunnel *tunnel = data;
    unsigned char piece[PIECE], packed[PIECE + 16];
    ssize_t n;
    while ((n = recv(tunnel->fd, piece, sizeof(piece), 0)) > 0) {
        Bk__Bytes bytes = BK__BYTES__INIT;
        bytes.data = (ProtobufCBinaryData){.len = (size_t)n, .data = piece};
        if (grpc_send(tunnel->call, packed, bk__bytes__pack(&bytes, packed), NULL) < 0)
            break;
    }
    shutdown(tunnel->fd, SHUT_RDWR);
    return NULL;
}

/* What the client says, up to its end. */
static int receive_all(struct tunnel *tunnel, struct error *err)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    int r;
    while ((r = grpc_receive(tunnel->call, &message, err)) > 0) {
        Bk__Bytes *bytes = bk__bytes__unpack(NULL, message.size, (const uint8_t *)strbuf_str(&message));
        int written = bytes ? fd_write_all(tunnel->fd, bytes->data.data, bytes->data.len) : -EPROTO;
        if (bytes)
            bk__bytes__free_unpacked(bytes, NULL);
        if (written < 0) /* the session has ended */
            return written == -EPROTO ? error_set(err, ERROR_INVALID, EPROTO, "gRPC: malformed message") : 0;
    }
    return r;
}

static int run(struct tunnel *tunnel, struct error *err)
{
    int r = pthread_create(&tunnel->thread, NULL, send_main, tunnel);
    if (r != 0)
        return error_errno(err, r, "start a thread");
    r = receive_all(tunnel, err);
    shutdown(tunnel->fd, SHUT_RDWR);
    pthread_join(tunnel->thread, NULL);
    return r;
}

int control_session(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    struct session_list *list = &service->buildkit->sessions;
    const char *id = http2_header(call->stream, "x-docker-expose-session-uuid");
    const char *shared_key = http2_header(call->stream, "x-docker-expose-session-sharedkey");
    struct http2 *connection = NULL;
    int pair[2];
    if (!id || !*id || strlen(id) > SESSION_ID_MAX)
        return error_set(err, ERROR_INVALID, 0, "a session needs an id");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(err, errno, "socketpair");
    CLEANUP_CLOSE int own = pair[1];
    int r = http2_new(pair[0], NULL, NULL, &connection, err);
    if (r < 0)
        return r;
    struct tunnel tunnel = {.call = call, .fd = own};
    struct session *session = session_add(list, id, shared_key, http2_ref(connection));
    r = run(&tunnel, err);
    http2_close(connection);
    http2_wait(connection);
    session_remove(list, session);
    http2_unref(connection);
    return r;
}
