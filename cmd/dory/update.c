/* update: limits and restart policy of existing containers. */
#include "api/client.h"
#include "base/json.h"
#include "cmd/dory/container_flags.h"
#include "cmd/dory/each.h"

struct update_flags {
    char *cpuset_cpus, *cpuset_mems, *restart;
    int64_t blkio_weight, cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime, cpu_shares, cpus, kernel_memory, memory,
        memory_reservation, memory_swap, pids_limit;
    bool given, pids_limit_given; /* any flag but pids-limit; that one */
    struct strv publish_add, publish_rm, mount_add;
};

#define AT(member) offsetof(struct update_flags, member)
#define NUMBER(name, letter, member, help)                                                                             \
    {                                                                                                                  \
        name, letter, OPTION_INT, AT(member), "int", help, 0, AT(given), NULL                                          \
    }

static const struct option update_options[] = {
    {"blkio-weight", 0, OPTION_INT, AT(blkio_weight), "uint16",
     "Block IO (relative weight), between 10 and 1000, or 0 to disable", 0, AT(given), NULL},
    NUMBER("cpu-period", 0, cpu_period, "Limit CPU CFS (Completely Fair Scheduler) period"),
    NUMBER("cpu-quota", 0, cpu_quota, "Limit CPU CFS (Completely Fair Scheduler) quota"),
    NUMBER("cpu-rt-period", 0, cpu_rt_period, "Limit the CPU real-time period in microseconds"),
    NUMBER("cpu-rt-runtime", 0, cpu_rt_runtime, "Limit the CPU real-time runtime in microseconds"),
    NUMBER("cpu-shares", 'c', cpu_shares, "CPU shares (relative weight)"),
    {"cpus", 0, OPTION_CPUS, AT(cpus), "decimal", "Number of CPUs", 0, AT(given), NULL},
    {"cpuset-cpus", 0, OPTION_STRING, AT(cpuset_cpus), "string", "CPUs in which to allow execution (0-3, 0,1)", 0,
     AT(given), NULL},
    {"cpuset-mems", 0, OPTION_STRING, AT(cpuset_mems), "string", "MEMs in which to allow execution (0-3, 0,1)", 0,
     AT(given), NULL},
    {"kernel-memory", 0, OPTION_BYTES, AT(kernel_memory), "bytes", "Kernel memory limit (deprecated)", OPTION_HIDDEN,
     AT(given), NULL},
    {"memory", 'm', OPTION_BYTES, AT(memory), "bytes", "Memory limit", 0, AT(given), NULL},
    {"memory-reservation", 0, OPTION_BYTES, AT(memory_reservation), "bytes", "Memory soft limit", 0, AT(given), NULL},
    {"memory-swap", 0, OPTION_BYTES, AT(memory_swap), "bytes",
     "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", OPTION_MINUS_ONE, AT(given), NULL},
    {"mount-add", 0, OPTION_LIST, AT(mount_add), "mount", "Mount something more, also while the container runs", 0,
     AT(given), NULL},
    {"pids-limit", 0, OPTION_INT, AT(pids_limit), "int", "Tune container pids limit (set -1 for unlimited)", 0,
     AT(pids_limit_given), NULL},
    {"publish-add", 0, OPTION_LIST, AT(publish_add), "list", "Publish one more port, also while the container runs", 0,
     AT(given), NULL},
    {"publish-rm", 0, OPTION_LIST, AT(publish_rm), "list", "Publish a container's port no longer (port[/protocol])", 0,
     AT(given), NULL},
    {"restart", 0, OPTION_STRING, AT(restart), "string", "Restart policy to apply when a container exits", 0, AT(given),
     NULL},
    {0},
};

/* dory's own members: mounts and ports. */
static int write_additions(const struct update_flags *f, struct json_writer *w, struct error *err)
{
    struct port_mappings ports = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < f->publish_add.count; i++)
        r = port_mappings_parse(&ports, f->publish_add.items[i], err);
    if (r == 0)
        port_bindings_write(w, "PortBindingsAdd", &ports);
    port_mappings_release(&ports);
    if (r == 0 && f->publish_rm.count > 0) {
        json_key(w, "PortBindingsRemove");
        json_begin_array(w);
        for (size_t i = 0; i < f->publish_rm.count; i++)
            json_put_string(w, f->publish_rm.items[i]);
        json_end_array(w);
    }
    if (r == 0 && f->mount_add.count > 0) {
        json_key(w, "MountsAdd");
        json_begin_array(w);
        for (size_t i = 0; r == 0 && i < f->mount_add.count; i++)
            r = mount_option_write(f->mount_add.items[i], w, err);
        json_end_array(w);
    }
    return r;
}

static int write_body(const struct update_flags *f, struct strbuf *body, struct error *err)
{
    const struct {
        const char *member;
        int64_t value;
    } numbers[] = {
        {"BlkioWeight", f->blkio_weight},
        {"CpuPeriod", f->cpu_period},
        {"CpuQuota", f->cpu_quota},
        {"CpuRealtimePeriod", f->cpu_rt_period},
        {"CpuRealtimeRuntime", f->cpu_rt_runtime},
        {"CpuShares", f->cpu_shares},
        {"NanoCpus", f->cpus},
        {"KernelMemory", f->kernel_memory},
        {"Memory", f->memory},
        {"MemoryReservation", f->memory_reservation},
        {"MemorySwap", f->memory_swap},
    };
    struct json_writer w;
    json_writer_init(&w, body);
    json_begin_object(&w);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (numbers[i].value != 0)
            json_member_int(&w, numbers[i].member, numbers[i].value);
    if (f->cpuset_cpus != NULL)
        json_member_string(&w, "CpusetCpus", f->cpuset_cpus);
    if (f->cpuset_mems != NULL)
        json_member_string(&w, "CpusetMems", f->cpuset_mems);
    if (f->pids_limit_given)
        json_member_int(&w, "PidsLimit", f->pids_limit);
    int r = restart_policy_write(&w, f->restart, err);
    if (r == 0)
        r = write_additions(f, &w, err);
    json_end_object(&w);
    return r;
}

static int update_one(struct cli *cli, const char *name, void *data, struct error *err)
{
    const struct strbuf *body = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, name);
    strbuf_adds(&path, "/update");
    struct client_request request = {
        .method = "POST", .path = strbuf_str(&path), .body = strbuf_str(body), .body_size = body->size};
    int r = client_json(cli_client(cli), &request, &answer, err);
    const struct json *warnings = json_get(answer, "Warnings");
    for (size_t i = 0; i < json_count(warnings); i++)
        fprintf(stderr, "%s\n", json_string(json_at(warnings, i)));
    return r;
}

static int run_update(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct update_flags *flags = data;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    int r = write_body(flags, &body, err);
    if (r < 0)
        return r;
    if (!flags->given && !flags->pids_limit_given)
        return error_set(err, ERROR_INVALID, 0, "you must provide one or more flags when using this command");
    return for_each_argument(cli, arguments, update_one, &body);
}

const struct command command_update = {
    .name = "update",
    .aliases = "container update",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Update configuration of one or more containers",
    .options = update_options,
    .flags_size = sizeof(struct update_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_update,
};
