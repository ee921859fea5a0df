#include "image/rootfs_quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/project_quota.h"

/* Numbers of projects are taken at random from the upper half of what ext4 and xfs both have: administrators number
 * theirs from 1, and several daemons may share a file system. */
#define FIRST_PROJECT 0x40000000u
#define PROJECTS 0x40000000u
/* So many taken numbers in a row are no chance. */
#define ATTEMPTS 64

static int open_rootfs(struct image_store *store, const char *id)
{
    int fd = openat(store->overlay_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int outer_project(struct image_store *store, uint32_t *ret)
{
    int CLEANUP_CLOSE fd = openat(store->overlay_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : project_quota_get(fd, ret);
}

static int find_project(int dir_fd, uint32_t *ret, struct error *err)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        uint32_t number;
        bool unused = false;
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            return error_errno(err, errno, "a number for a project quota");
        number = FIRST_PROJECT + number % PROJECTS;
        int r = project_quota_is_free(dir_fd, number, &unused);
        if (r < 0)
            return error_errno(err, r, "project quota");
        if (unused) {
            *ret = number;
            return 0;
        }
    }
    return error_set(err, ERROR_SYSTEM, EUSERS, "no number is free for a project quota");
}

int rootfs_quota_begin(struct image_store *store, const char *id, uint64_t bytes, struct error *err)
{
    uint32_t project = 0;
    if (!store->has_quota)
        return error_set(
            err, ERROR_INVALID, 0,
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option (or ext4 with "
            "'prjquota')");
    int CLEANUP_CLOSE dir = open_rootfs(store, id);
    if (dir < 0)
        return error_errno(err, dir, "open overlay/%s", id);
    int r = find_project(dir, &project, err);
    if (r < 0)
        return r;
    r = project_quota_limit(dir, project, bytes);
    if (r == 0)
        r = project_quota_set(dir, project);
    if (r < 0)
        (void)project_quota_limit(dir, project, 0); /* the failure is told already */
    return r < 0 ? error_errno(err, r, "limit the size of overlay/%s", id) : 0;
}

/* The directory's own project, or 0. */
static uint32_t own_project(struct image_store *store, int dir_fd, uint32_t *ret_outer)
{
    uint32_t project;
    if (project_quota_get(dir_fd, &project) < 0 || outer_project(store, ret_outer) < 0)
        return 0;
    return project == *ret_outer ? 0 : project;
}

bool rootfs_quota_is_set(struct image_store *store, const char *id)
{
    uint32_t outer;
    if (!store->has_quota)
        return false;
    int CLEANUP_CLOSE dir = open_rootfs(store, id);
    return dir >= 0 && own_project(store, dir, &outer) != 0;
}

void rootfs_quota_end(struct image_store *store, const char *id)
{
    uint32_t outer;
    if (!store->has_quota)
        return;
    int CLEANUP_CLOSE dir = open_rootfs(store, id);
    uint32_t project = dir >= 0 ? own_project(store, dir, &outer) : 0;
    if (project == 0)
        return;
    int r = project_quota_limit(dir, project, 0);
    /* A directory cannot be moved into one whose project is inherited unless that is its own. */
    if (r == 0)
        r = project_quota_set(dir, outer);
    if (r < 0)
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

int rootfs_quota_lower_rights(struct rootfs_quota_rights *ret_before)
{
    return exchange_effective(NULL, 1u << CAP_SYS_RESOURCE, ret_before->effective);
}

void rootfs_quota_restore_rights(const struct rootfs_quota_rights *before)
{
    uint32_t lowered[2];
    int r = exchange_effective(before->effective, 0, lowered);
    if (r < 0)
        log_error("capabilities of a thread after a mount: %s", strerror(-r));
}
