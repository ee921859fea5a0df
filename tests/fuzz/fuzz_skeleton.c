/* The skeleton of a layer, as a damaged disk may have it: nothing but an error may come of it. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/deflate.h"
#include "image/skeleton.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/dev/shm/dory-fuzz-skeleton-XXXXXX";
static int dir_fd = -1;

static void clean_up(void)
{
    unlinkat(dir_fd, SKELETON_NAME, 0);
    unlinkat(dir_fd, "diff/file", 0);
    unlinkat(dir_fd, "diff", AT_REMOVEDIR);
    rmdir(directory);
}

static void set_up(void)
{
    if (!mkdtemp(directory))
        abort();
    dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || mkdirat(dir_fd, "diff", 0755) < 0)
        abort();
    CLEANUP_CLOSE int fd = openat(dir_fd, "diff/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || fd_write_all(fd, "some contents", 13) < 0)
        abort();
    atexit(clean_up);
}

static int to_file(void *data, const void *bytes, size_t size, struct error *err)
{
    (void)err;
    return fd_write_all(*(int *)data, bytes, size);
}

static int swallow(void *data, const void *bytes, size_t size, struct error *err)
{
    size_t *total = data;
    (void)bytes;
    *total += size;
    return *total > 1 << 20 ? error_set(err, ERROR_CANCELLED, 0, "enough") : 0;
}

/* The records are compressed here, so that the input reaches what reads them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char header[16] = "DORYTAR1";
    struct error err = {0};
    size_t total = 0;
    if (dir_fd < 0)
        set_up();
    CLEANUP_CLOSE int fd = openat(dir_fd, SKELETON_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || fd_write_all(fd, header, sizeof(header)) < 0)
        abort();
    struct deflate *deflate = deflate_new(to_file, &fd);
    if (deflate_write(deflate, data, size, &err) < 0 || deflate_finish(deflate, &err) < 0)
        abort();
    deflate_free(deflate);
    skeleton_rebuild(dir_fd, swallow, &total, &err);
    return 0;
}
