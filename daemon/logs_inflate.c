#include "daemon/logs_inflate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/memory.h"
#include "image/inflate.h"

#define BLOCK 65536

struct output {
    int fd;
    int64_t size;
    char block[BLOCK];
};

static int reserve(void *data, char **ret_room, size_t *ret_size, struct error *err)
{
    struct output *o = data;
    (void)err;
    *ret_room = o->block;
    *ret_size = sizeof(o->block);
    return 0;
}

static int commit(void *data, size_t size, struct error *err)
{
    struct output *o = data;
    o->size += (int64_t)size;
    int r = o->size > LOGS_INFLATE_MAX ? -EFBIG : fd_write_all(o->fd, o->block, size);
    return r < 0 ? error_errno(err, r, "write the inflated log") : 0;
}

static int copy(int in_fd, struct inflate *inflate)
{
    CLEANUP_FREE char *block = xmalloc(BLOCK);
    for (;;) {
        ssize_t n = read(in_fd, block, BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        int r = n > 0 ? inflate_write(inflate, block, (size_t)n, NULL) : inflate_finish(inflate, NULL);
        if (r < 0 || n == 0)
            return r;
    }
}

int logs_inflate(int dir_fd, const char *name)
{
    CLEANUP_CLOSE int in_fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    CLEANUP_CLOSE int out_fd = -1;
    struct stat st;
    if (in_fd < 0 || fstat(in_fd, &st) < 0)
        return -errno;
    out_fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (out_fd < 0)
        return -errno;
    CLEANUP_FREE struct output *output = xcalloc(1, sizeof(*output));
    output->fd = out_fd;
    struct inflate *inflate = inflate_new(&(struct inflate_sink){.reserve = reserve, .commit = commit, .data = output});
    int r = copy(in_fd, inflate);
    inflate_free(inflate);
    if (r < 0)
        return r;
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    if (futimens(out_fd, times) < 0)
        return -errno;
    return TAKE_FD(out_fd);
}
