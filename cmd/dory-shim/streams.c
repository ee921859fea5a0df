#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "cmd/dory-shim/shim.h"

void streams_init(struct streams *streams, struct shim *shim)
{
    *streams = (struct streams){.shim = shim, .input.fd = -1};
    for (int i = 0; i < LOG_STREAM_COUNT; i++)
        streams->outputs[i].fd = -1;
}

int streams_make_pipes(struct streams_pipes *pipes, bool use_stdin, bool use_stdout, bool use_stderr, struct error *err)
{
    bool wanted[3] = {use_stdin, use_stdout, use_stderr};

    for (int i = 0; i < 3; i++) {
        int pair[2], r;

        if (!wanted[i])
            continue;
        r = fd_pipe(pair);
        if (r < 0)
            return error_errno(err, r, "make pipes for the container");
        pipes->theirs[i] = pair[i == 0 ? 0 : 1];
        pipes->ours[i] = pair[i == 0 ? 1 : 0];
    }
    return 0;
}

void streams_release_pipes(struct streams_pipes *pipes)
{
    for (int i = 0; i < 3; i++) {
        pipes->theirs[i] = fd_close(pipes->theirs[i]);
        pipes->ours[i] = fd_close(pipes->ours[i]);
    }
}

static int open_terminal(struct streams *streams, int console_fd, bool use_stdin, struct error *err)
{
    CLEANUP_CLOSE int owned = console_fd;
    int r;

    if (use_stdin) {
        /* Its own descriptor: the loop watches each of them for one purpose. */
        r = fd_dup(owned);
        if (r < 0)
            return error_errno(err, r, "terminal of the container");
        streams->input.fd = r;
    }
    return output_open(streams, LOG_STDOUT, TAKE_FD(owned), err);
}

int streams_open(struct streams *streams, struct streams_pipes *pipes, int console_fd, bool use_stdin,
                 struct error *err)
{
    int r = 0;

    streams->running = true;
    if (console_fd >= 0)
        return open_terminal(streams, console_fd, use_stdin, err);
    if (pipes->ours[0] >= 0) {
        r = fd_set_nonblock(pipes->ours[0], 1);
        if (r < 0)
            return error_errno(err, r, "stdin of the container");
        streams->input.fd = TAKE_FD(pipes->ours[0]);
    }
    if (pipes->ours[1] >= 0)
        r = output_open(streams, LOG_STDOUT, TAKE_FD(pipes->ours[1]), err);
    if (r >= 0 && pipes->ours[2] >= 0)
        r = output_open(streams, LOG_STDERR, TAKE_FD(pipes->ours[2]), err);
    return r;
}

void streams_release(struct streams *streams)
{
    input_close(streams);
    for (int i = 0; i < LOG_STREAM_COUNT; i++) {
        loop_remove(streams->outputs[i].source);
        streams->outputs[i].source = NULL;
        streams->outputs[i].fd = fd_close(streams->outputs[i].fd);
    }
    for (struct client *client = streams->clients; client; client = client->next)
        client_drop(client);
    client_sweep(streams);
}
