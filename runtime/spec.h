/*
 * The OCI runtime spec (config.json, 1.0 to 1.3) for Linux as C structs, declared by JSON tables: parsed, written and
 * released by the same rows. Unknown members are ignored, as the spec demands; members of a wrong type are errors that
 * name their path ("linux.resources.pids.limit: expected a number, got a string"). Members that dory knows but does
 * not support are kept raw and refused by oci_spec_validate().
 */
#ifndef DORY_RUNTIME_SPEC_H
#define DORY_RUNTIME_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json_table.h"
#include "base/strmap.h"
#include "base/strv.h"
#include "runtime/spec_resources.h"

/* A list of numeric ids ("additionalGids"). */
struct oci_id_list {
    uint32_t *items;
    size_t count;
};
void oci_id_list_add(struct oci_id_list *list, uint32_t id);

struct oci_user {
    uint32_t uid;
    uint32_t gid;
    int64_t *umask; /* NULL: 022 */
    struct oci_id_list additional_gids;
};

struct oci_capabilities { /* names with "CAP_" */
    struct strv bounding, effective, inheritable, permitted, ambient;
};

struct oci_rlimit {
    char *type;          /* "RLIMIT_NOFILE" */
    uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

struct oci_console_size {
    uint32_t height, width; /* rows, columns */
};

struct oci_scheduler { /* sched_setattr(2) */
    char *policy;      /* "SCHED_FIFO" */
    int64_t nice, priority;
    struct strv flags;                  /* "SCHED_FLAG_RESET_ON_FORK" */
    uint64_t runtime, deadline, period; /* nanoseconds */
};

struct oci_io_priority { /* ioprio_set(2) */
    char *class;         /* "IOPRIO_CLASS_BE" */
    int64_t priority;    /* 0 to 7 */
};

struct oci_cpu_affinity { /* lists like "0-3,7"; for exec, not for the container's first process */
    char *initial, *final;
};

struct oci_process {
    bool terminal;
    struct oci_console_size console_size;
    struct oci_user user;
    struct strv args;
    struct strv env;
    char *cwd;
    struct oci_capabilities capabilities;
    struct json_array rlimits; /* struct oci_rlimit */
    bool no_new_privileges;
    int64_t *oom_score_adj;
    char *apparmor_profile;
    char *selinux_label;
    struct oci_scheduler *scheduler;            /* NULL: as it is */
    struct oci_io_priority *io_priority;        /* likewise */
    struct oci_cpu_affinity *exec_cpu_affinity; /* likewise */
};

struct oci_root {
    char *path;
    bool readonly;
};

struct oci_id_mapping {
    uint32_t container_id, host_id, size;
};

struct oci_mount {
    char *destination;
    char *type;   /* "bind" may be left out when the options say bind or rbind */
    char *source; /* relative ones start from the bundle */
    struct strv options;
    struct json_array uid_mappings, gid_mappings; /* struct oci_id_mapping: an id-mapped mount */
};

struct oci_hook {
    char *path;
    struct strv args;
    struct strv env;
    int64_t *timeout; /* seconds */
};

struct oci_hooks { /* arrays of struct oci_hook */
    struct json_array prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct oci_namespace {
    char *type; /* pid network mount ipc uts user cgroup time */
    char *path; /* NULL: a new one */
};

struct oci_device {
    char *path;
    char *type; /* c b u p */
    int64_t major, minor;
    int64_t *file_mode; /* NULL: 0666 */
    uint32_t uid, gid;
};

struct oci_time_offset {
    int64_t secs;
    uint32_t nanosecs;
};

struct oci_time_offsets { /* of a new time namespace; NULL: none */
    struct oci_time_offset *monotonic, *boottime;
};

struct oci_personality { /* personality(2) */
    char *domain;        /* LINUX LINUX32 */
    struct strv flags;   /* none is defined */
};

struct oci_intel_rdt { /* resctrl.h */
    char *clos_id;     /* NULL: one of the container's own */
    char *l3_cache_schema, *mem_bw_schema;
    struct strv schemata; /* lines in the place of these two */
    bool enable_monitoring;
};

struct oci_memory_policy { /* set_mempolicy(2) */
    char *mode;            /* "MPOL_BIND" */
    char *nodes;           /* a list like "0-3,7" */
    struct strv flags;     /* "MPOL_F_STATIC_NODES" */
};

struct oci_net_device { /* moved from the runtime's network namespace into the container's */
    char *host_name;
    char *name; /* in the container; may end in %d; NULL: as on the host */
};

struct oci_linux {
    struct json_array namespaces;                 /* struct oci_namespace */
    struct json_array uid_mappings, gid_mappings; /* struct oci_id_mapping */
    struct json_array devices;                    /* struct oci_device */
    char *cgroups_path;
    struct oci_resources resources;
    struct oci_seccomp *seccomp; /* NULL: none */
    struct strv masked_paths, readonly_paths;
    char *rootfs_propagation;
    char *mount_label;
    struct strmap sysctl;
    struct oci_time_offsets *time_offsets;
    struct oci_personality *personality;     /* NULL: as it is */
    struct oci_memory_policy *memory_policy; /* likewise */
    struct json_array net_devices;           /* struct oci_net_device; an object by host name in the document */
    struct oci_intel_rdt *intel_rdt;         /* likewise */
};

struct oci_spec {
    char *version; /* ociVersion */
    struct oci_process process;
    struct oci_root root;
    char *hostname;
    char *domainname;
    struct json_array mounts; /* struct oci_mount */
    struct oci_hooks hooks;
    struct strmap annotations;
    struct oci_linux linux_; /* "linux" is a macro of the compiler */
};

extern const struct json_table oci_spec_table;
extern const struct json_table oci_process_table;
extern const struct json_table oci_mount_table, oci_namespace_table, oci_device_table, oci_rlimit_table,
    oci_id_mapping_table, oci_hook_table;

/*
 * A zeroed struct of the table's type appended to the array; the pointer is valid until the next call. For whoever
 * builds a spec: `struct oci_mount *m = oci_array_add(&spec.mounts, &oci_mount_table);`
 */
void *oci_array_add(struct json_array *array, const struct json_table *table);

/* Parses config.json. *ret must be zeroed; after success the caller releases it. ERROR_INVALID on bad input. */
int oci_spec_parse(const char *text, size_t size, struct oci_spec *ret, struct error *err);
/* Reads `name` in the bundle directory, at most OCI_SPEC_SIZE_MAX. */
int oci_spec_load(int bundle_fd, const char *name, struct oci_spec *ret, struct error *err);
/* Checks what types cannot say: versions, absolute paths, known names, members that dory refuses. */
int oci_spec_validate(const struct oci_spec *spec, struct error *err);
/* The process alone: what an exec is given. */
int oci_process_validate(const struct oci_process *process, struct error *err);
/* Appends the spec as JSON. */
void oci_spec_write(const struct oci_spec *spec, struct strbuf *out);
void oci_spec_release(struct oci_spec *spec);

/* The namespace of this type, or NULL when the container shares the host's. */
const struct oci_namespace *oci_spec_namespace(const struct oci_spec *spec, const char *type);

/* "net.ipv4.conf.eth0/1.x" and "net/ipv4/conf/eth0.1/x" are the same parameter, the first separator tells which way it
 * is written: the path below /proc/sys. The caller frees. */
char *oci_sysctl_path(const char *name);
/* The type of the namespace that the parameter at this path belongs to; NULL: to the machine. */
const char *oci_sysctl_namespace(const char *path);

#endif
