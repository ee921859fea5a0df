/* Layers and roots with the ids of a user namespace: all of overlay/ once more, as one id-mapped mount. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/store.h"

void rootfs_overlay_path(const struct image_store *store, bool mapped, const char *id, const char *name, char *path,
                         size_t size)
{
    int n = mapped ? -1 : snprintf(path, size, "%s/overlay/%s/%s", store->root_path, id, name);
    if (n < 0 || n >= FSCONFIG_VALUE_MAX)
        snprintf(path, size, "/proc/self/fd/%d/%s/%s", mapped ? store->mapped_fd : store->overlay_fd, id, name);
}

/* A root over a layer, neither of which anybody will see: what a kernel or a file system cannot do shows. */
static int try_mount(struct image_store *store, struct error *err)
{
    char lower[STORE_ID_SIZE + 1], id[STORE_ID_SIZE + 1];
    store_new_id(lower);
    store_new_id(id);
    int r = rootfs_make_directories(store, lower, "", 0, err);
    if (r == 0)
        r = rootfs_make_directories(store, id, "", 0, err);
    int CLEANUP_CLOSE mounted = r < 0 ? -1 : rootfs_mount_layers(store, id, lower, ROOTFS_MAPPED, err);
    int CLEANUP_CLOSE made = mounted < 0 ? -1 : openat(mounted, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (r == 0 && (mounted < 0 || made < 0))
        r = error_set(err, ERROR_NOT_IMPLEMENTED, ENOSYS,
                      "%s/overlay: roots with mapped ids need overlayfs of Linux 6.15 or later (%s)", store->root_path,
                      strerror(mounted < 0 ? -mounted : errno));
    mounted = fd_close(mounted);
    (void)store_trash(store, store->overlay_fd, id); /* unknown directories go at the next start at the latest */
    (void)store_trash(store, store->overlay_fd, lower);
    return r;
}

int image_store_map_ids(struct image_store *store, int userns_fd, struct error *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd};
    int CLEANUP_CLOSE tree = (int)syscall(SYS_open_tree, store->overlay_fd, "",
                                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH);
    if (tree < 0)
        return error_errno(err, errno, "open_tree %s/overlay", store->root_path);
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return errno == EINVAL ? error_set(err, ERROR_NOT_IMPLEMENTED, EINVAL,
                                           "the file system of %s/overlay cannot map ids", store->root_path)
                               : error_errno(err, errno, "map the ids of %s/overlay", store->root_path);
    if (store->old_overlay)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOSYS,
                         "%s/overlay: roots with mapped ids need overlayfs of Linux 6.15 or later", store->root_path);
    store->mapped_fd = TAKE_FD(tree);
    int r = try_mount(store, err);
    if (r < 0)
        store->mapped_fd = fd_close(store->mapped_fd);
    return r;
}
