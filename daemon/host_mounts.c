#include "daemon/host_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/engine_internal.h"

char *host_mount_path(struct engine *engine, const char *id, const char *name)
{
    return xasprintf("%s/mounts/%s/%s", engine->options->exec_root, id, name);
}

static int make_target(const char *path, bool is_dir)
{
    if (is_dir)
        return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : 0;
}

int host_mount_attach(struct engine *engine, const char *id, const char *name, int mount_fd, char **ret_path,
                      struct error *err)
{
    CLEANUP_FREE char *dir = xasprintf("%s/mounts/%s", engine->options->exec_root, id);
    CLEANUP_FREE char *path = host_mount_path(engine, id, name);
    struct stat st;
    int r = file_mkdirs(dir, 0700, err);
    if (r < 0)
        return r;
    if (fstat(mount_fd, &st) < 0)
        return error_errno(err, errno, "%s", path);
    r = make_target(path, S_ISDIR(st.st_mode));
    if (r == 0 && move_mount(mount_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        r = -errno;
    /* No container and no other namespace is to get a copy of it by propagation. */
    if (r == 0 && mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0)
        r = -errno;
    if (r < 0)
        return error_errno(err, r, "mount on %s", path);
    *ret_path = TAKE_PTR(path);
    return 0;
}

void host_mounts_remove(struct engine *engine, const char *id, const char *keep)
{
    CLEANUP_FREE char *path = xasprintf("%s/mounts/%s", engine->options->exec_root, id);
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    bool empty = true;
    if (directory_open(AT_FDCWD, path, &dir) < 0)
        return;
    while (directory_next(dir, &name) > 0) {
        if (keep != NULL && strcmp(name, keep) == 0) {
            empty = false;
            continue;
        }
        CLEANUP_FREE char *one = host_mount_path(engine, id, name);
        while (umount2(one, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
            continue;
        if (rmdir(one) < 0 && errno == ENOTDIR)
            unlink(one);
    }
    if (empty && rmdir(path) < 0)
        log_warn("%s: %s", path, strerror(errno));
}

void host_mounts_sweep(struct engine *engine, bool (*runs)(const char *id, void *data), void *data)
{
    CLEANUP_FREE char *path = xasprintf("%s/mounts", engine->options->exec_root);
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    if (directory_open(AT_FDCWD, path, &dir) < 0)
        return;
    while (directory_next(dir, &name) > 0)
        if (name[0] != '.')
            host_mounts_remove(engine, name, runs(name, data) ? "shm" : NULL);
}
