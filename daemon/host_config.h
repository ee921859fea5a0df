/*
 * `HostConfig` of the Engine API: what a container asks of the host. The table decodes requests, rows and writes
 * inspect, in the order and with the empty values that docker prints.
 */
#ifndef DORY_DAEMON_HOST_CONFIG_H
#define DORY_DAEMON_HOST_CONFIG_H

#include <stdint.h>

#include "base/json_table.h"

struct daemon_options;

/* One host address of one container port; several may share a port. With `more` also of that many ports that follow,
 * each with the next host port (port_ranges.h). */
struct port_binding {
    char *port;                /* "80/tcp" */
    char *host_ip, *host_port; /* "" when unset; host_port may be a range "8000-8010" */
    uint32_t more;
};

/* A list that tells absent (the default applies) from empty. */
struct optional_strv {
    bool set;
    struct strv list;
};

struct log_config {
    char *type;
    struct strmap config;
};
struct restart_policy {
    char *name; /* "" "no" "always" "unless-stopped" "on-failure" */
    int64_t maximum_retry_count;
};
struct weight_device {
    char *path;
    int64_t weight;
};
struct throttle_device {
    char *path;
    int64_t rate;
};
struct device_mapping {
    char *path_on_host, *path_in_container, *cgroup_permissions;
};
struct ulimit {
    char *name;
    int64_t hard, soft;
};

struct bind_options {
    char *propagation;
    bool non_recursive, create_mountpoint, read_only_non_recursive, read_only_force_recursive;
};
struct volume_driver_config {
    char *name;
    struct strmap options;
};
struct volume_options {
    bool no_copy;
    struct strmap labels;
    struct volume_driver_config *driver_config;
    char *subpath;
};
struct tmpfs_options {
    int64_t size_bytes, mode;
    struct json *options;
};
struct mount_request {
    char *type, *source, *target, *consistency;
    bool read_only;
    struct bind_options *bind_options;
    struct volume_options *volume_options;
    struct tmpfs_options *tmpfs_options;
    struct json *image_options, *cluster_options;
};

struct host_config {
    struct strv binds;
    char *container_id_file;
    struct log_config log_config;
    char *network_mode;
    struct json_array port_bindings; /* struct port_binding, compact */
    struct restart_policy restart_policy;
    bool auto_remove;
    char *volume_driver;
    struct strv volumes_from;
    uint32_t console_size[2]; /* rows, columns */
    struct strmap annotations;
    struct strv cap_add, cap_drop;
    char *cgroupns_mode;
    struct strv dns, dns_options, dns_search;
    struct strv extra_hosts, group_add;
    char *ipc_mode, *cgroup;
    struct strv links;
    int64_t oom_score_adj;
    char *pid_mode;
    bool privileged, publish_all_ports, readonly_rootfs;
    struct strv security_opt;
    struct strmap storage_opt, tmpfs;
    char *uts_mode, *userns_mode;
    int64_t shm_size;
    struct strmap sysctls;
    char *runtime, *isolation;
    /* resources */
    int64_t cpu_shares, memory, nano_cpus;
    char *cgroup_parent;
    int64_t blkio_weight;
    struct json_array blkio_weight_device;                           /* struct weight_device */
    struct json_array blkio_device_read_bps, blkio_device_write_bps; /* struct throttle_device */
    struct json_array blkio_device_read_iops, blkio_device_write_iops;
    int64_t cpu_period, cpu_quota, cpu_realtime_period, cpu_realtime_runtime;
    char *cpuset_cpus, *cpuset_mems;
    struct json_array devices; /* struct device_mapping */
    struct strv device_cgroup_rules;
    struct json *device_requests;
    int64_t kernel_memory, kernel_memory_tcp;
    int64_t memory_reservation, memory_swap;
    int64_t *memory_swappiness;
    bool *oom_kill_disable;
    int64_t *pids_limit;
    struct json_array ulimits; /* struct ulimit */
    int64_t cpu_count, cpu_percent, io_maximum_iops, io_maximum_bandwidth;
    struct json_array mounts; /* struct mount_request */
    bool *init;
    struct optional_strv masked_paths, readonly_paths;
};

extern const struct json_table host_config_table;
/* Makes the member of that name, which there is, absent. */
void host_config_clear_mount_member(struct mount_request *mount, const char *name);
/* ConsoleSize: uint32_t[2], rows and columns. */
extern const struct json_custom console_size_json;
#define host_config_release(h) json_table_release(&host_config_table, (h))

/*
 * Fills what the request left open with the daemon's defaults (network mode, ipc, cgroup namespace, shm size, log
 * driver, runtime name, masked paths) so that inspect shows what is in force.
 */
void host_config_set_defaults(struct host_config *host, const struct daemon_options *options);
/*
 * Refuses values that are wrong (400, docker's words) and wishes that dory cannot fulfil (501, naming the member): what
 * passes is honoured. `warnings` receives docker's warnings.
 */
int host_config_validate(const struct host_config *host, struct strv *warnings, struct error *err);
/* StorageOpt's size in bytes; 0: no limit. ERROR_INVALID names what is wrong. */
int host_config_storage_size(const struct host_config *host, uint64_t *ret_bytes, struct error *err);

#endif
