#include "image/rootfs_quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/project_quota.h"

/* For the directory that overlayfs makes; xfs reserves some dozens of blocks for one. */
#define MOUNT_ROOM (1 << 20)

static int open_rootfs(struct image_store *store, const char *id)
{
    int fd = openat(store->overlay_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int open_overlay(struct image_store *store)
{
    int fd = openat(store->overlay_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int rootfs_quota_begin(struct image_store *store, const char *id, uint64_t bytes, struct error *err)
{
    if (!store->has_quota)
        return error_set(
            err, ERROR_INVALID, 0,
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option (or ext4 with "
            "'prjquota')");
    int CLEANUP_CLOSE dir = open_rootfs(store, id);
    if (dir < 0)
        return error_errno(err, dir, "open overlay/%s", id);
    int r = project_quota_begin(dir, bytes);
    return r < 0 ? error_errno(err, r, "limit the size of overlay/%s", id) : 0;
}

bool rootfs_quota_is_set(struct image_store *store, const char *id)
{
    if (!store->has_quota)
        return false;
    int CLEANUP_CLOSE dir = open_rootfs(store, id);
    int CLEANUP_CLOSE overlay = open_overlay(store);
    return dir >= 0 && overlay >= 0 && project_quota_is_set(dir, overlay);
}

void rootfs_quota_end(struct image_store *store, const char *id)
{
    if (!store->has_quota)
        return;
    int CLEANUP_CLOSE dir = open_rootfs(store, id);
    int CLEANUP_CLOSE overlay = open_overlay(store);
    int r = dir < 0 ? dir : overlay < 0 ? overlay : project_quota_end(dir, overlay);
    if (r < 0 && r != -ENOENT)
        log_warn("overlay/%s: its quota is not given up: %s", id, strerror(-r));
}

static int exchange_effective(const uint32_t wanted[2], uint32_t clear, uint32_t before[2])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        before[i] = data[i].effective;
        data[i].effective = wanted != NULL ? wanted[i] : data[i].effective;
    }
    data[0].effective &= ~clear;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int rootfs_quota_mount_begin(struct image_store *store, const char *id, struct rootfs_quota_mounting *ret)
{
    int CLEANUP_CLOSE dir = open_rootfs(store, id);
    int r = dir < 0 ? dir : project_quota_ease(dir, MOUNT_ROOM);
    if (r < 0)
        return r;
    r = exchange_effective(NULL, 1u << CAP_SYS_RESOURCE, ret->effective);
    if (r < 0) {
        (void)project_quota_tighten(dir); /* the failure is told already */
        return r;
    }
    ret->dir_fd = TAKE_FD(dir);
    return 0;
}

void rootfs_quota_mount_end(struct rootfs_quota_mounting *mounting)
{
    uint32_t lowered[2];
    int r = exchange_effective(mounting->effective, 0, lowered);
    if (r < 0)
        log_error("capabilities of a thread after a mount: %s", strerror(-r));
    r = project_quota_tighten(mounting->dir_fd);
    if (r < 0)
        log_error("the quota of a root after its mount: %s", strerror(-r));
    mounting->dir_fd = fd_close(mounting->dir_fd);
}
