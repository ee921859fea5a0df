/* "linux.resources" of config.json, which `update` takes alone: its tables. */
#include <errno.h>

#include "runtime/spec_rows.h"

static const struct json_field device_rule_rows[] = {
    ROW(oci_device_rule, "allow", BOOL, allow, 0),        ROW(oci_device_rule, "type", STRING, type, OMIT),
    ROW(oci_device_rule, "major", OPT_INT, major, OMIT),  ROW(oci_device_rule, "minor", OPT_INT, minor, OMIT),
    ROW(oci_device_rule, "access", STRING, access, OMIT),
};
const struct json_table oci_device_rule_table = JSON_TABLE(struct oci_device_rule, device_rule_rows);

static const struct json_field memory_rows[] = {
    ROW(oci_memory, "limit", OPT_INT, limit, OMIT),
    ROW(oci_memory, "reservation", OPT_INT, reservation, OMIT),
    ROW(oci_memory, "swap", OPT_INT, swap, OMIT),
    ROW(oci_memory, "kernel", OPT_INT, kernel, OMIT),
    ROW(oci_memory, "kernelTCP", OPT_INT, kernel_tcp, OMIT),
    ROW(oci_memory, "swappiness", OPT_INT, swappiness, OMIT),
    ROW(oci_memory, "disableOOMKiller", OPT_BOOL, disable_oom_killer, OMIT),
    ROW(oci_memory, "useHierarchy", OPT_BOOL, use_hierarchy, OMIT),
    ROW(oci_memory, "checkBeforeUpdate", OPT_BOOL, check_before_update, OMIT),
};
static const struct json_table memory_table = JSON_TABLE(struct oci_memory, memory_rows);

static const struct json_field cpu_rows[] = {
    ROW(oci_cpu, "shares", OPT_INT, shares, OMIT),
    ROW(oci_cpu, "quota", OPT_INT, quota, OMIT),
    ROW(oci_cpu, "burst", OPT_INT, burst, OMIT),
    ROW(oci_cpu, "period", OPT_INT, period, OMIT),
    ROW(oci_cpu, "realtimeRuntime", OPT_INT, realtime_runtime, OMIT),
    ROW(oci_cpu, "realtimePeriod", OPT_INT, realtime_period, OMIT),
    ROW(oci_cpu, "idle", OPT_INT, idle, OMIT),
    ROW(oci_cpu, "cpus", STRING, cpus, OMIT),
    ROW(oci_cpu, "mems", STRING, mems, OMIT),
};
static const struct json_table cpu_table = JSON_TABLE(struct oci_cpu, cpu_rows);

static const struct json_field pids_rows[] = {ROW(oci_pids, "limit", OPT_INT, limit, OMIT)};
static const struct json_table pids_table = JSON_TABLE(struct oci_pids, pids_rows);

static const struct json_field weight_device_rows[] = {
    ROW(oci_weight_device, "major", INT, major, REQ),
    ROW(oci_weight_device, "minor", INT, minor, REQ),
    ROW(oci_weight_device, "weight", OPT_INT, weight, OMIT),
    ROW(oci_weight_device, "leafWeight", OPT_INT, leaf_weight, OMIT),
};
const struct json_table oci_weight_device_table = JSON_TABLE(struct oci_weight_device, weight_device_rows);

static const struct json_field throttle_device_rows[] = {
    ROW(oci_throttle_device, "major", INT, major, REQ),
    ROW(oci_throttle_device, "minor", INT, minor, REQ),
    ROW(oci_throttle_device, "rate", INT, rate, REQ),
};
const struct json_table oci_throttle_device_table = JSON_TABLE(struct oci_throttle_device, throttle_device_rows);

static const struct json_field block_io_rows[] = {
    ROW(oci_block_io, "weight", OPT_INT, weight, OMIT),
    ROW(oci_block_io, "leafWeight", OPT_INT, leaf_weight, OMIT),
    TABLE_ROW(oci_block_io, "weightDevice", ARRAY, weight_device, oci_weight_device_table, OMIT),
    TABLE_ROW(oci_block_io, "throttleReadBpsDevice", ARRAY, throttle_read_bps, oci_throttle_device_table, OMIT),
    TABLE_ROW(oci_block_io, "throttleWriteBpsDevice", ARRAY, throttle_write_bps, oci_throttle_device_table, OMIT),
    TABLE_ROW(oci_block_io, "throttleReadIOPSDevice", ARRAY, throttle_read_iops, oci_throttle_device_table, OMIT),
    TABLE_ROW(oci_block_io, "throttleWriteIOPSDevice", ARRAY, throttle_write_iops, oci_throttle_device_table, OMIT),
};
static const struct json_table block_io_table = JSON_TABLE(struct oci_block_io, block_io_rows);

static const struct json_field hugepage_limit_rows[] = {
    ROW(oci_hugepage_limit, "pageSize", STRING, page_size, REQ),
    ROW(oci_hugepage_limit, "limit", UINT64, limit, REQ),
};
static const struct json_table hugepage_limit_table = JSON_TABLE(struct oci_hugepage_limit, hugepage_limit_rows);

static const struct json_field interface_priority_rows[] = {
    ROW(oci_interface_priority, "name", STRING, name, REQ),
    ROW(oci_interface_priority, "priority", UINT32, priority, REQ),
};
static const struct json_table interface_priority_table =
    JSON_TABLE(struct oci_interface_priority, interface_priority_rows);

static const struct json_field network_rows[] = {
    ROW(oci_network, "classID", OPT_INT, class_id, OMIT),
    TABLE_ROW(oci_network, "priorities", ARRAY, priorities, interface_priority_table, OMIT),
};
static const struct json_table network_table = JSON_TABLE(struct oci_network, network_rows);

static const struct json_field resources_rows[] = {
    TABLE_ROW(oci_resources, "devices", ARRAY, devices, oci_device_rule_table, OMIT),
    TABLE_ROW(oci_resources, "memory", OBJECT, memory, memory_table, OMIT),
    TABLE_ROW(oci_resources, "cpu", OBJECT, cpu, cpu_table, OMIT),
    TABLE_ROW(oci_resources, "pids", OBJECT, pids, pids_table, OMIT),
    TABLE_ROW(oci_resources, "blockIO", OBJECT, block_io, block_io_table, OMIT),
    TABLE_ROW(oci_resources, "hugepageLimits", ARRAY, hugepage_limits, hugepage_limit_table, OMIT),
    TABLE_ROW(oci_resources, "network", OBJECT, network, network_table, OMIT),
    CUSTOM_ROW(oci_resources, "rdma", rdma, oci_rdma_custom, OMIT),
    ROW(oci_resources, "unified", STRMAP, unified, OMIT),
};
const struct json_table oci_resources_table = JSON_TABLE(struct oci_resources, resources_rows);

/* ---- functions ---- */

int oci_resources_parse(const char *text, size_t size, struct oci_resources *ret, struct error *err)
{
    if (size > OCI_SPEC_SIZE_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "the resources are larger than %u bytes", OCI_SPEC_SIZE_MAX);
    int r = json_table_decode_text(&oci_resources_table, text, size, ret, err);
    if (r < 0)
        oci_resources_release(ret);
    return r;
}

void oci_resources_release(struct oci_resources *resources)
{
    json_table_release(&oci_resources_table, resources);
}
