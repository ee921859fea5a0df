#include "api/listen_tls.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "api/server_private.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/strv.h"

/* Processes of one listener; who comes later waits in the backlog. */
#define RELAYS_MAX 256
/* While there are no descriptors. */
#define ACCEPT_PAUSE_MS 200
/* What a failed handshake has to say. */
#define REPORT_MAX 512

struct relay_process {
    pid_t pid;
    int pid_fd;
    int report; /* -1 once it was read */
    int plain;  /* for the server, once the handshake is done; -1 afterwards */
};

struct tls_listener {
    int listen_fd, stop_fd;
    struct strv arguments;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    struct relay_process relays[RELAYS_MAX];
    size_t count;
};

static void make_arguments(const struct server_tls *tls, struct strv *ret)
{
    const char *const flags[] = {"--cert", tls->cert, "--key", tls->key, "--ca", tls->ca};

    strv_add(ret, tls->program);
    strv_add(ret, "server");
    for (size_t i = 0; i < ARRAY_SIZE(flags); i += 2) {
        if (flags[i + 1]) {
            strv_add(ret, flags[i]);
            strv_add(ret, flags[i + 1]);
        }
    }
}

int server_tls_check(const struct server_tls *tls, struct error *err)
{
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    int r;

    make_arguments(tls, &arguments);
    free(arguments.items[1]);
    arguments.items[1] = xstrdup("check");
    r = process_run(arguments.items, NULL, REPORT_MAX, NULL, err);
    return r < 0 ? error_context(err, "TLS") : 0;
}

/* ---- processes ---- */

static int spawn_relay(const struct strv *arguments, int accepted, struct relay_process *ret, struct error *err)
{
    CLEANUP_CLOSE int plain = -1, theirs = -1, report = -1, report_write = -1;
    struct process_options options = {.path = arguments->items[0], .argv = arguments->items, .fd_count = 4};
    int pair[2], pipe_ends[2], fds[4], r = fd_socketpair(SOCK_STREAM, pair);

    if (r < 0)
        return error_errno(err, r, "socket pair");
    plain = pair[0];
    theirs = pair[1];
    r = fd_pipe(pipe_ends);
    if (r < 0)
        return error_errno(err, r, "pipe");
    report = pipe_ends[0];
    report_write = pipe_ends[1];
    fds[0] = theirs;
    fds[1] = report_write;
    fds[2] = -1;
    fds[3] = accepted;
    options.fds = fds;
    r = process_spawn(&options, &ret->pid, err);
    if (r < 0)
        return r;
    ret->pid_fd = (int)syscall(SYS_pidfd_open, ret->pid, 0);
    if (ret->pid_fd < 0) {
        r = error_errno(err, errno, "watch process %ld", (long)ret->pid);
        kill(ret->pid, SIGKILL);
        waitpid(ret->pid, NULL, 0);
        return r;
    }
    ret->report = TAKE_FD(report);
    ret->plain = TAKE_FD(plain);
    return 0;
}

static void release_relay(struct relay_process *relay)
{
    relay->report = fd_close(relay->report);
    relay->plain = fd_close(relay->plain);
    relay->pid_fd = fd_close(relay->pid_fd);
}

static void accept_one(struct tls_listener *listener)
{
    CLEANUP_CLOSE int accepted = accept4(listener->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    struct error error = {0};

    if (accepted < 0) {
        /* Without descriptors the connection stays in the backlog, and poll would tell of it again at once. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            log_warn("no TLS connection can be accepted: %m");
            poll(&(struct pollfd){.fd = listener->stop_fd, .events = POLLIN}, 1, ACCEPT_PAUSE_MS);
        }
        return;
    }
    if (spawn_relay(&listener->arguments, accepted, &listener->relays[listener->count], &error) < 0)
        log_error("a TLS connection could not be served: %s", error.message);
    else
        listener->count++;
}

/* The handshake is done, or failed and the process says why. */
static void take_report(struct tls_listener *listener, struct relay_process *relay)
{
    const struct sockaddr address = {.sa_family = AF_UNIX};
    char text[REPORT_MAX];
    ssize_t n = fd_read_full(relay->report, text, sizeof(text) - 1);

    relay->report = fd_close(relay->report);
    text[n > 0 ? n : 0] = '\0';
    if (n != 0)
        log_info("TLS handshake error: %s", text);
    else if (MHD_add_connection(listener->daemon, TAKE_FD(relay->plain), &address, sizeof(address.sa_family)) !=
             MHD_YES)
        log_error("a TLS connection could not be served: %m");
    relay->plain = fd_close(relay->plain);
}

/* ---- the thread ---- */

static void handle_relays(struct tls_listener *listener, const struct pollfd *polls)
{
    for (size_t i = listener->count; i-- > 0;) {
        struct relay_process *relay = &listener->relays[i];

        if (relay->report >= 0 && polls[2 * i].revents)
            take_report(listener, relay);
        if (polls[2 * i + 1].revents) {
            waitpid(relay->pid, NULL, 0);
            release_relay(relay);
            *relay = listener->relays[--listener->count];
        }
    }
}

static void *listener_main(void *data)
{
    struct tls_listener *listener = data;
    struct pollfd polls[2 + 2 * RELAYS_MAX];

    for (;;) {
        polls[0] = (struct pollfd){.fd = listener->stop_fd, .events = POLLIN};
        polls[1] = (struct pollfd){.fd = listener->count < RELAYS_MAX ? listener->listen_fd : -1, .events = POLLIN};
        for (size_t i = 0; i < listener->count; i++) {
            polls[2 + 2 * i] = (struct pollfd){.fd = listener->relays[i].report, .events = POLLIN};
            polls[3 + 2 * i] = (struct pollfd){.fd = listener->relays[i].pid_fd, .events = POLLIN};
        }
        if (poll(polls, 2 + 2 * listener->count, -1) < 0 && errno != EINTR)
            break;
        if (polls[0].revents)
            break;
        handle_relays(listener, polls + 2);
        if (polls[1].revents)
            accept_one(listener);
    }
    return NULL;
}

int tls_listener_start(int listen_fd, const struct server_tls *tls, struct MHD_Daemon *daemon,
                       struct tls_listener **ret, struct error *err)
{
    struct tls_listener *listener = xcalloc(1, sizeof(*listener));
    int r;

    listener->listen_fd = listen_fd;
    listener->daemon = daemon;
    make_arguments(tls, &listener->arguments);
    listener->stop_fd = eventfd(0, EFD_CLOEXEC);
    r = listener->stop_fd < 0 ? errno : pthread_create(&listener->thread, NULL, listener_main, listener);
    if (r != 0) {
        fd_close(listener->stop_fd);
        strv_release(&listener->arguments);
        free(listener);
        return error_errno(err, r, "start a thread");
    }
    *ret = listener;
    return 0;
}

void tls_listener_stop(struct tls_listener *listener)
{
    if (!listener)
        return;
    eventfd_write(listener->stop_fd, 1);
    pthread_join(listener->thread, NULL);
    for (size_t i = 0; i < listener->count; i++)
        release_relay(&listener->relays[i]);
    fd_close(listener->stop_fd);
    strv_release(&listener->arguments);
    free(listener);
}
