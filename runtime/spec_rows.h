/*
 * Internal to runtime/: how the tables of config.json are written, and those tables that are members of one in another
 * file. One file per concept: spec_process.c, spec_mounts.c, spec_hooks.c, spec_resources.c, spec_seccomp.c,
 * spec_linux.c; spec.c holds the whole document.
 */
#ifndef DORY_RUNTIME_SPEC_ROWS_H
#define DORY_RUNTIME_SPEC_ROWS_H

#include <stddef.h>

#include "base/json_table.h"
#include "runtime/spec.h"

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

extern const struct json_custom oci_rdma_custom;
/* Parts of oci_spec_validate(). Sizes and shapes of what is a path, a device or a mapping: */
int oci_limits_check(const struct oci_spec *spec, struct error *err);
int oci_sysctl_check(const struct oci_spec *spec, struct error *err);

extern const struct json_table oci_root_table, oci_hooks_table, oci_linux_table;

#endif
