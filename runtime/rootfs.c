/* The container's root: attached, covered where it shall not be seen or written, and finally pivoted into. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "runtime/child.h"
#include "runtime/mount_calls.h"
#include "runtime/mount_options.h"
#include "runtime/sources.h"

/* Nothing that happens in the container's mounts may reach the host; unless asked for, mounts of the host may still
 * appear in the container (slave). */
static int set_host_propagation(const struct oci_spec *spec, struct error *err)
{
    bool recursive;
    uint64_t propagation;
    int r = sources_propagation(spec, &propagation, &recursive, err);
    if (r < 0)
        return r;
    struct mount_attr attr = {.propagation = propagation};
    if (mount_setattr(AT_FDCWD, "/", recursive ? AT_RECURSIVE : 0, &attr, sizeof(attr)) < 0)
        return error_errno(err, errno, "cannot set the propagation of /");
    if (propagation == MS_SHARED) { /* pivot_root(2) wants the parent of the new root private */
        attr.propagation = MS_PRIVATE;
        if (mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0)
            return error_errno(err, errno, "cannot set the propagation of /");
    }
    return 0;
}

/* Hooks look for the root where root.path says: those of the host that enter the container's mount namespace (to bring
 * in devices), and createContainer's, which run in it; although nothing of ours needs it there. A container that may
 * not go there has it on "/". */
static int attach_in_place(struct child *child)
{
    const struct oci_spec *spec = child->spec;
    const char *path = spec->root.path, *name = spec->linux_.rootfs_propagation;
    bool shared = name != NULL && strstr(name, "shared") != NULL; /* pivot_root(2) wants a private parent */
    const struct oci_hooks *h = &spec->hooks;
    if (h->prestart.count + h->create_runtime.count + h->create_container.count == 0 || child->options->has_rootfs_fd ||
        child->options->no_pivot || child->plan->joins_mount || shared)
        return -ENOENT;
    CLEANUP_FREE char *joined = path[0] == '/' ? NULL : xasprintf("%s/%s", child->sources->bundle, path);
    CLEANUP_CLOSE int target = open(joined != NULL ? joined : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return target < 0 ? -errno : mount_attach(child->root_fd, target);
}

int child_attach_root(struct child *child, struct error *err)
{
    const struct runtime_options *options = child->options;
    /* A joined mount namespace has others in it, whose mounts stay as they are; its root was found to be private. */
    int r = child->plan->joins_mount ? 0 : set_host_propagation(child->spec, err);
    if (r == 0)
        r = sources_open_rest(child->sources, err);
    if (r < 0)
        return r;
    child->root_fd = options->has_rootfs_fd ? options->rootfs_fd : sources_root(child->sources, err);
    if (child->root_fd < 0)
        return child->root_fd;
    struct mount_attr attr = {.propagation = MS_PRIVATE};
    if (!options->has_rootfs_fd && mount_setattr(child->root_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return error_errno(err, errno, "cannot make the root filesystem private");
    if (attach_in_place(child) == 0)
        return 0;
    /* On top of "/": our own lookups of host paths go on to start below it, from the process's root directory. */
    if (move_mount(child->root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return error_errno(err, errno, "cannot attach the root filesystem");
    return 0;
}

/* ---- covering ---- */

int child_mask_directory(int target_fd, int *tmpfs_fd)
{
    if (*tmpfs_fd >= 0)
        return mount_clone_onto(*tmpfs_fd, false, MOUNT_ATTR_RDONLY, target_fd);
    CLEANUP_CLOSE int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "nr_blocks", "1", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    CLEANUP_CLOSE int mount =
        fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (mount < 0 || move_mount(mount, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return -errno;
    *tmpfs_fd = TAKE_FD(mount);
    return 0;
}

static bool is_same_file(const struct stat *st, int fd)
{
    struct stat other;
    return fd >= 0 && fstat(fd, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

int child_mask_paths(struct child *child, struct error *err)
{
    const struct strv *paths = &child->spec->linux_.masked_paths;
    CLEANUP_CLOSE int tmpfs_fd = -1;
    for (size_t i = 0; i < paths->count; i++) {
        CLEANUP_CLOSE int fd = beneath_open(child->root_fd, paths->items[i], O_PATH, 0);
        if (fd == -ENOENT || fd == -ENOTDIR)
            continue;
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
            return error_errno(err, fd < 0 ? fd : errno, "can't mask path \"%s\"", paths->items[i]);
        int r;
        if (is_same_file(&st, tmpfs_fd) || is_same_file(&st, child->null_fd))
            continue; /* the path is there twice */
        if (S_ISDIR(st.st_mode))
            r = child_mask_directory(fd, &tmpfs_fd);
        else if (child->null_fd < 0)
            return error_set(err, ERROR_INVALID, 0, "can't mask path \"%s\": the container has no /dev/null",
                             paths->items[i]);
        else
            r = mount_clone_onto(child->null_fd, false, 0, fd);
        if (r < 0)
            return error_errno(err, r, "can't mask path \"%s\"", paths->items[i]);
    }
    return 0;
}

int child_readonly_paths(struct child *child, struct error *err)
{
    const struct strv *paths = &child->spec->linux_.readonly_paths;
    for (size_t i = 0; i < paths->count; i++) {
        CLEANUP_CLOSE int fd = beneath_open(child->root_fd, paths->items[i], O_PATH, 0);
        if (fd == -ENOENT || fd == -ENOTDIR)
            continue;
        int r = fd < 0 ? fd : mount_clone_onto(fd, true, MOUNT_ATTR_RDONLY, fd);
        if (r < 0)
            return error_errno(err, r, "can't make %s read-only", paths->items[i]);
    }
    return 0;
}

int child_finish_readonly(struct child *child, struct error *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    for (size_t i = 0; i < child->readonly_count; i++) {
        if (mount_setattr(child->readonly_fds[i], "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
            return error_errno(err, errno, "cannot make a mount read-only");
        child->readonly_fds[i] = fd_close(child->readonly_fds[i]);
    }
    if (child->spec->root.readonly && mount_setattr(child->root_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return error_errno(err, errno, "cannot make the root filesystem read-only");
    return 0;
}

/* ---- entering ---- */

static int set_root_propagation(const struct oci_spec *spec, struct error *err)
{
    bool recursive;
    const char *name = spec->linux_.rootfs_propagation;
    uint64_t propagation = name != NULL && name[0] != '\0' ? mount_propagation_parse(name, &recursive) : 0;
    if (propagation == 0 || propagation == MS_PRIVATE)
        return 0;
    struct mount_attr attr = {.propagation = propagation};
    if (mount_setattr(AT_FDCWD, "/", recursive ? AT_RECURSIVE : 0, &attr, sizeof(attr)) < 0)
        return error_errno(err, errno, "cannot set the propagation of the root filesystem");
    return 0;
}

int child_pivot(struct child *child, struct error *err)
{
    if (fchdir(child->root_fd) < 0)
        return error_errno(err, errno, "cannot enter the root filesystem");
    /* pivot_root(2) would take everybody in a joined mount namespace along. */
    if (child->options->no_pivot || child->plan->joins_mount) {
        int r = child->plan->joins_mount ? 0 : child_hide_host_proc(child, err);
        if (r < 0)
            return r;
        if (chroot(".") < 0 || chdir("/") < 0)
            return error_errno(err, errno, "cannot change the root");
        return set_root_propagation(child->spec, err);
    }
    /* What is attached on top of it is not met here. */
    CLEANUP_CLOSE int old_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old_fd < 0)
        return error_errno(err, errno, "cannot open the host's root");
    /* The old root is stacked onto the new one and taken off again: no directory for it is needed (pivot_root(2)). */
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return error_errno(err, errno, "pivot_root");
    const char *name = child->spec->linux_.rootfs_propagation;
    if (name != NULL && strstr(name, "shared") != NULL) {
        /* Taking the old tree off must not take it off the host. It is below the new root now, whose own mounts keep
         * the propagation that was asked for. */
        struct mount_attr attr = {.propagation = MS_SLAVE};
        if (mount_setattr(old_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
            return error_errno(err, errno, "cannot detach the host's mounts");
    }
    if (umount2(".", MNT_DETACH) < 0)
        return error_errno(err, errno, "cannot take the host's root off");
    if (chdir("/") < 0)
        return error_errno(err, errno, "cannot enter the root filesystem");
    return set_root_propagation(child->spec, err);
}
