#include "runtime/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"

#define MOUNTINFO_MAX (16u << 20)

static const struct {
    const char *name;
    int flag;
    const char *file; /* in /proc/PID/ns */
} namespaces[] = {
    {"user", CLONE_NEWUSER, "user"},  {"ipc", CLONE_NEWIPC, "ipc"},    {"uts", CLONE_NEWUTS, "uts"},
    {"network", CLONE_NEWNET, "net"}, {"pid", CLONE_NEWPID, "pid"},    {"cgroup", CLONE_NEWCGROUP, "cgroup"},
    {"mount", CLONE_NEWNS, "mnt"},    {"time", CLONE_NEWTIME, "time"},
};

static int flag_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        if (strcmp(namespaces[i].name, name) == 0)
            return namespaces[i].flag;
    return 0;
}

static const char *name_of(int flag)
{
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        if (namespaces[i].flag == flag)
            return namespaces[i].name;
    return "unknown";
}

const char *namespace_file(int flag)
{
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        if (namespaces[i].flag == flag)
            return namespaces[i].file;
    return "unknown";
}

/* ---- the plan ---- */

/* A path may well lead to the namespace that we are in: its parameters are the host's. */
static int check_sysctls(const struct namespace_plan *plan, int fd, const struct oci_namespace *ns, struct error *err)
{
    const struct strmap *sysctl = &plan->spec->linux_.sysctl;
    if (sysctl->count == 0)
        return 0;
    CLEANUP_FREE char *own = xasprintf("/proc/self/ns/%s", namespace_file(flag_of(ns->type)));
    struct stat ours, theirs;
    if (stat(own, &ours) < 0 || fstat(fd, &theirs) < 0)
        return error_errno(err, errno, "cannot look at %s", own);
    if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
        return 0;
    for (size_t i = 0; i < sysctl->count; i++) {
        CLEANUP_FREE char *path = oci_sysctl_path(sysctl->items[i].key);
        const char *namespace = oci_sysctl_namespace(path);
        if (namespace != NULL && strcmp(namespace, ns->type) == 0)
            return error_set(err, ERROR_INVALID, 0, "linux.sysctl: \"%s\" is not allowed in host %s namespace",
                             sysctl->items[i].key, ns->type);
    }
    return 0;
}

static int add_join(struct namespace_plan *plan, size_t index, const struct oci_namespace *ns, struct error *err)
{
    CLEANUP_CLOSE int fd = open(ns->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "linux.namespaces[%zu].path: cannot open %s", index, ns->path);
    int type = ioctl(fd, NS_GET_NSTYPE);
    if (type < 0)
        return error_set(err, ERROR_INVALID, 0, "linux.namespaces[%zu].path: %s is not a namespace", index, ns->path);
    int flag = flag_of(ns->type);
    if (type != flag)
        return error_set(err, ERROR_INVALID, 0, "linux.namespaces[%zu].path: %s is a %s namespace, not a %s namespace",
                         index, ns->path, name_of(type), ns->type);
    int r = check_sysctls(plan, fd, ns, err);
    if (r < 0)
        return r;
    plan->joins_user = plan->joins_user || flag == CLONE_NEWUSER;
    plan->joins_mount = plan->joins_mount || flag == CLONE_NEWNS;
    plan->joins[plan->join_count++] = (struct namespace_join){.fd = TAKE_FD(fd), .flag = flag, .index = index};
    return 0;
}

/* The user namespace that a given network namespace belongs to: in any other the container's root would not be the root
 * of its own network. */
static int join_owner(struct namespace_plan *plan, size_t index, int netns_fd, struct error *err)
{
    int fd = ioctl(netns_fd, NS_GET_USERNS);
    if (fd < 0)
        return error_errno(err, errno,
                           "linux.namespaces[%zu]: the network namespace belongs to no user namespace of ours", index);
    plan->joins_user = true;
    plan->joins[plan->join_count++] = (struct namespace_join){.fd = fd, .flag = CLONE_NEWUSER, .index = index};
    return 0;
}

int namespace_plan_make(const struct runtime_options *options, struct namespace_plan *ret, struct error *err)
{
    *ret = (struct namespace_plan){.spec = options->spec};
    const struct oci_namespace *items = options->spec->linux_.namespaces.items;
    for (size_t i = 0; i < options->spec->linux_.namespaces.count; i++) {
        int flag = flag_of(items[i].type);
        if (flag == CLONE_NEWNET && options->has_netns_fd)
            continue;
        if (items[i].path != NULL && items[i].path[0] != '\0') {
            int r = add_join(ret, i, &items[i], err);
            if (r < 0)
                return r;
            continue;
        }
        if (flag == CLONE_NEWUSER && options->has_netns_fd) {
            int r = join_owner(ret, i, options->netns_fd, err);
            if (r < 0)
                return r;
            continue;
        }
        ret->new_cgroup = ret->new_cgroup || flag == CLONE_NEWCGROUP;
        ret->new_user = ret->new_user || flag == CLONE_NEWUSER;
        ret->new_network = ret->new_network || flag == CLONE_NEWNET;
        ret->new_time = ret->new_time || flag == CLONE_NEWTIME;
        if (flag != CLONE_NEWCGROUP && flag != CLONE_NEWTIME)
            ret->clone_flags |= (uint64_t)flag;
    }
    if (options->has_netns_fd)
        ret->joins[ret->join_count++] =
            (struct namespace_join){.fd = options->netns_fd, .flag = CLONE_NEWNET, .borrowed = true};
    return 0;
}

void namespace_plan_release(struct namespace_plan *plan)
{
    for (size_t i = 0; i < plan->join_count; i++)
        if (!plan->joins[i].borrowed)
            fd_close(plan->joins[i].fd);
    plan->join_count = 0;
}

int namespace_joined_fd(const struct namespace_plan *plan, int flag)
{
    for (size_t i = 0; i < plan->join_count; i++)
        if (plan->joins[i].flag == flag)
            return plan->joins[i].fd;
    return -1;
}

/* ---- joining ---- */

int namespace_join_error(const struct namespace_join *join, int errnum, struct error *err)
{
    if (join->borrowed)
        return error_errno(err, errnum, "cannot join the %s namespace", name_of(join->flag));
    return error_errno(err, errnum, "linux.namespaces[%zu].path: cannot join the %s namespace", join->index,
                       name_of(join->flag));
}

bool namespace_joined_before_clone(const struct namespace_plan *plan, const struct namespace_join *join)
{
    if (join->flag == CLONE_NEWNS)
        return false;
    return join->flag == CLONE_NEWPID || plan->new_user || plan->joins_user;
}

static int join_some(const struct namespace_plan *plan, bool mount, struct error *err)
{
    for (size_t i = 0; i < plan->join_count; i++) {
        const struct namespace_join *join = &plan->joins[i];
        if (namespace_joined_before_clone(plan, join) || (join->flag == CLONE_NEWNS) != mount)
            continue;
        if (setns(join->fd, join->flag) < 0)
            return namespace_join_error(join, errno, err);
    }
    return 0;
}

/* What is mounted in a joined mount namespace must stay in it. The last line of "/" is the one on top. */
static int check_root_private(int proc_fd, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    int r = file_read(proc_fd, "thread-self/mountinfo", MOUNTINFO_MAX, &text, &size, err);
    if (r < 0)
        return r;
    bool shared = false;
    for (char *line = text, *next; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        /* id, parent, device, root, mount point, options, then tags */
        char point[16];
        if (sscanf(line, "%*s %*s %*s %*s %15s", point) == 1 && strcmp(point, "/") == 0)
            shared = strstr(line, " shared:") != NULL;
    }
    if (shared)
        return error_set(err, ERROR_INVALID, EINVAL,
                         "the root of the mount namespace is shared: the container's mounts would reach other "
                         "namespaces; make it private first");
    return 0;
}

int namespace_join_child(const struct namespace_plan *plan, struct error *err)
{
    int r = join_some(plan, false, err);
    if (r < 0 || !plan->joins_mount)
        return r;
    CLEANUP_CLOSE int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC); /* of the mounts that we leave */
    if (proc_fd < 0)
        return error_errno(err, errno, "cannot open /proc");
    r = join_some(plan, true, err);
    r = r < 0 ? r : check_root_private(proc_fd, err);
    return r < 0 ? error_context(err, "linux.namespaces: mount") : 0;
}

/* ---- time ---- */

int namespace_enter_time(const struct namespace_plan *plan, int offsets_fd, struct error *err)
{
    if (unshare(CLONE_NEWTIME) < 0)
        return error_errno(err, errno, "linux.namespaces: cannot make a time namespace");
    const struct oci_time_offsets *offsets = plan->spec->linux_.time_offsets;
    const struct {
        const char *name;
        const struct oci_time_offset *offset;
    } clocks[] = {{"monotonic", offsets != NULL ? offsets->monotonic : NULL},
                  {"boottime", offsets != NULL ? offsets->boottime : NULL}};
    for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
        if (clocks[i].offset == NULL)
            continue;
        char text[64];
        int n = snprintf(text, sizeof(text), "%s %lld %u\n", clocks[i].name, (long long)clocks[i].offset->secs,
                         clocks[i].offset->nanosecs);
        if (write(offsets_fd, text, (size_t)n) != n)
            return error_errno(err, errno, "linux.timeOffsets.%s: cannot set the offset", clocks[i].name);
    }
    /* Children would be in it by themselves; we are to be in it as well. */
    CLEANUP_CLOSE int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
        return error_errno(err, errno, "linux.namespaces: cannot enter the new time namespace");
    return 0;
}
