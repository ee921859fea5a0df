/* Clients of the resolver that come by TCP (RFC 7766): one question at a time, each with its length in front. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "daemon/network/resolver_internal.h"

enum { IDLE_MS = 10000, PREFIX = 2 };

struct connection {
    struct resolver_client *client;
    struct connection *next;
    int fd;
    struct loop_source *source, *timer;
    uint8_t *data; /* what came and is not answered yet */
    size_t size, capacity;
    bool waiting;  /* for an answer: nothing is read meanwhile */
    bool handling; /* handle() is at work, and goes on by itself */
};

static void drop(struct connection *c)
{
    struct resolver_client *client = c->client;
    forward_drop(client, c);
    for (struct connection **p = &client->connections; *p; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            break;
        }
    }
    client->connection_count--;
    loop_remove(c->source);
    loop_remove(c->timer);
    fd_close(c->fd);
    free(c->data);
    free(c);
}

static void on_idle(struct loop_source *source, void *data)
{
    struct connection *c = data;
    (void)source;
    c->timer = NULL;
    drop(c);
}

/* The whole messages that have come, up to one that has to wait. The connection may be gone afterwards. */
static void handle(struct connection *c)
{
    c->handling = true;
    while (!c->waiting && c->size >= PREFIX) {
        size_t length = (size_t)c->data[0] << 8 | c->data[1];
        if (c->size < PREFIX + length) {
            break;
        }
        struct asker asker = {.connection = c};
        c->waiting = true;
        if (!resolver_handle(c->client, &asker, c->data + PREFIX, length) || c->fd < 0) {
            drop(c); /* no query, or its answer could not be written */
            return;
        }
        memmove(c->data, c->data + PREFIX + length, c->size - PREFIX - length);
        c->size -= PREFIX + length;
    }
    c->handling = false;
    loop_source_set_events(c->source, c->waiting ? 0 : EPOLLIN);
}

static void on_readable(struct loop_source *source, int fd, uint32_t events, void *data)
{
    enum { STEP = 4096, MOST = PREFIX + DNS_MESSAGE_MAX };
    struct connection *c = data;
    (void)source;
    (void)events;
    if (c->waiting || c->size >= MOST) { /* a hang-up while an answer is on its way */
        drop(c);
        return;
    }
    if (c->capacity - c->size < STEP) {
        c->capacity += STEP;
        c->data = xrealloc(c->data, c->capacity);
    }
    ssize_t n = recv(fd, c->data + c->size, c->capacity - c->size, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        drop(c);
        return;
    }
    c->size += (size_t)n;
    handle(c);
}

static void add(struct resolver_client *client, int fd)
{
    struct connection *c = xcalloc(1, sizeof(*c));
    *c = (struct connection){.client = client, .next = client->connections, .fd = fd};
    if (loop_add_io(client->loop, fd, EPOLLIN, on_readable, c, &c->source) < 0 ||
        loop_add_timer(client->loop, IDLE_MS, on_idle, c, &c->timer) < 0) {
        loop_remove(c->source);
        fd_close(fd);
        free(c);
        return;
    }
    client->connections = c;
    client->connection_count++;
}

void connection_accept(struct resolver_client *client)
{
    /* No more than this in one turn: the others' questions come in between, however fast one container connects. */
    enum { TURN = 64 };
    for (int i = 0; i < TURN; i++) {
        int fd = accept4(client->sockets.tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        if (client->connection_count >= CONNECTIONS_MAX) {
            fd_close(fd);
        } else {
            add(client, fd);
        }
    }
}

/* A client that does not take its answer loses the connection: handle() notices by the descriptor. */
void connection_reply(struct connection *c, const uint8_t *data, size_t size)
{
    uint8_t prefix[PREFIX] = {(uint8_t)(size >> 8), (uint8_t)size};
    struct iovec parts[] = {{.iov_base = prefix, .iov_len = PREFIX}, {.iov_base = (void *)data, .iov_len = size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    bool sent = sendmsg(c->fd, &message, MSG_NOSIGNAL) == (ssize_t)(PREFIX + size);
    c->waiting = false;
    if (!sent && c->handling) {
        loop_remove(c->source);
        c->source = NULL;
        c->fd = fd_close(c->fd);
    } else if (!sent) {
        drop(c);
    } else if (!c->handling) {
        handle(c); /* the next question may have come already */
    }
}

void connection_drop_all(struct resolver_client *client)
{
    while (client->connections) {
        drop(client->connections);
    }
}
