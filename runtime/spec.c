/* The tables of config.json; checks that types cannot express are in spec_validate.c. */
#include "runtime/spec.h"

#include <errno.h>

#include "base/file.h"

/* ---- members that no type of the tables fits ---- */

#define ID_LIST_MAX 65536

void oci_id_list_add(struct oci_id_list *list, uint32_t id)
{
    list->items = xreallocarray(list->items, list->count + 1, sizeof(list->items[0]));
    list->items[list->count++] = id;
}

static int id_list_decode(const struct json *value, void *field, struct error *err)
{
    struct oci_id_list *list = field;
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_ARRAY || value->array.count > ID_LIST_MAX)
        return error_set(err, ERROR_INVALID, EINVAL, "expected a list of at most %d numbers", ID_LIST_MAX);
    free(list->items);
    *list = (struct oci_id_list){0};
    for (size_t i = 0; i < value->array.count; i++) {
        const struct json *item = &value->array.items[i];
        if (item->kind != JSON_INTEGER || item->integer < 0 || item->integer > UINT32_MAX)
            return error_set(err, ERROR_INVALID, EINVAL, "item %zu is not a number from 0 to %u", i, UINT32_MAX);
        oci_id_list_add(list, (uint32_t)item->integer);
    }
    return 0;
}

static void id_list_encode(const void *field, struct json_writer *w)
{
    const struct oci_id_list *list = field;
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++)
        json_put_uint(w, list->items[i]);
    json_end_array(w);
}

static void id_list_release(void *field)
{
    struct oci_id_list *list = field;
    free(list->items);
    *list = (struct oci_id_list){0};
}

static bool id_list_is_empty(const void *field)
{
    return ((const struct oci_id_list *)field)->count == 0;
}

static const struct json_custom id_list_custom = {
    .decode = id_list_decode, .encode = id_list_encode, .release = id_list_release, .is_empty = id_list_is_empty};

/* ---- rows ---- */

#define ROW(type_, name_, kind_, member_, flags_)                                                                      \
    {                                                                                                                  \
        .name = name_, .type = JSON_FIELD_##kind_, .offset = offsetof(struct type_, member_), .flags = flags_          \
    }
#define TABLE_ROW(type_, name_, kind_, member_, table_, flags_)                                                        \
    {                                                                                                                  \
        .name = name_, .type = JSON_FIELD_##kind_, .offset = offsetof(struct type_, member_), .flags = flags_,         \
        .table = &(table_)                                                                                             \
    }
#define CUSTOM_ROW(type_, name_, member_, custom_, flags_)                                                             \
    {                                                                                                                  \
        .name = name_, .type = JSON_FIELD_CUSTOM, .offset = offsetof(struct type_, member_), .flags = flags_,          \
        .custom = &(custom_)                                                                                           \
    }
#define REQ JSON_REQUIRED
#define OMIT JSON_OMIT_EMPTY

static const struct json_field user_rows[] = {
    ROW(oci_user, "uid", UINT32, uid, 0),
    ROW(oci_user, "gid", UINT32, gid, 0),
    ROW(oci_user, "umask", OPT_INT, umask, OMIT),
    CUSTOM_ROW(oci_user, "additionalGids", additional_gids, id_list_custom, OMIT),
};
static const struct json_table user_table = JSON_TABLE(struct oci_user, user_rows);

static const struct json_field capabilities_rows[] = {
    ROW(oci_capabilities, "bounding", STRV, bounding, OMIT),
    ROW(oci_capabilities, "effective", STRV, effective, OMIT),
    ROW(oci_capabilities, "inheritable", STRV, inheritable, OMIT),
    ROW(oci_capabilities, "permitted", STRV, permitted, OMIT),
    ROW(oci_capabilities, "ambient", STRV, ambient, OMIT),
};
static const struct json_table capabilities_table = JSON_TABLE(struct oci_capabilities, capabilities_rows);

static const struct json_field rlimit_rows[] = {
    ROW(oci_rlimit, "type", STRING, type, REQ),
    ROW(oci_rlimit, "hard", UINT64, hard, REQ),
    ROW(oci_rlimit, "soft", UINT64, soft, REQ),
};
const struct json_table oci_rlimit_table = JSON_TABLE(struct oci_rlimit, rlimit_rows);

static const struct json_field console_size_rows[] = {
    ROW(oci_console_size, "height", UINT32, height, 0),
    ROW(oci_console_size, "width", UINT32, width, 0),
};
static const struct json_table console_size_table = JSON_TABLE(struct oci_console_size, console_size_rows);

static const struct json_field process_rows[] = {
    ROW(oci_process, "terminal", BOOL, terminal, OMIT),
    TABLE_ROW(oci_process, "consoleSize", OBJECT, console_size, console_size_table, OMIT),
    TABLE_ROW(oci_process, "user", OBJECT, user, user_table, 0),
    ROW(oci_process, "args", STRV, args, 0),
    ROW(oci_process, "env", STRV, env, OMIT),
    ROW(oci_process, "cwd", STRING, cwd, REQ),
    TABLE_ROW(oci_process, "capabilities", OBJECT, capabilities, capabilities_table, 0),
    TABLE_ROW(oci_process, "rlimits", ARRAY, rlimits, oci_rlimit_table, OMIT),
    ROW(oci_process, "noNewPrivileges", BOOL, no_new_privileges, OMIT),
    ROW(oci_process, "oomScoreAdj", OPT_INT, oom_score_adj, OMIT),
    ROW(oci_process, "apparmorProfile", STRING, apparmor_profile, OMIT),
    ROW(oci_process, "selinuxLabel", STRING, selinux_label, OMIT),
    ROW(oci_process, "scheduler", RAW, scheduler, OMIT),
    ROW(oci_process, "ioPriority", RAW, io_priority, OMIT),
    ROW(oci_process, "execCPUAffinity", RAW, exec_cpu_affinity, OMIT),
};
const struct json_table oci_process_table = JSON_TABLE(struct oci_process, process_rows);

static const struct json_field root_rows[] = {
    ROW(oci_root, "path", STRING, path, REQ),
    ROW(oci_root, "readonly", BOOL, readonly, OMIT),
};
static const struct json_table root_table = JSON_TABLE(struct oci_root, root_rows);

static const struct json_field id_mapping_rows[] = {
    ROW(oci_id_mapping, "containerID", UINT32, container_id, 0),
    ROW(oci_id_mapping, "hostID", UINT32, host_id, 0),
    ROW(oci_id_mapping, "size", UINT32, size, REQ),
};
const struct json_table oci_id_mapping_table = JSON_TABLE(struct oci_id_mapping, id_mapping_rows);

static const struct json_field mount_rows[] = {
    ROW(oci_mount, "destination", STRING, destination, REQ),
    ROW(oci_mount, "type", STRING, type, OMIT),
    ROW(oci_mount, "source", STRING, source, OMIT),
    ROW(oci_mount, "options", STRV, options, OMIT),
    TABLE_ROW(oci_mount, "uidMappings", ARRAY, uid_mappings, oci_id_mapping_table, OMIT),
    TABLE_ROW(oci_mount, "gidMappings", ARRAY, gid_mappings, oci_id_mapping_table, OMIT),
};
const struct json_table oci_mount_table = JSON_TABLE(struct oci_mount, mount_rows);

static const struct json_field hook_rows[] = {
    ROW(oci_hook, "path", STRING, path, REQ),
    ROW(oci_hook, "args", STRV, args, OMIT),
    ROW(oci_hook, "env", STRV, env, OMIT),
    ROW(oci_hook, "timeout", OPT_INT, timeout, OMIT),
};
const struct json_table oci_hook_table = JSON_TABLE(struct oci_hook, hook_rows);

static const struct json_field hooks_rows[] = {
    TABLE_ROW(oci_hooks, "prestart", ARRAY, prestart, oci_hook_table, OMIT),
    TABLE_ROW(oci_hooks, "createRuntime", ARRAY, create_runtime, oci_hook_table, OMIT),
    TABLE_ROW(oci_hooks, "createContainer", ARRAY, create_container, oci_hook_table, OMIT),
    TABLE_ROW(oci_hooks, "startContainer", ARRAY, start_container, oci_hook_table, OMIT),
    TABLE_ROW(oci_hooks, "poststart", ARRAY, poststart, oci_hook_table, OMIT),
    TABLE_ROW(oci_hooks, "poststop", ARRAY, poststop, oci_hook_table, OMIT),
};
static const struct json_table hooks_table = JSON_TABLE(struct oci_hooks, hooks_rows);

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

static const struct json_field resources_rows[] = {
    TABLE_ROW(oci_resources, "devices", ARRAY, devices, oci_device_rule_table, OMIT),
    TABLE_ROW(oci_resources, "memory", OBJECT, memory, memory_table, OMIT),
    TABLE_ROW(oci_resources, "cpu", OBJECT, cpu, cpu_table, OMIT),
    TABLE_ROW(oci_resources, "pids", OBJECT, pids, pids_table, OMIT),
    TABLE_ROW(oci_resources, "blockIO", OBJECT, block_io, block_io_table, OMIT),
    TABLE_ROW(oci_resources, "hugepageLimits", ARRAY, hugepage_limits, hugepage_limit_table, OMIT),
    ROW(oci_resources, "network", RAW, network, OMIT),
    ROW(oci_resources, "rdma", RAW, rdma, OMIT),
    ROW(oci_resources, "unified", STRMAP, unified, OMIT),
};
const struct json_table oci_resources_table = JSON_TABLE(struct oci_resources, resources_rows);

static const struct json_field seccomp_arg_rows[] = {
    ROW(oci_seccomp_arg, "index", UINT32, index, REQ),
    ROW(oci_seccomp_arg, "value", UINT64, value, REQ),
    ROW(oci_seccomp_arg, "valueTwo", UINT64, value_two, OMIT),
    ROW(oci_seccomp_arg, "op", STRING, op, REQ),
};
static const struct json_table seccomp_arg_table = JSON_TABLE(struct oci_seccomp_arg, seccomp_arg_rows);

static const struct json_field seccomp_rule_rows[] = {
    ROW(oci_seccomp_rule, "names", STRV, names, REQ),
    ROW(oci_seccomp_rule, "action", STRING, action, REQ),
    ROW(oci_seccomp_rule, "errnoRet", OPT_INT, errno_ret, OMIT),
    TABLE_ROW(oci_seccomp_rule, "args", ARRAY, args, seccomp_arg_table, OMIT),
};
static const struct json_table seccomp_rule_table = JSON_TABLE(struct oci_seccomp_rule, seccomp_rule_rows);

static const struct json_field seccomp_rows[] = {
    ROW(oci_seccomp, "defaultAction", STRING, default_action, REQ),
    ROW(oci_seccomp, "defaultErrnoRet", OPT_INT, default_errno_ret, OMIT),
    ROW(oci_seccomp, "architectures", STRV, architectures, OMIT),
    ROW(oci_seccomp, "flags", STRV, flags, OMIT),
    ROW(oci_seccomp, "listenerPath", STRING, listener_path, OMIT),
    TABLE_ROW(oci_seccomp, "syscalls", ARRAY, syscalls, seccomp_rule_table, OMIT),
};
const struct json_table oci_seccomp_table = JSON_TABLE(struct oci_seccomp, seccomp_rows);

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
    ROW(oci_linux, "intelRdt", RAW, intel_rdt, OMIT),
    ROW(oci_linux, "personality", RAW, personality, OMIT),
    ROW(oci_linux, "timeOffsets", RAW, time_offsets, OMIT),
};
static const struct json_table linux_table = JSON_TABLE(struct oci_linux, linux_rows);

static const struct json_field spec_rows[] = {
    ROW(oci_spec, "ociVersion", STRING, version, REQ),
    TABLE_ROW(oci_spec, "process", OBJECT, process, oci_process_table, 0),
    TABLE_ROW(oci_spec, "root", OBJECT, root, root_table, 0),
    ROW(oci_spec, "hostname", STRING, hostname, OMIT),
    ROW(oci_spec, "domainname", STRING, domainname, OMIT),
    TABLE_ROW(oci_spec, "mounts", ARRAY, mounts, oci_mount_table, OMIT),
    TABLE_ROW(oci_spec, "hooks", OBJECT, hooks, hooks_table, OMIT),
    ROW(oci_spec, "annotations", STRMAP, annotations, OMIT),
    TABLE_ROW(oci_spec, "linux", OBJECT, linux_, linux_table, 0),
};
const struct json_table oci_spec_table = JSON_TABLE(struct oci_spec, spec_rows);

/* ---- functions ---- */

void *oci_array_add(struct json_array *array, const struct json_table *table)
{
    array->items = xreallocarray(array->items, array->count + 1, table->size);
    char *item = (char *)array->items + array->count++ * table->size;
    memset(item, 0, table->size);
    return item;
}

int oci_spec_parse(const char *text, size_t size, struct oci_spec *ret, struct error *err)
{
    if (size > OCI_SPEC_SIZE_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "the OCI spec is larger than %u bytes", OCI_SPEC_SIZE_MAX);
    int r = json_table_decode_text(&oci_spec_table, text, size, ret, err);
    if (r < 0)
        oci_spec_release(ret);
    return r;
}

int oci_spec_load(int bundle_fd, const char *name, struct oci_spec *ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    int r = file_read(bundle_fd, name, OCI_SPEC_SIZE_MAX, &text, &size, err);
    if (r < 0)
        return r;
    r = oci_spec_parse(text, size, ret, err);
    return r < 0 ? error_context(err, "%s", name) : 0;
}

void oci_spec_write(const struct oci_spec *spec, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_table_encode(&oci_spec_table, spec, &w);
}

void oci_spec_release(struct oci_spec *spec)
{
    json_table_release(&oci_spec_table, spec);
}

const struct oci_namespace *oci_spec_namespace(const struct oci_spec *spec, const char *type)
{
    const struct oci_namespace *items = spec->linux_.namespaces.items;
    for (size_t i = 0; i < spec->linux_.namespaces.count; i++)
        if (strcmp(items[i].type, type) == 0)
            return &items[i];
    return NULL;
}

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
