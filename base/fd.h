/*
 * File descriptors: ownership, whole reads and writes, and passing them over Unix sockets. Every descriptor made here
 * is close-on-exec.
 */
#ifndef DORY_BASE_FD_H
#define DORY_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/memory.h"

/* `CLEANUP_CLOSE int fd = -1;` closes fd (if >= 0) when the scope ends, keeping errno. */
#define CLEANUP_CLOSE CLEANUP(fd_close_ptr)
/* Hands the descriptor over: the variable becomes -1. */
#define TAKE_FD(fd)                                                                                                    \
    ({                                                                                                                 \
        int take_fd_ = (fd);                                                                                           \
        (fd) = -1;                                                                                                     \
        take_fd_;                                                                                                      \
    })

/* Closes *fd if it is >= 0 and sets it to -1; errno is kept. */
void fd_close_ptr(int *fd);
/* Closes fd if it is >= 0; errno is kept. Returns -1, for `fd = fd_close(fd)`. */
int fd_close(int fd);

/* Duplicate with close-on-exec. Returns the new descriptor or -errno. */
int fd_dup(int fd);

/* Writes all of data (retrying EINTR and short writes; waits with poll on EAGAIN). 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t size);
/* Reads until `size` bytes or end of file. Returns the count read or -errno. */
ssize_t fd_read_full(int fd, void *data, size_t size);
/*
 * Reads everything to end of file into a new NUL-terminated buffer (*ret_data, caller frees; *ret_size may be NULL).
 * More than `limit` bytes is -EFBIG.
 */
int fd_read_all(int fd, size_t limit, char **ret_data, size_t *ret_size);

int fd_set_nonblock(int fd, int on);
int fd_set_cloexec(int fd, int on);

/* flock(2), exclusively: tries for patience_ms. Children have their parent's lock until they run a program of their
 * own, also when the parent was killed meanwhile. -EWOULDBLOCK: it is somebody's. */
int fd_lock(int fd, int patience_ms);

/*
 * What poll(2) is to wait for to learn that nobody is at the other end of a socket any more, where data that waits to
 * be read is no end; and of anything else (an eventfd, a pipe): POLLIN.
 */
short fd_end_events(int fd);

/* A connected pair; type is SOCK_STREAM or SOCK_SEQPACKET. Both close-on-exec. 0 or -errno. */
int fd_socketpair(int type, int ret_pair[2]);
/* pipe2(2) with O_CLOEXEC. 0 or -errno. */
int fd_pipe(int ret_pair[2]);

/*
 * Unix sockets by directory descriptor and name, so that the 108 byte limit on the path never matters.
 * fd_listen_unix removes a stale socket of that name first (one that still answers is -EADDRINUSE, a file that is no
 * socket -EEXIST) and creates the new one with `mode`. dir_fd may be AT_FDCWD and name may have directories in front;
 * the last component has room for 80 bytes. Needs /proc. Return the descriptor or -errno.
 */
int fd_listen_unix(int dir_fd, const char *name, int type, mode_t mode);
int fd_connect_unix(int dir_fd, const char *name, int type);

/* Highest number of descriptors one message carries. */
#define FD_PASS_MAX 16
/*
 * Sends one message with descriptors (count may be 0; the caller keeps them). 0 or -errno. Never raises SIGPIPE.
 * size 0 is -EINVAL. On a non-blocking socket -EAGAIN means that nothing was sent; once a stream took a part of the
 * message the rest is waited for.
 */
int fd_send_message(int socket_fd, const void *data, size_t size, const int *fds, size_t count);
/*
 * Receives one message. fds has room for FD_PASS_MAX; *ret_count tells how many came, all close-on-exec, owned by the
 * caller. Returns the payload size (0: peer closed) or -errno; a truncated message is -EMSGSIZE with nothing kept.
 */
ssize_t fd_recv_message(int socket_fd, void *data, size_t size, int fds[FD_PASS_MAX], size_t *ret_count);

#endif
