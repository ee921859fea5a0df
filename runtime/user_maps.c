#include "runtime/user_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "runtime/spec.h"

#define MAPPINGS_MAX 340 /* the kernel's limit */
#define TOOL_OUTPUT_MAX 4096

static const struct kind {
    const char *file, *field, *tool;
} uid_kind = {"uid_map", "uidMappings", "newuidmap"}, gid_kind = {"gid_map", "gidMappings", "newgidmap"};

static int write_directly(pid_t pid, const struct kind *kind, const char *where, const struct json_array *mappings,
                          struct error *err)
{
    const struct oci_id_mapping *items = mappings->items;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < mappings->count; i++)
        strbuf_addf(&text, "%u %u %u\n", items[i].container_id, items[i].host_id, items[i].size);
    CLEANUP_FREE char *path = xasprintf("/proc/%d/%s", pid, kind->file);
    int r = file_write_control(AT_FDCWD, path, strbuf_str(&text));
    return r < 0 ? error_errno(err, r, "%s.%s: cannot write %s", where, kind->field, path) : 0;
}

static int write_with_tool(pid_t pid, const struct kind *kind, const char *where, const struct json_array *mappings,
                           struct error *err)
{
    const struct oci_id_mapping *items = mappings->items;
    CLEANUP_STRV struct strv argv = STRV_INIT;
    strv_add(&argv, kind->tool);
    strv_addf(&argv, "%d", pid);
    for (size_t i = 0; i < mappings->count; i++) {
        strv_addf(&argv, "%u", items[i].container_id);
        strv_addf(&argv, "%u", items[i].host_id);
        strv_addf(&argv, "%u", items[i].size);
    }
    int r = process_run(argv.items, NULL, TOOL_OUTPUT_MAX, NULL, err);
    return r < 0 ? error_context(err, "%s.%s: cannot map ids as an ordinary user", where, kind->field) : 0;
}

/* The one mapping that needs nobody's permission. */
static bool maps_itself(const struct json_array *mappings, uint32_t id)
{
    const struct oci_id_mapping *items = mappings->items;
    return mappings->count == 1 && items[0].size == 1 && items[0].host_id == id;
}

static int deny_setgroups(pid_t pid, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/proc/%d/setgroups", pid);
    int r = file_write_control(AT_FDCWD, path, "deny");
    return r < 0 ? error_errno(err, r, "cannot write %s", path) : 0;
}

int user_maps_write(pid_t pid, const char *where, const struct json_array *uids, const struct json_array *gids,
                    struct error *err)
{
    if (uids->count > MAPPINGS_MAX || gids->count > MAPPINGS_MAX)
        return error_set(err, ERROR_INVALID, 0, "%s.%s: more than %d mappings", where,
                         uids->count > MAPPINGS_MAX ? uid_kind.field : gid_kind.field, MAPPINGS_MAX);
    bool privileged = geteuid() == 0;
    bool direct = privileged || maps_itself(uids, geteuid());
    int r = (direct ? write_directly : write_with_tool)(pid, &uid_kind, where, uids, err);
    if (r < 0)
        return r;
    direct = privileged || maps_itself(gids, getegid());
    r = direct && !privileged ? deny_setgroups(pid, err) : 0;
    return r < 0 ? r : (direct ? write_directly : write_with_tool)(pid, &gid_kind, where, gids, err);
}
