/* What the files of http2*.c share: connection and stream from inside. Private to them. */
#ifndef DORY_API_BUILDKIT_HTTP2_INTERNAL_H
#define DORY_API_BUILDKIT_HTTP2_INTERNAL_H

#include "api/buildkit/http2.h"

#include <pthread.h>

#include <nghttp2/nghttp2.h>

#include "base/strbuf.h"

struct http2 {
    int references; /* atomic */
    int fd, wake_fd, end_fd;
    http2_handler handler;
    void *handler_data;
    pthread_mutex_t lock; /* everything below, nghttp2's session, and all streams */
    pthread_cond_t ended_changed;
    nghttp2_session *session;
    bool closing, ended;
    unsigned handlers;         /* that run */
    unsigned streams;          /* of the peer's that are open */
    struct http2_stream *open; /* those that nghttp2 knows */
};

/* Bytes on their way. */
struct queue {
    struct strbuf bytes;
    size_t used; /* of them that have gone */
};

struct http2_stream {
    struct http2 *connection;
    struct http2_stream *next, *previous; /* of connection->open */
    int references;                       /* under the lock: nghttp2's and the user's */
    int32_t id;
    pthread_cond_t changed;
    struct strv names, values; /* headers and trailers that came */
    size_t header_bytes;
    struct queue in, out;
    bool in_ended, broken;
    bool out_ended;
    bool out_sent;  /* up to its end */
    bool abandoned; /* nobody reads what comes */
    struct strv trailers;
    bool has_trailers;
    int notify_fd; /* -1: nobody's */
    int cancel_fd; /* -1: none */
    bool cancelled;
};

/* Has the connection's thread look for what there is to send. */
void http2_wake(struct http2 *c);

/* ---- http2_stream.c; under the lock ---- */

/* nghttp2 has the reference. */
struct http2_stream *http2_stream_new(struct http2 *c, int32_t id);
/* nghttp2 forgets it. The caller's reference to the connection sees to it that the lock stays. */
void http2_stream_detach(struct http2_stream *s, bool broken);
/* Bytes for DATA frames: an nghttp2_data_source_read_callback of the stream that is the source. */
ssize_t http2_stream_want_data(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t size, uint32_t *flags,
                               nghttp2_data_source *source, void *data);

/* ---- http2_frames.c ---- */

/* nghttp2's session of the connection, with its callbacks, settings and windows. 0, or nghttp2's code. */
int http2_make_session(struct http2 *c);

#endif
