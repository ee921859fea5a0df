#include "daemon/passwd.h"

#include <errno.h>
#include <stdbool.h>

#include "base/beneath.h"
#include "base/parse.h"

#define ID_MAX INT32_MAX

void identity_release(struct identity *identity)
{
    free(identity->groups);
    free(identity->home);
    *identity = (struct identity){0};
}

struct field {
    const char *start;
    size_t size;
};

/* Splits one line at colons into at most `max` fields; the last takes the rest. Returns how many there are. */
static size_t split_line(const char *line, size_t size, struct field *fields, size_t max)
{
    size_t count = 0;
    while (count < max) {
        const char *colon = count + 1 < max ? memchr(line, ':', size) : NULL;
        size_t length = colon ? (size_t)(colon - line) : size;
        fields[count++] = (struct field){line, length};
        if (colon == NULL)
            break;
        line += length + 1;
        size -= length + 1;
    }
    return count;
}

/* The next line that is neither empty nor a comment. */
static bool next_line(const char **text, const char **ret, size_t *ret_size)
{
    while (**text != '\0') {
        const char *line = *text;
        size_t size = strcspn(line, "\n");
        *text += size + (line[size] == '\n');
        while (size > 0 && (*line == ' ' || *line == '\t')) {
            line++;
            size--;
        }
        while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\r' || line[size - 1] == '\t'))
            size--;
        if (size == 0 || *line == '#')
            continue;
        *ret = line;
        *ret_size = size;
        return true;
    }
    return false;
}

static bool field_is(struct field f, const char *s)
{
    return f.size == strlen(s) && memcmp(f.start, s, f.size) == 0;
}

/* An id in a file: entries that are out of range do not exist. */
static bool field_id(struct field f, uint32_t *ret)
{
    char text[12];
    if (f.size == 0 || f.size >= sizeof(text))
        return false;
    memcpy(text, f.start, f.size);
    text[f.size] = '\0';
    uint64_t n;
    if (parse_uint64(text, ID_MAX, &n) < 0)
        return false;
    *ret = (uint32_t)n;
    return true;
}

/* An id as the user wrote it: 0 number, -ERANGE number but not an id, -EINVAL a name. */
static int parse_id(const char *s, uint32_t *ret)
{
    int64_t n;
    int r = parse_int64(s, 0, ID_MAX, &n);
    if (r == 0)
        *ret = (uint32_t)n;
    return r;
}

static int range_error(struct error *err)
{
    return error_set(err, ERROR_INVALID, ERANGE, "uids and gids must be in range 0-%d", ID_MAX);
}

static void add_group(struct identity *id, uint32_t gid)
{
    for (size_t i = 0; i < id->group_count; i++)
        if (id->groups[i] == gid)
            return;
    if (id->group_count >= PASSWD_GROUPS_MAX)
        return;
    id->groups = xreallocarray(id->groups, id->group_count + 1, sizeof(*id->groups));
    id->groups[id->group_count++] = gid;
}

/* The first entry of passwd with this name, or with this uid when name is NULL. *ret_name is its user name. */
static bool find_user(const char *passwd, const char *name, uint32_t uid, struct identity *id, struct field *ret_name)
{
    const char *line;
    size_t size;
    while (passwd != NULL && next_line(&passwd, &line, &size)) {
        struct field f[7];
        uint32_t entry_uid, entry_gid;
        if (split_line(line, size, f, 7) < 4 || !field_id(f[2], &entry_uid) || !field_id(f[3], &entry_gid))
            continue;
        if (name != NULL ? !field_is(f[0], name) : entry_uid != uid)
            continue;
        id->uid = entry_uid;
        id->gid = entry_gid;
        size_t count = split_line(line, size, f, 7);
        if (count > 5 && f[5].size > 0) {
            free(id->home);
            id->home = xstrndup(f[5].start, f[5].size);
        }
        *ret_name = f[0];
        return true;
    }
    return false;
}

/* gid of the group with this name, or whether a group with this gid exists. */
static bool find_group(const char *group, const char *name, uint32_t *gid)
{
    const char *line;
    size_t size;
    while (group != NULL && next_line(&group, &line, &size)) {
        struct field f[4];
        uint32_t entry;
        if (split_line(line, size, f, 4) < 3 || !field_id(f[2], &entry))
            continue;
        if (field_is(f[0], name)) {
            *gid = entry;
            return true;
        }
    }
    return false;
}

/* Every group that lists the user as a member. */
static void add_memberships(const char *group, struct field user, struct identity *id)
{
    const char *line;
    size_t size;
    while (group != NULL && next_line(&group, &line, &size)) {
        struct field f[4];
        uint32_t gid;
        if (split_line(line, size, f, 4) < 4 || !field_id(f[2], &gid))
            continue;
        for (size_t at = 0; at <= f[3].size;) {
            const char *start = f[3].start + at;
            const char *comma = memchr(start, ',', f[3].size - at);
            size_t length = comma ? (size_t)(comma - start) : f[3].size - at;
            if (length == user.size && memcmp(start, user.start, length) == 0) {
                add_group(id, gid);
                break;
            }
            at += length + 1;
        }
    }
}

static int resolve_user(const char *user, const char *passwd, struct identity *id, struct field *ret_name,
                        struct error *err)
{
    if (*user == '\0') {
        find_user(passwd, NULL, 0, id, ret_name);
        return 0;
    }
    uint32_t uid = 0;
    int numeric = parse_id(user, &uid);
    if (numeric == -ERANGE)
        return range_error(err);
    if (find_user(passwd, numeric == 0 ? NULL : user, uid, id, ret_name))
        return 0;
    if (numeric < 0)
        return error_set(err, ERROR_INVALID, ENOENT, "unable to find user %s: no matching entries in passwd file",
                         user);
    id->uid = uid;
    return 0;
}

static int resolve_group(const char *name, const char *group, uint32_t *ret, struct error *err)
{
    int numeric = parse_id(name, ret);
    if (numeric == -ERANGE)
        return range_error(err);
    if (numeric == 0 || find_group(group, name, ret))
        return 0;
    return error_set(err, ERROR_INVALID, ENOENT, "unable to find group %s: no matching entries in group file", name);
}

static int resolve_into(const char *spec, const char *passwd, const char *group, const struct strv *group_add,
                        struct identity *id, struct error *err)
{
    const char *colon = strchr(spec, ':');
    CLEANUP_FREE char *user = xstrndup(spec, colon ? (size_t)(colon - spec) : strlen(spec));
    const char *group_name = colon ? colon + 1 : "";
    struct field user_name = {0};
    int r = resolve_user(user, passwd, id, &user_name, err);
    if (r < 0)
        return r;
    if (*group_name != '\0') {
        r = resolve_group(group_name, group, &id->gid, err);
        if (r < 0)
            return r;
    }
    add_group(id, id->gid);
    if (*group_name == '\0' && user_name.size > 0)
        add_memberships(group, user_name, id);
    for (size_t i = 0; group_add != NULL && i < group_add->count; i++) {
        uint32_t gid;
        r = resolve_group(group_add->items[i], group, &gid, err);
        if (r < 0)
            return r;
        add_group(id, gid);
    }
    return 0;
}

int identity_resolve(const char *spec, const char *passwd, const char *group, const struct strv *group_add,
                     struct identity *ret, struct error *err)
{
    struct identity id = {.home = xstrdup("/")};
    int r = resolve_into(spec ? spec : "", passwd, group, group_add, &id, err);
    if (r < 0) {
        identity_release(&id);
        return r;
    }
    *ret = id;
    return 0;
}

static int read_file(int root_fd, const char *path, char **ret, struct error *err)
{
    size_t size;
    int r = beneath_read_file(root_fd, path, PASSWD_SIZE_MAX, ret, &size);
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r < 0)
        return error_errno(err, r, "reading %s of the image", path);
    return 0;
}

int identity_resolve_beneath(const char *spec, int root_fd, const struct strv *group_add, struct identity *ret,
                             struct error *err)
{
    CLEANUP_FREE char *passwd = NULL;
    CLEANUP_FREE char *group = NULL;
    int r = read_file(root_fd, "/etc/passwd", &passwd, err);
    if (r == 0)
        r = read_file(root_fd, "/etc/group", &group, err);
    if (r == 0)
        r = identity_resolve(spec, passwd, group, group_add, ret, err);
    return r;
}
