/*
 * POST /containers/{id}/update: limits and restart policy of an existing container. The members that were given are
 * merged into a copy of HostConfig, the whole is checked as at creation, the kernel is told, then the row is written;
 * where one of these says no, everything is as before.
 */
#include <errno.h>

#include "base/log.h"
#include "daemon/engine_internal.h"
#include "daemon/spec_resources.h"
#include "runtime/container.h"

/* What an update may change. Zero, empty and null mean "as it is", as docker has it. */
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

static int apply(struct engine *engine, struct container *c, const struct host_config *next, struct error *err)
{
    struct oci_resources limits = {0}, former = {0};
    struct runtime_cgroup *cgroup = NULL;
    CLEANUP_FREE char *path = container_cgroup_path(engine, c);
    int r = read_limits(next, &limits, err);
    if (r == 0 && next->pids_limit != NULL && *next->pids_limit <= 0)
        unlimited(&limits.pids.limit, next->pids_limit, -1);
    if (r == 0)
        r = runtime_cgroup_open(path, &cgroup, err);
    if (r == 0)
        r = runtime_cgroup_update(cgroup, &limits, err);
    if (r < 0 && cgroup != NULL && read_limits(&c->host, &former, NULL) == 0) {
        struct error undo = {0};
        add_unlimited(&former, &limits);
        if (runtime_cgroup_update(cgroup, &former, &undo) < 0)
            log_warn("container %s: limits after a refused update: %s", c->id, undo.message);
    }
    runtime_cgroup_free(cgroup);
    oci_resources_release(&limits);
    oci_resources_release(&former);
    return r < 0 ? error_context(err, "Cannot update container %s", c->id) : 0;
}

/* ---- all of it ---- */

static void merge(struct host_config *to, struct host_config *asked)
{
    for (size_t i = 0; i < ARRAY_SIZE(updatable); i++) {
        const struct json_field *field = json_table_find(&host_config_table, updatable[i]);
        if (is_asked(field, asked))
            json_table_move_field(field, to, asked);
    }
}

static int update(struct engine *engine, struct container *c, struct host_config *asked, struct strv *warnings,
                  struct error *err)
{
    struct host_config next = {0};
    int r = check_conflicts(c, asked, err);
    if (r < 0)
        return r;
    /* Only whoever has the turn changes HostConfig, so that it may be read here without the lock. */
    json_table_copy(&host_config_table, &next, &c->host);
    merge(&next, asked);
    r = host_config_validate(&next, warnings, err);
    pthread_mutex_lock(&c->lock);
    bool running = c->pid != 0;
    pthread_mutex_unlock(&c->lock);
    if (r == 0 && running)
        r = apply(engine, c, &next, err);
    if (r == 0)
        r = store_save_config(engine, c, &next, NULL, err);
    if (r == 0) {
        pthread_mutex_lock(&c->lock);
        for (size_t i = 0; i < ARRAY_SIZE(updatable); i++)
            json_table_move_field(json_table_find(&host_config_table, updatable[i]), &c->host, &next);
        pthread_mutex_unlock(&c->lock);
    }
    host_config_release(&next);
    return r;
}

/* dory's own members. Each is done whole or not at all, so that they do not go together with others. */
static const struct {
    const char *member;
    int (*update)(struct engine *engine, struct container *c, const struct json *body, struct error *err);
} own_members[] = {
    {"MountsAdd", container_update_mounts},
    {"PortBindingsAdd", container_update_ports},
    {"PortBindingsRemove", container_update_ports},
};

static bool any_asked(const struct host_config *asked)
{
    for (size_t i = 0; i < ARRAY_SIZE(updatable); i++)
        if (is_asked(json_table_find(&host_config_table, updatable[i]), asked))
            return true;
    return false;
}

static int update_own(struct engine *engine, struct container *c, const struct json *body,
                      const struct host_config *asked, bool *ret_done, struct error *err)
{
    int (*chosen)(struct engine * engine, struct container * c, const struct json *body, struct error *err) = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(own_members); i++) {
        if (json_get(body, own_members[i].member) == NULL)
            continue;
        if (any_asked(asked) || (chosen != NULL && chosen != own_members[i].update))
            return error_set(err, ERROR_INVALID, 0, "%s cannot be combined with other changes in one update",
                             own_members[i].member);
        chosen = own_members[i].update;
    }
    *ret_done = chosen != NULL;
    return chosen != NULL ? chosen(engine, c, body, err) : 0;
}

int container_update(struct engine *engine, struct container *c, const struct json *body, struct strv *warnings,
                     struct error *err)
{
    struct host_config asked = {0};
    bool done = false;
    int r = body == NULL || body->kind != JSON_OBJECT
                ? error_set(err, ERROR_INVALID, 0, "the body must be an object of what is to be updated")
                : json_table_decode(&host_config_table, body, &asked, err);
    if (r == 0)
        r = refuse_others(&asked, err);
    if (r == 0)
        r = container_turn_begin(c, CONTAINER_UPDATE, c->id, err);
    if (r == 0) {
        r = update_own(engine, c, body, &asked, &done, err);
        if (r == 0 && !done)
            r = update(engine, c, &asked, warnings, err);
        container_turn_end(c);
    }
    host_config_release(&asked);
    if (r == 0)
        container_event(engine, c, "update", NULL, NULL);
    return r;
}
