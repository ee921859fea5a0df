/* Connections over TLS: the shim is static and has no TLS, dory-connect does. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/timestamp.h"
#include "daemon/shim_sink.h"

#define REPORT_MAX 1024

/* Until the other side has closed it: nothing is good news. */
static int read_report(int fd, int patience_ms, struct error *err)
{
    char report[REPORT_MAX];
    size_t size = 0;
    int64_t end = timestamp_monotonic() + patience_ms * INT64_C(1000000);
    for (;;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int64_t left = (end - timestamp_monotonic()) / 1000000;
        int r = poll(&readable, 1, left > 0 ? (int)left : 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return error_set(err, ERROR_SYSTEM, ETIMEDOUT, "the log server does not answer");
        ssize_t n = read(fd, report + size, sizeof(report) - 1 - size);
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    report[size] = '\0';
    return size == 0 ? 0 : error_set(err, ERROR_SYSTEM, ECONNREFUSED, "%s", report);
}

int log_sink_connect_tls(const struct log_sink_config *c, int patience_ms, struct error *err)
{
    CLEANUP_CLOSE int ours = -1, theirs = -1, report = -1, report_write = -1;
    int pair[2], ends[2];
    pid_t pid;
    int r = fd_socketpair(SOCK_STREAM, pair);
    if (r < 0)
        return error_errno(err, r, "connect over TLS");
    ours = pair[0];
    theirs = pair[1];
    r = fd_pipe(ends);
    if (r < 0)
        return error_errno(err, r, "connect over TLS");
    report = ends[0];
    report_write = ends[1];
    const int fds[] = {theirs, report_write, -1};
    const struct process_options options = {
        .path = c->program, .argv = c->arguments.items, .fds = fds, .fd_count = ARRAY_SIZE(fds), .new_session = 1};
    r = process_spawn(&options, &pid, err); /* whoever reaps the shim's children reaps it */
    if (r < 0)
        return r;
    report_write = fd_close(report_write);
    r = patience_ms > 0 ? read_report(report, patience_ms, err) : 0;
    return r < 0 ? r : TAKE_FD(ours);
}
