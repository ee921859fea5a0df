#include "daemon/userns_remap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/strv.h"
#include "daemon/user_namespace.h"

#define DATABASE_MAX (16 << 20)
#define TOOL_OUTPUT_MAX 4096
/* As shadow's own: login.defs(5), SUB_UID_MIN and SUB_UID_COUNT. */
#define RANGE_FIRST 100000
#define RANGE_COUNT 65536

static const struct kind {
    const char *what, *database, *ranges, *usermod_flag;
} uids = {"user", "/etc/passwd", "/etc/subuid", "-v"}, gids = {"group", "/etc/group", "/etc/subgid", "-w"};

/* Name and id of who is called so, or has this id: "name:x:id:". The caller frees both. */
static bool find_entry(const char *text, const char *key, char **ret_name, char **ret_id)
{
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        CLEANUP_STRV struct strv fields = STRV_INIT;
        CLEANUP_FREE char *copy = xstrndup(line, strcspn(line, "\n"));
        strv_split(&fields, copy, ':');
        if (fields.count < 3 || (strcmp(fields.items[0], key) != 0 && strcmp(fields.items[2], key) != 0))
            continue;
        *ret_name = xstrdup(fields.items[0]);
        *ret_id = xstrdup(fields.items[2]);
        return true;
    }
    return false;
}

static int find(const struct kind *kind, const char *key, char **ret_name, char **ret_id, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    int r = file_read(AT_FDCWD, kind->database, DATABASE_MAX, &text, NULL, err);
    if (r < 0)
        return r;
    return *key != '\0' && find_entry(text, key, ret_name, ret_id)
               ? 0
               : error_set(err, ERROR_INVALID, 0, "userns-remap: there is no %s %s in %s", kind->what, key,
                           kind->database);
}

static int read_ranges(const struct kind *kind, const char *name, const char *id, struct id_map *ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    int r = file_read(AT_FDCWD, kind->ranges, DATABASE_MAX, &text, NULL, err);
    if (r == -ENOENT) {
        if (err != NULL)
            error_clear(err);
        *ret = (struct id_map){0};
        return 0;
    }
    r = r < 0 ? r : id_map_parse(text, name, id, ret, err);
    return r < 0 ? error_context(err, "userns-remap: %s", kind->ranges) : 0;
}

/* ---- dockremap ---- */

static int run_tool(const char *const *words, struct error *err)
{
    CLEANUP_STRV struct strv argv = STRV_INIT;
    for (; *words != NULL; words++)
        strv_add(&argv, *words);
    int r = process_run(argv.items, NULL, TOOL_OUTPUT_MAX, NULL, err);
    return r < 0 ? error_context(err, "userns-remap: cannot make " USERNS_REMAP_USER) : 0;
}

/* Behind the last range that anybody has. */
static uint64_t free_range(const char *text)
{
    uint64_t first = RANGE_FIRST;
    for (const char *line = text; line != NULL && *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        unsigned long start, count;
        const char *colon = strchr(line, ':');
        if (colon != NULL && sscanf(colon, ":%lu:%lu", &start, &count) == 2 && start + count > first)
            first = start + count;
    }
    return first;
}

static int make_ranges(const struct kind *kind, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    struct id_map map;
    int r = read_ranges(kind, USERNS_REMAP_USER, NULL, &map, err);
    if (r < 0 || map.count > 0)
        return r;
    CLEANUP_CLOSE int there = open(kind->ranges, O_RDONLY | O_CREAT | O_CLOEXEC, 0644); /* usermod wants a file */
    if (there < 0)
        return error_errno(err, errno, "userns-remap: %s", kind->ranges);
    r = file_read(AT_FDCWD, kind->ranges, DATABASE_MAX, &text, NULL, err);
    if (r < 0)
        return r;
    uint64_t first = free_range(text);
    CLEANUP_FREE char *range =
        xasprintf("%llu-%llu", (unsigned long long)first, (unsigned long long)first + RANGE_COUNT - 1);
    return run_tool((const char *const[]){"usermod", kind->usermod_flag, range, USERNS_REMAP_USER, NULL}, err);
}

static int make_default(struct error *err)
{
    CLEANUP_FREE char *name = NULL, *id = NULL;
    int r = find(&uids, USERNS_REMAP_USER, &name, &id, NULL);
    if (r < 0)
        r = run_tool((const char *const[]){"useradd", "--system", "--user-group", "--no-create-home", "--shell",
                                           "/bin/false", USERNS_REMAP_USER, NULL},
                     err);
    r = r < 0 ? r : make_ranges(&uids, err);
    return r < 0 ? r : make_ranges(&gids, err);
}

/* ---- the setting ---- */

static int load(const struct kind *kind, const char *key, struct id_map *ret, char **ret_name, struct error *err)
{
    CLEANUP_FREE char *id = NULL;
    int r = find(kind, key, ret_name, &id, err);
    r = r < 0 ? r : read_ranges(kind, *ret_name, id, ret, err);
    return r < 0 || ret->count > 0
               ? r
               : error_set(err, ERROR_INVALID, 0, "userns-remap: no subordinate ids for %s %s in %s", kind->what,
                           *ret_name, kind->ranges);
}

int userns_remap_open(const char *option, struct userns_remap **ret, struct error *err)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    CLEANUP_FREE struct userns_remap *remap = xcalloc(1, sizeof(*remap));
    CLEANUP_FREE char *user = NULL, *group = NULL;
    bool is_default = strcmp(option, USERNS_REMAP_DEFAULT) == 0;
    int r = is_default ? make_default(err) : 0;
    if (r < 0)
        return r;
    strv_split(&parts, is_default ? USERNS_REMAP_USER : option, ':');
    if (parts.count > 2)
        return error_set(err, ERROR_INVALID, 0, "userns-remap: \"%s\" is not of the form user[:group]", option);
    r = load(&uids, parts.items[0], &remap->uids, &user, err);
    if (r == 0)
        r = load(&gids, parts.count > 1 ? parts.items[1] : user, &remap->gids, &group, err);
    if (r < 0)
        return r;
    remap->root.uid = remap->uids.ranges[0].outside;
    remap->root.gid = remap->gids.ranges[0].outside;
    *ret = TAKE_PTR(remap);
    return 0;
}

char *userns_remap_root(const struct userns_remap *remap, const char *data_root)
{
    return xasprintf("%s/%u.%u", data_root, remap->root.uid, remap->root.gid);
}

int userns_remap_outside(const struct userns_remap *remap, uint32_t uid, uint32_t gid, uint32_t *ret_uid,
                         uint32_t *ret_gid, struct error *err)
{
    *ret_uid = uid;
    *ret_gid = gid;
    if (remap == NULL || (id_map_outside(&remap->uids, uid, ret_uid) && id_map_outside(&remap->gids, gid, ret_gid)))
        return 0;
    return error_set(err, ERROR_INVALID, EINVAL, "%u:%u are no ids of the container's user namespace", uid, gid);
}

static int make(const struct userns_remap *remap, bool with_root, int *ret_netns, struct error *err)
{
    CLEANUP_STRBUF struct strbuf uid_map = STRBUF_INIT, gid_map = STRBUF_INIT;
    id_map_text(&remap->uids, with_root, &uid_map);
    id_map_text(&remap->gids, with_root, &gid_map);
    int fd = user_namespace_make(strbuf_str(&uid_map), strbuf_str(&gid_map), ret_netns, err);
    return fd < 0 ? error_context(err, "userns-remap") : fd;
}

int userns_remap_make(const struct userns_remap *remap, int *ret_netns, struct error *err)
{
    return make(remap, false, ret_netns, err);
}

int userns_remap_make_disk(const struct userns_remap *remap, struct error *err)
{
    return make(remap, true, NULL, err);
}

int userns_remap_mount(const struct userns_remap *remap, int mount_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = userns_remap_make_disk(remap, err);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)fd};
    if (fd < 0)
        return fd;
    if (mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
        return 0;
    return errno == EINVAL
               ? error_set(err, ERROR_NOT_IMPLEMENTED, EINVAL, "userns-remap: this file system cannot map ids")
               : error_errno(err, errno, "userns-remap: map the ids of a mount");
}
