#include "daemon/host_config.h"

#include "base/parse.h"
#include "daemon/ulimits.h"

#include <errno.h>
#include <unistd.h>

#include "daemon/options.h"
#include "daemon/port_ranges.h"
#include "daemon/runtimes.h"
#include "runtime/defaults.h"

#define DEFAULT_SHM_SIZE (64 * 1024 * 1024)

/* ---- PortBindings: {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]} as one flat list ---- */

static void port_binding_add(struct json_array *array, const char *port, const char *ip, const char *host_port)
{
    struct port_binding *items = xreallocarray(array->items, array->count + 1, sizeof(*items));
    items[array->count] = (struct port_binding){
        .port = xstrdup(port), .host_ip = xstrdup(ip ? ip : ""), .host_port = xstrdup(host_port ? host_port : "")};
    array->items = items;
    array->count++;
}

static int port_bindings_decode(const struct json *value, void *field, struct error *err)
{
    port_bindings_release(field);
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_OBJECT)
        return error_set(err, ERROR_INVALID, 0, "expected an object of lists");
    for (size_t i = 0; i < value->object.count; i++) {
        const struct json *list = &value->object.values[i];
        if (list->kind != JSON_ARRAY && list->kind != JSON_NULL)
            return error_set(err, ERROR_INVALID, 0, "%s: expected a list", value->object.keys[i]);
        if (json_count(list) == 0) /* any port of the host, as docker has it */
            port_binding_add(field, value->object.keys[i], "", "");
        for (size_t j = 0; j < json_count(list); j++) {
            const struct json *item = json_at(list, j);
            if (item->kind != JSON_OBJECT)
                return error_set(err, ERROR_INVALID, 0, "%s: expected objects", value->object.keys[i]);
            port_binding_add(field, value->object.keys[i], json_get_string(item, "HostIp"),
                             json_get_string(item, "HostPort"));
        }
    }
    port_bindings_compact(field);
    return 0;
}

static void port_bindings_encode(const void *field, struct json_writer *w)
{
    port_bindings_write(field, w);
}

static void port_bindings_clear(void *field)
{
    port_bindings_release(field);
}

static const struct json_custom port_bindings_json = {
    .decode = port_bindings_decode, .encode = port_bindings_encode, .release = port_bindings_clear};

/* ---- ConsoleSize: [rows, columns] ---- */

static int console_size_decode(const struct json *value, void *field, struct error *err)
{
    uint32_t *size = field;
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_ARRAY || value->array.count > 2)
        return error_set(err, ERROR_INVALID, 0, "expected a list of two numbers");
    for (size_t i = 0; i < value->array.count; i++) {
        const struct json *n = &value->array.items[i];
        if (n->kind != JSON_INTEGER || n->integer < 0 || n->integer > UINT16_MAX)
            return error_set(err, ERROR_INVALID, 0, "expected a list of two numbers");
        size[i] = (uint32_t)n->integer;
    }
    return 0;
}

static void console_size_encode(const void *field, struct json_writer *w)
{
    const uint32_t *size = field;
    json_begin_array(w);
    json_put_uint(w, size[0]);
    json_put_uint(w, size[1]);
    json_end_array(w);
}

const struct json_custom console_size_json = {.decode = console_size_decode, .encode = console_size_encode};

/* ---- MaskedPaths, ReadonlyPaths: null is the default, [] is none ---- */

static void optional_strv_release(void *field)
{
    struct optional_strv *o = field;
    strv_release(&o->list);
    o->set = false;
}

static int optional_strv_decode(const struct json *value, void *field, struct error *err)
{
    struct optional_strv *o = field;
    optional_strv_release(o);
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_ARRAY)
        return error_set(err, ERROR_INVALID, 0, "expected a list of strings");
    o->set = true;
    for (size_t i = 0; i < value->array.count; i++) {
        const char *s = json_string(&value->array.items[i]);
        if (s == NULL)
            return error_set(err, ERROR_INVALID, 0, "expected a list of strings");
        strv_add(&o->list, s);
    }
    return 0;
}

static void optional_strv_encode(const void *field, struct json_writer *w)
{
    const struct optional_strv *o = field;
    if (!o->set) {
        json_put_null(w);
        return;
    }
    json_begin_array(w);
    for (size_t i = 0; i < o->list.count; i++)
        json_put_string(w, o->list.items[i]);
    json_end_array(w);
}

static const struct json_custom optional_strv_json = {
    .decode = optional_strv_decode, .encode = optional_strv_encode, .release = optional_strv_release};

/* ---- the tables ---- */

#define ROW(holder, kind, json, member, ...)                                                                           \
    {                                                                                                                  \
        .name = json, .type = kind, .offset = offsetof(holder, member), ##__VA_ARGS__                                  \
    }

static const struct json_field log_config_rows[] = {
    ROW(struct log_config, JSON_FIELD_STRING, "Type", type),
    ROW(struct log_config, JSON_FIELD_STRMAP, "Config", config),
};
static const struct json_table log_config_table = JSON_TABLE(struct log_config, log_config_rows);

static const struct json_field restart_policy_rows[] = {
    ROW(struct restart_policy, JSON_FIELD_STRING, "Name", name),
    ROW(struct restart_policy, JSON_FIELD_INT, "MaximumRetryCount", maximum_retry_count),
};
static const struct json_table restart_policy_table = JSON_TABLE(struct restart_policy, restart_policy_rows);

static const struct json_field weight_device_rows[] = {
    ROW(struct weight_device, JSON_FIELD_STRING, "Path", path),
    ROW(struct weight_device, JSON_FIELD_INT, "Weight", weight),
};
static const struct json_table weight_device_table = JSON_TABLE(struct weight_device, weight_device_rows);

static const struct json_field throttle_device_rows[] = {
    ROW(struct throttle_device, JSON_FIELD_STRING, "Path", path),
    ROW(struct throttle_device, JSON_FIELD_INT, "Rate", rate),
};
static const struct json_table throttle_device_table = JSON_TABLE(struct throttle_device, throttle_device_rows);

static const struct json_field device_mapping_rows[] = {
    ROW(struct device_mapping, JSON_FIELD_STRING, "PathOnHost", path_on_host),
    ROW(struct device_mapping, JSON_FIELD_STRING, "PathInContainer", path_in_container),
    ROW(struct device_mapping, JSON_FIELD_STRING, "CgroupPermissions", cgroup_permissions),
};
static const struct json_table device_mapping_table = JSON_TABLE(struct device_mapping, device_mapping_rows);

static const struct json_field ulimit_rows[] = {
    ROW(struct ulimit, JSON_FIELD_STRING, "Name", name),
    ROW(struct ulimit, JSON_FIELD_INT, "Hard", hard),
    ROW(struct ulimit, JSON_FIELD_INT, "Soft", soft),
};
static const struct json_table ulimit_table = JSON_TABLE(struct ulimit, ulimit_rows);

#define OMIT .flags = JSON_OMIT_EMPTY
#define NIL .flags = JSON_NULL_EMPTY

static const struct json_field bind_options_rows[] = {
    ROW(struct bind_options, JSON_FIELD_STRING, "Propagation", propagation, OMIT),
    ROW(struct bind_options, JSON_FIELD_BOOL, "NonRecursive", non_recursive, OMIT),
    ROW(struct bind_options, JSON_FIELD_BOOL, "CreateMountpoint", create_mountpoint, OMIT),
    ROW(struct bind_options, JSON_FIELD_BOOL, "ReadOnlyNonRecursive", read_only_non_recursive, OMIT),
    ROW(struct bind_options, JSON_FIELD_BOOL, "ReadOnlyForceRecursive", read_only_force_recursive, OMIT),
};
static const struct json_table bind_options_table = JSON_TABLE(struct bind_options, bind_options_rows);

static const struct json_field volume_driver_rows[] = {
    ROW(struct volume_driver_config, JSON_FIELD_STRING, "Name", name, OMIT),
    ROW(struct volume_driver_config, JSON_FIELD_STRMAP, "Options", options, OMIT),
};
static const struct json_table volume_driver_table = JSON_TABLE(struct volume_driver_config, volume_driver_rows);

static const struct json_field volume_options_rows[] = {
    ROW(struct volume_options, JSON_FIELD_BOOL, "NoCopy", no_copy, OMIT),
    ROW(struct volume_options, JSON_FIELD_STRMAP, "Labels", labels, OMIT),
    ROW(struct volume_options, JSON_FIELD_STRING, "Subpath", subpath, OMIT),
    ROW(struct volume_options, JSON_FIELD_OBJECT_PTR, "DriverConfig", driver_config, OMIT,
        .table = &volume_driver_table),
};
static const struct json_table volume_options_table = JSON_TABLE(struct volume_options, volume_options_rows);

static const struct json_field tmpfs_options_rows[] = {
    ROW(struct tmpfs_options, JSON_FIELD_INT, "SizeBytes", size_bytes, OMIT),
    ROW(struct tmpfs_options, JSON_FIELD_INT, "Mode", mode, OMIT),
    ROW(struct tmpfs_options, JSON_FIELD_RAW, "Options", options, OMIT),
};
static const struct json_table tmpfs_options_table = JSON_TABLE(struct tmpfs_options, tmpfs_options_rows);

static const struct json_field mount_request_rows[] = {
    ROW(struct mount_request, JSON_FIELD_STRING, "Type", type),
    ROW(struct mount_request, JSON_FIELD_STRING, "Source", source, OMIT),
    ROW(struct mount_request, JSON_FIELD_STRING, "Target", target),
    ROW(struct mount_request, JSON_FIELD_BOOL, "ReadOnly", read_only, OMIT),
    ROW(struct mount_request, JSON_FIELD_STRING, "Consistency", consistency, OMIT),
    ROW(struct mount_request, JSON_FIELD_OBJECT_PTR, "BindOptions", bind_options, OMIT, .table = &bind_options_table),
    ROW(struct mount_request, JSON_FIELD_OBJECT_PTR, "VolumeOptions", volume_options, OMIT,
        .table = &volume_options_table),
    ROW(struct mount_request, JSON_FIELD_OBJECT_PTR, "TmpfsOptions", tmpfs_options, OMIT,
        .table = &tmpfs_options_table),
    ROW(struct mount_request, JSON_FIELD_RAW, "ImageOptions", image_options, OMIT),
    ROW(struct mount_request, JSON_FIELD_RAW, "ClusterOptions", cluster_options, OMIT),
};
static const struct json_table mount_request_table = JSON_TABLE(struct mount_request, mount_request_rows);

void host_config_clear_mount_member(struct mount_request *mount, const char *name)
{
    json_table_release_field(json_table_find(&mount_request_table, name), mount);
}

#define H(kind, json, member, ...) ROW(struct host_config, JSON_FIELD_##kind, json, member, ##__VA_ARGS__)

/* In the order in which docker's inspect prints them. */
static const struct json_field host_config_rows[] = {
    H(STRV, "Binds", binds, NIL),
    H(STRING, "ContainerIDFile", container_id_file),
    H(OBJECT, "LogConfig", log_config, .table = &log_config_table),
    H(STRING, "NetworkMode", network_mode),
    H(CUSTOM, "PortBindings", port_bindings, .custom = &port_bindings_json),
    H(OBJECT, "RestartPolicy", restart_policy, .table = &restart_policy_table),
    H(BOOL, "AutoRemove", auto_remove),
    H(STRING, "VolumeDriver", volume_driver),
    H(STRV, "VolumesFrom", volumes_from, NIL),
    H(CUSTOM, "ConsoleSize", console_size, .custom = &console_size_json),
    H(STRMAP, "Annotations", annotations, OMIT),
    H(STRV, "CapAdd", cap_add, NIL),
    H(STRV, "CapDrop", cap_drop, NIL),
    H(STRING, "CgroupnsMode", cgroupns_mode),
    H(STRV, "Dns", dns),
    H(STRV, "DnsOptions", dns_options),
    H(STRV, "DnsSearch", dns_search),
    H(STRV, "ExtraHosts", extra_hosts, NIL),
    H(STRV, "GroupAdd", group_add, NIL),
    H(STRING, "IpcMode", ipc_mode),
    H(STRING, "Cgroup", cgroup),
    H(STRV, "Links", links, NIL),
    H(INT, "OomScoreAdj", oom_score_adj),
    H(STRING, "PidMode", pid_mode),
    H(BOOL, "Privileged", privileged),
    H(BOOL, "PublishAllPorts", publish_all_ports),
    H(BOOL, "ReadonlyRootfs", readonly_rootfs),
    H(STRV, "SecurityOpt", security_opt, NIL),
    H(STRMAP, "StorageOpt", storage_opt, OMIT),
    H(STRMAP, "Tmpfs", tmpfs, OMIT),
    H(STRING, "UTSMode", uts_mode),
    H(STRING, "UsernsMode", userns_mode),
    H(INT, "ShmSize", shm_size),
    H(STRMAP, "Sysctls", sysctls, OMIT),
    H(STRING, "Runtime", runtime),
    H(STRING, "Isolation", isolation),
    H(INT, "CpuShares", cpu_shares),
    H(INT, "Memory", memory),
    H(INT, "NanoCpus", nano_cpus),
    H(STRING, "CgroupParent", cgroup_parent),
    H(INT, "BlkioWeight", blkio_weight),
    H(ARRAY, "BlkioWeightDevice", blkio_weight_device, .table = &weight_device_table),
    H(ARRAY, "BlkioDeviceReadBps", blkio_device_read_bps, .table = &throttle_device_table),
    H(ARRAY, "BlkioDeviceWriteBps", blkio_device_write_bps, .table = &throttle_device_table),
    H(ARRAY, "BlkioDeviceReadIOps", blkio_device_read_iops, .table = &throttle_device_table),
    H(ARRAY, "BlkioDeviceWriteIOps", blkio_device_write_iops, .table = &throttle_device_table),
    H(INT, "CpuPeriod", cpu_period),
    H(INT, "CpuQuota", cpu_quota),
    H(INT, "CpuRealtimePeriod", cpu_realtime_period),
    H(INT, "CpuRealtimeRuntime", cpu_realtime_runtime),
    H(STRING, "CpusetCpus", cpuset_cpus),
    H(STRING, "CpusetMems", cpuset_mems),
    H(ARRAY, "Devices", devices, .table = &device_mapping_table),
    H(STRV, "DeviceCgroupRules", device_cgroup_rules, NIL),
    H(RAW, "DeviceRequests", device_requests, NIL),
    H(INT, "KernelMemory", kernel_memory, OMIT),
    H(INT, "KernelMemoryTCP", kernel_memory_tcp, OMIT),
    H(INT, "MemoryReservation", memory_reservation),
    H(INT, "MemorySwap", memory_swap),
    H(OPT_INT, "MemorySwappiness", memory_swappiness),
    H(OPT_BOOL, "OomKillDisable", oom_kill_disable),
    H(OPT_INT, "PidsLimit", pids_limit),
    H(ARRAY, "Ulimits", ulimits, .table = &ulimit_table),
    H(INT, "CpuCount", cpu_count),
    H(INT, "CpuPercent", cpu_percent),
    H(INT, "IOMaximumIOps", io_maximum_iops),
    H(INT, "IOMaximumBandwidth", io_maximum_bandwidth),
    H(ARRAY, "Mounts", mounts, OMIT, .table = &mount_request_table),
    H(OPT_BOOL, "Init", init, OMIT),
    H(CUSTOM, "MaskedPaths", masked_paths, .custom = &optional_strv_json),
    H(CUSTOM, "ReadonlyPaths", readonly_paths, .custom = &optional_strv_json),
};
const struct json_table host_config_table = JSON_TABLE(struct host_config, host_config_rows);

/* ---- defaults ---- */

static void default_string(char **field, const char *value)
{
    if (*field == NULL || **field == '\0')
        xstrset(field, value);
}

/* How often a processor was throttled tells what else the host computes (GHSA-6fw5-f8r9-fgfm). */
static void mask_throttles(struct strv *paths)
{
    long count = sysconf(_SC_NPROCESSORS_CONF);
    for (long i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/thermal_throttle", i);
        if (access(path, F_OK) == 0)
            strv_add(paths, path);
    }
}

static void default_paths(struct host_config *host)
{
    if (host->privileged)
        return;
    if (!host->masked_paths.set) {
        for (size_t i = 0; runtime_default_masked_paths[i]; i++)
            strv_add(&host->masked_paths.list, runtime_default_masked_paths[i]);
        mask_throttles(&host->masked_paths.list);
    }
    for (size_t i = 0; !host->readonly_paths.set && runtime_default_readonly_paths[i]; i++)
        strv_add(&host->readonly_paths.list, runtime_default_readonly_paths[i]);
    host->masked_paths.set = host->readonly_paths.set = true;
}

/* The daemon's ulimits for those names that the container does not set. */
static void default_ulimits(struct host_config *host, const struct strmap *defaults)
{
    for (size_t i = 0; i < defaults->count; i++) {
        const struct ulimit *items = host->ulimits.items;
        struct ulimit limit = {.name = defaults->items[i].key};
        bool given = false;

        for (size_t k = 0; k < host->ulimits.count; k++)
            given |= items[k].name != NULL && strcmp(items[k].name, limit.name) == 0;
        if (given || ulimit_parse(limit.name, defaults->items[i].value, &limit.soft, &limit.hard, NULL) < 0)
            continue;
        limit.name = xstrdup(limit.name);
        host->ulimits.items = xrealloc(host->ulimits.items, (host->ulimits.count + 1) * sizeof(limit));
        ((struct ulimit *)host->ulimits.items)[host->ulimits.count++] = limit;
    }
}

/* Whether the list has the option, with or without a value. */
static bool says(const struct strv *list, const char *option)
{
    size_t size = strlen(option);

    for (size_t i = 0; i < list->count; i++) {
        if (strncmp(list->items[i], option, size) == 0 && strchr("=:", list->items[i][size]) != NULL)
            return true;
    }
    return false;
}

void host_config_set_defaults(struct host_config *host, const struct daemon_options *options)
{
    /* The CLI says "default" where the API said nothing; inspect has shown "bridge" for both since docker 26. */
    if (host->network_mode == NULL || *host->network_mode == '\0' || strcmp(host->network_mode, "default") == 0)
        xstrset(&host->network_mode, "bridge");
    default_string(&host->restart_policy.name, "no");
    default_string(&host->ipc_mode, options->default_ipc_mode ? options->default_ipc_mode : "private");
    /* docker on hosts with v1 controllers says "host" here; dory gives every container its own cgroup namespace. */
    default_string(&host->cgroupns_mode, options->default_cgroupns_mode ? options->default_cgroupns_mode : "private");
    if (host->runtime == NULL || *host->runtime == '\0') {
        CLEANUP_FREE char *runtime = runtimes_default(options);
        xstrset(&host->runtime, runtime);
    }
    /* Unset: as much swap as memory, docker's rule. */
    if (host->memory > 0 && host->memory_swap == 0)
        host->memory_swap = host->memory <= INT64_MAX / 2 ? host->memory * 2 : -1;
    /* docker says false where the kernel has the switch, and nothing where it has none (cgroup v2). */
    if (host->oom_kill_disable == NULL && access("/sys/fs/cgroup/memory/memory.oom_control", F_OK) == 0)
        host->oom_kill_disable = xcalloc(1, sizeof(*host->oom_kill_disable));
    if (host->shm_size == 0 &&
        (options->default_shm_size == NULL || parse_size(options->default_shm_size, false, &host->shm_size) < 0))
        host->shm_size = DEFAULT_SHM_SIZE;
    if (host->pids_limit != NULL && *host->pids_limit <= 0) { /* no limit, as docker reads it */
        free(host->pids_limit);
        host->pids_limit = NULL;
    }
    default_ulimits(host, &options->default_ulimits);
    if (options->no_new_privileges && !says(&host->security_opt, "no-new-privileges"))
        strv_add(&host->security_opt, "no-new-privileges");
    const char *log_driver = options->log_driver ? options->log_driver : "json-file";
    if (host->log_config.type == NULL || *host->log_config.type == '\0')
        xstrset(&host->log_config.type, log_driver);
    /* The daemon's options are for the daemon's driver. */
    if (strcmp(host->log_config.type, log_driver) == 0) {
        for (size_t i = 0; i < options->log_options.count; i++)
            if (strmap_get(&host->log_config.config, options->log_options.items[i].key) == NULL)
                strmap_set(&host->log_config.config, options->log_options.items[i].key,
                           options->log_options.items[i].value);
    }
    default_paths(host);
    if (host->privileged && !strv_contains(&host->security_opt, "label=disable"))
        strv_add(&host->security_opt, "label=disable");
    char **strings[] = {&host->container_id_file, &host->volume_driver, &host->cgroup,    &host->pid_mode,
                        &host->uts_mode,          &host->userns_mode,   &host->isolation, &host->cgroup_parent,
                        &host->cpuset_cpus,       &host->cpuset_mems};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        default_string(strings[i], "");
}
