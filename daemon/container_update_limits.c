/*
 * The limits and the restart policy of an update: the members that were given are merged into HostConfig, the whole is
 * checked as at creation, and the kernel is told.
 */
#include "base/log.h"
#include "daemon/container_update.h"
#include "daemon/engine_internal.h"
#include "daemon/spec_resources.h"
#include "runtime/container.h"

/* What this step may change. Zero, empty and null mean "as it is", as docker has it. */
static const char *const updatable[] = {
    "RestartPolicy",
    "BlkioWeight",
    "BlkioWeightDevice",
    "BlkioDeviceReadBps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteIOps",
    "CpuShares",
    "Memory",
    "NanoCpus",
    "CpuPeriod",
    "CpuQuota",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "CpusetCpus",
    "CpusetMems",
    "MemoryReservation",
    "MemorySwap",
    "KernelMemory",
    "PidsLimit",
};

static bool is_updatable(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(updatable); i++)
        if (strcmp(updatable[i], name) == 0)
            return true;
    return false;
}

static bool is_asked(const struct json_field *field, const struct host_config *asked)
{
    if (strcmp(field->name, "RestartPolicy") == 0) /* a count without a name means nothing */
        return asked->restart_policy.name != NULL && *asked->restart_policy.name != '\0';
    return !json_table_field_is_empty(field, asked);
}

/* Members that the request has and that cannot be changed. */
static int refuse_others(const struct host_config *asked, struct error *err)
{
    for (size_t i = 0; i < host_config_table.count; i++) {
        const struct json_field *field = &host_config_table.fields[i];
        bool any = field->type == JSON_FIELD_CUSTOM
                       ? asked->port_bindings.count > 0 && strcmp(field->name, "PortBindings") == 0
                       : is_asked(field, asked);
        if (any && field->type == JSON_FIELD_RAW)
            any = json_count(*(struct json *const *)((const char *)asked + field->offset)) > 0;
        if (any && !is_updatable(field->name))
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "%s of an existing container cannot be updated",
                             field->name);
    }
    return 0;
}

static int conflict(const struct container *c, const char *why, struct error *err)
{
    return error_set(err, ERROR_CONFLICT, 0, "Cannot update container %s: %s", c->id, why);
}

/* What contradicts the values that the container has already. */
static int check_conflicts(const struct container *c, const struct host_config *asked, struct error *err)
{
    const struct host_config *has = &c->host;
    const struct {
        bool conflict;
        const char *why;
    } rows[] = {
        {asked->nano_cpus > 0 && has->cpu_period > 0,
         "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set"},
        {asked->nano_cpus > 0 && has->cpu_quota > 0,
         "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set"},
        {asked->cpu_quota > 0 && has->nano_cpus > 0,
         "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"},
        {asked->cpu_period > 0 && has->nano_cpus > 0,
         "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set"},
        {asked->memory > has->memory_swap && has->memory_swap >= 0 && asked->memory_swap == 0,
         "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"},
        {has->auto_remove && asked->restart_policy.name != NULL && *asked->restart_policy.name != '\0' &&
             strcmp(asked->restart_policy.name, "no") != 0,
         "Restart policy cannot be updated because AutoRemove is enabled for the container"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].conflict)
            return conflict(c, rows[i].why, err);
    return 0;
}

/* ---- the kernel ---- */

static int read_limits(const struct host_config *host, struct oci_resources *ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    spec_limits_write(host, &w);
    return oci_resources_parse(strbuf_str(&text), text.size, ret, err);
}

static void unlimited(int64_t **limit, const int64_t *changed, int64_t value)
{
    if (changed == NULL || *limit != NULL)
        return;
    *limit = xmalloc(sizeof(**limit));
    **limit = value;
}

/* What the container had not set and the refused update may have set, back to the kernel's own values. */
static void add_unlimited(struct oci_resources *has, const struct oci_resources *next)
{
    unlimited(&has->memory.limit, next->memory.limit, -1);
    unlimited(&has->memory.swap, next->memory.swap, -1);
    unlimited(&has->memory.reservation, next->memory.reservation, -1);
    unlimited(&has->cpu.shares, next->cpu.shares, 1024);
    unlimited(&has->cpu.period, next->cpu.period, 100000);
    unlimited(&has->cpu.quota, next->cpu.quota, -1);
    unlimited(&has->pids.limit, next->pids.limit, -1);
}

/* ---- devices whose limits are no more: the kernel has them until it is told otherwise ---- */

static bool has_throttle(const struct json_array *list, const struct oci_throttle_device *device)
{
    const struct oci_throttle_device *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (items[i].major == device->major && items[i].minor == device->minor)
            return true;
    return false;
}

/* No rate. */
static void lift_throttles(struct json_array *next, const struct json_array *former)
{
    const struct oci_throttle_device *items = former->items;
    for (size_t i = 0; i < former->count; i++) {
        if (has_throttle(next, &items[i]))
            continue;
        struct oci_throttle_device *all = xreallocarray(next->items, next->count + 1, sizeof(*all));
        all[next->count++] = (struct oci_throttle_device){.major = items[i].major, .minor = items[i].minor};
        next->items = all;
    }
}

static bool has_weight(const struct json_array *list, const struct oci_weight_device *device)
{
    const struct oci_weight_device *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (items[i].major == device->major && items[i].minor == device->minor)
            return true;
    return false;
}

/* The cgroup's own weight. */
static void lift_weights(struct json_array *next, const struct json_array *former)
{
    const struct oci_weight_device *items = former->items;
    for (size_t i = 0; i < former->count; i++) {
        if (has_weight(next, &items[i]))
            continue;
        struct oci_weight_device *all = xreallocarray(next->items, next->count + 1, sizeof(*all));
        all[next->count++] = (struct oci_weight_device){
            .major = items[i].major, .minor = items[i].minor, .weight = xcalloc(1, sizeof(*all->weight))};
        next->items = all;
    }
}

static void lift_devices(struct oci_resources *next, const struct oci_resources *former)
{
    lift_weights(&next->block_io.weight_device, &former->block_io.weight_device);
    lift_throttles(&next->block_io.throttle_read_bps, &former->block_io.throttle_read_bps);
    lift_throttles(&next->block_io.throttle_write_bps, &former->block_io.throttle_write_bps);
    lift_throttles(&next->block_io.throttle_read_iops, &former->block_io.throttle_read_iops);
    lift_throttles(&next->block_io.throttle_write_iops, &former->block_io.throttle_write_iops);
}

static int set_limits(const struct container_update *u, const struct oci_resources *limits, struct error *err)
{
    struct runtime_cgroup *cgroup = NULL;
    CLEANUP_FREE char *path = container_cgroup_path(u->engine, u->container);
    int r = runtime_cgroup_open(path, &cgroup, err);
    if (r == 0)
        r = runtime_cgroup_update(cgroup, limits, err);
    runtime_cgroup_free(cgroup);
    return r;
}

static int read_next(const struct container_update *u, struct oci_resources *ret, struct error *err)
{
    const int64_t *pids = u->next.pids_limit;
    int r = read_limits(&u->next, ret, err);
    if (r == 0 && pids != NULL && *pids <= 0)
        unlimited(&ret->pids.limit, pids, -1);
    return r;
}

/* ---- the step ---- */

/* A list that is there and empty: since 1.55 that says something. */
static bool is_cleared(const struct container_update *u, const struct json_field *field)
{
    const struct json *value = json_get(u->body, field->name);
    return field->type == JSON_FIELD_ARRAY && !api_is_before(u->api_version, 55) && value != NULL &&
           value->kind == JSON_ARRAY && json_count(value) == 0;
}

/* An update of nothing is one of limits, and writes them again. */
static int plan(struct container_update *u, struct error *err)
{
    bool any = false;
    int r = refuse_others(&u->asked, err);
    if (r == 0)
        r = check_conflicts(u->container, &u->asked, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(updatable); i++) {
        const struct json_field *field = json_table_find(&host_config_table, updatable[i]);
        if (!is_asked(field, &u->asked) && !is_cleared(u, field))
            continue;
        if (strcmp(field->name, "PidsLimit") == 0 && api_is_before(u->api_version, 40)) /* was no member of updates */
            continue;
        json_table_move_field(field, &u->next, &u->asked);
        any = true;
    }
    if (u->next.pids_limit != NULL && *u->next.pids_limit < 0) /* no limit: docker keeps 0 */
        *u->next.pids_limit = 0;
    u->limits = any || json_count(u->body) == 0;
    return u->limits ? host_config_validate(&u->next, u->warnings, err) : 0;
}

static int apply(struct container_update *u, struct error *err)
{
    struct oci_resources limits = {0}, former = {0};
    if (!u->limits || u->pid == 0)
        return 0;
    int r = read_next(u, &limits, err);
    if (r == 0)
        r = read_limits(&u->container->host, &former, err);
    if (r == 0) {
        lift_devices(&limits, &former);
        r = set_limits(u, &limits, err);
    }
    oci_resources_release(&limits);
    oci_resources_release(&former);
    return r;
}

static void undo(struct container_update *u)
{
    struct oci_resources limits = {0}, former = {0};
    struct error err = {0};
    if (!u->limits || u->pid == 0)
        return;
    int r = read_next(u, &limits, &err);
    if (r == 0)
        r = read_limits(&u->container->host, &former, &err);
    if (r == 0) {
        add_unlimited(&former, &limits);
        lift_devices(&former, &limits);
        r = set_limits(u, &former, &err);
    }
    if (r < 0)
        log_warn("container %s: limits after a refused update: %s", u->container->id, err.message);
    oci_resources_release(&limits);
    oci_resources_release(&former);
}

static void adopt(struct container_update *u)
{
    pthread_mutex_lock(&u->container->lock);
    for (size_t i = 0; i < ARRAY_SIZE(updatable); i++)
        json_table_move_field(json_table_find(&host_config_table, updatable[i]), &u->container->host, &u->next);
    pthread_mutex_unlock(&u->container->lock);
}

const struct update_step update_limits = {plan, apply, undo, adopt};
