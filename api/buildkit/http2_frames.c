/* What comes in and goes out, as nghttp2 tells it. */
#include "api/buildkit/http2_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "api/server_private.h"
#include "base/memory.h"

#define HEADER_COUNT_MAX 1024

/* ---- handlers ---- */

static void *handler_main(void *data)
{
    struct http2_stream *s = data;
    struct http2 *c = http2_ref(s->connection);
    c->handler(s, c->handler_data);
    http2_stream_unref(s);
    pthread_mutex_lock(&c->lock);
    c->handlers--;
    pthread_cond_broadcast(&c->ended_changed);
    pthread_mutex_unlock(&c->lock);
    http2_unref(c);
    return NULL;
}

/* Under the lock. */
static void start_handler(struct http2_stream *s)
{
    struct http2 *c = s->connection;
    s->references++;
    c->handlers++;
    if (api_thread_start(handler_main, s) == 0)
        return;
    s->references--;
    c->handlers--;
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_REFUSED_STREAM);
}

/* ---- nghttp2's callbacks, in the connection's thread or where something is submitted; the lock is held ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct http2 *c = data;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    /* Streams that were reset or answered are gone; those who serve them may not be. */
    if (!c->handler || c->streams >= HTTP2_STREAMS_MAX || c->handlers >= HTTP2_STREAMS_MAX)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    c->streams++;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, http2_stream_new(c, frame->hd.stream_id));
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *data)
{
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    const struct http2 *c = data;
    (void)flags;
    /* The handler reads a request's without the lock, so nothing (trailers) is added to them any more. */
    if (!s || frame->hd.type != NGHTTP2_HEADERS || (c->handler && frame->headers.cat != NGHTTP2_HCAT_REQUEST))
        return 0;
    s->header_bytes += name_size + value_size;
    if (s->header_bytes > HTTP2_HEADERS_MAX || s->names.count >= HEADER_COUNT_MAX)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    strv_add_take(&s->names, xstrndup((const char *)name, name_size));
    strv_add_take(&s->values, xstrndup((const char *)value, value_size));
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)data;
    if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    bool request = frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        s->in_ended = true;
    if (request)
        start_handler(s);
    pthread_cond_broadcast(&s->changed);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t size, void *data)
{
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    (void)flags;
    (void)data;
    if (!s || s->abandoned) {
        nghttp2_session_consume(session, id, size);
        return 0;
    }
    strbuf_add(&s->in.bytes, bytes, size); /* the window bounds it */
    pthread_cond_broadcast(&s->changed);
    return 0;
}

/* Our end of a stream has gone out. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)data;
    if (!s || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
        (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    s->out_sent = true;
    if (s->abandoned && !s->in_ended)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *data)
{
    struct http2 *c = data;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (!s)
        return 0;
    if (c->handler)
        c->streams--;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    http2_stream_detach(s, code != NGHTTP2_NO_ERROR);
    return 0;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t size, int flags, void *data)
{
    struct http2 *c = data;
    (void)session;
    (void)flags;
    ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

int http2_make_session(struct http2 *c)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_HEADERS_MAX},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, /* the last: a client's */
    };
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0)
        abort(); /* out of memory */
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_option_set_no_auto_window_update(option, 1);
    int r = c->handler ? nghttp2_session_server_new2(&c->session, callbacks, c, option)
                       : nghttp2_session_client_new2(&c->session, callbacks, c, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (r == 0)
        r = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
                                    ARRAY_SIZE(settings) - (c->handler ? 1 : 0));
    if (r == 0) /* all streams share it */
        r = nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, 8 * HTTP2_WINDOW);
    return r;
}
