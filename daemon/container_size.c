/* How much a container has written: the bytes of its upper directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "daemon/engine_internal.h"

#define DEPTH_MAX 512

static void close_dir(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}

/* Consumes fd. Hard links are counted once per name: they are rare in what containers write. */
static int64_t tree_bytes(int fd, int depth)
{
    CLEANUP(close_dir) DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        fd_close(fd);
        return 0;
    }
    int64_t total = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
            total += st.st_size;
        int sub = S_ISDIR(st.st_mode) && depth < DEPTH_MAX
                      ? openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                      : -1;
        if (sub >= 0)
            total += tree_bytes(sub, depth + 1);
    }
    return total;
}

int container_size(struct engine *engine, struct container *c, int64_t *ret_rw, int64_t *ret_root, struct error *err)
{
    CLEANUP_CLOSE int upper = image_rootfs_upper(engine->images, c->rootfs_id, err);
    if (upper < 0)
        return upper;
    int fd = openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "size of container %s", c->id);
    int64_t rw = tree_bytes(fd, 0);
    CLEANUP_IMAGE struct image *image = NULL;
    int64_t base =
        c->image_id != NULL && image_lookup(engine->images, c->image_id, &image, NULL) == 0 ? image->size : 0;
    *ret_rw = rw;
    *ret_root = rw + base;
    return 0;
}
