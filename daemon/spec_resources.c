#include "daemon/spec_resources.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "runtime/defaults.h"
#include "runtime/spec.h"

static bool is_set(const char *s)
{
    return s != NULL && *s != '\0';
}

static void put_device_rules(struct json_writer *w, const struct host_config *h, const struct device_list *nodes)
{
    json_key(w, "devices");
    json_begin_array(w);
    if (h->privileged) {
        json_begin_object(w);
        json_member_bool(w, "allow", true);
        json_member_string(w, "access", "rwm");
        json_end_object(w);
        json_end_array(w);
        return;
    }
    struct json_array defaults = {0};
    runtime_default_device_rules(&defaults);
    struct oci_device_rule *rules = defaults.items;
    for (size_t i = 0; i < defaults.count; i++) {
        json_table_encode(&oci_device_rule_table, &rules[i], w);
        json_table_release(&oci_device_rule_table, &rules[i]);
    }
    free(defaults.items);
    for (size_t i = 0; i < nodes->count; i++) {
        const struct device_node *d = &nodes->items[i];
        json_begin_object(w);
        json_member_bool(w, "allow", true);
        json_member_string(w, "type", d->type == 'b' ? "b" : "c");
        json_member_int(w, "major", d->major);
        json_member_int(w, "minor", d->minor);
        json_member_string(w, "access", d->access);
        json_end_object(w);
    }
    for (size_t i = 0; i < h->device_cgroup_rules.count; i++) {
        struct device_rule rule;
        if (device_rule_parse(h->device_cgroup_rules.items[i], &rule, NULL) < 0)
            continue; /* was checked when the container was made */
        json_begin_object(w);
        json_member_bool(w, "allow", true);
        json_member_string(w, "type", rule.type == 'a' ? "a" : rule.type == 'b' ? "b" : "c");
        json_member_int(w, "major", rule.major);
        json_member_int(w, "minor", rule.minor);
        json_member_string(w, "access", rule.access);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_memory(struct json_writer *w, const struct host_config *h)
{
    bool oom_kill_disable = h->oom_kill_disable != NULL && *h->oom_kill_disable;
    if (h->memory <= 0 && h->memory_reservation <= 0 && h->memory_swap == 0 && h->memory_swappiness == NULL &&
        !oom_kill_disable)
        return;
    json_key(w, "memory");
    json_begin_object(w);
    if (h->memory > 0)
        json_member_int(w, "limit", h->memory);
    if (h->memory_swap != 0)
        json_member_int(w, "swap", h->memory_swap);
    if (h->memory_reservation > 0)
        json_member_int(w, "reservation", h->memory_reservation);
    if (h->memory_swappiness != NULL && *h->memory_swappiness >= 0)
        json_member_int(w, "swappiness", *h->memory_swappiness);
    if (oom_kill_disable)
        json_member_bool(w, "disableOOMKiller", true);
    json_end_object(w);
}

static void put_cpu(struct json_writer *w, const struct host_config *h)
{
    bool sets = is_set(h->cpuset_cpus) || is_set(h->cpuset_mems);
    if (h->cpu_shares == 0 && h->nano_cpus == 0 && h->cpu_period == 0 && h->cpu_quota == 0 &&
        h->cpu_realtime_period == 0 && h->cpu_realtime_runtime == 0 && !sets)
        return;
    json_key(w, "cpu");
    json_begin_object(w);
    if (h->cpu_shares != 0)
        json_member_int(w, "shares", h->cpu_shares);
    if (h->nano_cpus > 0) {
        json_member_int(w, "period", 100000);
        json_member_int(w, "quota", h->nano_cpus / 10000);
    }
    if (h->cpu_period != 0)
        json_member_int(w, "period", h->cpu_period);
    if (h->cpu_quota != 0)
        json_member_int(w, "quota", h->cpu_quota);
    if (h->cpu_realtime_period != 0)
        json_member_int(w, "realtimePeriod", h->cpu_realtime_period);
    if (h->cpu_realtime_runtime != 0)
        json_member_int(w, "realtimeRuntime", h->cpu_realtime_runtime);
    if (is_set(h->cpuset_cpus))
        json_member_string(w, "cpus", h->cpuset_cpus);
    if (is_set(h->cpuset_mems))
        json_member_string(w, "mems", h->cpuset_mems);
    json_end_object(w);
}

static void put_throttle(struct json_writer *w, const char *key, const struct json_array *list)
{
    const struct throttle_device *items = list->items;
    if (list->count == 0)
        return;
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++) {
        struct stat st = {0};
        if (stat(items[i].path, &st) < 0)
            continue; /* gone since the container was made: there is nothing to throttle */
        json_begin_object(w);
        json_member_int(w, "major", major(st.st_rdev));
        json_member_int(w, "minor", minor(st.st_rdev));
        json_member_int(w, "rate", items[i].rate);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_weight_devices(struct json_writer *w, const struct json_array *list)
{
    const struct weight_device *items = list->items;
    if (list->count == 0)
        return;
    json_key(w, "weightDevice");
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++) {
        struct stat st = {0};
        if (stat(items[i].path, &st) < 0)
            continue;
        json_begin_object(w);
        json_member_int(w, "major", major(st.st_rdev));
        json_member_int(w, "minor", minor(st.st_rdev));
        json_member_int(w, "weight", items[i].weight);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_block_io(struct json_writer *w, const struct host_config *h)
{
    if (h->blkio_weight == 0 && h->blkio_device_read_bps.count == 0 && h->blkio_device_write_bps.count == 0 &&
        h->blkio_device_read_iops.count == 0 && h->blkio_device_write_iops.count == 0 &&
        h->blkio_weight_device.count == 0)
        return;
    json_key(w, "blockIO");
    json_begin_object(w);
    if (h->blkio_weight != 0)
        json_member_int(w, "weight", h->blkio_weight);
    put_weight_devices(w, &h->blkio_weight_device);
    put_throttle(w, "throttleReadBpsDevice", &h->blkio_device_read_bps);
    put_throttle(w, "throttleWriteBpsDevice", &h->blkio_device_write_bps);
    put_throttle(w, "throttleReadIOPSDevice", &h->blkio_device_read_iops);
    put_throttle(w, "throttleWriteIOPSDevice", &h->blkio_device_write_iops);
    json_end_object(w);
}

static void put_pids(struct json_writer *w, const struct host_config *h)
{
    if (h->pids_limit == NULL || *h->pids_limit == 0)
        return;
    json_key(w, "pids");
    json_begin_object(w);
    json_member_int(w, "limit", *h->pids_limit);
    json_end_object(w);
}

static void put_limits(struct json_writer *w, const struct host_config *h)
{
    put_memory(w, h);
    put_cpu(w, h);
    put_pids(w, h);
    put_block_io(w, h);
}

void spec_resources_write(const struct host_config *h, const struct device_list *devices, struct json_writer *w)
{
    json_key(w, "resources");
    json_begin_object(w);
    put_device_rules(w, h, devices);
    put_limits(w, h);
    json_end_object(w);
}

void spec_limits_write(const struct host_config *h, struct json_writer *w)
{
    json_begin_object(w);
    put_limits(w, h);
    json_end_object(w);
}
