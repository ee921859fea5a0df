/*
 * What a container has used, in detail: for `events --stats` and `GET /containers/ID/stats`. The few numbers that a
 * table of containers shows are cheaper: runtime_cgroup_stats() of container.h. Values are what the control files say
 * (cgroup-v1/memory.rst, blkio-controller.rst, cgroup-v2.rst of the kernel's documentation); what a kind of host does
 * not account is zero, and lists of it are empty.
 */
#ifndef DORY_RUNTIME_CGROUP_STATS_H
#define DORY_RUNTIME_CGROUP_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/container.h"

struct runtime_stats_named {
    char *name;
    uint64_t value;
};

/* Bytes; limit UINT64_MAX: none. */
struct runtime_stats_memory {
    uint64_t usage, max_usage, failcnt, limit;
};

struct runtime_stats_io {
    uint32_t major, minor;
    const char *operation; /* static: "Read" "Write" "Sync" "Async" "Discard" "Total" */
    uint64_t value;
};

struct runtime_stats_io_list {
    struct runtime_stats_io *items;
    size_t count, capacity;
};

struct runtime_stats_hugetlb {
    char *page_size; /* "2MB" */
    uint64_t usage, max_usage, failcnt;
};

/* Pressure stall information (PSI): averages in percent over 10, 60 and 300 seconds, total in microseconds. */
struct runtime_stats_stall {
    double avg10, avg60, avg300;
    uint64_t total;
};
struct runtime_stats_pressure {
    bool available;
    struct runtime_stats_stall some, full;
};

/* The flags of a cpuset of v1 (cpusets.rst), by their files; zero where the container has none of its own. */
struct runtime_stats_cpuset {
    int64_t cpu_exclusive, mem_hardwall, mem_exclusive, memory_migrate, memory_spread_page, memory_spread_slab,
        memory_pressure, sched_load_balance, sched_relax_domain_level;
};

struct runtime_stats_detail {
    struct runtime_stats sum;
    bool v2;              /* which of the two vocabularies `memory_stat` speaks */
    uint64_t *per_cpu_ns; /* v1 only, as are the next two; NULL */
    uint64_t *per_cpu_kernel_ns, *per_cpu_user_ns;
    size_t per_cpu_count;                           /* processors */
    struct runtime_stats_memory swap;               /* v1: memory and swap together; v2: swap alone */
    struct runtime_stats_memory kernel, kernel_tcp; /* v1 only */
    bool hierarchy;                                 /* v1: memory.use_hierarchy; always so on v2 */
    struct runtime_stats_named *memory_stat;        /* memory.stat, in its order */
    size_t memory_stat_count;
    struct runtime_stats_io_list io_bytes, io_operations;
    struct runtime_stats_hugetlb *hugetlb;
    size_t hugetlb_count;
    struct runtime_stats_pressure cpu_pressure, memory_pressure, io_pressure; /* v2 only */
    char *cpus, *mems; /* effective cpuset, NULL when the container has none of its own */
    struct runtime_stats_cpuset cpuset;
};

/* *ret is zeroed or released; after success the caller releases it. ERROR_NOT_FOUND when the cgroup is gone. */
int runtime_cgroup_stats_detail(struct runtime_cgroup *cgroup, struct runtime_stats_detail *ret, struct error *err);
void runtime_stats_detail_release(struct runtime_stats_detail *stats);

/*
 * A descriptor that becomes readable (poll(2)) whenever the OOM killer may have been at work in the cgroup; read and
 * discard up to 4096 bytes, then ask runtime_cgroup_oom_kills(). It also becomes readable when the cgroup is removed.
 * The caller closes *ret_fd. ERROR_UNAVAILABLE without a memory controller.
 */
int runtime_cgroup_oom_watch(struct runtime_cgroup *cgroup, int *ret_fd, struct error *err);

#endif
