#include "api/buildkit/http2.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#include "api/server_private.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/strbuf.h"

#define READ_SIZE 65536
#define HEADER_COUNT_MAX 1024

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
};

/* ---- queues ---- */

static size_t queue_size(const struct queue *q)
{
    return q->bytes.size - q->used;
}

static void queue_take(struct queue *q, void *buffer, size_t size)
{
    if (size > 0)
        memcpy(buffer, q->bytes.data + q->used, size);
    q->used += size;
    if (q->used == q->bytes.size) {
        strbuf_clear(&q->bytes);
        q->used = 0;
    } else if (q->used >= HTTP2_WINDOW) {
        q->bytes.size -= q->used;
        memmove(q->bytes.data, q->bytes.data + q->used, q->bytes.size);
        q->used = 0;
    }
}

/* ---- life of connections and streams ---- */

static void wake(struct http2 *c)
{
    eventfd_write(c->wake_fd, 1);
}

struct http2 *http2_ref(struct http2 *c)
{
    __atomic_add_fetch(&c->references, 1, __ATOMIC_RELAXED);
    return c;
}

void http2_unref(struct http2 *c)
{
    if (!c || __atomic_sub_fetch(&c->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    nghttp2_session_del(c->session);
    fd_close(c->fd);
    fd_close(c->wake_fd);
    fd_close(c->end_fd);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->ended_changed);
    free(c);
}

void http2_unref_ptr(struct http2 **c)
{
    http2_unref(*c);
}

/* Under the lock. nghttp2 has the reference. */
static struct http2_stream *stream_new(struct http2 *c, int32_t id)
{
    struct http2_stream *s = xcalloc(1, sizeof(*s));
    s->connection = http2_ref(c);
    s->id = id;
    s->references = 1;
    s->notify_fd = -1;
    pthread_cond_init(&s->changed, NULL);
    s->next = c->open;
    if (c->open)
        c->open->previous = s;
    c->open = s;
    return s;
}

static void stream_free(struct http2_stream *s)
{
    strv_release(&s->names);
    strv_release(&s->values);
    strv_release(&s->trailers);
    strbuf_release(&s->in.bytes);
    strbuf_release(&s->out.bytes);
    pthread_cond_destroy(&s->changed);
    struct http2 *c = s->connection;
    free(s);
    http2_unref(c);
}

/* Under the lock, of which the caller's reference to the connection sees to it that it stays: nghttp2 forgets it. */
static void stream_detach(struct http2_stream *s, bool broken)
{
    struct http2 *c = s->connection;
    if (s->next)
        s->next->previous = s->previous;
    *(s->previous ? &s->previous->next : &c->open) = s->next;
    /* An answer that is complete stays so: servers reset a stream of which they have not read all. */
    s->broken = s->broken || !s->in_ended || (c->handler && (broken || !s->out_sent));
    s->in_ended = true;
    s->out_ended = true;
    if (s->broken && s->notify_fd >= 0)
        eventfd_write(s->notify_fd, 1);
    pthread_cond_broadcast(&s->changed);
    if (--s->references == 0)
        stream_free(s);
}

void http2_stream_unref(struct http2_stream *s)
{
    if (!s)
        return;
    struct http2 *c = http2_ref(s->connection);
    pthread_mutex_lock(&c->lock);
    bool attached = s->references > 1;
    if (attached && !s->out_ended)
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
    else if (attached && s->out_sent && !s->in_ended)
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    s->abandoned = true; /* otherwise when its end has been sent */
    if (!c->ended)
        nghttp2_session_consume_connection(c->session, queue_size(&s->in));
    strbuf_clear(&s->in.bytes);
    s->in.used = 0;
    if (--s->references == 0)
        stream_free(s);
    pthread_mutex_unlock(&c->lock);
    wake(c);
    http2_unref(c);
}

void http2_stream_unref_ptr(struct http2_stream **s)
{
    http2_stream_unref(*s);
}

void http2_close(struct http2 *c)
{
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_mutex_unlock(&c->lock);
    shutdown(c->fd, SHUT_RDWR);
    wake(c);
}

void http2_wait(struct http2 *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->ended || c->handlers > 0)
        pthread_cond_wait(&c->ended_changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

int http2_end_fd(const struct http2 *c)
{
    return c->end_fd;
}

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
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream_new(c, frame->hd.stream_id));
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
    stream_detach(s, code != NGHTTP2_NO_ERROR);
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

static void make_headers(const struct strv *list, nghttp2_nv *ret)
{
    for (size_t i = 0; i + 1 < list->count; i += 2)
        ret[i / 2] = (nghttp2_nv){.name = (uint8_t *)list->items[i],
                                  .value = (uint8_t *)list->items[i + 1],
                                  .namelen = strlen(list->items[i]),
                                  .valuelen = strlen(list->items[i + 1])};
}

/* Bytes for DATA frames. */
static ssize_t on_want_data(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t size, uint32_t *flags,
                            nghttp2_data_source *source, void *data)
{
    struct http2_stream *s = source->ptr;
    (void)data;
    size_t n = queue_size(&s->out);
    if (n == 0 && !s->out_ended)
        return NGHTTP2_ERR_DEFERRED;
    n = n < size ? n : size;
    queue_take(&s->out, buffer, n);
    if (queue_size(&s->out) == 0 && s->out_ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->has_trailers) {
            CLEANUP_FREE nghttp2_nv *headers = xcalloc(s->trailers.count / 2 + 1, sizeof(*headers));
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            make_headers(&s->trailers, headers);
            nghttp2_submit_trailer(session, id, headers, s->trailers.count / 2);
        }
    }
    pthread_cond_broadcast(&s->changed);
    return (ssize_t)n;
}

/* ---- the connection's thread ---- */

static bool receive(struct http2 *c, uint8_t *buffer)
{
    ssize_t n = recv(c->fd, buffer, READ_SIZE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    pthread_mutex_lock(&c->lock);
    bool fine = nghttp2_session_mem_recv(c->session, buffer, (size_t)n) >= 0;
    pthread_mutex_unlock(&c->lock);
    return fine;
}

/* Sends what there is; true with the events to wait for. */
static bool transmit(struct http2 *c, short *events)
{
    pthread_mutex_lock(&c->lock);
    bool fine = !c->closing && nghttp2_session_send(c->session) == 0;
    bool alive = nghttp2_session_want_read(c->session) || nghttp2_session_want_write(c->session);
    *events = POLLIN | (nghttp2_session_want_write(c->session) ? POLLOUT : 0);
    pthread_mutex_unlock(&c->lock);
    return fine && alive;
}

/* Every stream ends with the connection. */
static void end_all(struct http2 *c)
{
    pthread_mutex_lock(&c->lock);
    c->ended = true;
    while (c->open)
        stream_detach(c->open, true);
    pthread_mutex_unlock(&c->lock);
}

static void *connection_main(void *data)
{
    struct http2 *c = data;
    CLEANUP_FREE uint8_t *buffer = xmalloc(READ_SIZE);
    short events;
    eventfd_t count;
    while (transmit(c, &events)) {
        struct pollfd fds[] = {{.fd = c->fd, .events = events}, {.fd = c->wake_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents & POLLIN)
            eventfd_read(c->wake_fd, &count);
        if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) && !receive(c, buffer))
            break;
    }
    end_all(c);
    shutdown(c->fd, SHUT_RDWR);
    eventfd_write(c->end_fd, 1);
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->ended_changed);
    pthread_mutex_unlock(&c->lock);
    http2_unref(c);
    return NULL;
}

static int make_session(struct http2 *c)
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

int http2_new(int fd, http2_handler handler, void *data, struct http2 **ret, struct error *err)
{
    CLEANUP_HTTP2 struct http2 *c = xcalloc(1, sizeof(*c));
    c->references = 1;
    c->fd = fd;
    c->handler = handler;
    c->handler_data = data;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->ended_changed, NULL);
    if (c->wake_fd < 0 || c->end_fd < 0)
        return error_errno(err, errno, "eventfd");
    int r = make_session(c);
    if (r != 0)
        return error_set(err, ERROR_SYSTEM, EIO, "HTTP/2: %s", nghttp2_strerror(r));
    r = api_thread_start(connection_main, http2_ref(c));
    if (r < 0) {
        http2_unref(c);
        return error_errno(err, r, "start a thread");
    }
    *ret = TAKE_PTR(c);
    return 0;
}

/* ---- streams ---- */

static int ended(struct error *err)
{
    return error_set(err, ERROR_CANCELLED, EPIPE, "the client has gone");
}

int http2_request(struct http2 *c, const struct strv *headers, struct http2_stream **ret, struct error *err)
{
    CLEANUP_FREE nghttp2_nv *list = xcalloc(headers->count / 2 + 1, sizeof(*list));
    make_headers(headers, list);
    pthread_mutex_lock(&c->lock);
    if (c->ended || c->closing) {
        pthread_mutex_unlock(&c->lock);
        return ended(err);
    }
    struct http2_stream *s = stream_new(c, 0);
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = on_want_data};
    s->id = nghttp2_submit_request(c->session, NULL, list, headers->count / 2, &provider, s);
    bool fine = s->id >= 0;
    int code = s->id;
    if (fine)
        s->references++;
    else
        stream_detach(s, true);
    pthread_mutex_unlock(&c->lock);
    wake(c);
    if (!fine)
        return error_set(err, ERROR_SYSTEM, EIO, "HTTP/2: %s", nghttp2_strerror(code));
    *ret = s;
    return 0;
}

/* The place of the value, or the count. */
static size_t find(const struct http2_stream *s, const char *name, size_t from)
{
    size_t i = from;
    while (i < s->names.count && strcmp(s->names.items[i], name) != 0)
        i++;
    return i;
}

const char *http2_header(const struct http2_stream *s, const char *name)
{
    size_t i = find(s, name, 0);
    return i < s->names.count ? s->values.items[i] : NULL;
}

void http2_header_all(const struct http2_stream *s, const char *name, struct strv *ret)
{
    for (size_t i = find(s, name, 0); i < s->names.count; i = find(s, name, i + 1))
        strv_add(ret, s->values.items[i]);
}

char *http2_answer(struct http2_stream *s, const char *name)
{
    pthread_mutex_lock(&s->connection->lock);
    const char *value = http2_header(s, name);
    char *copy = value ? xstrdup(value) : NULL;
    pthread_mutex_unlock(&s->connection->lock);
    return copy;
}

int http2_respond(struct http2_stream *s, const struct strv *headers)
{
    struct http2 *c = s->connection;
    CLEANUP_FREE nghttp2_nv *list = xcalloc(headers->count / 2 + 1, sizeof(*list));
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = on_want_data};
    make_headers(headers, list);
    pthread_mutex_lock(&c->lock);
    int r = s->broken || s->out_ended || c->ended ? -EPIPE : 0;
    if (r == 0 && nghttp2_submit_response(c->session, s->id, list, headers->count / 2, &provider) != 0)
        r = -EPIPE;
    pthread_mutex_unlock(&c->lock);
    wake(c);
    return r;
}

int http2_write(struct http2_stream *s, const void *data, size_t size)
{
    struct http2 *c = s->connection;
    const char *bytes = data;
    int r = 0;
    pthread_mutex_lock(&c->lock);
    while (size > 0 && r == 0) {
        while (!s->out_ended && queue_size(&s->out) >= HTTP2_WINDOW)
            pthread_cond_wait(&s->changed, &c->lock);
        if (s->out_ended || c->ended) {
            r = -EPIPE;
            break;
        }
        size_t room = HTTP2_WINDOW - queue_size(&s->out), n = size < room ? size : room;
        strbuf_add(&s->out.bytes, bytes, n);
        bytes += n;
        size -= n;
        nghttp2_session_resume_data(c->session, s->id);
        wake(c);
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

int http2_finish(struct http2_stream *s, const struct strv *trailers)
{
    struct http2 *c = s->connection;
    pthread_mutex_lock(&c->lock);
    int r = s->out_ended || c->ended ? -EPIPE : 0;
    if (r == 0) {
        if (trailers)
            strv_copy(&s->trailers, trailers);
        s->has_trailers = trailers != NULL;
        s->out_ended = true;
        nghttp2_session_resume_data(c->session, s->id);
    }
    pthread_mutex_unlock(&c->lock);
    wake(c);
    return r;
}

ssize_t http2_read(struct http2_stream *s, void *buffer, size_t size)
{
    struct http2 *c = s->connection;
    pthread_mutex_lock(&c->lock);
    while (queue_size(&s->in) == 0 && !s->in_ended && !s->broken)
        pthread_cond_wait(&s->changed, &c->lock);
    size_t n = queue_size(&s->in) < size ? queue_size(&s->in) : size;
    bool broken = s->broken;
    queue_take(&s->in, buffer, n);
    if (n > 0 && !c->ended)
        nghttp2_session_consume(c->session, s->id, n);
    pthread_mutex_unlock(&c->lock);
    if (n > 0)
        wake(c);
    return n > 0 ? (ssize_t)n : broken ? -EPIPE : 0;
}

void http2_notify(struct http2_stream *s, int fd)
{
    pthread_mutex_lock(&s->connection->lock);
    s->notify_fd = fd;
    if (s->broken && fd >= 0)
        eventfd_write(fd, 1);
    pthread_mutex_unlock(&s->connection->lock);
}

bool http2_is_broken(struct http2_stream *s)
{
    pthread_mutex_lock(&s->connection->lock);
    bool broken = s->broken;
    pthread_mutex_unlock(&s->connection->lock);
    return broken;
}
