/* The half of fd.h that concerns Unix sockets: addresses relative to a directory, and messages with descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

short fd_end_events(int fd)
{
    int type;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? POLLRDHUP : POLLIN;
}

/*
 * The socket's directory, opened, and its name there. The address goes through /proc/self/fd, as bind(2) and connect(2)
 * have no dirfd and sun_path has 108 bytes.
 */
struct place {
    int dir_fd; /* owned */
    const char *name;
    struct sockaddr_un address;
};

static void place_release(struct place *p)
{
    p->dir_fd = fd_close(p->dir_fd);
}

static int place_find(struct place *p, int dir_fd, const char *path)
{
    const char *slash = strrchr(path, '/');
    p->name = slash ? slash + 1 : path;
    if (!*p->name)
        return -EINVAL;
    CLEANUP_FREE char *parent = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
    p->dir_fd = openat(dir_fd, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->dir_fd < 0)
        return -errno;
    memset(&p->address, 0, sizeof p->address);
    p->address.sun_family = AF_UNIX;
    int n = snprintf(p->address.sun_path, sizeof p->address.sun_path, "/proc/self/fd/%d/%s", p->dir_fd, p->name);
    return n < (int)sizeof p->address.sun_path ? 0 : -ENAMETOOLONG;
}

static int connect_to(const struct sockaddr_un *address, int type)
{
    CLEANUP_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    while (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        if (errno != EINTR)
            return -errno;
    return TAKE_FD(fd);
}

/* A socket nobody listens on any more is removed; one that answers is -EADDRINUSE, anything else there -EEXIST. */
static int remove_stale(const struct place *p, int type)
{
    struct stat st;
    if (fstatat(p->dir_fd, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    int fd = connect_to(&p->address, type | SOCK_NONBLOCK);
    if (fd >= 0) {
        fd_close(fd);
        return -EADDRINUSE;
    }
    if (fd == -EAGAIN || fd == -EPROTOTYPE)
        return -EADDRINUSE;
    return unlinkat(p->dir_fd, p->name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

int fd_listen_unix(int dir_fd, const char *name, int type, mode_t mode)
{
    CLEANUP(place_release) struct place p = {.dir_fd = -1};
    int r = place_find(&p, dir_fd, name);
    if (r < 0)
        return r;
    r = remove_stale(&p, type);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* The mode of the unbound socket (less the umask) is what bind creates: there is no moment with wider access. */
    if (fchmod(fd, mode) < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&p.address, sizeof p.address) < 0)
        return -errno;
    if (fchmodat(p.dir_fd, p.name, mode, 0) < 0 || (type != SOCK_DGRAM && listen(fd, SOMAXCONN) < 0)) {
        r = -errno;
        unlinkat(p.dir_fd, p.name, 0);
        return r;
    }
    return TAKE_FD(fd);
}

int fd_connect_unix(int dir_fd, const char *name, int type)
{
    CLEANUP(place_release) struct place p = {.dir_fd = -1};
    int r = place_find(&p, dir_fd, name);
    if (r < 0)
        return r;
    return connect_to(&p.address, type);
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
};

int fd_send_message(int socket_fd, const void *data, size_t size, const int *fds, size_t count)
{
    /* An empty message could not be told from the end of the stream. */
    if (size == 0 || count > FD_PASS_MAX)
        return -EINVAL;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    union control control = {0};
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    }
    for (;;) {
        ssize_t n = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && iov.iov_len < size) {
            struct pollfd p = {.fd = socket_fd, .events = POLLOUT};
            poll(&p, 1, -1);
            continue;
        }
        if (n < 0)
            return -errno;
        if ((size_t)n == iov.iov_len)
            return 0;
        /* A stream took a part: the descriptors went with its first byte, the rest follows without. */
        iov.iov_base = (char *)iov.iov_base + n;
        iov.iov_len -= (size_t)n;
        message.msg_control = NULL;
        message.msg_controllen = 0;
    }
}

ssize_t fd_recv_message(int socket_fd, void *data, size_t size, int fds[FD_PASS_MAX], size_t *ret_count)
{
    struct iovec iov = {.iov_base = data, .iov_len = size};
    union control control = {0};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n;
    do {
        n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;

    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        /* The control buffer holds FD_PASS_MAX in all (its alignment could let one more slip in). */
        for (size_t i = 0; i < came; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (count < FD_PASS_MAX)
                fds[count++] = fd;
            else {
                fd_close(fd);
                message.msg_flags |= MSG_CTRUNC;
            }
        }
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (size_t i = 0; i < count; i++)
            fd_close(fds[i]);
        return -EMSGSIZE;
    }
    *ret_count = count;
    return n;
}
