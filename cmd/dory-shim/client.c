#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/stream_frame.h"
#include "cmd/dory-shim/shim.h"

static bool has_queue(const struct client *client)
{
    return client->queue_sent < client->queue_size;
}

static void forget_queue(struct client *client)
{
    free(client->queue);
    client->queue = NULL;
    client->queue_size = client->queue_sent = 0;
}

/*
 * Closes the connection so that its other end reads an end of file: input that nobody has read would turn that into a
 * reset.
 */
void client_drop(struct client *client)
{
    char rest[1024];

    if (client->fd < 0)
        return;
    for (int i = 0; i < 64 && recv(client->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0; i++)
        ;
    shutdown(client->fd, SHUT_RDWR);
    loop_remove(client->source);
    client->source = NULL;
    client->fd = fd_close(client->fd);
    forget_queue(client);
}

void client_sweep(struct streams *streams)
{
    struct client **link = &streams->clients;

    while (*link) {
        struct client *client = *link;

        if (client->fd >= 0) {
            link = &client->next;
            continue;
        }
        *link = client->next;
        free(client->pending);
        free(client);
    }
}

static void flush_queue(struct client *client)
{
    while (has_queue(client)) {
        ssize_t n = send(client->fd, client->queue + client->queue_sent, client->queue_size - client->queue_sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            client_drop(client);
            return;
        }
        client->queue_sent += (size_t)n;
    }
    forget_queue(client);
}

/* The other end has closed both directions. What it said before may still wait to be read. */
static void hang_up(struct client *client)
{
    forget_queue(client);
    client->from_stream[LOG_STDOUT] = client->from_stream[LOG_STDERR] = false;
    if (client->input_ended) {
        client_drop(client);
    } else if (client->pending) {
        /* Not watched until there is room again: the loop would report the hang-up without end. */
        loop_remove(client->source);
        client->source = NULL;
    }
}

static void on_client(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct client *client = data;
    struct streams *streams = client->streams;

    (void)source;
    (void)fd;
    if (events & EPOLLOUT)
        flush_queue(client);
    if (client->fd >= 0 && !client->input_ended && !client->pending && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        input_from_client(client);
    if (client->fd >= 0 && events & (EPOLLHUP | EPOLLERR))
        hang_up(client);
    else
        client_update(client);
    output_update(streams);
    ending_advance(streams->shim);
}

void client_update(struct client *client)
{
    uint32_t events = 0;
    int r;

    if (client->fd < 0 || !client->streams->running)
        return;
    if (!client->input_ended && !client->pending)
        events |= EPOLLIN;
    if (has_queue(client))
        events |= EPOLLOUT;
    if (client->source)
        r = loop_source_set_events(client->source, events);
    else
        r = loop_add_io(client->streams->shim->loop, client->fd, events, on_client, client, &client->source);
    if (r < 0)
        client_drop(client);
}

int client_add(struct streams *streams, const struct shim_attach_request *request, const struct detach_keys *keys,
               int fd, struct error *err)
{
    CLEANUP_CLOSE int owned = fd;
    struct client *client;
    int type = 0;
    socklen_t size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
        return error_set(err, ERROR_INVALID, ENOTSOCK, "a client is a stream socket");
    client = xcalloc(1, sizeof(*client));
    client->streams = streams;
    client->fd = TAKE_FD(owned);
    client->to_stdin = request->flags & SHIM_ATTACH_STDIN;
    client->from_stream[LOG_STDOUT] = request->flags & SHIM_ATTACH_STDOUT;
    client->from_stream[LOG_STDERR] = request->flags & SHIM_ATTACH_STDERR;
    client->matcher.keys = *keys;
    client->next = streams->clients;
    streams->clients = client;
    client_update(client);
    return 0;
}

void client_start_all(struct streams *streams)
{
    for (struct client *client = streams->clients; client; client = client->next)
        client_update(client);
}

static void send_frame(struct client *client, enum log_stream stream, const char *data, size_t size)
{
    unsigned char header[STREAM_FRAME_HEADER];
    size_t header_size = client->streams->raw ? 0 : STREAM_FRAME_HEADER;
    struct iovec parts[2] = {{header, header_size}, {(void *)data, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    size_t sent = 0, header_rest;
    ssize_t n;

    stream_frame_header(header, stream == LOG_STDERR, size);
    do {
        n = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        client_drop(client);
        return;
    }
    if (n > 0)
        sent = (size_t)n;
    if (sent == header_size + size)
        return;
    header_rest = sent < header_size ? header_size - sent : 0;
    client->queue_size = header_size + size - sent;
    client->queue_sent = 0;
    client->queue = xmalloc(client->queue_size);
    memcpy(client->queue, header + header_size - header_rest, header_rest);
    memcpy(client->queue + header_rest, data + size - (client->queue_size - header_rest),
           client->queue_size - header_rest);
    client_update(client);
}

void client_broadcast(struct streams *streams, enum log_stream stream, const char *data, size_t size)
{
    for (struct client *client = streams->clients; client; client = client->next) {
        if (client->fd >= 0 && client->from_stream[stream])
            send_frame(client, stream, data, size);
    }
}

bool client_is_slow(const struct streams *streams, enum log_stream stream)
{
    for (const struct client *client = streams->clients; client; client = client->next) {
        if (client->fd >= 0 && client->from_stream[stream] && has_queue(client))
            return true;
    }
    return false;
}

bool client_all_sent(const struct streams *streams)
{
    for (const struct client *client = streams->clients; client; client = client->next) {
        if (client->fd >= 0 && has_queue(client))
            return false;
    }
    return true;
}

bool client_finish_all(struct streams *streams)
{
    bool left = false;

    for (struct client *client = streams->clients; client; client = client->next) {
        if (!has_queue(client))
            client_drop(client);
        left |= client->fd >= 0;
    }
    return !left;
}
