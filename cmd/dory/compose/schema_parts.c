/* The keys of everything below and beside a service's own. */
#include "cmd/dory/compose/schema.h"

const struct schema_row schema_ulimit_rows[] = {
    {"single", SHAPE_INTEGER, 0, NULL, NULL, NULL},
    {"soft", SHAPE_INTEGER, 0, NULL, NULL, NULL},
    {"hard", SHAPE_INTEGER, 0, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_hook_rows[] = {
    {"command", SHAPE_COMMAND, SCHEMA_ALWAYS | SCHEMA_NULLABLE | SCHEMA_REQUIRED | SCHEMA_OVERRIDE, NULL, NULL, NULL},
    {"user", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"privileged", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {"working_dir", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"environment", SHAPE_ENVIRONMENT, 0, NULL, NULL, NULL},
    {0},
};

static const struct schema_row mount_bind_rows[] = {
    {"selinux", SHAPE_TEXT, 0, NULL, "z|Z", NULL},
    {"propagation", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"create_host_path", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {"recursive", SHAPE_TEXT, 0, NULL, "enabled|disabled|writable|readonly", NULL},
    {0},
};

static const struct schema_row mount_volume_rows[] = {
    {"labels", SHAPE_MAPPING, 0, NULL, NULL, NULL},
    {"nocopy", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {"subpath", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {0},
};

static const struct schema_row mount_tmpfs_rows[] = {
    {"size", SHAPE_BYTES, SCHEMA_UNSIGNED, NULL, NULL, NULL},
    {"mode", SHAPE_INTEGER, SCHEMA_UNSIGNED | SCHEMA_FRACTION | SCHEMA_STRICT, NULL, NULL, NULL},
    {0},
};

static const struct schema_row mount_image_rows[] = {
    {"subpath", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_mount_rows[] = {
    {"type", SHAPE_TEXT, SCHEMA_REQUIRED, NULL, "bind|volume|tmpfs|cluster|npipe|image", NULL},
    {"source", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"target", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"read_only", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {"consistency", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"bind", SHAPE_OBJECT, SCHEMA_KEEP, mount_bind_rows, NULL, NULL},
    {"volume", SHAPE_OBJECT, SCHEMA_KEEP, mount_volume_rows, NULL, NULL},
    {"tmpfs", SHAPE_OBJECT, SCHEMA_KEEP, mount_tmpfs_rows, NULL, NULL},
    {"image", SHAPE_OBJECT, SCHEMA_KEEP, mount_image_rows, NULL, NULL},
    {0},
};

const struct schema_row schema_port_rows[] = {
    {"name", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"mode", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"host_ip", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"target", SHAPE_INTEGER, SCHEMA_UNSIGNED, NULL, NULL, NULL},
    {"published", SHAPE_TEXT_OR_NUMBER, 0, NULL, NULL, NULL},
    {"protocol", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"app_protocol", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_device_rows[] = {
    {"source", SHAPE_TEXT, SCHEMA_REQUIRED, NULL, NULL, NULL},
    {"target", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"permissions", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_file_mount_rows[] = {
    {"source", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"target", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"uid", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"gid", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"mode", SHAPE_MODE, SCHEMA_KEEP, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_depends_rows[] = {
    {"condition", SHAPE_TEXT, SCHEMA_REQUIRED, NULL, "service_started|service_healthy|service_completed_successfully",
     NULL},
    {"restart", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {"required", SHAPE_BOOL, SCHEMA_STRICT | SCHEMA_KEEP | SCHEMA_ALWAYS, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_env_file_rows[] = {
    {"path", SHAPE_TEXT, SCHEMA_REQUIRED, NULL, NULL, NULL},
    {"required", SHAPE_BOOL, SCHEMA_KEEP | SCHEMA_ALWAYS, NULL, NULL, NULL},
    {"format", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_extends_rows[] = {
    {"file", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"service", SHAPE_TEXT, SCHEMA_REQUIRED, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_include_rows[] = {
    {"path", SHAPE_ONE_OR_MORE, SCHEMA_REQUIRED, NULL, NULL, NULL},
    {"project_directory", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"env_file", SHAPE_ONE_OR_MORE, SCHEMA_REPEATED, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_device_request_rows[] = {
    {"capabilities", SHAPE_TEXTS, SCHEMA_REQUIRED, NULL, NULL, NULL},
    {"driver", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"count", SHAPE_DEVICE_COUNT, 0, NULL, NULL, NULL},
    {"device_ids", SHAPE_TEXTS, 0, NULL, NULL, NULL},
    {"options", SHAPE_MAPPING, 0, NULL, NULL, NULL},
    {0},
};

static const struct schema_row update_rows[] = {
    {"parallelism", SHAPE_INTEGER, SCHEMA_KEEP | SCHEMA_UNSIGNED, NULL, NULL, NULL},
    {"delay", SHAPE_DURATION, 0, NULL, NULL, NULL},
    {"failure_action", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"monitor", SHAPE_DURATION, 0, NULL, NULL, NULL},
    {"max_failure_ratio", SHAPE_REAL, 0, NULL, NULL, NULL},
    {"order", SHAPE_TEXT, 0, NULL, "start-first|stop-first", NULL},
    {0},
};

static const struct schema_row discrete_rows[] = {
    {"kind", SHAPE_TEXT, SCHEMA_ALWAYS, NULL, NULL, NULL},
    {"value", SHAPE_INTEGER, SCHEMA_ALWAYS, NULL, NULL, NULL},
    {0},
};

static const struct schema_row generic_rows[] = {
    {"discrete_resource_spec", SHAPE_OBJECT, SCHEMA_KEEP, discrete_rows, NULL, NULL},
    {0},
};

static const struct schema_row limit_rows[] = {
    {"cpus", SHAPE_REAL, 0, NULL, NULL, NULL},
    {"memory", SHAPE_BYTES, SCHEMA_STRICT, NULL, NULL, NULL},
    {"pids", SHAPE_INTEGER, 0, NULL, NULL, NULL},
    {0},
};

static const struct schema_row reservation_rows[] = {
    {"cpus", SHAPE_REAL, 0, NULL, NULL, NULL},
    {"memory", SHAPE_BYTES, SCHEMA_STRICT, NULL, NULL, NULL},
    {"devices", SHAPE_OBJECTS, 0, schema_device_request_rows, NULL, NULL},
    {"generic_resources", SHAPE_OBJECTS, 0, generic_rows, NULL, NULL},
    {0},
};

static const struct schema_row resources_rows[] = {
    {"limits", SHAPE_OBJECT, SCHEMA_KEEP, limit_rows, NULL, NULL},
    {"reservations", SHAPE_OBJECT, SCHEMA_KEEP, reservation_rows, NULL, NULL},
    {0},
};

static const struct schema_row restart_policy_rows[] = {
    {"condition", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"delay", SHAPE_DURATION, SCHEMA_KEEP, NULL, NULL, NULL},
    {"max_attempts", SHAPE_INTEGER, SCHEMA_KEEP | SCHEMA_UNSIGNED, NULL, NULL, NULL},
    {"window", SHAPE_DURATION, SCHEMA_KEEP, NULL, NULL, NULL},
    {0},
};

static const struct schema_row preference_rows[] = {
    {"spread", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {0},
};

static const struct schema_row placement_rows[] = {
    {"constraints", SHAPE_TEXTS, SCHEMA_REPEATED, NULL, NULL, NULL},
    {"preferences", SHAPE_OBJECTS, 0, preference_rows, NULL, NULL},
    {"max_replicas_per_node", SHAPE_INTEGER, SCHEMA_UNSIGNED, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_deploy_rows[] = {
    {"mode", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"replicas", SHAPE_INTEGER, SCHEMA_KEEP, NULL, NULL, NULL},
    {"labels", SHAPE_MAPPING, SCHEMA_REPEATED, NULL, NULL, NULL},
    {"update_config", SHAPE_OBJECT, SCHEMA_KEEP, update_rows, NULL, NULL},
    {"rollback_config", SHAPE_OBJECT, SCHEMA_KEEP, update_rows, NULL, NULL},
    {"resources", SHAPE_OBJECT, SCHEMA_STRUCT, resources_rows, NULL, NULL},
    {"restart_policy", SHAPE_OBJECT, SCHEMA_KEEP, restart_policy_rows, NULL, NULL},
    {"placement", SHAPE_OBJECT, SCHEMA_STRUCT, placement_rows, NULL, NULL},
    {"endpoint_mode", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {0},
};

static const struct schema_row watch_rows[] = {
    {"path", SHAPE_TEXT, SCHEMA_REQUIRED, NULL, NULL, NULL},
    {"action", SHAPE_TEXT, SCHEMA_REQUIRED, NULL, "rebuild|sync|restart|sync+restart|sync+exec", NULL},
    {"target", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"exec", SHAPE_OBJECT, SCHEMA_STRUCT, schema_hook_rows, NULL, NULL},
    {"include", SHAPE_ONE_OR_MORE, 0, NULL, NULL, NULL},
    {"ignore", SHAPE_ONE_OR_MORE, 0, NULL, NULL, NULL},
    {"initial_sync", SHAPE_BOOL, SCHEMA_STRICT, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_develop_rows[] = {
    {"watch", SHAPE_OBJECTS, 0, watch_rows, NULL, NULL},
    {0},
};

const struct schema_row schema_build_rows[] = {
    {"context", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"dockerfile", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"dockerfile_inline", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"entitlements", SHAPE_TEXTS, SCHEMA_REPEATED, NULL, NULL, NULL},
    {"args", SHAPE_ENVIRONMENT, SCHEMA_REPEATED, NULL, NULL, NULL},
    {"provenance", SHAPE_TEXT_OR_NUMBER, SCHEMA_STRICT, NULL, NULL, NULL},
    {"sbom", SHAPE_TEXT_OR_NUMBER, SCHEMA_STRICT, NULL, NULL, NULL},
    {"ssh", SHAPE_SSH, 0, NULL, NULL, NULL},
    {"labels", SHAPE_MAPPING, SCHEMA_REPEATED, NULL, NULL, NULL},
    {"cache_from", SHAPE_TEXTS, SCHEMA_REPEATED, NULL, NULL, NULL},
    {"cache_to", SHAPE_TEXTS, SCHEMA_REPEATED, NULL, NULL, NULL},
    {"no_cache", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {"additional_contexts", SHAPE_MAPPING, SCHEMA_PAIRS | SCHEMA_ONLY_TEXT | SCHEMA_REPEATED, NULL, NULL, NULL},
    {"pull", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {"extra_hosts", SHAPE_HOSTS, 0, NULL, NULL, NULL},
    {"isolation", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"network", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"target", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"secrets", SHAPE_FILE_MOUNTS, 0, schema_file_mount_rows, NULL, NULL},
    {"shm_size", SHAPE_BYTES, 0, NULL, NULL, NULL},
    {"tags", SHAPE_TEXTS, SCHEMA_REPEATED | SCHEMA_BY_KEY, NULL, NULL, NULL},
    {"ulimits", SHAPE_ULIMITS, 0, schema_ulimit_rows, NULL, NULL},
    {"platforms", SHAPE_TEXTS, SCHEMA_REPEATED, NULL, NULL, NULL},
    {"privileged", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {0},
};

static const struct schema_row pool_rows[] = {
    {"subnet", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"gateway", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"ip_range", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"aux_addresses", SHAPE_OPTIONS, SCHEMA_ONLY_TEXT, NULL, NULL, NULL},
    {0},
};

static const struct schema_row ipam_rows[] = {
    {"driver", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"config", SHAPE_OBJECTS, SCHEMA_POOLS, pool_rows, NULL, NULL},
    {"options", SHAPE_OPTIONS, SCHEMA_ONLY_TEXT, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_network_rows[] = {
    {"name", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"driver", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"driver_opts", SHAPE_OPTIONS, SCHEMA_STRICT, NULL, NULL, NULL},
    {"ipam", SHAPE_OBJECT, SCHEMA_STRUCT, ipam_rows, NULL, NULL},
    {"external", SHAPE_EXTERNAL, 0, NULL, NULL, NULL},
    {"internal", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {"attachable", SHAPE_BOOL, 0, NULL, NULL, NULL},
    {"labels", SHAPE_MAPPING, SCHEMA_REPEATED, NULL, NULL, NULL},
    {"enable_ipv4", SHAPE_BOOL, SCHEMA_KEEP, NULL, NULL, NULL},
    {"enable_ipv6", SHAPE_BOOL, SCHEMA_KEEP, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_volume_rows[] = {
    {"name", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"driver", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"driver_opts", SHAPE_OPTIONS, SCHEMA_STRICT, NULL, NULL, NULL},
    {"external", SHAPE_EXTERNAL, 0, NULL, NULL, NULL},
    {"labels", SHAPE_MAPPING, 0, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_secret_rows[] = {
    {"name", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"file", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"environment", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"external", SHAPE_EXTERNAL, 0, NULL, NULL, NULL},
    {"labels", SHAPE_MAPPING, 0, NULL, NULL, NULL},
    {"driver", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"driver_opts", SHAPE_OPTIONS, SCHEMA_STRICT, NULL, NULL, NULL},
    {"template_driver", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_config_rows[] = {
    {"name", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"file", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"environment", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"content", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"external", SHAPE_EXTERNAL, 0, NULL, NULL, NULL},
    {"labels", SHAPE_MAPPING, 0, NULL, NULL, NULL},
    {"template_driver", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {0},
};

const struct schema_row schema_model_rows[] = {
    {"name", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"model", SHAPE_TEXT, SCHEMA_REQUIRED, NULL, NULL, NULL},
    {"context_size", SHAPE_INTEGER, 0, NULL, NULL, NULL},
    {"runtime_flags", SHAPE_TEXTS, SCHEMA_REPEATED, NULL, NULL, NULL},
    {0},
};

static const struct schema_row file_rows[] = {
    {"version", SHAPE_TEXT, SCHEMA_HIDDEN, NULL, NULL, NULL},
    {"name", SHAPE_TEXT, 0, NULL, NULL, NULL},
    {"include", SHAPE_INCLUDES, SCHEMA_HIDDEN | SCHEMA_NULLABLE, schema_include_rows, NULL, NULL},
    {"services", SHAPE_OBJECT_MAP, SCHEMA_KEEP, schema_service_rows, NULL, NULL},
    {"networks", SHAPE_OBJECT_MAP, SCHEMA_NULLABLE, schema_network_rows, NULL, NULL},
    {"volumes", SHAPE_OBJECT_MAP, SCHEMA_NULLABLE, schema_volume_rows, NULL, NULL},
    {"secrets", SHAPE_OBJECT_MAP, 0, schema_secret_rows, NULL, NULL},
    {"configs", SHAPE_OBJECT_MAP, 0, schema_config_rows, NULL, NULL},
    {"models", SHAPE_OBJECT_MAP, SCHEMA_REFUSED, schema_model_rows, "there is no model runner", NULL},
    {0},
};

const struct schema_row schema_file = {"", SHAPE_OBJECT, 0, file_rows, NULL, NULL};
