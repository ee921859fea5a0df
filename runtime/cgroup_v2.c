/* cgroup v2: one hierarchy, one directory per container. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/cgroup.h"

#define FREEZE_TIMEOUT_MS 10000

uint64_t cgroup_weight_from_shares(uint64_t shares)
{
    if (shares == 0)
        return 0;
    if (shares < 2)
        shares = 2;
    if (shares > 262144)
        shares = 262144;
    return 1 + ((shares - 2) * 9999) / 262142;
}

int64_t cgroup_pids_limit(int64_t limit)
{
    return limit < 0 ? -1 : limit == 0 ? 1 : limit;
}

uint64_t cgroup_io_weight_from_blkio(uint64_t weight)
{
    if (weight == 0)
        return 0;
    if (weight < 10)
        weight = 10;
    if (weight > 1000)
        weight = 1000;
    return 1 + (weight - 10) * 9999 / 990;
}

static int enable_one_level(int fd, struct error *err)
{
    static const char *const wanted[] = {"cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma", "misc"};
    char available[512], text[128] = "";
    ssize_t n = cgroup_read(fd, "cgroup.controllers", available, sizeof(available));
    if (n < 0)
        return error_errno(err, (int)n, "cannot read cgroup.controllers");
    available[strcspn(available, "\n")] = '\0';
    CLEANUP_STRV struct strv names = STRV_INIT;
    strv_split(&names, available, ' ');
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (strv_contains(&names, wanted[i]))
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s+%s", used > 0 ? " " : "", wanted[i]);
    return used == 0 ? 0 : cgroup_write(fd, "cgroup.subtree_control", text, err);
}

int cgroup_v2_enable_controllers(struct runtime_cgroup *cgroup, struct error *err)
{
    CLEANUP_FREE char *path = xstrdup(cgroup->path);
    CLEANUP_CLOSE int fd = fd_dup(cgroup->unified_root_fd);
    int r = enable_one_level(fd, err);
    for (char *name = path; r == 0;) {
        char *slash = strchr(name, '/');
        if (slash == NULL)
            return 0;
        *slash = '\0';
        int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return error_errno(err, errno, "cannot open cgroup %s", name);
        fd_close(fd);
        fd = next;
        r = enable_one_level(fd, err);
        name = slash + 1;
    }
    return r;
}

static int write_limit(int fd, const char *file, int64_t value, struct error *err)
{
    return value < 0 ? cgroup_write(fd, file, "max", err) : cgroup_writef(fd, file, err, "%" PRId64, value);
}

static int limit_memory(int fd, const struct oci_memory *memory, struct error *err)
{
    /* memory.kernel is ignored, as on v1 */
    if (memory->kernel_tcp != NULL && *memory->kernel_tcp != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "cgroup v2 has no limit of kernel TCP memory");
    if (memory->swappiness != NULL && *memory->swappiness != -1)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "cgroup v2 has no memory swappiness");
    if (memory->disable_oom_killer != NULL && *memory->disable_oom_killer)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "cgroup v2 cannot disable the OOM killer");
    int r = 0;
    if (memory->swap != NULL) {
        /* The spec counts memory plus swap, v2 counts swap alone. */
        int64_t swap = *memory->swap;
        if (swap > 0 && memory->limit != NULL && *memory->limit > 0) {
            if (swap < *memory->limit)
                return error_set(err, ERROR_INVALID, 0, "memory+swap limit must be >= memory limit");
            swap -= *memory->limit;
        } else if (swap > 0) {
            return error_set(err, ERROR_INVALID, 0, "unable to set swap limit without memory limit");
        }
        if (swap != 0 || memory->limit != NULL) {
            r = write_limit(fd, "memory.swap.max", swap, swap < 0 ? NULL : err);
            if (r < 0 && swap < 0) /* a kernel without swap accounting: unlimited is what there is */
                r = 0;
        }
    }
    uint64_t usage;
    if (r == 0 && memory->check_before_update != NULL && *memory->check_before_update && memory->limit != NULL &&
        *memory->limit >= 0 && cgroup_read_number(fd, "memory.current", &usage) == 0 &&
        usage > (uint64_t)*memory->limit)
        return error_set(err, ERROR_CONFLICT, EBUSY, "memory limit %" PRId64 " is below the current usage %" PRIu64,
                         *memory->limit, usage);
    if (r == 0 && memory->limit != NULL && *memory->limit != 0)
        r = write_limit(fd, "memory.max", *memory->limit, err);
    if (r == 0 && memory->reservation != NULL && *memory->reservation != 0)
        r = write_limit(fd, "memory.low", *memory->reservation, err);
    return r;
}

static int limit_cpu(int fd, const struct oci_cpu *cpu, struct error *err)
{
    if ((cpu->realtime_runtime != NULL && *cpu->realtime_runtime != 0) ||
        (cpu->realtime_period != NULL && *cpu->realtime_period != 0))
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "cgroup v2 has no realtime cpu limits");
    int r = 0;
    if (cpu->idle != NULL)
        r = cgroup_writef(fd, "cpu.idle", err, "%" PRId64, *cpu->idle);
    if (r == 0 && cpu->shares != NULL && *cpu->shares > 0)
        r = cgroup_writef(fd, "cpu.weight", err, "%" PRIu64, cgroup_weight_from_shares((uint64_t)*cpu->shares));
    bool quota = cpu->quota != NULL && *cpu->quota != 0, period = cpu->period != NULL && *cpu->period > 0;
    if (r == 0 && (quota || period)) {
        char text[64] = "max";
        if (quota && *cpu->quota > 0)
            snprintf(text, sizeof(text), "%" PRId64, *cpu->quota);
        if (!quota) { /* keep the quota that is there */
            char now[64];
            ssize_t n = cgroup_read(fd, "cpu.max", now, sizeof(now));
            if (n > 0)
                snprintf(text, sizeof(text), "%.*s", (int)strcspn(now, " \n"), now);
        }
        r = period ? cgroup_writef(fd, "cpu.max", err, "%s %" PRId64, text, *cpu->period)
                   : cgroup_write(fd, "cpu.max", text, err); /* the period stays */
    }
    if (r == 0 && cpu->burst != NULL)
        r = cgroup_writef(fd, "cpu.max.burst", err, "%" PRId64, *cpu->burst);
    if (r == 0 && cpu->cpus != NULL && cpu->cpus[0] != '\0')
        r = cgroup_write(fd, "cpuset.cpus", cpu->cpus, err);
    if (r == 0 && cpu->mems != NULL && cpu->mems[0] != '\0')
        r = cgroup_write(fd, "cpuset.mems", cpu->mems, err);
    return r;
}

static int throttle(int fd, const char *key, const struct json_array *devices, struct error *err)
{
    const struct oci_throttle_device *items = devices->items;
    for (size_t i = 0; i < devices->count; i++) {
        char rate[24] = "max"; /* what v1 calls 0 */
        if (items[i].rate != 0)
            snprintf(rate, sizeof(rate), "%" PRId64, items[i].rate);
        int r = cgroup_writef(fd, "io.max", err, "%" PRId64 ":%" PRId64 " %s=%s", items[i].major, items[i].minor, key,
                              rate);
        if (r < 0)
            return r;
    }
    return 0;
}

static int limit_io(int fd, const struct oci_block_io *io, struct error *err)
{
    int r = 0;
    bool bfq = faccessat(fd, "io.bfq.weight", F_OK, 0) == 0;
    if ((io->leaf_weight != NULL && *io->leaf_weight != 0))
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "cgroup v2 has no leaf weight");
    if (io->weight != NULL && *io->weight > 0)
        r = bfq ? cgroup_writef(fd, "io.bfq.weight", err, "%" PRId64, *io->weight)
                : cgroup_writef(fd, "io.weight", err, "%" PRIu64, cgroup_io_weight_from_blkio((uint64_t)*io->weight));
    const struct oci_weight_device *weights = io->weight_device.items;
    for (size_t i = 0; r == 0 && i < io->weight_device.count; i++) {
        if (weights[i].leaf_weight != NULL && *weights[i].leaf_weight != 0)
            return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "cgroup v2 has no leaf weight");
        uint64_t weight = weights[i].weight != NULL ? (uint64_t)*weights[i].weight : 0;
        const char *file = bfq ? "io.bfq.weight" : "io.weight";
        if (weight == 0) /* the cgroup's own */
            r = cgroup_writef(fd, file, err, "%" PRId64 ":%" PRId64 " default", weights[i].major, weights[i].minor);
        else
            r = cgroup_writef(fd, file, err, "%" PRId64 ":%" PRId64 " %" PRIu64, weights[i].major, weights[i].minor,
                              bfq ? weight : cgroup_io_weight_from_blkio(weight));
    }
    r = r < 0 ? r : throttle(fd, "rbps", &io->throttle_read_bps, err);
    r = r < 0 ? r : throttle(fd, "wbps", &io->throttle_write_bps, err);
    r = r < 0 ? r : throttle(fd, "riops", &io->throttle_read_iops, err);
    return r < 0 ? r : throttle(fd, "wiops", &io->throttle_write_iops, err);
}

static int limit_pids(int fd, const struct oci_pids *pids, struct error *err)
{
    if (pids->limit == NULL)
        return 0;
    int64_t limit = cgroup_pids_limit(*pids->limit);
    int r = write_limit(fd, "pids.max", limit, limit < 0 ? NULL : err);
    return limit < 0 ? 0 : r; /* no controller, no limit: what was asked for */
}

/* The member of linux.resources that an error is about. */
static int about(int r, const char *member, struct error *err)
{
    return r < 0 ? error_context(err, "linux.resources.%s", member) : r;
}

static int limit_all(int fd, const struct oci_resources *resources, struct error *err)
{
    int r = 0;
    if (resources->network.class_id != NULL || resources->network.priorities.count > 0)
        r = error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP,
                      "linux.resources.network: cgroup v2 has no class and no priorities of network traffic");
    if (r == 0 && resources->rdma.count > 0 && faccessat(fd, "rdma.max", F_OK, 0) < 0)
        r = error_set(err, ERROR_UNAVAILABLE, ENOTSUP,
                      "linux.resources.rdma: the rdma cgroup controller is not available on this host");
    r = r < 0 ? r : about(limit_memory(fd, &resources->memory, err), "memory", err);
    r = r < 0 ? r : about(limit_cpu(fd, &resources->cpu, err), "cpu", err);
    r = r < 0 ? r : about(limit_io(fd, &resources->block_io, err), "blockIO", err);
    r = r < 0 ? r : about(limit_pids(fd, &resources->pids, err), "pids", err);
    r = r < 0 ? r : cgroup_limit_hugepages(fd, true, &resources->hugepage_limits, err);
    r = r < 0 ? r : cgroup_limit_rdma(fd, &resources->rdma, err);
    return r < 0 ? r : cgroup_limit_unified(fd, &resources->unified, err);
}

static int v2_prepare(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err)
{
    int fd = cgroup_make_dir(cgroup->unified_root_fd, cgroup->path);
    if (cgroup_tolerates(cgroup, fd))
        return 0;
    if (fd < 0)
        return error_errno(err, fd, "cannot create cgroup %s", cgroup->path);
    cgroup->unified_fd = fd;
    /* The controllers are delegated once per boot; a file of one of them tells. */
    int r = faccessat(fd, "memory.max", F_OK, 0) == 0 && faccessat(fd, "pids.max", F_OK, 0) == 0 &&
                    faccessat(fd, "cpu.max", F_OK, 0) == 0
                ? 0
                : cgroup_v2_enable_controllers(cgroup, err);
    if (cgroup->rootless && (r == -EACCES || r == -EPERM || r == -EBUSY || r == -EROFS)) {
        /* Not ours to delegate: a limit that needs what is missing fails with the name of its file. */
        if (err != NULL)
            error_clear(err);
        r = 0;
    }
    r = r < 0 ? r : limit_all(fd, resources, err);
    return r < 0 ? r : about(cgroup_devices_attach_v2(fd, &resources->devices, err), "devices", err);
}

static int v2_enter(struct runtime_cgroup *cgroup, const struct oci_resources *resources, pid_t pid, bool in_unified,
                    struct error *err)
{
    (void)resources;
    return in_unified || cgroup->unified_fd < 0 ? 0 : runtime_cgroup_join(cgroup, pid, false, err);
}

static int v2_open(struct runtime_cgroup *cgroup, struct error *err)
{
    int fd = openat(cgroup->unified_root_fd, cgroup->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "cgroup %s does not exist", cgroup->path);
    if (fd < 0)
        return error_errno(err, errno, "cannot open cgroup %s", cgroup->path);
    cgroup->unified_fd = fd;
    return 0;
}

static int v2_freeze(struct runtime_cgroup *cgroup, bool frozen, struct error *err)
{
    CLEANUP_CLOSE int events = openat(cgroup->unified_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (events < 0)
        return error_errno(err, errno, "cannot open cgroup.events of %s", cgroup->path);
    int r = cgroup_write(cgroup->unified_fd, "cgroup.freeze", frozen ? "1" : "0", err);
    for (int waited = 0; r == 0; waited += 100) {
        char text[256];
        ssize_t n = pread(events, text, sizeof(text) - 1, 0);
        if (n < 0)
            return error_errno(err, errno, "cannot read cgroup.events of %s", cgroup->path);
        text[n] = '\0';
        if (cgroup_field(text, "frozen") == frozen)
            return 0;
        if (waited >= FREEZE_TIMEOUT_MS)
            return error_set(err, ERROR_SYSTEM, EBUSY, "unable to freeze cgroup %s", cgroup->path);
        struct pollfd change = {.fd = events, .events = POLLPRI};
        poll(&change, 1, 100);
    }
    return r;
}

static int v2_frozen(struct runtime_cgroup *cgroup, bool *ret, struct error *err)
{
    uint64_t frozen = 0;
    int r = cgroup_read_number(cgroup->unified_fd, "cgroup.freeze", &frozen);
    if (r < 0)
        return error_errno(err, r, "cannot read cgroup.freeze of %s", cgroup->path);
    *ret = frozen != 0;
    return 0;
}

static int v2_oom_kills(struct runtime_cgroup *cgroup, uint64_t *ret, struct error *err)
{
    char text[512];
    ssize_t n = cgroup_read(cgroup->unified_fd, "memory.events", text, sizeof(text));
    if (n < 0)
        return error_errno(err, (int)n, "cannot read memory.events of %s", cgroup->path);
    *ret = cgroup_field(text, "oom_kill");
    return 0;
}

static int v2_update(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err)
{
    int r = limit_all(cgroup->unified_fd, resources, err);
    return r < 0 ? r : about(cgroup_devices_attach_v2(cgroup->unified_fd, &resources->devices, err), "devices", err);
}

const struct cgroup_ops cgroup_ops_v2 = {
    .prepare = v2_prepare,
    .enter = v2_enter,
    .open = v2_open,
    .freeze = v2_freeze,
    .frozen = v2_frozen,
    .oom_kills = v2_oom_kills,
    .update = v2_update,
    .stats = cgroup_v2_stats,
    .stats_detail = cgroup_v2_stats_detail,
};
