/* The statistics of `events`, with runc's member names. */
#include <stdlib.h>

#include "base/memory.h"
#include "cmd/dory-runtime/runtime.h"
#include "runtime/cgroup_stats.h"

static void member_uint(struct json_writer *w, const char *key, uint64_t n)
{
    json_key(w, key);
    json_put_uint(w, n);
}

static void write_pressure(struct json_writer *w, const struct runtime_stats_pressure *pressure)
{
    const struct {
        const char *key;
        const struct runtime_stats_stall *stall;
    } parts[] = {{"some", &pressure->some}, {"full", &pressure->full}};
    if (!pressure->available)
        return;
    json_key(w, "psi");
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        json_key(w, parts[i].key);
        json_begin_object(w);
        json_key(w, "avg10");
        json_put_double(w, parts[i].stall->avg10);
        json_key(w, "avg60");
        json_put_double(w, parts[i].stall->avg60);
        json_key(w, "avg300");
        json_put_double(w, parts[i].stall->avg300);
        member_uint(w, "total", parts[i].stall->total);
        json_end_object(w);
    }
    json_end_object(w);
}

static void write_numbers(struct json_writer *w, const char *key, const uint64_t *numbers, size_t count)
{
    if (numbers == NULL)
        return;
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_put_uint(w, numbers[i]);
    json_end_array(w);
}

static void write_cpu(struct json_writer *w, const struct runtime_stats_detail *s)
{
    json_key(w, "cpu");
    json_begin_object(w);
    json_key(w, "usage");
    json_begin_object(w);
    member_uint(w, "total", s->sum.cpu_usage_ns);
    write_numbers(w, "percpu", s->per_cpu_ns, s->per_cpu_count);
    write_numbers(w, "percpu_kernel", s->per_cpu_kernel_ns, s->per_cpu_count);
    write_numbers(w, "percpu_user", s->per_cpu_user_ns, s->per_cpu_count);
    member_uint(w, "kernel", s->sum.cpu_system_ns);
    member_uint(w, "user", s->sum.cpu_user_ns);
    json_end_object(w);
    json_key(w, "throttling");
    json_begin_object(w);
    member_uint(w, "periods", s->sum.cpu_periods);
    member_uint(w, "throttledPeriods", s->sum.cpu_throttled_periods);
    member_uint(w, "throttledTime", s->sum.cpu_throttled_ns);
    json_end_object(w);
    write_pressure(w, &s->cpu_pressure);
    json_end_object(w);
}

/* "0-2,7" as the numbers 0 1 2 7 */
static void write_list(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_begin_array(w);
    for (const char *p = text != NULL ? text : "";;) {
        char *end;
        unsigned long first = strtoul(p, &end, 10);
        if (end == p)
            break;
        unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
        for (unsigned long i = first; i <= last && i - first < 65536; i++)
            json_put_uint(w, i);
        p = end + (*end == ',');
    }
    json_end_array(w);
}

static void write_cpuset(struct json_writer *w, const struct runtime_stats_detail *s)
{
    const struct {
        const char *key;
        int64_t value;
    } flags[] = {{"cpu_exclusive", s->cpuset.cpu_exclusive},
                 {"mem_hardwall", s->cpuset.mem_hardwall},
                 {"mem_exclusive", s->cpuset.mem_exclusive},
                 {"memory_migrate", s->cpuset.memory_migrate},
                 {"memory_spread_page", s->cpuset.memory_spread_page},
                 {"memory_spread_slab", s->cpuset.memory_spread_slab},
                 {"memory_pressure", s->cpuset.memory_pressure},
                 {"sched_load_balance", s->cpuset.sched_load_balance},
                 {"sched_relax_domain_level", s->cpuset.sched_relax_domain_level}};
    json_key(w, "cpuset");
    json_begin_object(w);
    write_list(w, "cpus", s->cpus);
    write_list(w, "mems", s->mems);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        json_member_int(w, flags[i].key, flags[i].value);
    json_end_object(w);
}

static void write_memory_entry(struct json_writer *w, const char *key, const struct runtime_stats_memory *m)
{
    json_key(w, key);
    json_begin_object(w);
    member_uint(w, "limit", m->limit);
    member_uint(w, "usage", m->usage);
    member_uint(w, "max", m->max_usage);
    member_uint(w, "failcnt", m->failcnt);
    json_end_object(w);
}

static void write_memory(struct json_writer *w, const struct runtime_stats_detail *s)
{
    struct runtime_stats_memory usage = {.limit = s->sum.memory_limit,
                                         .usage = s->sum.memory_usage,
                                         .max_usage = s->sum.memory_max_usage,
                                         .failcnt = s->sum.memory_failcnt};
    json_key(w, "memory");
    json_begin_object(w);
    member_uint(w, "cache", s->sum.memory_cache);
    write_memory_entry(w, "usage", &usage);
    write_memory_entry(w, "swap", &s->swap);
    write_memory_entry(w, "kernel", &s->kernel);
    write_memory_entry(w, "kernelTCP", &s->kernel_tcp);
    json_key(w, "raw");
    json_begin_object(w);
    for (size_t i = 0; i < s->memory_stat_count; i++)
        member_uint(w, s->memory_stat[i].name, s->memory_stat[i].value);
    json_end_object(w);
    write_pressure(w, &s->memory_pressure);
    json_end_object(w);
}

static void write_io_list(struct json_writer *w, const char *key, const struct runtime_stats_io_list *list)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++) {
        json_begin_object(w);
        member_uint(w, "major", list->items[i].major);
        member_uint(w, "minor", list->items[i].minor);
        json_member_string(w, "op", list->items[i].operation);
        member_uint(w, "value", list->items[i].value);
        json_end_object(w);
    }
    json_end_array(w);
}

void events_write_stats(const struct runtime_stats_detail *s, struct json_writer *w)
{
    json_begin_object(w);
    write_cpu(w, s);
    write_cpuset(w, s);
    write_memory(w, s);
    json_key(w, "pids");
    json_begin_object(w);
    member_uint(w, "current", s->sum.pids_current);
    member_uint(w, "limit", s->sum.pids_limit);
    json_end_object(w);
    json_key(w, "blkio");
    json_begin_object(w);
    write_io_list(w, "ioServiceBytesRecursive", &s->io_bytes);
    write_io_list(w, "ioServicedRecursive", &s->io_operations);
    write_pressure(w, &s->io_pressure);
    json_end_object(w);
    json_key(w, "hugetlb");
    json_begin_object(w);
    for (size_t i = 0; i < s->hugetlb_count; i++) {
        json_key(w, s->hugetlb[i].page_size);
        json_begin_object(w);
        member_uint(w, "usage", s->hugetlb[i].usage);
        member_uint(w, "max", s->hugetlb[i].max_usage);
        member_uint(w, "failcnt", s->hugetlb[i].failcnt);
        json_end_object(w);
    }
    json_end_object(w);
    json_end_object(w);
}
