#include "api/buildkit/http2_internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/server_private.h"
#include "base/fd.h"
#include "base/memory.h"

#define READ_SIZE 65536

/* ---- life ---- */

void http2_wake(struct http2 *c)
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

void http2_close(struct http2 *c)
{
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_mutex_unlock(&c->lock);
    shutdown(c->fd, SHUT_RDWR);
    http2_wake(c);
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
        http2_stream_detach(c->open, true);
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
    int r = http2_make_session(c);
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
