/* Limits, devices and ulimits. */
#include "cmd/dory/body_members.h"
#include "cmd/dory/compose/create_body.h"
#include "cmd/dory/compose/model.h"

static void put_devices(struct json_writer *w, const struct json *devices)
{
    if (json_count(devices) == 0)
        return;
    json_key(w, "Devices");
    json_begin_array(w);
    for (size_t i = 0; i < json_count(devices); i++) {
        const struct json *device = json_at(devices, i);
        const char *permissions = json_get_string(device, "permissions");
        json_begin_object(w);
        json_member_string(w, "PathOnHost", json_get_string(device, "source"));
        json_member_string(w, "PathInContainer", json_get_string(device, "target"));
        json_member_string(w, "CgroupPermissions", permissions ? permissions : "rwm");
        json_end_object(w);
    }
    json_end_array(w);
}

/* What the daemon is to find devices for; it says which it cannot. */
static void put_device_requests(struct json_writer *w, const struct json *devices)
{
    if (json_count(devices) == 0)
        return;
    json_key(w, "DeviceRequests");
    json_begin_array(w);
    for (size_t i = 0; i < json_count(devices); i++) {
        const struct json *device = json_at(devices, i);
        CLEANUP_STRV struct strv ids = STRV_INIT, capabilities = STRV_INIT, options = STRV_INIT;
        model_entries(json_get(device, "device_ids"), &ids);
        model_entries(json_get(device, "capabilities"), &capabilities);
        model_entries(json_get(device, "options"), &options);
        const char *count = json_get_string(device, "count");
        json_begin_object(w);
        put_text(w, "Driver", json_get_string(device, "driver"));
        json_member_int(w, "Count", count && strcmp(count, "all") == 0 ? -1 : model_int(device, "count", 0));
        put_strings(w, "DeviceIDs", &ids);
        json_key(w, "Capabilities");
        json_begin_array(w);
        json_begin_array(w);
        for (size_t j = 0; j < capabilities.count; j++)
            json_put_string(w, capabilities.items[j]);
        json_end_array(w);
        json_end_array(w);
        put_entries(w, "Options", &options, NULL, NULL);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_ulimits(struct json_writer *w, const struct json *ulimits)
{
    if (model_members(ulimits) == 0)
        return;
    json_key(w, "Ulimits");
    json_begin_array(w);
    for (size_t i = 0; i < model_members(ulimits); i++) {
        const char *name = ulimits->object.keys[i];
        const struct json *limit = &ulimits->object.values[i];
        int64_t single = model_int(ulimits, name, 0);
        json_begin_object(w);
        json_member_string(w, "Name", name);
        json_member_int(w, "Soft", limit->kind == JSON_OBJECT ? model_int(limit, "soft", 0) : single);
        json_member_int(w, "Hard", limit->kind == JSON_OBJECT ? model_int(limit, "hard", 0) : single);
        json_end_object(w);
    }
    json_end_array(w);
}

/* A list of {"path", KEY} as {"Path", MEMBER}. */
static void put_throttle(struct json_writer *w, const char *name, const struct json *list, const char *key,
                         const char *member)
{
    if (json_count(list) == 0)
        return;
    json_key(w, name);
    json_begin_array(w);
    for (size_t i = 0; i < json_count(list); i++) {
        json_begin_object(w);
        json_member_string(w, "Path", json_get_string(json_at(list, i), "path"));
        json_member_int(w, member, model_int(json_at(list, i), key, 0));
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_blkio(struct json_writer *w, const struct json *blkio)
{
    put_number(w, "BlkioWeight", model_int(blkio, "weight", 0));
    put_throttle(w, "BlkioWeightDevice", json_get(blkio, "weight_device"), "weight", "Weight");
    put_throttle(w, "BlkioDeviceReadBps", json_get(blkio, "device_read_bps"), "rate", "Rate");
    put_throttle(w, "BlkioDeviceReadIOps", json_get(blkio, "device_read_iops"), "rate", "Rate");
    put_throttle(w, "BlkioDeviceWriteBps", json_get(blkio, "device_write_bps"), "rate", "Rate");
    put_throttle(w, "BlkioDeviceWriteIOps", json_get(blkio, "device_write_iops"), "rate", "Rate");
}

/* deploy.resources goes before the service's own keys. */
static int64_t first_of(int64_t preferred, int64_t otherwise)
{
    return preferred ? preferred : otherwise;
}

void create_body_resources(const struct json *service, struct json_writer *w)
{
    const struct json *resources = json_get(json_get(service, "deploy"), "resources");
    const struct json *limits = json_get(resources, "limits"), *reserved = json_get(resources, "reservations");
    CLEANUP_STRV struct strv rules = STRV_INIT;
    put_text(w, "CgroupParent", json_get_string(service, "cgroup_parent"));
    put_number(w, "Memory", first_of(model_int(limits, "memory", 0), model_int(service, "mem_limit", 0)));
    put_number(w, "MemorySwap", model_int(service, "memswap_limit", 0));
    put_number(w, "MemoryReservation",
               first_of(model_int(reserved, "memory", 0), model_int(service, "mem_reservation", 0)));
    put_number(w, "MemorySwappiness", model_int(service, "mem_swappiness", 0));
    put_flag(w, "OomKillDisable", model_bool(service, "oom_kill_disable", false));
    put_number(w, "NanoCpus", first_of(model_nano(limits, "cpus"), model_nano(service, "cpus")));
    put_number(w, "CpuCount", model_int(service, "cpu_count", 0));
    put_number(w, "CpuPercent", model_nano(service, "cpu_percent") / 10000000);
    put_number(w, "CpuPeriod", model_int(service, "cpu_period", 0));
    put_number(w, "CpuQuota", model_int(service, "cpu_quota", 0));
    put_number(w, "CpuRealtimePeriod", model_int(service, "cpu_rt_period", 0));
    put_number(w, "CpuRealtimeRuntime", model_int(service, "cpu_rt_runtime", 0));
    put_number(w, "CpuShares", model_int(service, "cpu_shares", 0));
    put_text(w, "CpusetCpus", json_get_string(service, "cpuset"));
    put_number(w, "PidsLimit", first_of(model_int(limits, "pids", 0), model_int(service, "pids_limit", 0)));
    model_entries(json_get(service, "device_cgroup_rules"), &rules);
    put_strings(w, "DeviceCgroupRules", &rules);
    put_devices(w, json_get(service, "devices"));
    put_device_requests(w, json_get(reserved, "devices"));
    put_ulimits(w, json_get(service, "ulimits"));
    put_blkio(w, json_get(service, "blkio_config"));
}
