#include "runtime/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/idmap.h"

int sources_propagation(const struct oci_spec *spec, uint64_t *ret, bool *ret_recursive, struct error *err)
{
    const char *name = spec->linux_.rootfs_propagation;
    *ret = MS_SLAVE;
    *ret_recursive = true;
    if (name == NULL || name[0] == '\0')
        return 0;
    uint64_t propagation = mount_propagation_parse(name, ret_recursive);
    *ret = propagation == MS_UNBINDABLE ? MS_PRIVATE : propagation;
    return propagation != 0 ? 0 : error_set(err, ERROR_INVALID, 0, "rootfsPropagation=%s is not supported", name);
}

/* A clone that the parent has made is as shared with the host as what it was made of: the child's copies of the host's
 * mounts are not (set_host_propagation() in rootfs.c), and no more may these be, or what is mounted below them in the
 * container would be on the host as well. */
static int cut_off(const struct sources *sources, int fd, struct error *err)
{
    bool recursive;
    uint64_t propagation;
    int r = sources_propagation(sources->spec, &propagation, &recursive, err);
    struct mount_attr attr = {.propagation = propagation};
    if (r == 0 && mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) < 0)
        return error_errno(err, errno, "cannot set the propagation of a mount of the host");
    return r;
}

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

/* The mount's own mappings, or the container's. A descriptor that stays the caller's only when *ret_owned. */
static int mapping_of(struct sources *sources, size_t i, bool *ret_owned, struct error *err)
{
    const struct oci_mount *mount = (const struct oci_mount *)sources->spec->mounts.items + i;
    const struct oci_linux *l = &sources->spec->linux_;
    *ret_owned = mount->uid_mappings.count > 0;
    if (*ret_owned) {
        CLEANUP_FREE char *where = xasprintf("mounts[%zu]", i);
        return idmap_open_namespace(where, &mount->uid_mappings, &mount->gid_mappings, err);
    }
    if (sources->user_fd < 0) {
        sources->user_fd = idmap_open_namespace("linux", &l->uid_mappings, &l->gid_mappings, err);
        sources->owns_user_fd = true;
    }
    return sources->user_fd;
}

static int map_ids(struct sources *sources, size_t i, const struct mount_options *options, int fd, struct error *err)
{
    bool owned;
    int user_fd = mapping_of(sources, i, &owned, err);
    if (user_fd < 0)
        return user_fd;
    int r = idmap_apply(fd, user_fd, options->recursive_idmap);
    if (owned)
        fd_close(user_fd);
    const struct oci_mount *mount = (const struct oci_mount *)sources->spec->mounts.items + i;
    return r < 0 ? error_errno(err, r, "mounts[%zu]: cannot map the ids of \"%s\"", i, mount->source) : 0;
}

static int open_one(struct sources *sources, size_t i, struct error *err)
{
    const struct oci_mount *mount = (const struct oci_mount *)sources->spec->mounts.items + i;
    CLEANUP(mount_options_release) struct mount_options options = {0};
    int r = mount_options_parse(mount, &options, err);
    if (r < 0 || options.remount || !(options.bind || options.recursive_bind))
        return r;
    sources->fds[i] = clone_bind(sources, mount, &options, err);
    if (sources->fds[i] < 0)
        return sources->fds[i];
    r = cut_off(sources, sources->fds[i], err);
    return r < 0 ? r : options.idmap ? map_ids(sources, i, &options, sources->fds[i], err) : 0;
}

static void make_room(struct sources *sources)
{
    size_t count = sources->spec->mounts.count;
    if (sources->fds != NULL)
        return;
    sources->fds = xcalloc(count, sizeof(sources->fds[0]));
    for (size_t i = 0; i < count; i++)
        sources->fds[i] = -1;
}

int sources_open(struct sources *sources, bool all, bool with_root, struct error *err)
{
    const struct json_array *mounts = &sources->spec->mounts;
    const struct oci_mount *items = mounts->items;
    for (size_t i = 0; i < mounts->count; i++) {
        if (!all && !mount_is_idmapped(&items[i]))
            continue;
        make_room(sources);
        int r = open_one(sources, i, err);
        if (r < 0)
            return r;
    }
    if (!with_root)
        return 0;
    sources->root_fd = clone_root(sources, err);
    return sources->root_fd < 0 ? sources->root_fd : cut_off(sources, sources->root_fd, err);
}

int sources_open_rest(struct sources *sources, struct error *err)
{
    const struct json_array *mounts = &sources->spec->mounts;
    const struct oci_mount *items = mounts->items;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < mounts->count; i++) {
        CLEANUP(mount_options_release) struct mount_options options = {0};
        if (sources->fds != NULL && sources->fds[i] >= 0)
            continue;
        r = mount_options_parse(&items[i], &options, err);
        if (r < 0 || options.remount || !(options.bind || options.recursive_bind))
            continue;
        make_room(sources);
        r = sources->fds[i] = clone_bind(sources, &items[i], &options, err);
    }
    return r < 0 ? r : 0;
}

void sources_release(struct sources *sources)
{
    for (size_t i = 0; sources->fds != NULL && i < sources->spec->mounts.count; i++)
        fd_close(sources->fds[i]);
    free(sources->fds);
    sources->fds = NULL;
    sources->root_fd = fd_close(sources->root_fd);
    if (sources->owns_user_fd)
        sources->user_fd = fd_close(sources->user_fd);
}

int sources_root(struct sources *sources, struct error *err)
{
    return sources->root_fd >= 0 ? TAKE_FD(sources->root_fd) : clone_root(sources, err);
}

int sources_take(struct sources *sources, const struct oci_mount *mount)
{
    return TAKE_FD(sources->fds[mount - (const struct oci_mount *)sources->spec->mounts.items]);
}
