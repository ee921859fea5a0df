/* "linux" of config.json without its resources and its filter: its tables. */
#include <errno.h>

#include "base/memory.h"
#include "runtime/spec_rows.h"

#define NET_DEVICES_MAX 1024

static const struct json_field namespace_rows[] = {
    ROW(oci_namespace, "type", STRING, type, REQ),
    ROW(oci_namespace, "path", STRING, path, OMIT),
};
const struct json_table oci_namespace_table = JSON_TABLE(struct oci_namespace, namespace_rows);

static const struct json_field device_rows[] = {
    ROW(oci_device, "path", STRING, path, REQ),
    ROW(oci_device, "type", STRING, type, REQ),
    ROW(oci_device, "major", INT, major, 0),
    ROW(oci_device, "minor", INT, minor, 0),
    ROW(oci_device, "fileMode", OPT_INT, file_mode, OMIT),
    ROW(oci_device, "uid", UINT32, uid, 0),
    ROW(oci_device, "gid", UINT32, gid, 0),
};
const struct json_table oci_device_table = JSON_TABLE(struct oci_device, device_rows);

static const struct json_field time_offset_rows[] = {
    ROW(oci_time_offset, "secs", INT, secs, OMIT),
    ROW(oci_time_offset, "nanosecs", UINT32, nanosecs, OMIT),
};
static const struct json_table time_offset_table = JSON_TABLE(struct oci_time_offset, time_offset_rows);

static const struct json_field time_offsets_rows[] = {
    TABLE_ROW(oci_time_offsets, "monotonic", OBJECT_PTR, monotonic, time_offset_table, OMIT),
    TABLE_ROW(oci_time_offsets, "boottime", OBJECT_PTR, boottime, time_offset_table, OMIT),
};
/* Strict: an offset of a clock that has none in a time namespace must not be lost. */
static const struct json_table time_offsets_table = {
    .size = sizeof(struct oci_time_offsets),
    .fields = time_offsets_rows,
    .count = ARRAY_SIZE(time_offsets_rows),
    .strict = true,
};

static const struct json_field personality_rows[] = {
    ROW(oci_personality, "domain", STRING, domain, REQ),
    ROW(oci_personality, "flags", STRV, flags, OMIT),
};
static const struct json_table personality_table = JSON_TABLE(struct oci_personality, personality_rows);

static const struct json_field intel_rdt_rows[] = {
    ROW(oci_intel_rdt, "closID", STRING, clos_id, OMIT),
    ROW(oci_intel_rdt, "schemata", STRV, schemata, OMIT),
    ROW(oci_intel_rdt, "l3CacheSchema", STRING, l3_cache_schema, OMIT),
    ROW(oci_intel_rdt, "memBwSchema", STRING, mem_bw_schema, OMIT),
    ROW(oci_intel_rdt, "enableMonitoring", BOOL, enable_monitoring, OMIT),
};
static const struct json_table intel_rdt_table = JSON_TABLE(struct oci_intel_rdt, intel_rdt_rows);

static const struct json_field memory_policy_rows[] = {
    ROW(oci_memory_policy, "mode", STRING, mode, REQ),
    ROW(oci_memory_policy, "nodes", STRING, nodes, OMIT),
    ROW(oci_memory_policy, "flags", STRV, flags, OMIT),
};
static const struct json_table memory_policy_table = JSON_TABLE(struct oci_memory_policy, memory_policy_rows);

/* ---- netDevices: an object whose member names are data ---- */

static const struct json_field net_device_rows[] = {ROW(oci_net_device, "name", STRING, name, OMIT)};
static const struct json_table net_device_table = JSON_TABLE(struct oci_net_device, net_device_rows);

static void net_devices_release(void *field)
{
    struct json_array *array = field;
    struct oci_net_device *items = array->items;
    for (size_t i = 0; i < array->count; i++) {
        free(items[i].host_name);
        free(items[i].name);
    }
    free(items);
    *array = (struct json_array){0};
}

static int net_devices_decode(const struct json *value, void *field, struct error *err)
{
    net_devices_release(field);
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_OBJECT || value->object.count > NET_DEVICES_MAX)
        return error_set(err, ERROR_INVALID, EINVAL, "expected an object of at most %d devices", NET_DEVICES_MAX);
    for (size_t i = 0; i < value->object.count; i++) {
        struct oci_net_device *device = oci_array_add(field, &net_device_table);
        device->host_name = xstrdup(value->object.keys[i]);
        int r = json_table_decode(&net_device_table, &value->object.values[i], device, err);
        if (r < 0)
            return error_context(err, "%s", device->host_name);
    }
    return 0;
}

static void net_devices_encode(const void *field, struct json_writer *w)
{
    const struct json_array *array = field;
    const struct oci_net_device *items = array->items;
    json_begin_object(w);
    for (size_t i = 0; i < array->count; i++) {
        json_key(w, items[i].host_name);
        json_table_encode(&net_device_table, &items[i], w);
    }
    json_end_object(w);
}

static bool net_devices_is_empty(const void *field)
{
    return ((const struct json_array *)field)->count == 0;
}

static const struct json_custom net_devices_custom = {.decode = net_devices_decode,
                                                      .encode = net_devices_encode,
                                                      .release = net_devices_release,
                                                      .is_empty = net_devices_is_empty};

/* ---- the whole ---- */

static const struct json_field linux_rows[] = {
    TABLE_ROW(oci_linux, "namespaces", ARRAY, namespaces, oci_namespace_table, 0),
    TABLE_ROW(oci_linux, "uidMappings", ARRAY, uid_mappings, oci_id_mapping_table, OMIT),
    TABLE_ROW(oci_linux, "gidMappings", ARRAY, gid_mappings, oci_id_mapping_table, OMIT),
    TABLE_ROW(oci_linux, "devices", ARRAY, devices, oci_device_table, OMIT),
    ROW(oci_linux, "cgroupsPath", STRING, cgroups_path, OMIT),
    TABLE_ROW(oci_linux, "resources", OBJECT, resources, oci_resources_table, 0),
    TABLE_ROW(oci_linux, "seccomp", OBJECT_PTR, seccomp, oci_seccomp_table, OMIT),
    ROW(oci_linux, "maskedPaths", STRV, masked_paths, OMIT),
    ROW(oci_linux, "readonlyPaths", STRV, readonly_paths, OMIT),
    ROW(oci_linux, "rootfsPropagation", STRING, rootfs_propagation, OMIT),
    ROW(oci_linux, "mountLabel", STRING, mount_label, OMIT),
    ROW(oci_linux, "sysctl", STRMAP, sysctl, OMIT),
    TABLE_ROW(oci_linux, "intelRdt", OBJECT_PTR, intel_rdt, intel_rdt_table, OMIT),
    TABLE_ROW(oci_linux, "timeOffsets", OBJECT_PTR, time_offsets, time_offsets_table, OMIT),
    TABLE_ROW(oci_linux, "personality", OBJECT_PTR, personality, personality_table, OMIT),
    TABLE_ROW(oci_linux, "memoryPolicy", OBJECT_PTR, memory_policy, memory_policy_table, OMIT),
    CUSTOM_ROW(oci_linux, "netDevices", net_devices, net_devices_custom, OMIT),
};
const struct json_table oci_linux_table = JSON_TABLE(struct oci_linux, linux_rows);
