#include "api/client_helper.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/strv.h"

#define REPORT_MAX 4096

/* Where the program is, or NULL; the caller frees. */
static char *find_helper(void)
{
    static const char *const places[] = {"%s/dory-connect", "%s/../libexec/dory/dory-connect"};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n <= 0)
        return NULL;
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
        const char *rest = places[i] + strlen("%s");

        strbuf_addf(&path, "%s%s", self, rest);
        if (access(strbuf_str(&path), X_OK) == 0)
            return strbuf_take(&path);
    }
    return NULL;
}

static void add_file(struct strv *arguments, const char *flag, const char *path)
{
    if (path) {
        strv_add(arguments, flag);
        strv_add(arguments, path);
    }
}

static void helper_arguments(const struct client_address *address, struct strv *ret)
{
    const struct client_tls *tls = &address->tls;

    strv_add(ret, "dory-connect");
    strv_add(ret, tls->enabled ? "client" : "plain");
    strv_add(ret, address->name);
    strv_add(ret, address->port);
    if (!tls->enabled)
        return;
    add_file(ret, "--ca", tls->verify ? tls->ca : NULL);
    add_file(ret, "--cert", tls->cert);
    add_file(ret, "--key", tls->key);
    add_file(ret, "--server-name", tls->server_name);
    if (!tls->verify)
        strv_add(ret, "--insecure");
}

/* Waits for the helper's report: nothing is good news. */
static int read_report(int report_fd, const struct client_address *address, struct error *err)
{
    char report[REPORT_MAX];
    ssize_t n = fd_read_full(report_fd, report, sizeof(report) - 1);

    if (n == 0)
        return 0;
    report[n > 0 ? n : 0] = '\0';
    if (strncmp(report, "dial tcp", strlen("dial tcp")) == 0) {
        CLEANUP_FREE char *message = connection_unreachable(address);

        return error_set(err, ERROR_UNAVAILABLE, ECONNREFUSED, "%s (%s)", message, report);
    }
    return error_set(err, ERROR_UNAVAILABLE, EPROTO, "error during connect: %s: %s", address->host, report);
}

/* The socket that the helper connected. */
static int take_socket(int channel, struct error *err)
{
    int fds[FD_PASS_MAX];
    size_t count = 0;
    char byte;
    ssize_t n = fd_recv_message(channel, &byte, sizeof(byte), fds, &count);

    if (n == 1 && count == 1)
        return fds[0];
    for (size_t i = 0; i < count; i++)
        fd_close(fds[i]);
    return error_set(err, ERROR_SYSTEM, EPROTO, "dory-connect sent no connection");
}

int client_helper_connect(const struct client_address *address, struct error *err)
{
    CLEANUP_FREE char *program = find_helper();
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    CLEANUP_CLOSE int ours = -1, theirs = -1, report = -1, report_write = -1;
    struct process_options options = {.path = program, .env = environ, .fd_count = 3};
    int pair[2], pipe_ends[2], fds[3], r;
    pid_t pid;

    if (!program)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "reaching %s needs the program dory-connect, which is not here",
                         address->host);
    r = fd_socketpair(SOCK_STREAM, pair);
    if (r < 0)
        return error_errno(err, r, "connect to %s", address->host);
    ours = pair[0];
    theirs = pair[1];
    r = fd_pipe(pipe_ends);
    if (r < 0)
        return error_errno(err, r, "connect to %s", address->host);
    report = pipe_ends[0];
    report_write = pipe_ends[1];
    helper_arguments(address, &arguments);
    fds[0] = theirs;
    fds[1] = report_write;
    fds[2] = STDERR_FILENO;
    options.argv = arguments.items;
    options.fds = fds;
    r = process_spawn(&options, &pid, err);
    if (r < 0)
        return r;
    theirs = fd_close(theirs);
    report_write = fd_close(report_write);
    r = read_report(report, address, err);
    if (r < 0)
        return r;
    return address->tls.enabled ? TAKE_FD(ours) : take_socket(ours, err);
}
