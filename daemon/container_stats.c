/* GET /containers/{id}/stats: one sample in docker's JSON. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/timestamp.h"
#include "daemon/engine_internal.h"
#include "runtime/cgroup_stats.h"

#define PROC_FILE_MAX (1 << 20)

/* Time that all of the host's processors have spent, in ns, idle included: the sum of the first line of /proc/stat. */
static uint64_t host_cpu_ns(void)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    if (file_read(AT_FDCWD, "/proc/stat", PROC_FILE_MAX, &text, &size, NULL) < 0)
        return 0;
    uint64_t total = 0;
    char *p = text + strcspn(text, " ");
    for (int i = 0; i < 8; i++) /* user nice system idle iowait irq softirq steal; guest is in user already */
        total += strtoull(p, &p, 10);
    return total * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t host_memory(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void member_uint(struct json_writer *w, const char *key, uint64_t n)
{
    json_key(w, key);
    json_put_uint(w, n);
}

static void put_cpu(struct json_writer *w, const char *key, const struct stats_sample *s)
{
    json_key(w, key);
    json_begin_object(w);
    json_key(w, "cpu_usage");
    json_begin_object(w);
    member_uint(w, "total_usage", s->cpu_total);
    if (s->per_cpu_ns != NULL) {
        json_key(w, "percpu_usage");
        json_begin_array(w);
        for (size_t i = 0; i < s->per_cpu_count; i++)
            json_put_uint(w, s->per_cpu_ns[i]);
        json_end_array(w);
    }
    member_uint(w, "usage_in_kernelmode", s->cpu_system);
    member_uint(w, "usage_in_usermode", s->cpu_user);
    json_end_object(w);
    if (s->read != 0) {
        member_uint(w, "system_cpu_usage", s->host_cpu);
        json_member_int(w, "online_cpus", sysconf(_SC_NPROCESSORS_ONLN));
    }
    json_key(w, "throttling_data");
    json_begin_object(w);
    member_uint(w, "periods", s->periods);
    member_uint(w, "throttled_periods", s->throttled_periods);
    member_uint(w, "throttled_time", s->throttled_ns);
    json_end_object(w);
    json_end_object(w);
}

/* Nothing of a container that does not run. */
static void put_memory(struct json_writer *w, const struct runtime_stats_detail *d, bool running)
{
    const struct runtime_stats *s = &d->sum;
    uint64_t limit = s->memory_limit == 0 || s->memory_limit > host_memory() ? host_memory() : s->memory_limit;
    json_key(w, "memory_stats");
    json_begin_object(w);
    if (!running) {
        json_end_object(w);
        return;
    }
    member_uint(w, "usage", s->memory_usage);
    if (!d->v2)
        member_uint(w, "max_usage", s->memory_max_usage);
    json_key(w, "stats");
    json_begin_object(w);
    for (size_t i = 0; i < d->memory_stat_count; i++)
        member_uint(w, d->memory_stat[i].name, d->memory_stat[i].value);
    json_end_object(w);
    if (!d->v2 || s->memory_failcnt != 0)
        member_uint(w, "failcnt", s->memory_failcnt);
    member_uint(w, "limit", limit);
    json_end_object(w);
}

/* v2's vocabulary is in small letters; nothing accounted is null there. */
static void put_io_list(struct json_writer *w, const char *key, const struct runtime_stats_io_list *list, bool v2)
{
    if (v2 && list->count == 0) {
        json_member_null(w, key);
        return;
    }
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++) {
        char operation[16];
        snprintf(operation, sizeof(operation), "%s", list->items[i].operation);
        if (v2)
            operation[0] = (char)tolower((unsigned char)operation[0]);
        json_begin_object(w);
        member_uint(w, "major", list->items[i].major);
        member_uint(w, "minor", list->items[i].minor);
        json_member_string(w, "op", operation);
        member_uint(w, "value", list->items[i].value);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_block_io(struct json_writer *w, const struct runtime_stats_detail *d, bool running)
{
    /* What only kernels with the CFQ scheduler accounted. */
    static const char *const gone[] = {"io_queue_recursive",  "io_service_time_recursive", "io_wait_time_recursive",
                                       "io_merged_recursive", "io_time_recursive",         "sectors_recursive"};
    json_key(w, "blkio_stats");
    json_begin_object(w);
    put_io_list(w, "io_service_bytes_recursive", &d->io_bytes, d->v2 || !running);
    put_io_list(w, "io_serviced_recursive", &d->io_operations, d->v2 || !running);
    for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
        if (d->v2 || !running) {
            json_member_null(w, gone[i]);
            continue;
        }
        json_key(w, gone[i]);
        json_begin_array(w);
        json_end_array(w);
    }
    json_end_object(w);
}

/* One line of /proc/PID/net/dev: "  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets ..." */
static void put_interface(struct json_writer *w, char *line)
{
    static const struct {
        const char *name;
        int column;
    } rows[] = {{"rx_bytes", 0}, {"rx_packets", 1}, {"rx_errors", 2},  {"rx_dropped", 3},
                {"tx_bytes", 8}, {"tx_packets", 9}, {"tx_errors", 10}, {"tx_dropped", 11}};
    char *name = line + strspn(line, " ");
    char *colon = strchr(name, ':');
    if (colon == NULL)
        return;
    *colon = '\0';
    if (strcmp(name, "lo") == 0)
        return;
    uint64_t columns[16];
    char *p = colon + 1;
    for (int i = 0; i < 16; i++)
        columns[i] = strtoull(p, &p, 10);
    json_key(w, name);
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        member_uint(w, rows[i].name, columns[rows[i].column]);
    json_end_object(w);
}

static void put_networks(struct json_writer *w, const struct container *c, pid_t pid)
{
    if (strcmp(c->host.network_mode, "host") == 0 || pid == 0)
        return;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/net/dev", pid);
    CLEANUP_FREE char *text = NULL;
    size_t size;
    if (file_read(AT_FDCWD, path, PROC_FILE_MAX, &text, &size, NULL) < 0)
        return;
    json_key(w, "networks");
    json_begin_object(w);
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        if (strchr(line, ':') != NULL)
            put_interface(w, line);
    json_end_object(w);
}

void stats_sample_release(struct stats_sample *sample)
{
    free(sample->per_cpu_ns);
    *sample = (struct stats_sample){0};
}

/* Takes the times of the single processors. */
static void sample(struct runtime_stats_detail *detail, struct stats_sample *ret)
{
    const struct runtime_stats *s = &detail->sum;
    *ret = (struct stats_sample){.read = timestamp_now(),
                                 .cpu_total = s->cpu_usage_ns,
                                 .cpu_user = s->cpu_user_ns,
                                 .cpu_system = s->cpu_system_ns,
                                 .host_cpu = host_cpu_ns(),
                                 .periods = s->cpu_periods,
                                 .throttled_periods = s->cpu_throttled_periods,
                                 .throttled_ns = s->cpu_throttled_ns,
                                 .per_cpu_ns = TAKE_PTR(detail->per_cpu_ns),
                                 .per_cpu_count = detail->per_cpu_count};
}

static int read_cgroup(struct engine *engine, struct container *c, struct runtime_stats_detail *ret, struct error *err)
{
    CLEANUP_FREE char *path = container_cgroup_path(engine, c);
    struct runtime_cgroup *cgroup = NULL;
    int r = runtime_cgroup_open(path, &cgroup, err);
    if (r < 0)
        return r;
    r = runtime_cgroup_stats_detail(cgroup, ret, err);
    runtime_cgroup_free(cgroup);
    return r;
}

static void member_time(struct json_writer *w, const char *key, int64_t ns)
{
    char text[TIMESTAMP_MAX];
    timestamp_format(text, ns);
    json_member_string(w, key, text);
}

int container_stats(struct engine *engine, struct container *c, struct stats_sample *previous, struct strbuf *out,
                    struct error *err)
{
    CLEANUP_FREE char *name = container_slash_name(engine, c);
    pthread_mutex_lock(&c->lock);
    pid_t pid = c->pid;
    pthread_mutex_unlock(&c->lock);
    CLEANUP(runtime_stats_detail_release) struct runtime_stats_detail stats = {0};
    CLEANUP(stats_sample_release) struct stats_sample now = {0};
    int r = pid != 0 ? read_cgroup(engine, c, &stats, err) : 0;
    if (r < 0) {
        pthread_mutex_lock(&c->lock);
        bool ended = c->pid == 0;
        pthread_mutex_unlock(&c->lock);
        if (!ended)
            return r;
        error_clear(err);
        runtime_stats_detail_release(&stats);
        pid = 0;
    }
    if (pid != 0)
        sample(&stats, &now);
    struct stats_sample zero = {0};
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    member_time(&w, "read", now.read);
    member_time(&w, "preread", previous ? previous->read : 0);
    json_key(&w, "pids_stats");
    json_begin_object(&w);
    if (pid != 0) {
        member_uint(&w, "current", stats.sum.pids_current);
        if (stats.sum.pids_limit != 0)
            member_uint(&w, "limit", stats.sum.pids_limit);
    }
    json_end_object(&w);
    put_block_io(&w, &stats, pid != 0);
    json_member_int(&w, "num_procs", 0);
    json_key(&w, "storage_stats");
    json_begin_object(&w);
    json_end_object(&w);
    put_cpu(&w, "cpu_stats", &now);
    put_cpu(&w, "precpu_stats", previous ? previous : &zero);
    put_memory(&w, &stats, pid != 0);
    json_member_string(&w, "name", name);
    json_member_string(&w, "id", c->id);
    json_member_string(&w, "os_type", "linux");
    put_networks(&w, c, pid);
    json_end_object(&w);
    strbuf_addc(out, '\n');
    if (previous != NULL) {
        stats_sample_release(previous);
        *previous = now;
        now = (struct stats_sample){0};
    }
    return 0;
}
