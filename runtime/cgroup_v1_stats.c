/* Statistics out of the control files of v1. */
#include <errno.h>

#include "base/memory.h"
#include "runtime/cgroup.h"

/* "8:0 Read 4096" lines; the operation's sum over devices */
static uint64_t sum_operation(const char *text, const char *operation)
{
    uint64_t sum = 0;
    size_t size = strlen(operation);
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *space = strchr(line, ' ');
        if (space != NULL && strncmp(space + 1, operation, size) == 0 && space[1 + size] == ' ')
            sum += strtoull(space + 1 + size, NULL, 10);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return sum;
}

static void read_cpu(struct runtime_cgroup *cgroup, struct runtime_stats *stats)
{
    char text[1024];
    int fd = cgroup->fds[CGROUP_CPUACCT];
    if (fd >= 0) {
        cgroup_read_number(fd, "cpuacct.usage", &stats->cpu_usage_ns);
        cgroup_read_number(fd, "cpuacct.usage_user", &stats->cpu_user_ns);
        cgroup_read_number(fd, "cpuacct.usage_sys", &stats->cpu_system_ns);
    }
    fd = cgroup->fds[CGROUP_CPU];
    if (fd >= 0 && cgroup_read(fd, "cpu.stat", text, sizeof(text)) > 0) {
        stats->cpu_periods = cgroup_field(text, "nr_periods");
        stats->cpu_throttled_periods = cgroup_field(text, "nr_throttled");
        stats->cpu_throttled_ns = cgroup_field(text, "throttled_time");
    }
}

int cgroup_v1_stats(struct runtime_cgroup *cgroup, struct runtime_stats *stats, struct error *err)
{
    char text[16384];
    int fd = cgroup->fds[CGROUP_MEMORY];
    if (fd < 0)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "cgroup %s has no memory controller", cgroup->path);
    int r = cgroup_read_number(fd, "memory.usage_in_bytes", &stats->memory_usage);
    if (r < 0)
        return error_errno(err, r, "cannot read the statistics of cgroup %s", cgroup->path);
    cgroup_read_number(fd, "memory.limit_in_bytes", &stats->memory_limit);
    cgroup_read_number(fd, "memory.max_usage_in_bytes", &stats->memory_max_usage);
    cgroup_read_number(fd, "memory.failcnt", &stats->memory_failcnt);
    if (cgroup_read(fd, "memory.stat", text, sizeof(text)) > 0) {
        stats->memory_inactive_file = cgroup_field(text, "total_inactive_file");
        stats->memory_cache = cgroup_field(text, "total_cache");
    }
    read_cpu(cgroup, stats);
    fd = cgroup->fds[CGROUP_PIDS];
    if (fd >= 0) {
        cgroup_read_number(fd, "pids.current", &stats->pids_current);
        cgroup_read_number(fd, "pids.max", &stats->pids_limit);
        if (stats->pids_limit == UINT64_MAX)
            stats->pids_limit = 0;
    }
    fd = cgroup->fds[CGROUP_BLKIO];
    if (fd >= 0 && cgroup_read(fd, "blkio.throttle.io_service_bytes_recursive", text, sizeof(text)) > 0) {
        stats->blkio_read_bytes = sum_operation(text, "Read");
        stats->blkio_write_bytes = sum_operation(text, "Write");
    }
    return 0;
}

/* ---- in detail ---- */

static void read_memory(int fd, const char *prefix, struct runtime_stats_memory *ret)
{
    const struct {
        const char *name;
        uint64_t *to;
    } files[] = {{"usage_in_bytes", &ret->usage},
                 {"max_usage_in_bytes", &ret->max_usage},
                 {"failcnt", &ret->failcnt},
                 {"limit_in_bytes", &ret->limit}};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        CLEANUP_FREE char *name = xasprintf("%s%s", prefix, files[i].name);
        cgroup_read_number(fd, name, files[i].to);
    }
}

/* NULL when there is no such file. */
static uint64_t *read_per_cpu(int fd, const char *file, size_t count)
{
    char text[16384];
    if (cgroup_read(fd, file, text, sizeof(text)) <= 0)
        return NULL;
    uint64_t *ret = xcalloc(count, sizeof(ret[0]));
    const char *p = text;
    for (size_t i = 0; i < count; i++) {
        char *end;
        ret[i] = strtoull(p, &end, 10);
        p = end;
    }
    return ret;
}

static void read_cpuset(int fd, struct runtime_stats_cpuset *ret)
{
    const struct {
        const char *file;
        int64_t *to;
    } files[] = {{"cpuset.cpu_exclusive", &ret->cpu_exclusive},
                 {"cpuset.mem_hardwall", &ret->mem_hardwall},
                 {"cpuset.mem_exclusive", &ret->mem_exclusive},
                 {"cpuset.memory_migrate", &ret->memory_migrate},
                 {"cpuset.memory_spread_page", &ret->memory_spread_page},
                 {"cpuset.memory_spread_slab", &ret->memory_spread_slab},
                 {"cpuset.memory_pressure", &ret->memory_pressure},
                 {"cpuset.sched_load_balance", &ret->sched_load_balance},
                 {"cpuset.sched_relax_domain_level", &ret->sched_relax_domain_level}};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        char text[32];
        if (cgroup_read(fd, files[i].file, text, sizeof(text)) > 0)
            *files[i].to = strtoll(text, NULL, 10);
    }
}

/* Devices whose requests the BFQ scheduler handles are counted in files of its own as well; throttle's count all. */
static void read_io(int fd, const char *file, struct runtime_stats_io_list *list)
{
    char text[65536];
    if (cgroup_read(fd, file, text, sizeof(text)) > 0)
        cgroup_stats_parse_blkio(text, list);
}

int cgroup_v1_stats_detail(struct runtime_cgroup *cgroup, struct runtime_stats_detail *ret, struct error *err)
{
    (void)err; /* what is not there is zero; that the cgroup exists is known from the sums */
    uint64_t hierarchy = 0;
    const int *fds = cgroup->fds;
    if (fds[CGROUP_MEMORY] >= 0) {
        cgroup_stats_memory_stat(fds[CGROUP_MEMORY], ret);
        read_memory(fds[CGROUP_MEMORY], "memory.memsw.", &ret->swap);
        read_memory(fds[CGROUP_MEMORY], "memory.kmem.", &ret->kernel);
        read_memory(fds[CGROUP_MEMORY], "memory.kmem.tcp.", &ret->kernel_tcp);
        cgroup_read_number(fds[CGROUP_MEMORY], "memory.use_hierarchy", &hierarchy);
        ret->hierarchy = hierarchy == 1;
    }
    if (fds[CGROUP_CPUACCT] >= 0) {
        ret->per_cpu_ns = read_per_cpu(fds[CGROUP_CPUACCT], "cpuacct.usage_percpu", ret->per_cpu_count);
        ret->per_cpu_kernel_ns = read_per_cpu(fds[CGROUP_CPUACCT], "cpuacct.usage_percpu_sys", ret->per_cpu_count);
        ret->per_cpu_user_ns = read_per_cpu(fds[CGROUP_CPUACCT], "cpuacct.usage_percpu_user", ret->per_cpu_count);
    }
    if (fds[CGROUP_BLKIO] >= 0) {
        read_io(fds[CGROUP_BLKIO], "blkio.throttle.io_service_bytes_recursive", &ret->io_bytes);
        read_io(fds[CGROUP_BLKIO], "blkio.throttle.io_serviced_recursive", &ret->io_operations);
    }
    if (fds[CGROUP_HUGETLB] >= 0)
        cgroup_stats_hugetlb(fds[CGROUP_HUGETLB], false, ret);
    else if (cgroup->unified_fd >= 0) /* a hybrid host may have given it to v2 */
        cgroup_stats_hugetlb(cgroup->unified_fd, true, ret);
    if (fds[CGROUP_CPUSET] >= 0) {
        ret->cpus = cgroup_read_line(fds[CGROUP_CPUSET], "cpuset.effective_cpus");
        ret->mems = cgroup_read_line(fds[CGROUP_CPUSET], "cpuset.effective_mems");
        read_cpuset(fds[CGROUP_CPUSET], &ret->cpuset);
    }
    return 0;
}
