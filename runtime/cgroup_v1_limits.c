/* linux.resources to v1 control files. Only what is set is written. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/cgroup.h"

static int write_number(int fd, const char *file, const int64_t *value, struct error *err)
{
    return value == NULL ? 0 : cgroup_writef(fd, file, err, "%" PRId64, *value);
}

/* The controller's directory, or an error that names what is asked of it. */
static int need(struct runtime_cgroup *cgroup, enum cgroup_controller controller, bool wanted, struct error *err)
{
    if (!wanted || cgroup->fds[controller] >= 0)
        return 0;
    return error_set(err, ERROR_UNAVAILABLE, ENOTSUP, "the %s cgroup controller is not available on this host",
                     cgroup_controller_names[controller]);
}

static int limit_swap(int fd, const struct oci_memory *memory, struct error *err)
{
    static const char swap_file[] = "memory.memsw.limit_in_bytes", file[] = "memory.limit_in_bytes";
    if (memory->swap != NULL && faccessat(fd, swap_file, F_OK, 0) < 0)
        return error_set(err, ERROR_UNAVAILABLE, ENOTSUP, "this kernel does not account swap: no swap limit");
    if (memory->swap == NULL && memory->limit != NULL && *memory->limit == -1 &&
        faccessat(fd, swap_file, F_OK, 0) == 0) {
        /* No limit on memory can only be set when there is none on memory plus swap. */
        int r = cgroup_write(fd, swap_file, "-1", err);
        return r < 0 ? r : cgroup_write(fd, file, "-1", err);
    }
    /* memory <= memory plus swap holds at every moment: which goes first depends on the direction. */
    uint64_t current = 0;
    bool raise = false;
    if (memory->swap != NULL && cgroup_read_number(fd, swap_file, &current) == 0)
        raise = *memory->swap == -1 || (uint64_t)*memory->swap > current;
    int r = raise ? write_number(fd, swap_file, memory->swap, err) : 0;
    r = r < 0 ? r : write_number(fd, file, memory->limit, err);
    return r < 0 || raise ? r : write_number(fd, swap_file, memory->swap, err);
}

static int limit_memory(struct runtime_cgroup *cgroup, const struct oci_memory *memory, struct error *err)
{
    int fd = cgroup->fds[CGROUP_MEMORY];
    bool oom_disabled = memory->disable_oom_killer != NULL && *memory->disable_oom_killer;
    int r = need(cgroup, CGROUP_MEMORY,
                 memory->limit != NULL || memory->swap != NULL || memory->reservation != NULL || oom_disabled, err);
    if (r < 0 || fd < 0)
        return r;
    uint64_t usage = 0;
    if (memory->check_before_update != NULL && *memory->check_before_update && memory->limit != NULL &&
        *memory->limit >= 0 && cgroup_read_number(fd, "memory.usage_in_bytes", &usage) == 0 &&
        usage > (uint64_t)*memory->limit)
        return error_set(err, ERROR_CONFLICT, EBUSY, "memory limit %" PRId64 " is below the current usage %" PRIu64,
                         *memory->limit, usage);
    r = limit_swap(fd, memory, err);
    if (r == -EBUSY && usage == 0 && memory->limit != NULL &&
        cgroup_read_number(fd, "memory.usage_in_bytes", &usage) == 0)
        return error_set(err, ERROR_CONFLICT, EBUSY,
                         "unable to set memory limit to %" PRId64 " (current usage: %" PRIu64 ", peak usage: unknown)",
                         *memory->limit, usage);
    /* memory.kernel is ignored, as by runc: kernels from 5.16 on refuse such a limit. */
    r = r < 0 ? r : write_number(fd, "memory.kmem.tcp.limit_in_bytes", memory->kernel_tcp, err);
    r = r < 0 ? r : write_number(fd, "memory.soft_limit_in_bytes", memory->reservation, err);
    if (r == 0 && memory->swappiness != NULL && *memory->swappiness != -1)
        r = write_number(fd, "memory.swappiness", memory->swappiness, err);
    if (r == 0 && memory->disable_oom_killer != NULL)
        r = cgroup_write(fd, "memory.oom_control", oom_disabled ? "1" : "0", err);
    /* Without it there is nothing to do: kernels from 5.11 on know no other way. */
    if (r == 0 && memory->use_hierarchy != NULL && *memory->use_hierarchy)
        r = cgroup_write(fd, "memory.use_hierarchy", "1", err);
    return r;
}

/* As with the quota below: a period that is too short for the old runtime is right after the new one. */
static int limit_realtime(int fd, const struct oci_cpu *cpu, struct error *err)
{
    bool both = cpu->realtime_period != NULL && cpu->realtime_runtime != NULL;
    int late = write_number(fd, "cpu.rt_period_us", cpu->realtime_period, both ? NULL : err);
    if (late < 0 && !both)
        return late;
    int r = write_number(fd, "cpu.rt_runtime_us", cpu->realtime_runtime, err);
    return r == 0 && late < 0 ? write_number(fd, "cpu.rt_period_us", cpu->realtime_period, err) : r;
}

static int limit_cpu(struct runtime_cgroup *cgroup, const struct oci_cpu *cpu, struct error *err)
{
    int fd = cgroup->fds[CGROUP_CPU];
    int r =
        need(cgroup, CGROUP_CPU,
             cpu->shares != NULL || cpu->quota != NULL || cpu->period != NULL || cpu->realtime_runtime != NULL, err);
    if (r < 0 || fd < 0)
        return r;
    r = write_number(fd, "cpu.idle", cpu->idle, err);
    if (r == 0 && cpu->shares != NULL && *cpu->shares != 0)
        r = write_number(fd, "cpu.shares", cpu->shares, err);
    r = r < 0 ? r : limit_realtime(fd, cpu, err);
    if (r < 0)
        return r;
    /* The kernel checks quota against period at each write; when the period goes first and is refused because of the
     * old quota, it is right after the quota. */
    bool period = cpu->period != NULL && *cpu->period != 0;
    bool quota = cpu->quota != NULL && *cpu->quota != 0;
    bool late = period && write_number(fd, "cpu.cfs_period_us", cpu->period, quota ? NULL : err) < 0;
    if (late && !quota)
        return -EINVAL;
    r = quota ? write_number(fd, "cpu.cfs_quota_us", cpu->quota, err) : 0;
    if (r == 0 && late)
        r = write_number(fd, "cpu.cfs_period_us", cpu->period, err);
    return r < 0 ? r : write_number(fd, "cpu.cfs_burst_us", cpu->burst, err);
}

static int limit_cpuset(struct runtime_cgroup *cgroup, const struct oci_cpu *cpu, struct error *err)
{
    bool cpus = cpu->cpus != NULL && cpu->cpus[0] != '\0', mems = cpu->mems != NULL && cpu->mems[0] != '\0';
    int r = need(cgroup, CGROUP_CPUSET, cpus || mems, err);
    if (r == 0 && cpus)
        r = cgroup_write(cgroup->fds[CGROUP_CPUSET], "cpuset.cpus", cpu->cpus, err);
    if (r == 0 && mems)
        r = cgroup_write(cgroup->fds[CGROUP_CPUSET], "cpuset.mems", cpu->mems, err);
    return r;
}

static int limit_pids(struct runtime_cgroup *cgroup, const struct oci_pids *pids, struct error *err)
{
    if (pids->limit == NULL)
        return 0;
    int64_t limit = cgroup_pids_limit(*pids->limit);
    int r = need(cgroup, CGROUP_PIDS, limit > 0, err);
    if (r < 0 || cgroup->fds[CGROUP_PIDS] < 0)
        return r;
    return limit > 0 ? write_number(cgroup->fds[CGROUP_PIDS], "pids.max", &limit, err)
                     : cgroup_write(cgroup->fds[CGROUP_PIDS], "pids.max", "max", err);
}

/* The weight's file depends on the io scheduler that the kernel was built with. */
static const char *weight_file(int fd, const char *plain, const char *bfq)
{
    return faccessat(fd, plain, F_OK, 0) == 0 ? plain : bfq;
}

static int throttle(int fd, const char *file, const struct json_array *devices, struct error *err)
{
    const struct oci_throttle_device *items = devices->items;
    for (size_t i = 0; i < devices->count; i++) {
        int r = cgroup_writef(fd, file, err, "%" PRId64 ":%" PRId64 " %" PRId64, items[i].major, items[i].minor,
                              items[i].rate);
        if (r < 0)
            return r;
    }
    return 0;
}

static int limit_weight_devices(int fd, const struct json_array *devices, struct error *err)
{
    const struct oci_weight_device *items = devices->items;
    for (size_t i = 0; i < devices->count; i++) {
        const char *file = weight_file(fd, "blkio.weight_device", "blkio.bfq.weight_device");
        int r = 0;
        if (items[i].weight != NULL && *items[i].weight == 0) /* the cgroup's own */
            r = cgroup_writef(fd, file, err, "%" PRId64 ":%" PRId64 " default", items[i].major, items[i].minor);
        else if (items[i].weight != NULL)
            r = cgroup_writef(fd, file, err, "%" PRId64 ":%" PRId64 " %" PRId64, items[i].major, items[i].minor,
                              *items[i].weight);
        if (r == 0 && items[i].leaf_weight != NULL && *items[i].leaf_weight != 0)
            r = cgroup_writef(fd, "blkio.leaf_weight_device", err, "%" PRId64 ":%" PRId64 " %" PRId64, items[i].major,
                              items[i].minor, *items[i].leaf_weight);
        if (r < 0)
            return r;
    }
    return 0;
}

static int limit_block_io(struct runtime_cgroup *cgroup, const struct oci_block_io *io, struct error *err)
{
    int fd = cgroup->fds[CGROUP_BLKIO];
    bool weight = io->weight != NULL && *io->weight != 0;
    int r = need(cgroup, CGROUP_BLKIO,
                 weight || io->weight_device.count + io->throttle_read_bps.count + io->throttle_write_bps.count +
                                   io->throttle_read_iops.count + io->throttle_write_iops.count >
                               0,
                 err);
    if (r < 0 || fd < 0)
        return r;
    if (weight)
        r = write_number(fd, weight_file(fd, "blkio.weight", "blkio.bfq.weight"), io->weight, err);
    if (r == 0 && io->leaf_weight != NULL && *io->leaf_weight != 0)
        r = write_number(fd, "blkio.leaf_weight", io->leaf_weight, err);
    r = r < 0 ? r : limit_weight_devices(fd, &io->weight_device, err);
    r = r < 0 ? r : throttle(fd, "blkio.throttle.read_bps_device", &io->throttle_read_bps, err);
    r = r < 0 ? r : throttle(fd, "blkio.throttle.write_bps_device", &io->throttle_write_bps, err);
    r = r < 0 ? r : throttle(fd, "blkio.throttle.read_iops_device", &io->throttle_read_iops, err);
    return r < 0 ? r : throttle(fd, "blkio.throttle.write_iops_device", &io->throttle_write_iops, err);
}

/* The directory of the controller, v1's or else v2's, which a hybrid host may have given it to. */
static int either(struct runtime_cgroup *cgroup, enum cgroup_controller controller, bool *ret_v2)
{
    *ret_v2 = cgroup->fds[controller] < 0;
    return *ret_v2 ? cgroup->unified_fd : cgroup->fds[controller];
}

static int limit_hugepages(struct runtime_cgroup *cgroup, const struct json_array *limits, struct error *err)
{
    bool v2;
    if (limits->count == 0)
        return 0;
    int fd = either(cgroup, CGROUP_HUGETLB, &v2);
    return fd < 0 ? need(cgroup, CGROUP_HUGETLB, true, err) : cgroup_limit_hugepages(fd, v2, limits, err);
}

static int limit_rdma(struct runtime_cgroup *cgroup, const struct json_array *limits, struct error *err)
{
    bool v2;
    if (limits->count == 0)
        return 0;
    int fd = either(cgroup, CGROUP_RDMA, &v2);
    if (fd < 0 || faccessat(fd, "rdma.max", F_OK, 0) < 0)
        return error_set(err, ERROR_UNAVAILABLE, ENOTSUP,
                         "linux.resources.rdma: the rdma cgroup controller is not available on this host");
    return cgroup_limit_rdma(fd, limits, err);
}

static int limit_network(struct runtime_cgroup *cgroup, const struct oci_network *network, struct error *err)
{
    int r = need(cgroup, CGROUP_NET_CLS, network->class_id != NULL, err);
    if (r == 0 && network->class_id != NULL)
        r = write_number(cgroup->fds[CGROUP_NET_CLS], "net_cls.classid", network->class_id, err);
    r = r < 0 ? r : need(cgroup, CGROUP_NET_PRIO, network->priorities.count > 0, err);
    const struct oci_interface_priority *items = network->priorities.items;
    for (size_t i = 0; r == 0 && i < network->priorities.count; i++)
        r = cgroup_writef(cgroup->fds[CGROUP_NET_PRIO], "net_prio.ifpriomap", err, "%s %" PRIu32, items[i].name,
                          items[i].priority);
    return r;
}

static int limit_devices(struct runtime_cgroup *cgroup, const struct json_array *rules, struct error *err)
{
    if (rules->count == 0)
        return 0;
    bool fits = false;
    int r = cgroup_devices_fit_v1(rules, &fits, err);
    if (r < 0)
        return r;
    if (cgroup->fds[CGROUP_DEVICES] >= 0 && fits)
        return cgroup_devices_write_v1(cgroup->fds[CGROUP_DEVICES], rules, err);
    /* A program on the hybrid host's v2 cgroup holds beside v1's controller, and can express everything. */
    if (cgroup->unified_fd >= 0)
        return cgroup_devices_attach_v2(cgroup->unified_fd, rules, err);
    if (!fits)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP,
                         "a rule for some of the devices that another one names by a wildcard needs cgroup v2");
    return need(cgroup, CGROUP_DEVICES, true, err);
}

/* The member of linux.resources that an error is about. */
static int about(int r, const char *member, struct error *err)
{
    return r < 0 ? error_context(err, "linux.resources.%s", member) : r;
}

int cgroup_v1_limit(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err)
{
    int r = about(limit_memory(cgroup, &resources->memory, err), "memory", err);
    r = r < 0 ? r : about(limit_cpu(cgroup, &resources->cpu, err), "cpu", err);
    r = r < 0 ? r : about(limit_cpuset(cgroup, &resources->cpu, err), "cpu", err);
    r = r < 0 ? r : about(limit_pids(cgroup, &resources->pids, err), "pids", err);
    r = r < 0 ? r : about(limit_block_io(cgroup, &resources->block_io, err), "blockIO", err);
    r = r < 0 ? r : limit_hugepages(cgroup, &resources->hugepage_limits, err);
    r = r < 0 ? r : limit_rdma(cgroup, &resources->rdma, err);
    r = r < 0 ? r : about(limit_network(cgroup, &resources->network, err), "network", err);
    r = r < 0 ? r : about(limit_devices(cgroup, &resources->devices, err), "devices", err);
    if (r == 0 && resources->unified.count > 0 && cgroup->unified_fd < 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "linux.resources.unified needs a host with cgroup v2");
    return r < 0 || resources->unified.count == 0 ? r
                                                  : cgroup_limit_unified(cgroup->unified_fd, &resources->unified, err);
}
