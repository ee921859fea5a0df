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

void input_close(struct shim *shim)
{
    loop_remove(shim->input.source);
    shim->input.source = NULL;
    shim->input.fd = fd_close(shim->input.fd);
    for (struct client *client = shim->clients; client; client = client->next) {
        if (client->pending) {
            forget_pending(client);
            client_update(client);
        }
    }
}

/* Bytes that were taken (0: full). -errno: nobody reads there any more. */
static ssize_t write_input(struct shim *shim, const char *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(shim->input.fd, data + done, size - done);

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
 * A client has said all it will say, and the container has it. What follows is docker's rule: with stdin_once and no
 * terminal the container's stdin ends too, otherwise the client's session does.
 */
static void input_done(struct client *client)
{
    if (!client->to_stdin)
        return;
    if (client->shim->stdin_once && !client->shim->tty)
        input_close(client->shim);
    else
        client_drop(client);
}

static void on_room(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct shim *shim = data;
    bool waiting = false;

    (void)source;
    (void)fd;
    (void)events;
    for (struct client *client = shim->clients; client && shim->input.fd >= 0; client = client->next) {
        ssize_t n;

        if (!client->pending)
            continue;
        n = write_input(shim, client->pending + client->pending_sent, client->pending_size - client->pending_sent);
        if (n < 0) {
            input_close(shim);
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
    if (!waiting && shim->input.source) {
        loop_remove(shim->input.source);
        shim->input.source = NULL;
    }
    ending_advance(shim);
}

static void give(struct client *client, const char *data, size_t size)
{
    struct shim *shim = client->shim;
    ssize_t n = write_input(shim, data, size);

    if (n < 0) {
        input_close(shim);
        return;
    }
    if ((size_t)n == size)
        return;
    client->pending_size = size - (size_t)n;
    client->pending_sent = 0;
    client->pending = xmemdup(data + n, client->pending_size);
    if (!shim->input.source &&
        loop_add_io(shim->loop, shim->input.fd, EPOLLOUT, on_room, shim, &shim->input.source) < 0)
        input_close(shim);
}

void input_from_client(struct client *client)
{
    struct shim *shim = client->shim;
    const char *data = shim->scratch;
    size_t size;
    bool detach = false;
    ssize_t n = recv(client->fd, shim->scratch, INPUT_CHUNK, MSG_DONTWAIT);

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
    if (!client->to_stdin || shim->input.fd < 0)
        return;
    size = (size_t)n;
    /* As with docker only a terminal's input is searched: any other may be binary. */
    if (shim->tty) {
        detach = detach_matcher_feed(&client->matcher, data, size, shim->scratch + INPUT_CHUNK, &size);
        data = shim->scratch + INPUT_CHUNK;
    }
    if (size > 0)
        give(client, data, size);
    if (detach) {
        control_say(shim, SHIM_DETACHED, NULL, 0, NULL);
        client_drop(client);
    }
}
