/* One stream: its life, and how bytes and headers are read and written. */
#include "api/buildkit/http2_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/condition.h"
#include "base/memory.h"
#include "base/timestamp.h"

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

/* ---- life ---- */

struct http2_stream *http2_stream_new(struct http2 *c, int32_t id)
{
    struct http2_stream *s = xcalloc(1, sizeof(*s));
    s->connection = http2_ref(c);
    s->id = id;
    s->references = 1;
    s->notify_fd = s->cancel_fd = -1;
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

void http2_stream_detach(struct http2_stream *s, bool broken)
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
    http2_wake(c);
    http2_unref(c);
}

void http2_stream_unref_ptr(struct http2_stream **s)
{
    http2_stream_unref(*s);
}

/* ---- what goes out ---- */

static void make_headers(const struct strv *list, nghttp2_nv *ret)
{
    for (size_t i = 0; i + 1 < list->count; i += 2)
        ret[i / 2] = (nghttp2_nv){.name = (uint8_t *)list->items[i],
                                  .value = (uint8_t *)list->items[i + 1],
                                  .namelen = strlen(list->items[i]),
                                  .valuelen = strlen(list->items[i + 1])};
}

/* Bytes for DATA frames. */
ssize_t http2_stream_want_data(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t size, uint32_t *flags,
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

/* ---- requests and answers ---- */

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
    struct http2_stream *s = http2_stream_new(c, 0);
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = http2_stream_want_data};
    s->id = nghttp2_submit_request(c->session, NULL, list, headers->count / 2, &provider, s);
    bool fine = s->id >= 0;
    int code = s->id;
    if (fine)
        s->references++;
    else
        http2_stream_detach(s, true);
    pthread_mutex_unlock(&c->lock);
    http2_wake(c);
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
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = http2_stream_want_data};
    make_headers(headers, list);
    pthread_mutex_lock(&c->lock);
    int r = s->broken || s->out_ended || c->ended ? -EPIPE : 0;
    if (r == 0 && nghttp2_submit_response(c->session, s->id, list, headers->count / 2, &provider) != 0)
        r = -EPIPE;
    pthread_mutex_unlock(&c->lock);
    http2_wake(c);
    return r;
}

/* Under the lock: is it over for who reads and writes? */
static bool is_cancelled(struct http2_stream *s)
{
    struct pollfd fd = {.fd = s->cancel_fd, .events = POLLIN};
    if (!s->cancelled && fd.fd >= 0)
        s->cancelled = poll(&fd, 1, 0) > 0;
    return s->cancelled;
}

/* Under the lock. */
static void wait_for_change(struct http2_stream *s)
{
    if (s->cancel_fd < 0) {
        pthread_cond_wait(&s->changed, &s->connection->lock);
        return;
    }
    condition_wait_until(&s->changed, &s->connection->lock, timestamp_monotonic() + HTTP2_CANCEL_NS);
}

int http2_write(struct http2_stream *s, const void *data, size_t size)
{
    struct http2 *c = s->connection;
    const char *bytes = data;
    int r = 0;
    pthread_mutex_lock(&c->lock);
    while (size > 0 && r == 0) {
        while (!s->out_ended && queue_size(&s->out) >= HTTP2_WINDOW && !is_cancelled(s))
            wait_for_change(s);
        if (s->out_ended || c->ended || s->cancelled) {
            r = -EPIPE;
            break;
        }
        size_t room = HTTP2_WINDOW - queue_size(&s->out), n = size < room ? size : room;
        strbuf_add(&s->out.bytes, bytes, n);
        bytes += n;
        size -= n;
        nghttp2_session_resume_data(c->session, s->id);
        http2_wake(c);
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
    http2_wake(c);
    return r;
}

ssize_t http2_read(struct http2_stream *s, void *buffer, size_t size)
{
    struct http2 *c = s->connection;
    pthread_mutex_lock(&c->lock);
    while (!is_cancelled(s) && queue_size(&s->in) == 0 && !s->in_ended && !s->broken)
        wait_for_change(s);
    size_t n = s->cancelled ? 0 : queue_size(&s->in) < size ? queue_size(&s->in) : size;
    bool broken = s->broken || s->cancelled;
    queue_take(&s->in, buffer, n);
    if (n > 0 && !c->ended)
        nghttp2_session_consume(c->session, s->id, n);
    pthread_mutex_unlock(&c->lock);
    if (n > 0)
        http2_wake(c);
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

void http2_cancel_by(struct http2_stream *s, int cancel_fd)
{
    pthread_mutex_lock(&s->connection->lock);
    s->cancel_fd = cancel_fd;
    pthread_mutex_unlock(&s->connection->lock);
}

void http2_cancel(struct http2_stream *s)
{
    pthread_mutex_lock(&s->connection->lock);
    s->cancelled = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->connection->lock);
}

bool http2_is_broken(struct http2_stream *s)
{
    pthread_mutex_lock(&s->connection->lock);
    bool broken = s->broken;
    pthread_mutex_unlock(&s->connection->lock);
    return broken;
}
