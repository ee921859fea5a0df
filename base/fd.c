#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_STEP_MS 10

void fd_close_ptr(int *fd)
{
    *fd = fd_close(*fd);
}

int fd_close(int fd)
{
    if (fd >= 0) {
        int saved = errno;
        /* Not retried on EINTR: Linux has released the descriptor by then (close(2)). */
        close(fd);
        errno = saved;
    }
    return -1;
}

int fd_dup(int fd)
{
    /* Never one of 0-2, even in a process that was started without them. */
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy >= 0 ? copy : -errno;
}

/* After a failed read or write: 0 when it is worth another try. */
static int wait_ready(int fd, short events)
{
    if (errno == EINTR)
        return 0;
    if (errno != EAGAIN)
        return -errno;
    struct pollfd p = {.fd = fd, .events = events};
    if (poll(&p, 1, -1) < 0 && errno != EINTR)
        return -errno;
    return 0;
}

int fd_write_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0) {
            int r = wait_ready(fd, POLLOUT);
            if (r < 0)
                return r;
            continue;
        }
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, (char *)data + done, size - done);
        if (n == 0)
            break;
        if (n < 0) {
            int r = wait_ready(fd, POLLIN);
            if (r < 0)
                return r;
            continue;
        }
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int fd_read_all(int fd, size_t limit, char **ret_data, size_t *ret_size)
{
    /* A regular file tells its size, which then takes one read and one more that finds the end. Files of /proc and
     * cgroups tell 0. */
    size_t capacity = 4096;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        if ((uint64_t)st.st_size > limit)
            return -EFBIG;
        capacity = (size_t)st.st_size + 2;
    }
    CLEANUP_FREE char *data = xmalloc(capacity);
    size_t size = 0;
    for (;;) {
        if (capacity - size < 2) {
            if (capacity > SIZE_MAX / 2)
                return -EFBIG;
            capacity *= 2;
            data = xrealloc(data, capacity);
        }
        ssize_t n = read(fd, data + size, capacity - size - 1);
        if (n == 0)
            break;
        if (n < 0) {
            int r = wait_ready(fd, POLLIN);
            if (r < 0)
                return r;
            continue;
        }
        size += (size_t)n;
        if (size > limit)
            return -EFBIG;
    }
    data[size] = '\0';
    *ret_data = TAKE_PTR(data);
    if (ret_size)
        *ret_size = size;
    return 0;
}

static int change_flag(int fd, int get, int set, int flag, int on)
{
    int flags = fcntl(fd, get);
    if (flags < 0)
        return -errno;
    int wanted = on ? flags | flag : flags & ~flag;
    if (wanted != flags && fcntl(fd, set, wanted) < 0)
        return -errno;
    return 0;
}

int fd_set_nonblock(int fd, int on)
{
    return change_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_set_cloexec(int fd, int on)
{
    return change_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int fd_lock(int fd, int patience_ms)
{
    for (int waited = 0;; waited += LOCK_STEP_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK || waited >= patience_ms)
            return -errno;
        usleep(LOCK_STEP_MS * 1000);
    }
}

int fd_socketpair(int type, int ret_pair[2])
{
    int pair[2];
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    ret_pair[0] = pair[0];
    ret_pair[1] = pair[1];
    return 0;
}

int fd_pipe(int ret_pair[2])
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0)
        return -errno;
    ret_pair[0] = pair[0];
    ret_pair[1] = pair[1];
    return 0;
}
