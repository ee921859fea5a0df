/* The mounts of the spec, each made detached and then attached to a descriptor that was resolved beneath the root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "runtime/child.h"
#include "runtime/copy_up.h"
#include "runtime/mount_calls.h"
#include "runtime/mount_options.h"
#include "runtime/sources.h"

static bool is_type(const struct oci_mount *mount, const char *type)
{
    return mount->type != NULL && strcmp(mount->type, type) == 0;
}

/* ---- bind mounts ---- */

static int apply_recursive(int fd, const struct mount_options *options)
{
    struct mount_attr attr = {.attr_set = options->recursive_set, .attr_clr = options->recursive_clear};
    if ((attr.attr_set | attr.attr_clr) != 0 &&
        mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
        return -errno;
    return 0;
}

/* What is not mentioned stays as it is at the source. */
static int apply_attributes(int fd, const struct mount_options *options)
{
    int r = apply_recursive(fd, options);
    if (r < 0)
        return r;
    struct mount_attr attr = {.attr_set = options->set, .attr_clr = options->clear};
    if ((attr.attr_set | attr.attr_clr) != 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return -errno;
    return 0;
}

/* The source as a detached clone; whether it is a directory decides what the target has to be. */
static int clone_source(struct child *child, const struct oci_mount *mount, bool *ret_is_dir, struct error *err)
{
    CLEANUP_CLOSE int fd = sources_take(child->sources, mount);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "error mounting \"%s\" to rootfs at \"%s\"", mount->source, mount->destination);
    *ret_is_dir = S_ISDIR(st.st_mode);
    return TAKE_FD(fd);
}

/* ---- file systems ---- */

/* The kernel's own words for what it did not like, when it has some. */
static int mount_error(int fs, int errnum, const struct oci_mount *mount, struct error *err)
{
    char log[256];
    ssize_t n = fs >= 0 ? read(fs, log, sizeof(log) - 1) : -1;
    const char *source = mount->source != NULL ? mount->source : mount->type;
    if (n > 2) {
        log[n - (log[n - 1] == '\n')] = '\0';
        return error_set(err, ERROR_SYSTEM, errnum, "error mounting \"%s\" to rootfs at \"%s\": %s: %s", source,
                         mount->destination, log + 2, strerror(errnum));
    }
    return error_errno(err, errnum, "error mounting \"%s\" to rootfs at \"%s\"", source, mount->destination);
}

static int set_parameter(int fs, const char *option)
{
    const char *equals = strchr(option, '=');
    if (equals == NULL)
        return fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL, 0);
    CLEANUP_FREE char *key = xstrndup(option, (size_t)(equals - option));
    return fsconfig(fs, FSCONFIG_SET_STRING, key, equals + 1, 0);
}

/* File systems whose super block is shared or virtual: read-only is a matter of the mount alone. */
static bool is_virtual(const struct oci_mount *mount)
{
    static const char *const types[] = {"proc", "sysfs", "mqueue", "devpts", "tmpfs", "cgroup", "cgroup2", "bpf"};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (is_type(mount, types[i]))
            return true;
    return false;
}

static int set_parameters(int fs, const struct oci_mount *mount, const struct mount_options *options)
{
    int r = 0;
    if ((options->set & MOUNT_ATTR_RDONLY) && !is_virtual(mount))
        r = fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0);
    if (r == 0 && options->synchronous)
        r = fsconfig(fs, FSCONFIG_SET_FLAG, "sync", NULL, 0);
    if (r == 0 && options->dirsync)
        r = fsconfig(fs, FSCONFIG_SET_FLAG, "dirsync", NULL, 0);
    if (r == 0 && options->lazytime)
        r = fsconfig(fs, FSCONFIG_SET_FLAG, "lazytime", NULL, 0);
    for (size_t i = 0; r == 0 && i < options->data.count; i++)
        r = set_parameter(fs, options->data.items[i]);
    return r;
}

static int configure(int fs, struct child *child, const struct oci_mount *mount, const struct mount_options *options,
                     const char *extra)
{
    const char *label = child->spec->linux_.mount_label;
    int r = 0;
    if (mount->source != NULL && mount->source[0] != '\0')
        r = fsconfig(fs, FSCONFIG_SET_STRING, "source", mount->source, 0);
    r = r < 0 ? r : set_parameters(fs, mount, options);
    if (r == 0 && extra != NULL)
        r = set_parameter(fs, extra);
    if (r == 0 && label != NULL && label[0] != '\0' && !is_type(mount, "proc") && !is_type(mount, "sysfs"))
        r = fsconfig(fs, FSCONFIG_SET_STRING, "context", label, 0);
    return r == 0 ? fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) : r;
}

static int make_filesystem(struct child *child, const struct oci_mount *mount, const struct mount_options *options,
                           const char *extra, struct error *err)
{
    CLEANUP_CLOSE int fs = fsopen(mount->type, FSOPEN_CLOEXEC);
    if (fs < 0 || configure(fs, child, mount, options, extra) < 0)
        return mount_error(fs, errno, mount, err);
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)options->set);
    return fd < 0 ? mount_error(fs, errno, mount, err) : fd;
}

/* ---- one mount ---- */

static bool is_dev(const struct oci_mount *mount)
{
    const char *p = mount->destination;
    p += strspn(p, "/");
    return strncmp(p, "dev", 3) == 0 && p[3 + strspn(p + 3, "/")] == '\0';
}

/* Where the mount goes, made if it is missing. */
static int open_target(struct child *child, const struct oci_mount *mount, bool is_dir, struct error *err)
{
    if (mount->destination[strspn(mount->destination, "/.")] == '\0')
        return error_set(err, ERROR_INVALID, 0, "invalid mount destination \"%s\": it is the root", mount->destination);
    CLEANUP_CLOSE int fd = beneath_make_target(child->root_fd, mount->destination, is_dir);
    /* A /proc or /sys elsewhere than where it says would defeat every path that is masked below it. */
    if (fd >= 0 && (is_type(mount, "proc") || is_type(mount, "sysfs"))) {
        int strict = beneath_open_nofollow(child->root_fd, mount->destination, O_PATH | O_DIRECTORY, 0);
        if (strict < 0)
            return error_set(err, ERROR_FORBIDDEN, ELOOP, "filesystem \"%s\" must be mounted on ordinary directory",
                             mount->destination);
        fd_close(strict);
    }
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) != is_dir)
        return error_set(
            err, ERROR_INVALID, ENOTDIR,
            "error mounting \"%s\" to rootfs at \"%s\": not a directory: Are you trying to mount a directory "
            "onto a file (or vice-versa)? Check if the specified host path exists and is the expected type",
            mount->source != NULL ? mount->source : "", mount->destination);
    if (fd < 0)
        return error_errno(err, fd, "error mounting \"%s\" to rootfs at \"%s\": cannot create the mount point",
                           mount->source != NULL ? mount->source : "", mount->destination);
    return TAKE_FD(fd);
}

static int set_propagation(int fd, const struct mount_options *options, const struct oci_mount *mount,
                           struct error *err)
{
    for (size_t i = 0; i < options->propagation_count; i++) {
        struct mount_attr attr = {.propagation = options->propagations[i].kind};
        unsigned depth = options->propagations[i].recursive ? AT_RECURSIVE : 0;
        if (mount_setattr(fd, "", AT_EMPTY_PATH | depth, &attr, sizeof(attr)) < 0)
            return error_errno(err, errno, "cannot set the propagation of mount %s", mount->destination);
    }
    return 0;
}

/* What LXCFS and the like cover in /proc; the same files that runc lets be covered. */
static bool may_cover(const char *destination)
{
    static const char *const files[] = {"cpuinfo",
                                        "diskstats",
                                        "loadavg",
                                        "meminfo",
                                        "slabinfo",
                                        "stat",
                                        "swaps",
                                        "uptime",
                                        "sys/crypto/fips_enabled",
                                        "sys/kernel/ns_last_pid"};
    if (strncmp(destination, "/proc/", 6) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (strcmp(destination + 6, files[i]) == 0)
            return true;
    return false;
}

static bool is_proc_path(const char *destination)
{
    const char *p = destination + strspn(destination, "/");
    return strncmp(p, "proc", 4) == 0 && p[4 + strspn(p + 4, "/.")] == '\0';
}

static bool on_procfs(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* A decoy in place of /proc or of a part of it would receive what is written there and hide what is masked
 * (CVE-2019-16884, CVE-2025-52881). The target itself is asked: an image can lead to /proc under any name. */
static int check_proc(const struct oci_mount *mount, int target, int source, struct error *err)
{
    if (is_proc_path(mount->destination))
        return on_procfs(source) ? 0
                                 : error_set(err, ERROR_INVALID, 0,
                                             "error mounting \"%s\" to rootfs at \"%s\": \"/proc\" cannot be mounted "
                                             "because it is not of type proc",
                                             mount->source != NULL ? mount->source : mount->type, mount->destination);
    if (!on_procfs(target) || may_cover(mount->destination))
        return 0;
    return error_set(err, ERROR_INVALID, 0,
                     "error mounting \"%s\" to rootfs at \"%s\": \"%s\" cannot be mounted because it is inside /proc",
                     mount->source != NULL ? mount->source : mount->type, mount->destination, mount->destination);
}

static int mount_bind(struct child *child, const struct oci_mount *mount, const struct mount_options *options,
                      struct error *err)
{
    bool is_dir = false;
    CLEANUP_CLOSE int fd = clone_source(child, mount, &is_dir, err);
    if (fd < 0)
        return fd;
    int r = apply_attributes(fd, options);
    if (r < 0)
        return error_errno(err, r, "error mounting \"%s\" to rootfs at \"%s\"", mount->source, mount->destination);
    CLEANUP_CLOSE int target = open_target(child, mount, is_dir, err);
    if (target < 0)
        return target;
    r = check_proc(mount, target, fd, err);
    if (r < 0)
        return r;
    r = mount_attach(fd, target);
    if (r < 0)
        return error_errno(err, r, "error mounting \"%s\" to rootfs at \"%s\"", mount->source, mount->destination);
    if (is_dev(mount))
        child->own_dev = false;
    return set_propagation(fd, options, mount, err);
}

static bool has_mode(const struct mount_options *options)
{
    for (size_t i = 0; i < options->data.count; i++)
        if (strncmp(options->data.items[i], "mode=", 5) == 0)
            return true;
    return false;
}

/* A tmpfs looks like the directory it covers; where there is none it is open to all, which is tmpfs's own default. */
static void covered_mode(struct child *child, const struct oci_mount *mount, char out[32])
{
    CLEANUP_CLOSE int fd = beneath_open(child->root_fd, mount->destination, O_PATH | O_DIRECTORY, 0);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0)
        snprintf(out, 32, "mode=%04o", st.st_mode & 07777);
}

/* The new mount API has no word for it: mount(2) by way of the descriptor, which sets all flags anew. */
static int set_iversion(int fd, const struct mount_options *options)
{
    static const struct {
        uint64_t attribute;
        unsigned long flag;
    } flags[] = {
        {MOUNT_ATTR_RDONLY, MS_RDONLY},         {MOUNT_ATTR_NOSUID, MS_NOSUID},
        {MOUNT_ATTR_NODEV, MS_NODEV},           {MOUNT_ATTR_NOEXEC, MS_NOEXEC},
        {MOUNT_ATTR_NOATIME, MS_NOATIME},       {MOUNT_ATTR_STRICTATIME, MS_STRICTATIME},
        {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME}, {MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW},
    };
    unsigned long all =
        MS_REMOUNT | MS_I_VERSION | (options->synchronous ? MS_SYNCHRONOUS : 0) | (options->lazytime ? MS_LAZYTIME : 0);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        all |= (options->set & flags[i].attribute) != 0 ? flags[i].flag : 0;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return mount(NULL, path, NULL, all, NULL) < 0 ? -errno : 0;
}

static int mount_filesystem(struct child *child, const struct oci_mount *mount, struct mount_options *options,
                            struct error *err)
{
    bool tmpfs = is_type(mount, "tmpfs");
    char mode[32] = "";
    if (tmpfs && !has_mode(options))
        covered_mode(child, mount, mode);
    CLEANUP_CLOSE int target = open_target(child, mount, true, err);
    if (target < 0)
        return target;
    /* Mount points inside are still to be made, so a read-only tmpfs becomes so at the end. */
    bool later = tmpfs && (options->set & MOUNT_ATTR_RDONLY) && child->readonly_count < CHILD_DEFERRED_MAX;
    if (later)
        options->set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
    CLEANUP_CLOSE int fd = make_filesystem(child, mount, options, mode[0] != '\0' ? mode : NULL, err);
    if (fd < 0)
        return fd;
    if (options->copy_up) {
        if (!tmpfs)
            return error_set(err, ERROR_INVALID, 0, "mount %s: tmpcopyup is for tmpfs only", mount->destination);
        int r = copy_up(target, fd);
        if (r < 0)
            return error_errno(err, r, "cannot copy the contents of %s into its tmpfs", mount->destination);
    }
    int r = check_proc(mount, target, fd, err);
    if (r < 0)
        return r;
    r = apply_recursive(fd, options);
    r = r < 0 ? r : mount_attach(fd, target);
    r = r < 0 || !options->iversion ? r : set_iversion(fd, options);
    if (r < 0)
        return error_errno(err, r, "error mounting \"%s\" to rootfs at \"%s\"", mount->type, mount->destination);
    r = set_propagation(fd, options, mount, err);
    if (r == 0 && child->proc_fd < 0 && is_type(mount, "proc") && options->data.count == 0 &&
        !(options->set & MOUNT_ATTR_RDONLY) && oci_spec_namespace(child->spec, "pid") != NULL)
        child->proc_fd = TAKE_FD(fd); /* certainly a procfs, and of our pid namespace */
    if (r == 0 && later)
        child->readonly_fds[child->readonly_count++] = TAKE_FD(fd);
    return r;
}

/* Changes what is mounted there already: the mount, and unless it says bind its file system. */
static int remount(struct child *child, const struct oci_mount *mount, const struct mount_options *options,
                   struct error *err)
{
    CLEANUP_CLOSE int fd = beneath_open(child->root_fd, mount->destination, O_PATH, 0);
    int r = fd < 0 ? fd : 0;
    if (r == 0 && !options->bind && !options->recursive_bind &&
        (options->data.count > 0 || options->synchronous || options->dirsync || options->lazytime)) {
        CLEANUP_CLOSE int fs = fspick(fd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
        if (fs < 0 || set_parameters(fs, mount, options) < 0 ||
            fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
            return mount_error(fs, errno, mount, err);
    }
    r = r < 0 ? r : apply_attributes(fd, options);
    return r < 0 ? error_errno(err, r, "cannot remount \"%s\"", mount->destination) : 0;
}

static bool is_cgroup(const struct oci_mount *mount)
{
    return is_type(mount, "cgroup") || is_type(mount, "cgroup2");
}

static int mount_one(struct child *child, const struct oci_mount *mount, struct error *err)
{
    CLEANUP(mount_options_release) struct mount_options options = {0};
    int r = mount_options_parse(mount, &options, err);
    if (r < 0)
        return r;
    if (options.remount)
        return remount(child, mount, &options, err);
    if (options.bind || options.recursive_bind)
        return mount_bind(child, mount, &options, err);
    if (is_cgroup(mount)) {
        CLEANUP_CLOSE int target = open_target(child, mount, true, err);
        r = target < 0 ? target : check_proc(mount, target, -1, err);
        return r < 0 ? r : child_mount_cgroup(child, mount, &options, err);
    }
    return mount_filesystem(child, mount, &options, err);
}

/* The cgroup is being made by the parent meanwhile, so its mount is left for last where the order does not show: when
 * no later mount goes below it or is a second one. */
static bool can_wait(const struct oci_spec *spec, size_t i)
{
    const struct oci_mount *mounts = spec->mounts.items;
    size_t size = strlen(mounts[i].destination);
    for (size_t k = i + 1; k < spec->mounts.count; k++)
        if (strncmp(mounts[k].destination, mounts[i].destination, size) == 0 || is_cgroup(&mounts[k]))
            return false;
    return is_cgroup(&mounts[i]);
}

int child_mount_all(struct child *child, struct error *err)
{
    const struct oci_mount *mounts = child->spec->mounts.items;
    for (size_t i = 0; i < child->spec->mounts.count; i++) {
        if (can_wait(child->spec, i)) {
            child->late_mount = &mounts[i];
            continue;
        }
        int r = mount_one(child, &mounts[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

int child_mount_late(struct child *child, struct error *err)
{
    return child->late_mount != NULL ? mount_one(child, child->late_mount, err) : 0;
}
