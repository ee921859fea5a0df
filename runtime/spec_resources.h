/* The parts of the OCI runtime spec that limit: linux.resources and linux.seccomp. See spec.h, which includes this. */
#ifndef DORY_RUNTIME_SPEC_RESOURCES_H
#define DORY_RUNTIME_SPEC_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json_table.h"
#include "base/strmap.h"
#include "base/strv.h"

/* Largest config.json, or document of resources, that is read. */
#define OCI_SPEC_SIZE_MAX (16u << 20)

struct oci_device_rule {
    bool allow;
    char *type;             /* a c b; NULL: a */
    int64_t *major, *minor; /* NULL or -1: all */
    char *access;           /* of "rwm" */
};

struct oci_memory { /* bytes, -1: unlimited */
    int64_t *limit, *reservation, *swap /* memory+swap */, *kernel, *kernel_tcp, *swappiness;
    bool *disable_oom_killer, *use_hierarchy, *check_before_update;
};

struct oci_cpu {
    int64_t *shares, *quota, *burst, *period, *realtime_runtime, *realtime_period, *idle;
    char *cpus, *mems;
};

struct oci_pids {
    int64_t *limit; /* <= 0: unlimited */
};

struct oci_weight_device {
    int64_t major, minor;
    int64_t *weight, *leaf_weight;
};

struct oci_throttle_device {
    int64_t major, minor, rate;
};

struct oci_block_io {
    int64_t *weight, *leaf_weight;   /* 10 to 1000 */
    struct json_array weight_device; /* struct oci_weight_device */
    struct json_array throttle_read_bps, throttle_write_bps, throttle_read_iops,
        throttle_write_iops; /* oci_throttle_device */
};

struct oci_hugepage_limit {
    char *page_size; /* "2MB" */
    uint64_t limit;
};

struct oci_rdma {
    char *device; /* "mlx5_1" */
    int64_t *handles, *objects;
};

struct oci_interface_priority {
    char *name;
    uint32_t priority;
};

struct oci_network { /* v1 only */
    int64_t *class_id;
    struct json_array priorities; /* struct oci_interface_priority */
};

struct oci_resources {
    struct json_array devices; /* struct oci_device_rule, later ones win */
    struct oci_memory memory;
    struct oci_cpu cpu;
    struct oci_pids pids;
    struct oci_block_io block_io;
    struct json_array hugepage_limits; /* struct oci_hugepage_limit */
    struct json_array rdma;            /* struct oci_rdma */
    struct oci_network network;
    struct strmap unified; /* file name in the v2 cgroup: text */
};

struct oci_seccomp_arg {
    uint32_t index;
    uint64_t value, value_two;
    char *op; /* SCMP_CMP_EQ ... */
};

struct oci_seccomp_rule {
    struct strv names;
    char *action; /* SCMP_ACT_ALLOW ... */
    int64_t *errno_ret;
    struct json_array args; /* struct oci_seccomp_arg */
};

struct oci_seccomp {
    char *default_action;
    int64_t *default_errno_ret;
    struct strv architectures;  /* SCMP_ARCH_X86_64 ... */
    struct strv flags;          /* SECCOMP_FILTER_FLAG_LOG ... */
    char *listener_path;        /* Unix socket that is told of SCMP_ACT_NOTIFY, absolute */
    char *listener_metadata;    /* passed on to it */
    struct json_array syscalls; /* struct oci_seccomp_rule */
};

extern const struct json_table oci_resources_table;
extern const struct json_table oci_seccomp_table;
extern const struct json_table oci_device_rule_table, oci_throttle_device_table, oci_weight_device_table;

/* A document of linux.resources alone, as `update` reads it. *ret must be zeroed; after success the caller releases it.
 */
int oci_resources_parse(const char *text, size_t size, struct oci_resources *ret, struct error *err);
void oci_resources_release(struct oci_resources *resources);

#endif
