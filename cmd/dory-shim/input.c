#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "cmd/dory-shim/shim.h"

static void forget_pending(struct client *client)
{
    free(client->pending);
    client->pending = NULL;
    client->pending_size = client->pending_sent = 0;
}

void input_close(struct streams *streams)
{
    loop_remove(streams->input.source);
    streams->input.source = NULL;
    streams->input.fd = fd_close(streams->input.fd);
    for (struct client *client = streams->clients; client; client = client->next) {
        if (client->pending) {
            forget_pending(client);
            client_update(client);
        }
    }
}

/* Bytes that were taken (0: full). -errno: nobody reads there any more. */
static ssize_t write_input(struct streams *streams, const char *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(streams->input.fd, data + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/*
 * A client has said all it will say, and the process has it. What follows is docker's rule: with stdin_once and no
 * terminal the process's stdin ends too, otherwise the client's session does.
 */
static void input_done(struct client *client)
{
    if (!client->to_stdin)
        return;
    if (client->streams->stdin_once && !client->streams->tty)
        input_close(client->streams);
    else
        client_drop(client);
}

static void on_room(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct streams *streams = data;
    bool waiting = false;

    (void)source;
    (void)fd;
    (void)events;
    for (struct client *client = streams->clients; client && streams->input.fd >= 0; client = client->next) {
        ssize_t n;

        if (!client->pending)
            continue;
        n = write_input(streams, client->pending + client->pending_sent, client->pending_size - client->pending_sent);
        if (n < 0) {
            input_close(streams);
            break;
        }
        client->pending_sent += (size_t)n;
        if (client->pending_sent < client->pending_size) {
            waiting = true;
            continue;
        }
        forget_pending(client);
        if (client->input_ended)
            input_done(client);
        client_update(client);
    }
    if (!waiting && streams->input.source) {
        loop_remove(streams->input.source);
        streams->input.source = NULL;
    }
    ending_advance(streams->shim);
}

static void give(struct client *client, const char *data, size_t size)
{
    struct streams *streams = client->streams;
    ssize_t n = write_input(streams, data, size);

    if (n < 0) {
        input_close(streams);
        return;
    }
    if ((size_t)n == size)
        return;
    client->pending_size = size - (size_t)n;
    client->pending_sent = 0;
    client->pending = xmemdup(data + n, client->pending_size);
    if (!streams->input.source &&
        loop_add_io(streams->shim->loop, streams->input.fd, EPOLLOUT, on_room, streams, &streams->input.source) < 0)
        input_close(streams);
}

void input_from_client(struct client *client)
{
    struct streams *streams = client->streams;
    char *scratch = streams->shim->scratch;
    const char *data = scratch;
    size_t size;
    bool detach = false;
    ssize_t n = recv(client->fd, scratch, INPUT_CHUNK, MSG_DONTWAIT);

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            client_drop(client);
        return;
    }
    if (n == 0) {
        client->input_ended = true;
        input_done(client);
        return;
    }
    /* Nobody to give it to: read all the same, to see the end. */
    if (!client->to_stdin || streams->input.fd < 0)
        return;
    size = (size_t)n;
    /* As with docker only a terminal's input is searched: any other may be binary. */
    if (streams->tty) {
        detach = detach_matcher_feed(&client->matcher, data, size, scratch + INPUT_CHUNK, &size);
        data = scratch + INPUT_CHUNK;
    }
    if (size > 0)
        give(client, data, size);
    if (detach) {
        control_say(streams->shim, SHIM_DETACHED, NULL, 0, streams->exec_id);
        client_drop(client);
    }
}
