/* system dial-stdio: standard input and output become a connection to the daemon. What ssh:// runs on the other side.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/client.h"
#include "base/fd.h"
#include "cmd/dory/command.h"

/* One direction: what it reads from, and -1 once that has ended. */
struct direction {
    int from, to;
};

/* Copies what is there. At the end of one side the other one is told, and goes on in its own direction. */
static int copy_once(struct direction *d, bool to_socket, struct error *err)
{
    char buf[65536];
    ssize_t n = read(d->from, buf, sizeof(buf));
    if (n < 0 && errno == EINTR)
        return 0;
    if (n > 0) {
        int r = fd_write_all(d->to, buf, (size_t)n);
        return r < 0 ? error_errno(err, r, "write") : 0;
    }
    if (n < 0 && errno != ECONNRESET)
        return error_errno(err, errno, "read");
    d->from = -1;
    if (to_socket)
        shutdown(d->to, SHUT_WR);
    else
        close(d->to);
    return 0;
}

static int run_dial_stdio(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags, (void)arguments;
    CLEANUP_CLOSE int fd = -1;
    int r = client_dial(cli_client(cli), &fd, err);
    if (r < 0)
        return r;
    struct direction in = {STDIN_FILENO, fd}, out = {fd, STDOUT_FILENO};
    /* The daemon's side decides when it is over. */
    while (out.from >= 0 && r == 0) {
        struct pollfd polls[] = {{.fd = in.from, .events = POLLIN}, {.fd = out.from, .events = POLLIN}};
        if (poll(polls, 2, -1) < 0) {
            r = errno == EINTR ? 0 : error_errno(err, errno, "poll");
            continue;
        }
        if (polls[0].revents)
            r = copy_once(&in, true, err);
        if (r == 0 && polls[1].revents)
            r = copy_once(&out, false, err);
    }
    return r;
}

const struct command command_system_dial_stdio = {
    .name = "system dial-stdio",
    .usage = "",
    .summary = "Proxy the stdio stream to the daemon connection",
    .hidden = true,
    .run = run_dial_stdio,
};
