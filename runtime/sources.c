#include "runtime/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/memory.h"

/* open_tree(2) with OPEN_TREE_CLONE; descriptor or -errno. */
static int clone_path(const struct sources *sources, const char *path, bool recursive)
{
    CLEANUP_FREE char *joined = path[0] == '/' ? NULL : xasprintf("%s/%s", sources->bundle, path);
    int fd = open_tree(AT_FDCWD, joined != NULL ? joined : path,
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
    return fd < 0 ? -errno : fd;
}

static int clone_root(const struct sources *sources, struct error *err)
{
    const char *path = sources->spec->root.path;
    int fd = clone_path(sources, path, true);
    return fd < 0 ? error_errno(err, fd, "cannot open the root filesystem %s", path) : fd;
}

static int clone_bind(const struct sources *sources, const struct oci_mount *mount, const struct mount_options *options,
                      struct error *err)
{
    if (mount->source == NULL || mount->source[0] == '\0')
        return error_set(err, ERROR_INVALID, 0, "mount %s: a bind mount needs a source", mount->destination);
    int fd = clone_path(sources, mount->source, options->recursive_bind);
    return fd < 0 ? error_errno(err, fd, "error mounting \"%s\" to rootfs at \"%s\"", mount->source, mount->destination)
                  : fd;
}

int sources_open(struct sources *sources, bool with_root, struct error *err)
{
    const struct json_array *mounts = &sources->spec->mounts;
    const struct oci_mount *items = mounts->items;
    sources->fds = xcalloc(mounts->count + 1, sizeof(sources->fds[0]));
    for (size_t i = 0; i < mounts->count; i++)
        sources->fds[i] = -1;
    for (size_t i = 0; i < mounts->count; i++) {
        CLEANUP(mount_options_release) struct mount_options options = {0};
        int r = mount_options_parse(&items[i], &options, err);
        if (r == 0 && (options.bind || options.recursive_bind))
            r = sources->fds[i] = clone_bind(sources, &items[i], &options, err);
        if (r < 0)
            return r;
    }
    if (with_root)
        sources->root_fd = clone_root(sources, err);
    return with_root && sources->root_fd < 0 ? sources->root_fd : 0;
}

void sources_release(struct sources *sources)
{
    for (size_t i = 0; sources->fds != NULL && i < sources->spec->mounts.count; i++)
        fd_close(sources->fds[i]);
    free(sources->fds);
    sources->fds = NULL;
    sources->root_fd = fd_close(sources->root_fd);
}

int sources_root(struct sources *sources, struct error *err)
{
    return sources->root_fd >= 0 ? TAKE_FD(sources->root_fd) : clone_root(sources, err);
}

int sources_bind(struct sources *sources, const struct oci_mount *mount, const struct mount_options *options,
                 struct error *err)
{
    if (sources->fds == NULL)
        return clone_bind(sources, mount, options, err);
    size_t i = (size_t)(mount - (const struct oci_mount *)sources->spec->mounts.items);
    return TAKE_FD(sources->fds[i]);
}
