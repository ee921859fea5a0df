/* Compressing log files that were put aside. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/fd.h"
#include "base/memory.h"
#include "daemon/shim_log.h"

#define BLOCK 65536
/* Descriptors beyond the first few, which are about to be given new meanings. */
#define HIGH 64
#define GZIP_WINDOW (15 + 16) /* zlib's way to ask for a gzip header */

static int deflate_block(z_stream *z, int out_fd, const char *data, size_t size, bool last)
{
    char out[BLOCK];

    z->next_in = (Bytef *)data;
    z->avail_in = (uInt)size;
    do {
        int r;

        z->next_out = (Bytef *)out;
        z->avail_out = sizeof(out);
        if (deflate(z, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
            return -EIO;
        r = fd_write_all(out_fd, out, sizeof(out) - z->avail_out);
        if (r < 0)
            return r;
    } while (z->avail_out == 0);
    return 0;
}

static int copy(int in_fd, int out_fd)
{
    CLEANUP_FREE char *block = xmalloc(BLOCK);
    z_stream z = {0};
    int r = 0;
    bool last = false;

    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    while (r == 0 && !last) {
        ssize_t n = read(in_fd, block, BLOCK);

        if (n < 0 && errno == EINTR)
            continue;
        last = n == 0;
        r = n < 0 ? -errno : deflate_block(&z, out_fd, block, (size_t)n, last);
    }
    deflateEnd(&z);
    return r;
}

int log_compress(int dir_fd, const char *name)
{
    CLEANUP_FREE char *temporary = xasprintf("%s.tmp", name);
    CLEANUP_FREE char *compressed = xasprintf("%s.gz", name);
    CLEANUP_CLOSE int in_fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    CLEANUP_CLOSE int out_fd = -1;
    struct timespec times[2];
    struct stat st;
    int r;

    if (in_fd < 0 || fstat(in_fd, &st) < 0)
        return -errno;
    out_fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (out_fd < 0)
        return -errno;
    times[0] = st.st_atim;
    times[1] = st.st_mtim;
    r = copy(in_fd, out_fd);
    if (r == 0 && (futimens(out_fd, times) < 0 || renameat(dir_fd, temporary, dir_fd, compressed) < 0 ||
                   unlinkat(dir_fd, name, 0) < 0))
        r = -errno;
    if (r < 0)
        unlinkat(dir_fd, temporary, 0);
    return r;
}

int log_compress_start(int dir_fd, const char *name, int *ret_fd)
{
    int pair[2];
    int r = fd_pipe(pair);
    pid_t pid;

    if (r < 0)
        return r;
    pid = fork();
    if (pid < 0) {
        r = -errno;
        fd_close(pair[0]);
        fd_close(pair[1]);
        return r;
    }
    if (pid > 0) {
        fd_close(pair[1]);
        *ret_fd = pair[0];
        return 0;
    }
    /* Nothing but these two: descriptors of the container's streams would keep those open. */
    int done_fd = fcntl(pair[1], F_DUPFD, HIGH), files_fd = fcntl(dir_fd, F_DUPFD, HIGH);
    if (done_fd < 0 || files_fd < 0 || dup3(done_fd, 3, 0) < 0 || dup3(files_fd, 4, 0) < 0 ||
        close_range(5, ~0U, 0) < 0)
        _exit(1);
    _exit(log_compress(4, name) < 0);
}
