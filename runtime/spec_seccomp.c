/* "linux.seccomp" of config.json: its tables. */
#include "runtime/spec_rows.h"

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
    ROW(oci_seccomp, "listenerMetadata", STRING, listener_metadata, OMIT),
    TABLE_ROW(oci_seccomp, "syscalls", ARRAY, syscalls, seccomp_rule_table, OMIT),
};
const struct json_table oci_seccomp_table = JSON_TABLE(struct oci_seccomp, seccomp_rows);
