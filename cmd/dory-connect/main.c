/*
 * dory-connect: what the static programs leave to a dynamic one, because it needs OpenSSL or the system's resolver. One
 * process a connection, so that a session over TLS outlives the daemon as any other does, and neither the CLI nor the
 * daemon ever loads a TLS library.
 *
 *   dory-connect plain HOST PORT               connects and sends the socket over descriptor 0 (SCM_RIGHTS)
 *   dory-connect client HOST PORT [FLAG...]    connects, and relays between descriptor 0 and TLS
 *   dory-connect server [FLAG...]              relays between descriptor 0 and the accepted connection, descriptor 3
 *   dory-connect check [FLAG...]               whether the files of a server are usable; complains on standard error
 *
 * Descriptor 1 is a pipe: closed with nothing written once the connection stands, else it carries what went wrong.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <grp.h>

#include "base/fd.h"
#include "cmd/dory-connect/relay.h"
#include "cmd/dory-connect/session.h"

#define PLAIN_FD 0
#define REPORT_FD 1
#define ACCEPTED_FD 3
/* Seconds for connecting and the handshake; SIGALRM ends the process. */
#define CLIENT_PATIENCE 30
#define SERVER_PATIENCE 10
#define NOBODY 65534

static int take_flag(struct session_options *options, const char *flag, const char *value)
{
    const struct {
        const char *name;
        const char **to;
    } flags[] = {{"--ca", &options->ca},
                 {"--cert", &options->cert},
                 {"--key", &options->key},
                 {"--server-name", &options->server_name}};

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        if (strcmp(flag, flags[i].name) == 0 && value) {
            *flags[i].to = value;
            return 0;
        }
    }
    return -EINVAL;
}

static int take_flags(struct session_options *options, char **arguments, struct error *err)
{
    for (; *arguments; arguments++) {
        if (strcmp(*arguments, "--insecure") == 0) {
            options->insecure = true;
            continue;
        }
        if (take_flag(options, arguments[0], arguments[1]) < 0)
            return error_set(err, ERROR_INVALID, 0, "dory-connect: bad flag %s", arguments[0]);
        arguments++;
    }
    return 0;
}

/* Tries every address of the name in turn. */
static int connect_to(const char *host, const char *port, int *ret_fd, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int one = 1, failure = ECONNREFUSED, r = getaddrinfo(host, port, &hints, &found);

    if (r != 0)
        return error_set(err, ERROR_UNAVAILABLE, ENXIO, "dial tcp: lookup %s: %s", host, gai_strerror(r));
    for (const struct addrinfo *at = found; at; at = at->ai_next) {
        CLEANUP_CLOSE int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
            failure = errno;
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        freeaddrinfo(found);
        *ret_fd = TAKE_FD(fd);
        return 0;
    }
    freeaddrinfo(found);
    return error_errno(err, failure, "dial tcp %s:%s", host, port);
}

/* The key is read by now: what the peer sends is not for root's eyes. */
static int become_nobody(struct error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 ||
        setuid(NOBODY) < 0)
        return error_errno(err, errno, "give up root's rights");
    return 0;
}

static int run_plain(char **arguments, struct error *err)
{
    CLEANUP_CLOSE int fd = -1;
    int r;

    if (!arguments[0] || !arguments[1])
        return error_set(err, ERROR_INVALID, 0, "dory-connect plain: host and port are needed");
    r = connect_to(arguments[0], arguments[1], &fd, err);
    if (r == 0 && fd_send_message(PLAIN_FD, "", 1, &fd, 1) < 0)
        return error_set(err, ERROR_SYSTEM, EPIPE, "dory-connect: descriptor 0 is no socket");
    return r;
}

static void context_free(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

static void session_free(SSL **session)
{
    SSL_free(*session);
}

static int run_client(char **arguments, struct error *err)
{
    struct session_options options = {0};
    CLEANUP(context_free) SSL_CTX *context = NULL;
    CLEANUP(session_free) SSL *session = NULL;
    int fd = -1, r;

    if (!arguments[0] || !arguments[1])
        return error_set(err, ERROR_INVALID, 0, "dory-connect client: host and port are needed");
    options.server_name = arguments[0];
    r = take_flags(&options, arguments + 2, err);
    if (r == 0)
        r = session_context(&options, false, &context, err);
    if (r == 0)
        r = connect_to(arguments[0], arguments[1], &fd, err);
    if (r == 0)
        r = session_start(context, &options, false, fd, &session, err);
    if (r < 0)
        return r;
    alarm(0);
    close(REPORT_FD);
    return relay_run(session, PLAIN_FD) < 0;
}

static int run_server(char **arguments, struct error *err)
{
    struct session_options options = {0};
    CLEANUP(context_free) SSL_CTX *context = NULL;
    CLEANUP(session_free) SSL *session = NULL;
    int r = take_flags(&options, arguments, err);

    alarm(SERVER_PATIENCE);
    if (r == 0)
        r = session_context(&options, true, &context, err);
    if (r == 0 && geteuid() == 0)
        r = become_nobody(err);
    if (r == 0)
        r = session_start(context, &options, true, ACCEPTED_FD, &session, err);
    if (r < 0)
        return r;
    alarm(0);
    close(REPORT_FD);
    return relay_run(session, PLAIN_FD) < 0;
}

static int run_check(char **arguments)
{
    struct session_options options = {0};
    struct error error = {0};
    CLEANUP(context_free) SSL_CTX *context = NULL;
    int r = take_flags(&options, arguments, &error);

    if (r == 0)
        r = session_context(&options, true, &context, &error);
    if (r < 0)
        fprintf(stderr, "%s\n", error.message);
    return r < 0;
}

int main(int argc, char **argv)
{
    struct error error = {0};
    int r;

    signal(SIGPIPE, SIG_IGN);
    alarm(CLIENT_PATIENCE);
    if (argc >= 2 && strcmp(argv[1], "check") == 0)
        return run_check(argv + 2);
    if (argc >= 2 && strcmp(argv[1], "plain") == 0)
        r = run_plain(argv + 2, &error);
    else if (argc >= 2 && strcmp(argv[1], "client") == 0)
        r = run_client(argv + 2, &error);
    else if (argc >= 2 && strcmp(argv[1], "server") == 0)
        r = run_server(argv + 2, &error);
    else
        r = error_set(&error, ERROR_INVALID, 0,
                      "dory-connect is started by dory and doryd: plain, client, server or check");
    if (r < 0) {
        dprintf(REPORT_FD, "%s", error.message);
        return 1;
    }
    return r;
}
