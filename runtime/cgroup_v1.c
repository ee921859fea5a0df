/* cgroup v1 controllers, each a hierarchy of its own; on hybrid hosts the container gets a cgroup in v2 as well, which
 * tracks and kills its processes. Limits are in cgroup_v1_limits.c. */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/cgroup.h"

#define FREEZE_TRIES 10000 /* of 1 ms */

/* Creating a cpuset costs milliseconds and the rest is rarely asked for, so those are made on demand only. */
bool cgroup_v1_needs(enum cgroup_controller controller, const struct oci_resources *resources)
{
    switch (controller) {
    case CGROUP_CPUSET:
        return (resources->cpu.cpus != NULL && resources->cpu.cpus[0] != '\0') ||
               (resources->cpu.mems != NULL && resources->cpu.mems[0] != '\0');
    case CGROUP_HUGETLB:
        return resources->hugepage_limits.count > 0;
    case CGROUP_RDMA:
        return resources->rdma.count > 0;
    case CGROUP_NET_CLS:
        return resources->network.class_id != NULL;
    case CGROUP_NET_PRIO:
        return resources->network.priorities.count > 0;
    default:
        return true;
    }
}

/* A hybrid host has given some controllers to v2; these resources may need them there. */
static bool may_need_unified(const struct runtime_cgroup *cgroup, const struct oci_resources *resources)
{
    return resources->unified.count > 0 ||
           (resources->hugepage_limits.count > 0 && cgroup->root_fds[CGROUP_HUGETLB] < 0) ||
           (resources->rdma.count > 0 && cgroup->root_fds[CGROUP_RDMA] < 0);
}

static int v1_prepare(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err)
{
    if (resources->unified.count > 0 && cgroup->unified_root_fd < 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "linux.resources.unified needs a host with cgroup v2");
    if (cgroup->unified_root_fd < 0)
        return 0;
    int fd = cgroup_make_dir(cgroup->unified_root_fd, cgroup->path);
    if (fd < 0)
        return cgroup_tolerates(cgroup, fd) ? 0 : error_errno(err, fd, "cannot create cgroup %s", cgroup->path);
    cgroup->unified_fd = fd;
    return may_need_unified(cgroup, resources) ? cgroup_v2_enable_controllers(cgroup, err) : 0;
}

static int copy_from_parent(int parent_fd, int fd, const char *name, struct error *err)
{
    char buf[4096];
    ssize_t n = cgroup_read(fd, name, buf, sizeof(buf));
    if (n < 0)
        return error_errno(err, (int)n, "cannot read %s", name);
    buf[strcspn(buf, "\n")] = '\0';
    if (buf[0] != '\0')
        return 0;
    n = cgroup_read(parent_fd, name, buf, sizeof(buf));
    if (n < 0)
        return error_errno(err, (int)n, "cannot read %s", name);
    buf[strcspn(buf, "\n")] = '\0';
    return cgroup_write(fd, name, buf, err);
}

/* A new cpuset is empty and admits no process before it has cpus and memory nodes: each level takes its parent's. */
static int fill_cpusets(struct runtime_cgroup *cgroup, struct error *err)
{
    CLEANUP_FREE char *path = xstrdup(cgroup->path);
    CLEANUP_CLOSE int parent = fd_dup(cgroup->root_fds[CGROUP_CPUSET]);
    for (char *name = path; name != NULL;) {
        char *slash = strchr(name, '/');
        if (slash != NULL)
            *slash = '\0';
        CLEANUP_CLOSE int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return error_errno(err, errno, "cannot open cpuset cgroup %s", name);
        int r = copy_from_parent(parent, fd, "cpuset.cpus", err);
        r = r < 0 ? r : copy_from_parent(parent, fd, "cpuset.mems", err);
        if (r < 0)
            return r;
        fd_close(parent);
        parent = TAKE_FD(fd);
        name = slash != NULL ? slash + 1 : NULL;
    }
    return 0;
}

static int make_controllers(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err)
{
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        if (cgroup->root_fds[c] < 0 || !cgroup_v1_needs(c, resources))
            continue;
        int fd = cgroup_make_dir(cgroup->root_fds[c], cgroup->path);
        if (cgroup_tolerates(cgroup, fd))
            continue;
        if (fd < 0)
            return error_errno(err, fd, "cannot create cgroup %s of %s", cgroup->path, cgroup_controller_names[c]);
        cgroup->fds[c] = fd;
        int r = c == CGROUP_CPUSET ? fill_cpusets(cgroup, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int v1_enter(struct runtime_cgroup *cgroup, const struct oci_resources *resources, pid_t pid, bool in_unified,
                    struct error *err)
{
    int r = make_controllers(cgroup, resources, err);
    r = r < 0 ? r : cgroup_v1_limit(cgroup, resources, err);
    if (r < 0)
        return r;
    return runtime_cgroup_join(cgroup, pid, in_unified, err);
}

static int v1_open(struct runtime_cgroup *cgroup, struct error *err)
{
    bool any = false;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        if (cgroup->root_fds[c] < 0)
            continue;
        cgroup->fds[c] = openat(cgroup->root_fds[c], cgroup->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        any = any || cgroup->fds[c] >= 0;
    }
    if (cgroup->unified_root_fd >= 0) {
        cgroup->unified_fd =
            openat(cgroup->unified_root_fd, cgroup->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        any = any || cgroup->unified_fd >= 0;
    }
    if (!any)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "cgroup %s does not exist", cgroup->path);
    return 0;
}

static int v1_freeze(struct runtime_cgroup *cgroup, bool frozen, struct error *err)
{
    int fd = cgroup->fds[CGROUP_FREEZER];
    if (fd < 0 && cgroup->root_fds[CGROUP_FREEZER] >= 0) /* others of its cgroups may still be there */
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "cgroup %s does not exist", cgroup->path);
    if (fd < 0)
        return error_set(err, ERROR_UNAVAILABLE, ENOTSUP, "the freezer cgroup controller is not available");
    const char *want = frozen ? "FROZEN" : "THAWED";
    for (int i = 0; i < FREEZE_TRIES; i++) {
        /* Writing again helps: tasks that forked or returned from vfork in between are frozen on the next round. */
        int r = i % 50 == 0 ? cgroup_write(fd, "freezer.state", want, err) : 0;
        if (r < 0)
            return r;
        char state[32];
        ssize_t n = cgroup_read(fd, "freezer.state", state, sizeof(state));
        if (n < 0)
            return error_errno(err, (int)n, "cannot read freezer.state");
        if (strncmp(state, want, strlen(want)) == 0)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    cgroup_write(fd, "freezer.state", "THAWED", NULL);
    return error_set(err, ERROR_SYSTEM, EBUSY, "unable to freeze cgroup %s", cgroup->path);
}

static int v1_frozen(struct runtime_cgroup *cgroup, bool *ret, struct error *err)
{
    char state[32];
    int fd = cgroup->fds[CGROUP_FREEZER];
    ssize_t n = fd < 0 ? 0 : cgroup_read(fd, "freezer.state", state, sizeof(state));
    if (n < 0)
        return error_errno(err, (int)n, "cannot read freezer.state of %s", cgroup->path);
    *ret = n > 0 && strncmp(state, "FR", 2) == 0; /* FROZEN, FREEZING */
    return 0;
}

static int v1_oom_kills(struct runtime_cgroup *cgroup, uint64_t *ret, struct error *err)
{
    char text[256];
    int fd = cgroup->fds[CGROUP_MEMORY];
    ssize_t n = fd < 0 ? -ENOENT : cgroup_read(fd, "memory.oom_control", text, sizeof(text));
    if (n < 0)
        return error_errno(err, (int)n, "cannot read memory.oom_control of %s", cgroup->path);
    *ret = cgroup_field(text, "oom_kill");
    return 0;
}

static int v1_update(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err)
{
    if (cgroup_v1_needs(CGROUP_CPUSET, resources) && cgroup->fds[CGROUP_CPUSET] < 0) {
        if (cgroup->root_fds[CGROUP_CPUSET] < 0)
            return error_set(err, ERROR_UNAVAILABLE, ENOTSUP, "the cpuset cgroup controller is not available");
        /* Started without a cpuset of its own: make it now and move everybody over. */
        int fd = cgroup_make_dir(cgroup->root_fds[CGROUP_CPUSET], cgroup->path);
        if (fd < 0)
            return error_errno(err, fd, "cannot create cgroup %s of cpuset", cgroup->path);
        cgroup->fds[CGROUP_CPUSET] = fd;
        CLEANUP_FREE pid_t *pids = NULL;
        size_t count = 0;
        int r = fill_cpusets(cgroup, err);
        r = r < 0 ? r : runtime_cgroup_pids(cgroup, &pids, &count, err);
        for (size_t i = 0; r == 0 && i < count; i++) {
            r = cgroup_writef(fd, "cgroup.procs", err, "%d", pids[i]);
            r = r == -ESRCH ? 0 : r;
        }
        if (r < 0)
            return r;
    }
    return cgroup_v1_limit(cgroup, resources, err);
}

const struct cgroup_ops cgroup_ops_v1 = {
    .prepare = v1_prepare,
    .enter = v1_enter,
    .open = v1_open,
    .freeze = v1_freeze,
    .frozen = v1_frozen,
    .oom_kills = v1_oom_kills,
    .update = v1_update,
    .stats = cgroup_v1_stats,
    .stats_detail = cgroup_v1_stats_detail,
};
