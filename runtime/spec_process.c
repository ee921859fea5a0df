/* The "process" of config.json: its tables. */
#include <errno.h>

#include "base/memory.h"
#include "runtime/spec_rows.h"

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

static const struct json_field scheduler_rows[] = {
    ROW(oci_scheduler, "policy", STRING, policy, REQ),    ROW(oci_scheduler, "nice", INT, nice, OMIT),
    ROW(oci_scheduler, "priority", INT, priority, OMIT),  ROW(oci_scheduler, "flags", STRV, flags, OMIT),
    ROW(oci_scheduler, "runtime", UINT64, runtime, OMIT), ROW(oci_scheduler, "deadline", UINT64, deadline, OMIT),
    ROW(oci_scheduler, "period", UINT64, period, OMIT),
};
static const struct json_table scheduler_table = JSON_TABLE(struct oci_scheduler, scheduler_rows);

static const struct json_field io_priority_rows[] = {
    ROW(oci_io_priority, "class", STRING, class, REQ),
    ROW(oci_io_priority, "priority", INT, priority, OMIT),
};
static const struct json_table io_priority_table = JSON_TABLE(struct oci_io_priority, io_priority_rows);

static const struct json_field cpu_affinity_rows[] = {
    ROW(oci_cpu_affinity, "initial", STRING, initial, OMIT),
    ROW(oci_cpu_affinity, "final", STRING, final, OMIT),
};
static const struct json_table cpu_affinity_table = JSON_TABLE(struct oci_cpu_affinity, cpu_affinity_rows);

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
    TABLE_ROW(oci_process, "scheduler", OBJECT_PTR, scheduler, scheduler_table, OMIT),
    TABLE_ROW(oci_process, "ioPriority", OBJECT_PTR, io_priority, io_priority_table, OMIT),
    TABLE_ROW(oci_process, "execCPUAffinity", OBJECT_PTR, exec_cpu_affinity, cpu_affinity_table, OMIT),
};
const struct json_table oci_process_table = JSON_TABLE(struct oci_process, process_rows);
