#include "runtime/sync.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

struct message {
    uint32_t type;
    struct error error; /* only as much of it as there is */
};

int sync_send(int fd, enum sync_type type, int pass_fd)
{
    uint32_t word = type;
    if (pass_fd >= 0)
        return fd_send_message(fd, &word, sizeof(word), &pass_fd, 1);
    /* write(2): the one call that even the strictest filter of system calls leaves. SIGPIPE would only end a child
     * whose parent is gone. */
    return write(fd, &word, sizeof(word)) == sizeof(word) ? 0 : -errno;
}

void sync_send_error(int fd, const struct error *error)
{
    struct message m = {.type = SYNC_ERROR, .error = *error};
    size_t size = offsetof(struct message, error.message) + strlen(error->message) + 1;
    while (write(fd, &m, size) < 0 && errno == EINTR)
        ;
}

struct listener_message {
    uint32_t type;
    int32_t number;
};

int sync_send_listener(int fd, int number)
{
    struct listener_message m = {.type = SYNC_LISTENER, .number = number};
    return write(fd, &m, sizeof(m)) == sizeof(m) ? 0 : -errno;
}

int sync_receive(int fd, struct error *error, int *ret_fd)
{
    struct message m = {0};
    int fds[FD_PASS_MAX];
    size_t count = 0;
    ssize_t n = fd_recv_message(fd, &m, sizeof(m), fds, &count);
    if (n == -ECONNRESET) /* the other side ended with words of ours unread; its own are behind this error */
        n = fd_recv_message(fd, &m, sizeof(m), fds, &count);
    for (size_t i = 0; n > 0 && i < count; i++) {
        if (ret_fd != NULL && i == 0)
            *ret_fd = fds[i];
        else
            fd_close(fds[i]);
    }
    if (n <= 0)
        return (int)n;
    if ((size_t)n < sizeof(m.type))
        return -EPROTO;
    if (m.type == SYNC_ERROR && error != NULL) {
        m.error.message[sizeof(m.error.message) - 1] = '\0';
        *error = m.error;
    }
    if (m.type == SYNC_LISTENER && error != NULL) {
        struct listener_message l;
        if ((size_t)n < sizeof(l))
            return -EPROTO;
        memcpy(&l, &m, sizeof(l));
        error->errnum = l.number;
    }
    return (int)m.type;
}

int sync_expect(int fd, enum sync_type type, struct error *err)
{
    int r = sync_receive(fd, NULL, NULL);
    if (r == (int)type)
        return 0;
    if (r < 0)
        return error_errno(err, r, "cannot hear from the runtime");
    return error_set(err, ERROR_CANCELLED, ECANCELED, "the runtime gave up the start");
}
