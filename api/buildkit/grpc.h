/*
 * gRPC over HTTP/2 (github.com/grpc/grpc, PROTOCOL-HTTP2.md): calls with any number of messages in both directions, as
 * a server and as a client. Messages are bytes here; they are not compressed, which is never asked for.
 */
#ifndef DORY_API_BUILDKIT_GRPC_H
#define DORY_API_BUILDKIT_GRPC_H

#include "api/buildkit/http2.h"
#include "base/strbuf.h"

/* As BuildKit's own limit. */
#define GRPC_MESSAGE_MAX ((size_t)16 << 20)

/* Status codes, as far as they are used. */
enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
};

/* What a status other than GRPC_OK is among our errors. */
enum error_kind grpc_error_kind(int code);

struct grpc_call {
    struct http2_stream *stream;
    bool server;
    bool responded; /* the head of the answer has been sent */
};

/* ---- a server ---- */

/* Answers the whole call. What it returns is the status: 0, or -errno with err, whose kind makes the code. */
typedef int (*grpc_handler)(struct grpc_call *call, void *data, struct error *err);
struct grpc_method {
    const char *path; /* "/package.Service/Method" */
    grpc_handler handler;
};
/* An http2_handler's business: methods ends with a row without path. */
void grpc_serve(struct http2_stream *stream, const struct grpc_method *methods, void *data);

/* The head of the answer with headers of the method's own (names and values in turns). Without this it goes out with
 * the first message, and has none. */
int grpc_respond(struct grpc_call *call, const struct strv *headers, struct error *err);

/* ---- a client ---- */

/* Begins a call; headers: names and values in turns, or NULL. It fails from when cancel_fd is readable, which must stay
 * open as long as the call; -1: none. Released with grpc_call_release(), which cancels what is not finished. */
int grpc_call(struct http2 *connection, const char *path, const struct strv *headers, int cancel_fd,
              struct grpc_call *ret, struct error *err);
void grpc_call_release(struct grpc_call *call);
#define CLEANUP_GRPC_CALL CLEANUP(grpc_call_release)
#define GRPC_CALL_INIT                                                                                                 \
    {                                                                                                                  \
        .stream = NULL                                                                                                 \
    }
/* It fails from now on, whoever waits in it. From any thread. */
void grpc_cancel(struct grpc_call *call);
/* No more messages of ours. */
int grpc_send_end(struct grpc_call *call);
/* After grpc_receive() has answered 0: 0, or the status as an error whose kind its code makes. */
int grpc_status(struct grpc_call *call, struct error *err);
/* One message there, one back: the answer replaces what is in `ret`. */
int grpc_unary(struct http2 *connection, const char *path, int cancel_fd, const void *message, size_t size,
               struct strbuf *ret, struct error *err);

/* ---- both ---- */

/* Blocks. 0, or -errno with ERROR_CANCELLED: the peer has gone. */
int grpc_send(struct grpc_call *call, const void *message, size_t size, struct error *err);
/* The next message replaces what is in `ret`. 1; 0: there are no more; -errno. */
int grpc_receive(struct grpc_call *call, struct strbuf *ret, struct error *err);

#endif
