/*
 * The container's view of /sys/fs/cgroup: its own cgroup and nothing above it. On v2 that is one bind mount, on hosts
 * with v1 controllers docker's layout, a tmpfs with one directory per controller.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "runtime/child.h"
#include "runtime/mount_calls.h"
#include "runtime/mount_options.h"

#define HOST_CGROUP "/sys/fs/cgroup"
#define ATTRIBUTES (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* The host's directory, by our own mount namespace: descriptors of the parent belong to another. */
static int clone_host(const char *hierarchy, const char *path, uint64_t attributes, struct error *err)
{
    CLEANUP_FREE char *name =
        xasprintf(HOST_CGROUP "%s%s%s%s", hierarchy[0] != '\0' ? "/" : "", hierarchy, path[0] != '\0' ? "/" : "", path);
    CLEANUP_CLOSE int fd = open_tree(AT_FDCWD, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = attributes};
    if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return error_errno(err, errno, "cannot mount cgroup %s", name);
    return TAKE_FD(fd);
}

static int bind_at(int tmpfs_fd, const char *hierarchy, const char *path, uint64_t attributes, struct error *err)
{
    CLEANUP_CLOSE int source = clone_host(hierarchy, path, attributes, err);
    if (source < 0)
        return source;
    if (mkdirat(tmpfs_fd, hierarchy, 0755) < 0 && errno != EEXIST)
        return error_errno(err, errno, "cannot create %s for the container's cgroups", hierarchy);
    CLEANUP_CLOSE int target = openat(tmpfs_fd, hierarchy, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = target < 0 ? -errno : mount_attach(source, target);
    return r < 0 ? error_errno(err, r, "cannot mount cgroup %s", hierarchy) : 0;
}

/* A container of an ordinary user may not have got a directory in every hierarchy. */
static bool has_place(const struct runtime_cgroup *cgroup, int root_fd)
{
    return !cgroup->lenient || faccessat(root_fd, cgroup->path, F_OK, 0) == 0;
}

static int fill_v1(struct child *child, int tmpfs_fd, uint64_t attributes, struct error *err)
{
    const struct runtime_cgroup *cgroup = child->cgroup;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        if (cgroup->root_fds[c] < 0 || !cgroup_v1_needs(c, &child->spec->linux_.resources))
            continue;
        const char *name = cgroup_controller_names[c];
        int r = has_place(cgroup, cgroup->root_fds[c]) ? bind_at(tmpfs_fd, name, cgroup->path, attributes, err) : 0;
        if (r < 0)
            return r;
    }
    return cgroup->unified_root_fd >= 0 && has_place(cgroup, cgroup->unified_root_fd)
               ? bind_at(tmpfs_fd, "unified", cgroup->path, attributes, err)
               : 0;
}

static int mount_v1(struct child *child, int target_fd, uint64_t attributes, bool readonly, struct error *err)
{
    CLEANUP_CLOSE int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "cgroup", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return error_errno(err, errno, "cannot mount the container's cgroups");
    CLEANUP_CLOSE int tmpfs = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)(ATTRIBUTES & ~MOUNT_ATTR_RDONLY));
    int r = tmpfs < 0 ? -errno : mount_attach(tmpfs, target_fd);
    if (r < 0)
        return error_errno(err, r, "cannot mount the container's cgroups");
    r = fill_v1(child, tmpfs, attributes, err);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (r == 0 && readonly && mount_setattr(tmpfs, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return error_errno(err, errno, "cannot mount the container's cgroups");
    return r;
}

int child_mount_cgroup(struct child *child, const struct oci_mount *mount, const struct mount_options *options,
                       struct error *err)
{
    int r = child_await_cgroup(child, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int target = beneath_open(child->root_fd, mount->destination, O_PATH | O_DIRECTORY, 0);
    if (target < 0)
        return error_errno(err, target, "cannot open %s", mount->destination);
    bool readonly = (options->set & MOUNT_ATTR_RDONLY) != 0;
    uint64_t attributes = options->set | (ATTRIBUTES & ~(uint64_t)MOUNT_ATTR_RDONLY);
    if (child->cgroup->ops == &cgroup_ops_v1)
        return mount_v1(child, target, attributes, readonly, err);
    /* With a cgroup namespace the container's cgroup is the root that it sees; without, it sees the host's tree. */
    bool private =
        oci_spec_namespace(child->spec, "cgroup") != NULL && has_place(child->cgroup, child->cgroup->unified_root_fd);
    CLEANUP_CLOSE int source = clone_host("", private ? child->cgroup->path : "", attributes, err);
    if (source < 0)
        return source;
    r = mount_attach(source, target);
    return r < 0 ? error_errno(err, r, "cannot mount the container's cgroup") : 0;
}
