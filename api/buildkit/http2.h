/*
 * HTTP/2 (RFC 9113) over a socket that was taken from an HTTP/1.1 connection, without TLS ("h2c", prior knowledge), in
 * either role: BuildKit's clients are served on one connection, and serve the daemon on another. nghttp2 does the
 * protocol; a thread of the connection's own moves the bytes, and those who read and write streams block.
 *
 * Bounds: HTTP2_STREAMS_MAX streams of the peer's at once, HTTP2_WINDOW bytes of each that nobody has read, as many
 * that wait to be sent, HTTP2_HEADERS_MAX bytes of headers. A peer that breaks the protocol loses the connection.
 */
#ifndef DORY_API_BUILDKIT_HTTP2_H
#define DORY_API_BUILDKIT_HTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strmap.h"
#include "base/strv.h"

#define HTTP2_STREAMS_MAX 256
#define HTTP2_WINDOW (1 << 20)
#define HTTP2_HEADERS_MAX ((size_t)1 << 20)

struct http2;
struct http2_stream;

/* Runs in a thread of its own for each request of the peer's; the stream ends with it (reset if nothing was
 * answered). */
typedef void (*http2_handler)(struct http2_stream *stream, void *data);

/* A server's connection (handler set) or a client's (NULL). Takes fd over, in every case. Released with
 * http2_close() and http2_unref(). */
int http2_new(int fd, http2_handler handler, void *data, struct http2 **ret, struct error *err);
struct http2 *http2_ref(struct http2 *connection);
void http2_unref(struct http2 *connection);
void http2_unref_ptr(struct http2 **connection);
#define CLEANUP_HTTP2 CLEANUP(http2_unref_ptr)
/* Breaks it: all streams end. Does not wait. */
void http2_close(struct http2 *connection);
/* Blocks until it has ended, from either side, and all handlers have returned. */
void http2_wait(struct http2 *connection);
/* Readable (and hung up) from its end on. Lives as long as the connection. */
int http2_end_fd(const struct http2 *connection);

/* A request of our own: name and value in turns, pseudo headers first. *ret is released with http2_stream_unref(). */
int http2_request(struct http2 *connection, const struct strv *headers, struct http2_stream **ret, struct error *err);
/* Resets the stream unless it has ended. */
void http2_stream_unref(struct http2_stream *stream);
void http2_stream_unref_ptr(struct http2_stream **stream);

/* Of a server's stream: what the peer sent, lower case; a name that came more than once has its values in order. */
const char *http2_header(const struct http2_stream *stream, const char *name); /* the first, or NULL */
void http2_header_all(const struct http2_stream *stream, const char *name, struct strv *ret);
/* Of a client's: the answer's headers or trailers, whichever has it; complete when http2_read() has answered 0. */
char *http2_answer(struct http2_stream *stream, const char *name); /* the caller's; NULL: none */

/* The answer's head; then http2_write(); then the end with trailers (client: without). 0 or -EPIPE. */
int http2_respond(struct http2_stream *stream, const struct strv *headers);
/* Blocks while the peer is slow. 0 or -EPIPE: the stream has ended. */
int http2_write(struct http2_stream *stream, const void *data, size_t size);
int http2_finish(struct http2_stream *stream, const struct strv *trailers);
/* Up to size bytes of what the peer sent; blocks. 0: the end; -EPIPE: it was reset or the connection broke. */
ssize_t http2_read(struct http2_stream *stream, void *buffer, size_t size);
/* fd, an eventfd of the caller's, is written to when the peer resets the stream or the connection goes, or at once when
 * that has happened; -1: no more. One at a time. */
void http2_notify(struct http2_stream *stream, int fd);
/* Reads and writes fail from when cancel_fd, which must stay open as long as the stream is used, is readable: at the
 * next one, and within HTTP2_CANCEL_NS where one waits. -1: never. */
#define HTTP2_CANCEL_NS INT64_C(200000000)
void http2_cancel_by(struct http2_stream *stream, int cancel_fd);
/* From now on; whoever waits returns. From any thread. */
void http2_cancel(struct http2_stream *stream);
/* The peer has reset it, or the connection has gone. */
bool http2_is_broken(struct http2_stream *stream);

#endif
