/* "hooks" of config.json: their tables. */
#include "runtime/spec_rows.h"

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
const struct json_table oci_hooks_table = JSON_TABLE(struct oci_hooks, hooks_rows);
