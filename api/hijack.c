/*
 * Taking a connection away from libmicrohttpd. Its descriptor number gets an unconnected socket put over it, so that
 * whatever libmicrohttpd does with the number later (shutdown, close) reaches nobody; the real socket lives on under a
 * number that is ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/sockios.h>

#include "api/hijack.h"
#include "api/server_private.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/relay.h"

/* A client that does not read for so long (0.2 s) may lose what comes first. */
#define HEAD_READ_PAUSE_NS 20000
#define HEAD_READ_TRIES 2500

int hijack_take_socket(int socket_fd)
{
    CLEANUP_CLOSE int real = fd_dup(socket_fd);
    CLEANUP_CLOSE int dummy = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (real < 0)
        return real;
    if (dummy < 0 || dup3(dummy, socket_fd, O_CLOEXEC) < 0)
        return -errno;
    fd_set_nonblock(real, 0);
    return TAKE_FD(real);
}

struct relay {
    struct relay_way ways[RELAY_WAYS];
    bool told[RELAY_WAYS]; /* that way's end was passed on */
};

/* Passes ends on; true when both are. */
static bool settle(struct relay *relay)
{
    for (int i = 0; i < RELAY_WAYS; i++) {
        struct relay_way *way = &relay->ways[i];

        if (way->broken)
            way->ended = true; /* the sender shall not go on for nobody */
        if (!way->ended || !relay_is_empty(way) || relay->told[i])
            continue;
        shutdown(way->to, SHUT_WR);
        relay->told[i] = true;
    }
    return relay->told[0] && relay->told[1];
}

static void relay_free(struct relay *relay)
{
    for (int i = 0; i < RELAY_WAYS; i++) {
        fd_close(relay->ways[i].from);
        relay_release(&relay->ways[i]);
    }
    free(relay);
}

static void *relay_main(void *data)
{
    struct relay *relay = data;
    struct pollfd polls[RELAY_POLLS];

    while (!settle(relay)) {
        relay_prepare(relay->ways, polls);
        if (poll(polls, RELAY_POLLS, -1) >= 0)
            relay_move(relay->ways, polls);
        else if (errno != EINTR)
            break;
    }
    relay_free(relay);
    return NULL;
}

int hijack_push_back(int socket_fd, const void *data, size_t size)
{
    CLEANUP_CLOSE int real = socket_fd;
    struct relay *relay;
    int pair[2];
    int r = fd_socketpair(SOCK_STREAM, pair);

    if (r < 0)
        return r;
    relay = xcalloc(1, sizeof(*relay));
    relay->ways[0] = (struct relay_way){.from = real, .to = pair[0]};
    relay->ways[1] = (struct relay_way){.from = pair[0], .to = real};
    strbuf_add(&relay->ways[0].pending, data, size);
    TAKE_FD(real);
    r = api_thread_start(relay_main, relay);
    if (r < 0) {
        relay_free(relay);
        fd_close(pair[1]);
        return r;
    }
    return pair[1];
}

int hijack_with_head(struct api_request *request, const struct strbuf *head, struct error *err)
{
    int fd;

    if (request_send(request, head->data, head->size) < 0)
        return error_set(err, ERROR_CANCELLED, EPIPE, "the client is gone");
    pthread_mutex_lock(&request->lock);
    fd = hijack_take_socket(request->connection_socket);
    request->socket = fd_close(request->socket);
    request->phase = REQUEST_TAKEN;
    pthread_cond_broadcast(&request->changed);
    pthread_mutex_unlock(&request->lock);
    /* What came after the headers is the beginning of the stream, unless it was the request's own body. */
    if (fd >= 0 && request->body.size > 0 && !(request->route->flags & API_BODY_JSON))
        fd = hijack_push_back(fd, request->body.data, request->body.size);
    if (fd < 0)
        return error_errno(err, fd, "take over the connection");
    return fd;
}

/* The way of clients before API 1.22 and of curl: 200 and then the raw stream on the same connection. */
static int hijack_plain(struct api_request *request, const char *content_type, struct error *err)
{
    CLEANUP_STRBUF struct strbuf head = STRBUF_INIT;

    strbuf_addf(&head, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n", content_type);
    return hijack_with_head(request, &head, err);
}

/* The connection's thread sends the 101 and leaves the socket in request->hijacked. */
static int hijack_upgrade(struct api_request *request, const char *content_type, struct error *err)
{
    int fd;

    pthread_mutex_lock(&request->lock);
    request->hijack_type = content_type;
    request->phase = REQUEST_UPGRADE;
    pthread_cond_broadcast(&request->changed);
    while (request->phase == REQUEST_UPGRADE)
        pthread_cond_wait(&request->changed, &request->lock);
    fd = TAKE_FD(request->hijacked);
    pthread_mutex_unlock(&request->lock);
    if (fd < 0)
        return error_set(err, ERROR_CANCELLED, EPIPE, "the client is gone");
    return fd;
}

/*
 * Waits until the client has read the head of the answer. Clients made for docker read it through a buffer and the
 * stream from the socket below (docker-py does): what has arrived together with the head is lost to them, and here the
 * first output is quick enough for that. A Unix socket counts as unsent what its peer has not read; others are not
 * waited for.
 */
static void await_head_read(int fd)
{
    const struct timespec pause = {.tv_nsec = HEAD_READ_PAUSE_NS};
    int domain = 0, unread = 0;
    socklen_t size = sizeof(domain);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_UNIX)
        return;
    for (int i = 0; i < HEAD_READ_TRIES && ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0; i++)
        nanosleep(&pause, NULL);
}

int api_hijack(struct api_request *request, const char *content_type, int *ret_fd, struct error *err)
{
    int fd;

    if (request->replied || !request->threaded)
        return error_set(err, ERROR_SYSTEM, EALREADY, "the connection cannot be taken over");
    request->replied = true;
    if (request_wants_upgrade(request))
        fd = hijack_upgrade(request, content_type, err);
    else
        fd = hijack_plain(request, content_type, err);
    if (fd < 0)
        return fd;
    await_head_read(fd);
    *ret_fd = fd;
    return 0;
}
