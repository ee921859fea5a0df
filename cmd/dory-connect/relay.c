#include "cmd/dory-connect/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/fd.h"

/* A TLS record is 16 KiB at most. */
#define BUFFER_SIZE 16384

struct buffer {
    char data[BUFFER_SIZE];
    size_t start, end;
};

struct relay {
    SSL *session;
    int plain_fd, tls_fd;
    struct buffer to_tls, to_plain;
    bool plain_ended, tls_ended;          /* no more input from there */
    bool told_tls, told_plain;            /* that end was passed on */
    bool tls_wants_read, tls_wants_write; /* what the session waits for, whichever call it was */
};

static bool is_empty(const struct buffer *buffer)
{
    return buffer->start == buffer->end;
}

/* What a call of the session's meant: 1 it went on, 0 it has to wait, -EPIPE the session is broken. */
static int session_result(struct relay *relay, int result)
{
    switch (SSL_get_error(relay->session, result)) {
    case SSL_ERROR_NONE:
        return 1;
    case SSL_ERROR_WANT_READ:
        relay->tls_wants_read = true;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        relay->tls_wants_write = true;
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        relay->tls_ended = true;
        return 1;
    default:
        return -EPIPE;
    }
}

/* Each step returns 1 when it moved something, 0 when it has to wait, or -errno. */
static int read_plain(struct relay *relay)
{
    ssize_t n;

    if (relay->plain_ended || !is_empty(&relay->to_tls))
        return 0;
    n = recv(relay->plain_fd, relay->to_tls.data, BUFFER_SIZE, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    relay->plain_ended = n == 0;
    relay->to_tls.start = 0;
    relay->to_tls.end = (size_t)n;
    return 1;
}

static int write_tls(struct relay *relay)
{
    size_t done = 0;
    int r;

    if (!is_empty(&relay->to_tls)) {
        r = session_result(relay, SSL_write_ex(relay->session, relay->to_tls.data + relay->to_tls.start,
                                               relay->to_tls.end - relay->to_tls.start, &done));
        relay->to_tls.start += done;
        return r;
    }
    if (!relay->plain_ended || relay->told_tls)
        return 0;
    r = SSL_shutdown(relay->session); /* 0: ours is sent, the peer's has not come */
    relay->told_tls = r >= 0;
    return r >= 0 ? 1 : session_result(relay, r);
}

static int read_tls(struct relay *relay)
{
    size_t done = 0;
    int r;

    if (relay->tls_ended || !is_empty(&relay->to_plain))
        return 0;
    r = session_result(relay, SSL_read_ex(relay->session, relay->to_plain.data, BUFFER_SIZE, &done));
    relay->to_plain.start = 0;
    relay->to_plain.end = done;
    return r;
}

static int write_plain(struct relay *relay)
{
    ssize_t n;

    if (!is_empty(&relay->to_plain)) {
        n = send(relay->plain_fd, relay->to_plain.data + relay->to_plain.start,
                 relay->to_plain.end - relay->to_plain.start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        relay->to_plain.start += (size_t)n;
        return 1;
    }
    if (!relay->tls_ended || relay->told_plain)
        return 0;
    relay->told_plain = true;
    shutdown(relay->plain_fd, SHUT_WR);
    return 1;
}

/* Everything that goes without waiting. 0 or -errno. */
static int move_on(struct relay *relay)
{
    static int (*const steps[])(struct relay *) = {read_plain, write_tls, read_tls, write_plain};
    bool moved = true;

    while (moved) {
        moved = false;
        relay->tls_wants_read = relay->tls_wants_write = false;
        for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
            int r = steps[i](relay);

            if (r < 0)
                return r;
            moved |= r > 0;
        }
    }
    return 0;
}

/* Waits for what can move something. Sets *ret_gone when nobody holds the plain side any more. */
static int wait_for(const struct relay *relay, bool *ret_gone)
{
    bool read_plain_side = !relay->plain_ended && is_empty(&relay->to_tls);
    struct pollfd polls[2] = {
        {.fd = relay->plain_fd,
         .events = (short)((read_plain_side ? POLLIN : 0) | (is_empty(&relay->to_plain) ? 0 : POLLOUT))},
        {.fd = relay->tls_fd,
         .events = (short)((relay->tls_wants_read ? POLLIN : 0) | (relay->tls_wants_write ? POLLOUT : 0))},
    };

    /* A hang-up says nothing new before what was read is sent, and poll would tell it again and again. */
    if (polls[0].events == 0 && !(relay->plain_ended && relay->told_tls))
        polls[0].fd = -1;
    if (polls[1].events == 0)
        polls[1].fd = -1; /* its hang-up is found by reading, when there is room for that */
    if (poll(polls, 2, -1) < 0)
        return errno == EINTR ? 0 : -errno;
    /* A hang-up with input left is an end that was not read yet. */
    *ret_gone = polls[0].revents & (POLLHUP | POLLERR) && relay->plain_ended;
    return 0;
}

int relay_run(SSL *session, int plain_fd)
{
    struct relay *relay = xcalloc(1, sizeof(*relay));
    bool gone = false;
    int r;

    relay->session = session;
    relay->plain_fd = plain_fd;
    relay->tls_fd = SSL_get_fd(session);
    fd_set_nonblock(relay->tls_fd, 1);
    SSL_set_mode(session, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    do {
        r = move_on(relay);
        if (r < 0 || (relay->told_plain && relay->told_tls))
            break;
        r = wait_for(relay, &gone);
    } while (r == 0 && !(gone && relay->told_tls));
    free(relay);
    return r;
}
