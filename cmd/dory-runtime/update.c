/* update: other limits for a container that exists. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"
#include "runtime/resctrl.h"
#include "runtime/systemd.h"

/* The options that are one number of linux.resources. */
enum { NUMBERS = 15 };

struct update {
    const char *file, *cpus, *mems, *l3_cache, *mem_bandwidth;
    const char *numbers[NUMBERS];
    struct oci_resources resources;
};

static const struct number {
    const char *name, *help;
    bool bytes; /* takes k, m, g, t */
    size_t offset;
} numbers[NUMBERS] = {
#define NUMBER(name_, bytes_, member_, help_)                                                                          \
    {                                                                                                                  \
        name_, help_, bytes_, offsetof(struct oci_resources, member_)                                                  \
    }
    NUMBER("blkio-weight", false, block_io.weight, "10 to 1000"),
    NUMBER("cpu-period", false, cpu.period, "in microseconds"),
    NUMBER("cpu-quota", false, cpu.quota, "in microseconds per period; -1: none"),
    NUMBER("cpu-burst", false, cpu.burst, "in microseconds"),
    NUMBER("cpu-share", false, cpu.shares, "2 to 262144"),
    NUMBER("cpu-rt-period", false, cpu.realtime_period, "in microseconds"),
    NUMBER("cpu-rt-runtime", false, cpu.realtime_runtime, "in microseconds"),
    NUMBER("cpu-idle", false, cpu.idle, "1: SCHED_IDLE for the whole cgroup; 0: not"),
    NUMBER("memory", true, memory.limit, "limit; -1: none"),
    NUMBER("memory-reservation", true, memory.reservation, "soft limit"),
    NUMBER("memory-swap", true, memory.swap, "limit of memory plus swap; -1: none"),
    NUMBER("kernel-memory", true, memory.kernel, "limit of kernel memory (cgroup v1, old kernels)"),
    NUMBER("kernel-memory-tcp", true, memory.kernel_tcp, "limit of TCP buffers (cgroup v1)"),
    NUMBER("memory-swappiness", false, memory.swappiness, "0 to 100 (cgroup v1)"),
    NUMBER("pids-limit", false, pids.limit, "-1: none"),
};

/* One line per number, and those that are something else. */
static int parse(struct update *u, int argc, char **argv, const char **ret_id, struct error *err)
{
    struct option_row rows[NUMBERS + 6];
    size_t count = 0;
    rows[count++] = (struct option_row)OPTION_TEXT(
        "resources", 'r', &u->file, "file with linux.resources as JSON, - for standard input; no other option counts");
    for (size_t i = 0; i < NUMBERS; i++)
        rows[count++] = (struct option_row)OPTION_TEXT(numbers[i].name, 0, &u->numbers[i], numbers[i].help);
    rows[count++] = (struct option_row)OPTION_TEXT("cpuset-cpus", 0, &u->cpus, "list of cpus, 0-3,7");
    rows[count++] = (struct option_row)OPTION_TEXT("cpuset-mems", 0, &u->mems, "list of memory nodes");
    rows[count++] = (struct option_row)OPTION_TEXT("l3-cache-schema", 0, &u->l3_cache,
                                                   "schema of the L3 cache, for a container with linux.intelRdt");
    rows[count++] = (struct option_row)OPTION_TEXT("mem-bw-schema", 0, &u->mem_bandwidth,
                                                   "schema of the memory bandwidth, likewise");
    rows[count] = (struct option_row)OPTION_END;
    int rest;
    return options_one_id(rows, argc, argv, 1, ret_id, &rest, err);
}

static int read_file(struct update *u, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    bool standard_input = strcmp(u->file, "-") == 0;
    int r = standard_input ? fd_read_all(0, OCI_SPEC_SIZE_MAX, &text, &size)
                           : file_read(AT_FDCWD, u->file, OCI_SPEC_SIZE_MAX, &text, &size, err);
    if (r < 0)
        return standard_input ? error_errno(err, r, "cannot read standard input") : r;
    r = oci_resources_parse(text, size, &u->resources, err);
    if (r < 0)
        error_context(err, "resources");
    return r;
}

static int take_options(struct update *u, struct error *err)
{
    for (size_t i = 0; i < NUMBERS; i++) {
        const char *text = u->numbers[i];
        int64_t value;
        if (text == NULL)
            continue;
        int r = numbers[i].bytes ? parse_size(text, true, &value) : parse_int64(text, INT64_MIN, INT64_MAX, &value);
        if (r < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid value \"%s\" for --%s", text, numbers[i].name);
        int64_t **member = (int64_t **)((char *)&u->resources + numbers[i].offset);
        *member = xmemdup(&value, sizeof(value));
    }
    u->resources.cpu.cpus = xstrdup(u->cpus);
    u->resources.cpu.mems = xstrdup(u->mems);
    return 0;
}

static int apply_schemata(const struct state *state, const struct update *u, struct error *err)
{
    const struct oci_intel_rdt rdt = {.l3_cache_schema = (char *)u->l3_cache,
                                      .mem_bw_schema = (char *)u->mem_bandwidth};
    if (u->l3_cache == NULL && u->mem_bandwidth == NULL)
        return 0;
    if (state->resctrl_clos == NULL)
        return error_set(err, ERROR_CONFLICT, EINVAL, "--%s: container %s has no linux.intelRdt",
                         u->l3_cache != NULL ? "l3-cache-schema" : "mem-bw-schema", state->id);
    CLEANUP_CLOSE int root = -1;
    int r = resctrl_open(&root, err);
    return r < 0 ? r : resctrl_update(root, state->resctrl_clos, &rdt, err);
}

static int apply(const struct global *global, const char *id, struct update *u, struct error *err)
{
    struct state state = {0};
    CLEANUP_CLOSE int dir = -1;
    int r = state_read(global->root, id, &state, &dir, err);
    if (r < 0)
        return r;
    struct runtime_cgroup *cgroup = NULL;
    if (state_status(&state, dir) == STATUS_STOPPED)
        r = error_set(err, ERROR_CONFLICT, ESRCH, "container not running");
    r = r < 0 ? r : apply_schemata(&state, u, err);
    r = r < 0 ? r : state_open_cgroup(&state, &cgroup, err);
    if (r == 0 && state.systemd_unit != NULL) /* counts in a share of a second */
        r = runtime_cgroup_complete_cpu(cgroup, &u->resources.cpu, err);
    if (r == 0 && state.systemd_unit != NULL)
        r = systemd_unit_update(state.systemd_unit, state.systemd_user, &u->resources, err);
    r = r < 0 ? r : runtime_cgroup_update(cgroup, &u->resources, err);
    runtime_cgroup_free(cgroup);
    state_release(&state);
    return r;
}

int command_update(const struct global *global, int argc, char **argv, struct error *err)
{
    struct update u = {0};
    const char *id;
    int r = parse(&u, argc, argv, &id, err);
    if (r == 0)
        r = u.file != NULL ? read_file(&u, err) : take_options(&u, err);
    r = r < 0 ? r : apply(global, id, &u, err);
    oci_resources_release(&u.resources);
    return r;
}
