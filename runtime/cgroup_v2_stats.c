/* Statistics out of the control files of v2. */
#include <errno.h>

#include "base/memory.h"
#include "runtime/cgroup.h"

/* "8:0 rbytes=1 wbytes=2 ..." lines */
static uint64_t sum_io(const char *text, const char *key)
{
    uint64_t sum = 0;
    for (const char *p = text; (p = strstr(p, key)) != NULL; p += strlen(key))
        sum += strtoull(p + strlen(key), NULL, 10);
    return sum;
}

int cgroup_v2_stats(struct runtime_cgroup *cgroup, struct runtime_stats *stats, struct error *err)
{
    char text[16384];
    int fd = cgroup->unified_fd;
    ssize_t n = cgroup_read(fd, "cpu.stat", text, sizeof(text));
    if (n < 0)
        return error_errno(err, (int)n, "cannot read the statistics of cgroup %s", cgroup->path);
    stats->cpu_usage_ns = cgroup_field(text, "usage_usec") * 1000;
    stats->cpu_user_ns = cgroup_field(text, "user_usec") * 1000;
    stats->cpu_system_ns = cgroup_field(text, "system_usec") * 1000;
    stats->cpu_periods = cgroup_field(text, "nr_periods");
    stats->cpu_throttled_periods = cgroup_field(text, "nr_throttled");
    stats->cpu_throttled_ns = cgroup_field(text, "throttled_usec") * 1000;
    cgroup_read_number(fd, "memory.current", &stats->memory_usage);
    cgroup_read_number(fd, "memory.max", &stats->memory_limit);
    cgroup_read_number(fd, "memory.peak", &stats->memory_max_usage);
    if (cgroup_read(fd, "memory.events", text, sizeof(text)) > 0)
        stats->memory_failcnt = cgroup_field(text, "max");
    if (cgroup_read(fd, "memory.stat", text, sizeof(text)) > 0) {
        stats->memory_inactive_file = cgroup_field(text, "inactive_file");
        stats->memory_cache = cgroup_field(text, "file");
    }
    cgroup_read_number(fd, "pids.current", &stats->pids_current);
    cgroup_read_number(fd, "pids.max", &stats->pids_limit);
    if (stats->pids_limit == UINT64_MAX)
        stats->pids_limit = 0;
    if (cgroup_read(fd, "io.stat", text, sizeof(text)) > 0) {
        stats->blkio_read_bytes = sum_io(text, " rbytes=");
        stats->blkio_write_bytes = sum_io(text, " wbytes=");
    }
    return 0;
}

/* ---- in detail ---- */

static void read_pressure(int fd, const char *file, struct runtime_stats_pressure *ret)
{
    char text[512];
    if (cgroup_read(fd, file, text, sizeof(text)) > 0)
        cgroup_stats_parse_pressure(text, ret);
}

int cgroup_v2_stats_detail(struct runtime_cgroup *cgroup, struct runtime_stats_detail *ret, struct error *err)
{
    (void)err; /* what is not there is zero; that the cgroup exists is known from the sums */
    char text[65536];
    int fd = cgroup->unified_fd;
    ret->v2 = ret->hierarchy = true;
    cgroup_stats_memory_stat(fd, ret);
    cgroup_read_number(fd, "memory.swap.current", &ret->swap.usage);
    cgroup_read_number(fd, "memory.swap.peak", &ret->swap.max_usage);
    cgroup_read_number(fd, "memory.swap.max", &ret->swap.limit);
    if (cgroup_read(fd, "memory.swap.events", text, sizeof(text)) > 0)
        ret->swap.failcnt = cgroup_field(text, "fail");
    if (cgroup_read(fd, "io.stat", text, sizeof(text)) > 0)
        cgroup_stats_parse_io(text, &ret->io_bytes, &ret->io_operations);
    cgroup_stats_hugetlb(fd, true, ret);
    read_pressure(fd, "cpu.pressure", &ret->cpu_pressure);
    read_pressure(fd, "memory.pressure", &ret->memory_pressure);
    read_pressure(fd, "io.pressure", &ret->io_pressure);
    ret->cpus = cgroup_read_line(fd, "cpuset.cpus.effective");
    ret->mems = cgroup_read_line(fd, "cpuset.mems.effective");
    return 0;
}
