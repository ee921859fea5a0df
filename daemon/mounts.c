#include "daemon/mounts.h"

#include <errno.h>

#include "base/parse.h"
#include "daemon/idmap.h"

#define ROW(kind, json, member, ...)                                                                                   \
    {                                                                                                                  \
        .name = json, .type = JSON_FIELD_##kind, .offset = offsetof(struct mount_point, member), ##__VA_ARGS__         \
    }
#define OMIT .flags = JSON_OMIT_EMPTY

static const struct json_field mount_point_rows[] = {
    ROW(INT, "Type", type),
    ROW(STRING, "Name", name, OMIT),
    ROW(STRING, "Source", source, OMIT),
    ROW(STRING, "Destination", destination),
    ROW(STRING, "Driver", driver, OMIT),
    ROW(STRING, "Mode", mode, OMIT),
    ROW(BOOL, "ReadOnly", read_only, OMIT),
    ROW(STRING, "Propagation", propagation, OMIT),
    ROW(BOOL, "NoCopy", no_copy, OMIT),
    ROW(BOOL, "Anonymous", anonymous, OMIT),
    ROW(BOOL, "CreateSource", create_source, OMIT),
    ROW(BOOL, "NonRecursive", non_recursive, OMIT),
    ROW(BOOL, "ReadOnlyNonRecursive", read_only_non_recursive, OMIT),
    ROW(BOOL, "FromMounts", from_mounts, OMIT),
    ROW(STRING, "TmpfsOptions", tmpfs_options, OMIT),
    ROW(STRMAP, "Labels", labels, OMIT),
    ROW(STRMAP, "DriverOptions", driver_options, OMIT),
    ROW(STRING, "RootfsId", rootfs_id, OMIT),
    ROW(STRING, "Subpath", subpath, OMIT),
    ROW(STRING, "Idmap", idmap, OMIT),
    ROW(BOOL, "ChangeOwner", change_owner, OMIT),
};
const struct json_table mount_point_table = JSON_TABLE(struct mount_point, mount_point_rows);

const char *const mount_type_names[] = {
    [MOUNT_BIND] = "bind", [MOUNT_VOLUME] = "volume", [MOUNT_TMPFS] = "tmpfs", [MOUNT_IMAGE] = "image"};

void mounts_free(struct mount_point *mounts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_table_release(&mount_point_table, &mounts[i]);
    free(mounts);
}

char *mount_clean_path(const char *path)
{
    if (path == NULL || path[0] != '/')
        return NULL;
    size_t size = strlen(path);
    char *out = xmalloc(size + 2);
    size_t n = 0;
    for (const char *p = path; *p != '\0';) {
        while (*p == '/')
            p++;
        size_t length = strcspn(p, "/");
        if (length == 0)
            break;
        if (length == 2 && p[0] == '.' && p[1] == '.') {
            while (n > 0 && out[n - 1] != '/')
                n--;
            if (n > 0)
                n--;
        } else if (!(length == 1 && p[0] == '.')) {
            out[n++] = '/';
            memcpy(out + n, p, length);
            n += length;
        }
        p += length;
    }
    if (n == 0)
        out[n++] = '/';
    out[n] = '\0';
    return out;
}

static bool is_propagation(const char *word)
{
    static const char *const known[] = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(known[i], word) == 0)
            return true;
    return false;
}

/* Of each group of -v option words one may be given. */
#define MODE_GROUPS 6

/* Applies one -v option word. A word that appears twice or contradicts is refused, as docker does. */
static int apply_mode_word(const char *word, struct mount_point *m, bool seen[MODE_GROUPS])
{
    int group;
    if (strcmp(word, "ro") == 0 || strcmp(word, "rw") == 0) {
        group = 0;
        m->read_only = word[1] == 'o';
    } else if (strcmp(word, "z") == 0 || strcmp(word, "Z") == 0) {
        group = 1; /* SELinux labels: nothing to do on a host without it */
    } else if (strcmp(word, "nocopy") == 0) {
        if (m->type != MOUNT_VOLUME)
            return -EINVAL;
        group = 2;
        m->no_copy = true;
    } else if (strcmp(word, "U") == 0) {
        group = 4;
        m->change_owner = true;
    } else if (strncmp(word, "idmap=", 6) == 0) {
        uint32_t uid, gid;
        if (idmap_parse(word + 6, &uid, &gid) < 0)
            return -EINVAL;
        group = 5;
        xstrset(&m->idmap, word + 6);
    } else if (is_propagation(word)) {
        if (m->type != MOUNT_BIND)
            return -EINVAL;
        group = 3;
        xstrset(&m->propagation, word);
    } else if (strcmp(word, "cached") == 0 || strcmp(word, "delegated") == 0 || strcmp(word, "consistent") == 0) {
        return 0; /* hints for other platforms, accepted by docker on Linux too */
    } else {
        return -EINVAL;
    }
    if (seen[group])
        return -EINVAL;
    seen[group] = true;
    return 0;
}

static int parse_mode(const char *mode, struct mount_point *m, struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    strv_split(&words, mode, ',');
    bool seen[MODE_GROUPS] = {0};
    for (size_t i = 0; i < words.count; i++)
        if (apply_mode_word(words.items[i], m, seen) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid mode: %s", mode);
    xstrset(&m->mode, mode);
    return 0;
}

static int check_volume_name(const char *name, struct error *err)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (strlen(name) == 1)
        return error_set(err, ERROR_INVALID, 0,
                         "create %s: volume name is too short, names should be at least two alphanumeric characters",
                         name);
    if (strspn(name, first) == 0 || strspn(name, rest) != strlen(name) || strlen(name) > 255)
        return error_set(err, ERROR_INVALID, 0,
                         "create %s: \"%s\" includes invalid characters for a local volume name, only "
                         "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use "
                         "absolute path",
                         name, name);
    return 0;
}

static int set_destination(const char *text, const char *spec, struct mount_point *m, struct error *err)
{
    m->destination = mount_clean_path(text);
    if (m->destination == NULL)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid volume specification: '%s': invalid mount config for type "
                         "\"%s\": invalid mount path: '%s' mount path must be absolute",
                         spec, m->type == MOUNT_BIND ? "bind" : "volume", text);
    if (strcmp(m->destination, "/") == 0)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid volume specification: '%s': invalid mount config for type "
                         "\"%s\": invalid specification: destination can't be '/'",
                         spec, m->type == MOUNT_BIND ? "bind" : "volume");
    return 0;
}

/* The value of idmap has the separator in it: "src:/dst:ro,idmap=1:2" is three parts. */
static void join_idmap(struct strv *parts)
{
    if (parts->count != 4 || strstr(parts->items[2], "idmap=") == NULL)
        return;
    char *joined = xasprintf("%s:%s", parts->items[2], parts->items[3]);
    strv_remove(parts, 3);
    free(parts->items[2]);
    parts->items[2] = joined;
}

int mount_parse_bind(const char *text, struct mount_point *ret, struct error *err)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    strv_split(&parts, text, ':');
    join_idmap(&parts);
    if (parts.count > 3 || parts.items[0][0] == '\0' || (parts.count > 1 && parts.items[1][0] == '\0'))
        return error_set(err, ERROR_INVALID, 0, "invalid volume specification: '%s'", text);
    const char *source = parts.count > 1 ? parts.items[0] : NULL;
    const char *destination = parts.count > 1 ? parts.items[1] : parts.items[0];
    *ret = (struct mount_point){.type = source != NULL && source[0] == '/' ? MOUNT_BIND : MOUNT_VOLUME};
    if (parts.count == 2 && destination[0] != '/') {
        bool seen[MODE_GROUPS] = {0};
        struct mount_point probe = {.type = ret->type};
        int r = apply_mode_word(destination, &probe, seen);
        json_table_release(&mount_point_table, &probe);
        if (r == 0)
            return error_set(err, ERROR_INVALID, 0, "invalid volume specification: '%s'", text);
    }
    if (parts.count == 3 && parts.items[2][0] != '\0') {
        int r = parse_mode(parts.items[2], ret, err);
        if (r < 0)
            return r;
    }
    int r = set_destination(destination, text, ret, err);
    if (r < 0)
        return r;
    if (ret->type == MOUNT_BIND) {
        ret->source = mount_clean_path(source);
        ret->create_source = true;
        ret->propagation_default = ret->propagation == NULL;
        if (ret->propagation_default)
            ret->propagation = xstrdup("rprivate");
        return 0;
    }
    ret->driver = xstrdup("local");
    if (source == NULL) {
        ret->anonymous = true;
        return 0;
    }
    ret->name = xstrdup(source);
    return check_volume_name(source, err);
}

static int bad_config(struct error *err, const char *type, const char *why)
{
    return error_set(err, ERROR_INVALID, 0, "invalid mount config for type \"%s\": %s", type, why);
}

static int parse_bind_request(const struct mount_request *q, struct mount_point *ret, struct error *err)
{
    ret->type = MOUNT_BIND;
    if (q->source == NULL || *q->source == '\0')
        return bad_config(err, "bind", "field Source must not be empty");
    if (q->volume_options != NULL)
        return bad_config(err, "bind", "field VolumeOptions must not be specified");
    if (q->tmpfs_options != NULL)
        return bad_config(err, "bind", "field TmpfsOptions must not be specified");
    ret->source = mount_clean_path(q->source);
    if (ret->source == NULL)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid mount config for type \"bind\": invalid mount path: '%s' "
                         "mount path must be absolute",
                         q->source);
    const struct bind_options *o = q->bind_options;
    ret->propagation = xstrdup("rprivate");
    ret->propagation_default = o == NULL || o->propagation == NULL || *o->propagation == '\0';
    if (o == NULL)
        return 0;
    if (!ret->propagation_default) {
        if (!is_propagation(o->propagation))
            return error_set(err, ERROR_INVALID, 0,
                             "invalid mount config for type \"bind\": invalid propagation mode: %s", o->propagation);
        xstrset(&ret->propagation, o->propagation);
    }
    bool private = strcmp(ret->propagation, "rprivate") == 0;
    if (o->read_only_force_recursive && (!q->read_only || o->non_recursive || o->read_only_non_recursive || !private))
        return bad_config(err, "bind",
                          "ReadOnlyForceRecursive needs ReadOnly, a recursive bind and the propagation rprivate");
    ret->non_recursive = o->non_recursive;
    ret->read_only_non_recursive = o->read_only_non_recursive;
    ret->create_source = o->create_mountpoint;
    return 0;
}

/* Read as text alone, the path is relative and stays where it starts: "a/../b", "a..b", not "a/../../b". */
static bool is_inside(const char *path)
{
    int depth = 0;
    if (*path == '/')
        return false;
    for (const char *p = path; depth >= 0 && *p != '\0'; p += strspn(p, "/")) {
        size_t size = strcspn(p, "/");
        if (size == 2 && memcmp(p, "..", 2) == 0)
            depth--;
        else if (size != 1 || *p != '.')
            depth++;
        p += size;
    }
    return depth >= 0;
}

static int parse_volume_request(const struct mount_request *q, struct mount_point *ret, struct error *err)
{
    ret->type = MOUNT_VOLUME;
    ret->driver = xstrdup("local");
    if (q->bind_options != NULL)
        return bad_config(err, "volume", "field BindOptions must not be specified");
    if (q->tmpfs_options != NULL)
        return bad_config(err, "volume", "field TmpfsOptions must not be specified");
    ret->anonymous = q->source == NULL || *q->source == '\0';
    if (ret->anonymous && q->read_only)
        return bad_config(err, "volume", "must not set ReadOnly mode when using anonymous volumes");
    if (!ret->anonymous) {
        ret->name = xstrdup(q->source);
        int r = check_volume_name(q->source, err);
        if (r < 0)
            return r;
    }
    const struct volume_options *o = q->volume_options;
    if (o == NULL)
        return 0;
    ret->no_copy = o->no_copy;
    strmap_copy(&ret->labels, &o->labels);
    if (o->subpath != NULL && *o->subpath != '\0') {
        if (ret->anonymous)
            return bad_config(err, "volume", "must not set Subpath when using anonymous volumes");
        if (!is_inside(o->subpath))
            return error_set(err, ERROR_INVALID, 0,
                             "invalid mount config for type \"volume\": subpath must be a relative path within the "
                             "volume");
        ret->subpath = xstrdup(o->subpath);
    }
    if (o->driver_config != NULL) {
        const char *driver = o->driver_config->name;
        if (driver != NULL && *driver != '\0' && strcmp(driver, "local") != 0)
            return error_set(err, ERROR_NOT_FOUND, 0, "error looking up volume plugin %s: plugin \"%s\" not found",
                             driver, driver);
        strmap_copy(&ret->driver_options, &o->driver_config->options);
    }
    return 0;
}

/* Image mounts cannot be written to, whether the request says so or not: as with docker. */
static int parse_image_request(const struct mount_request *q, struct mount_point *ret, struct error *err)
{
    const char *subpath = json_get_string(q->image_options, "Subpath");
    ret->type = MOUNT_IMAGE;
    ret->read_only = true;
    if (q->source == NULL || *q->source == '\0')
        return bad_config(err, "image", "field Source must not be empty");
    if (q->bind_options != NULL)
        return bad_config(err, "image", "field BindOptions must not be specified");
    if (q->volume_options != NULL)
        return bad_config(err, "image", "field VolumeOptions must not be specified");
    if (q->tmpfs_options != NULL)
        return bad_config(err, "image", "field TmpfsOptions must not be specified");
    ret->source = xstrdup(q->source);
    if (subpath == NULL || *subpath == '\0')
        return 0;
    if (!is_inside(subpath))
        return bad_config(err, "image", "subpath must be a relative path within the image");
    ret->subpath = xstrdup(subpath);
    return 0;
}

/* TmpfsOptions.Options is a list of ["name"] or ["name", "value"]. */
static int add_tmpfs_options(const struct json *options, struct strbuf *out, struct error *err)
{
    for (size_t i = 0; i < json_count(options); i++) {
        const struct json *pair = json_at(options, i);
        const char *name = json_string(json_at(pair, 0)), *value = json_string(json_at(pair, 1));
        if (name == NULL || strpbrk(name, ",") != NULL || (value != NULL && strpbrk(value, ",") != NULL))
            return bad_config(err, "tmpfs", "invalid TmpfsOptions.Options");
        strbuf_addf(out, "%s%s%s%s", out->size ? "," : "", name, value ? "=" : "", value ? value : "");
    }
    return 0;
}

static int parse_tmpfs_request(const struct mount_request *q, struct mount_point *ret, struct error *err)
{
    ret->type = MOUNT_TMPFS;
    if (q->source != NULL && *q->source != '\0')
        return bad_config(err, "tmpfs", "field Source must not be specified");
    if (q->bind_options != NULL)
        return bad_config(err, "tmpfs", "field BindOptions must not be specified");
    if (q->volume_options != NULL)
        return bad_config(err, "tmpfs", "field VolumeOptions must not be specified");
    CLEANUP_STRBUF struct strbuf options = STRBUF_INIT;
    const struct tmpfs_options *o = q->tmpfs_options;
    if (o != NULL) {
        if (o->size_bytes < 0)
            return bad_config(err, "tmpfs", "invalid size");
        if (o->size_bytes > 0)
            strbuf_addf(&options, "size=%lld", (long long)o->size_bytes);
        if (o->mode != 0)
            strbuf_addf(&options, "%smode=%llo", options.size ? "," : "", (unsigned long long)o->mode & 07777);
        int r = add_tmpfs_options(o->options, &options, err);
        if (r < 0)
            return r;
    }
    ret->tmpfs_options = strbuf_take(&options);
    return 0;
}

int mount_parse_request(const struct mount_request *q, struct mount_point *ret, struct error *err)
{
    *ret = (struct mount_point){.from_mounts = true, .read_only = q->read_only};
    const char *type = q->type ? q->type : "";
    if (q->target == NULL || *q->target == '\0')
        return bad_config(err, type, "field Target must not be empty");
    ret->destination = mount_clean_path(q->target);
    if (ret->destination == NULL)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid mount config for type \"%s\": invalid mount path: '%s' mount path must be absolute",
                         type, q->target);
    if (strcmp(ret->destination, "/") == 0)
        return bad_config(err, type, "invalid specification: destination can't be '/'");
    if (strcmp(type, "image") == 0)
        return parse_image_request(q, ret, err);
    if (q->image_options != NULL)
        return bad_config(err, type, "field ImageOptions must not be specified");
    if (strcmp(type, "bind") == 0)
        return parse_bind_request(q, ret, err);
    if (strcmp(type, "volume") == 0)
        return parse_volume_request(q, ret, err);
    if (strcmp(type, "tmpfs") == 0)
        return parse_tmpfs_request(q, ret, err);
    if (strcmp(type, "npipe") == 0 || strcmp(type, "cluster") == 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "mounts of type \"%s\" are not supported by dory yet", type);
    return error_set(err, ERROR_INVALID, 0, "invalid mount config for type \"%s\": mount type unknown", type);
}

struct mount_list {
    struct mount_point *items;
    size_t count, capacity;
};

static void mount_list_release(struct mount_list *list)
{
    mounts_free(list->items, list->count);
}

static const struct mount_point *mount_list_find(const struct mount_list *list, const char *destination)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].destination, destination) == 0)
            return &list->items[i];
    return NULL;
}

/* Consumes *m in every case. */
static int mount_list_add(struct mount_list *list, struct mount_point *m, struct error *err)
{
    if (mount_list_find(list, m->destination) != NULL) {
        int r = error_set(err, ERROR_INVALID, 0, "Duplicate mount point: %s", m->destination);
        json_table_release(&mount_point_table, m);
        return r;
    }
    xgrow((void **)&list->items, list->count, &list->capacity, sizeof(*list->items));
    list->items[list->count++] = *m;
    return 0;
}

static size_t path_depth(const char *path)
{
    size_t n = 0;
    for (; *path != '\0'; path++)
        n += *path == '/';
    return n;
}

static int compare_depth(const void *a, const void *b)
{
    const struct mount_point *x = a, *y = b;
    size_t dx = path_depth(x->destination), dy = path_depth(y->destination);
    if (dx != dy)
        return dx < dy ? -1 : 1;
    return strcmp(x->destination, y->destination);
}

void mounts_sort(struct mount_point *mounts, size_t count)
{
    if (count > 1)
        qsort(mounts, count, sizeof(*mounts), compare_depth);
}

static int collect_asked(const struct host_config *host, struct mount_list *list, struct error *err)
{
    for (size_t i = 0; i < host->binds.count; i++) {
        struct mount_point m = {0};
        int r = mount_parse_bind(host->binds.items[i], &m, err);
        if (r < 0) {
            json_table_release(&mount_point_table, &m);
            return r;
        }
        if (m.type == MOUNT_VOLUME && !m.anonymous && m.mode == NULL)
            m.mode = xstrdup("z"); /* what docker prints for a named volume */
        r = mount_list_add(list, &m, err);
        if (r < 0)
            return r;
    }
    const struct mount_request *requests = host->mounts.items;
    for (size_t i = 0; i < host->mounts.count; i++) {
        struct mount_point m = {0};
        int r = mount_parse_request(&requests[i], &m, err);
        if (r < 0) {
            json_table_release(&mount_point_table, &m);
            return r;
        }
        if (m.type == MOUNT_VOLUME)
            m.mode = xstrdup("z"); /* here of the others, too */
        r = mount_list_add(list, &m, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int collect_tmpfs(const struct host_config *host, struct mount_list *list, struct error *err)
{
    for (size_t i = 0; i < host->tmpfs.count; i++) {
        struct mount_point m = {.type = MOUNT_TMPFS, .destination = mount_clean_path(host->tmpfs.items[i].key)};
        if (m.destination == NULL)
            return error_set(err, ERROR_INVALID, 0, "invalid mount path: '%s' mount path must be absolute",
                             host->tmpfs.items[i].key);
        if (strcmp(m.destination, "/") == 0) {
            free(m.destination);
            return error_set(err, ERROR_INVALID, 0, "invalid specification: destination can't be '/'");
        }
        m.tmpfs_options = xstrdup(host->tmpfs.items[i].value ? host->tmpfs.items[i].value : "");
        int r = mount_list_add(list, &m, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int collect_inherited(const struct json_array *inherited, struct mount_list *list, struct error *err)
{
    const struct mount_point *items = inherited != NULL ? inherited->items : NULL;
    int r = 0;
    for (size_t i = 0; r == 0 && items != NULL && i < inherited->count; i++) {
        struct mount_point m = {0};
        if (mount_list_find(list, items[i].destination) != NULL)
            continue;
        json_table_copy(&mount_point_table, &m, &items[i]);
        r = mount_list_add(list, &m, err);
    }
    return r;
}

int mounts_collect(const struct container_config *config, const struct host_config *host,
                   const struct json_array *inherited, struct mount_point **ret, size_t *ret_count, struct error *err)
{
    CLEANUP(mount_list_release) struct mount_list list = {0};
    int r = collect_asked(host, &list, err);
    if (r == 0)
        r = collect_tmpfs(host, &list, err);
    if (r == 0)
        r = collect_inherited(inherited, &list, err);
    /* VOLUMEs of the image and `-v /path` give way to whatever was asked for at the same place. */
    for (size_t i = 0; r == 0 && i < config->volumes.count; i++) {
        struct mount_point m = {.type = MOUNT_VOLUME, .anonymous = true};
        m.destination = mount_clean_path(config->volumes.items[i]);
        if (m.destination == NULL || strcmp(m.destination, "/") == 0) {
            json_table_release(&mount_point_table, &m);
            return error_set(err, ERROR_INVALID, 0, "invalid volume specification: '%s'", config->volumes.items[i]);
        }
        if (mount_list_find(&list, m.destination) != NULL) {
            json_table_release(&mount_point_table, &m);
            continue;
        }
        m.driver = xstrdup("local");
        r = mount_list_add(&list, &m, err);
    }
    if (r < 0)
        return r;
    mounts_sort(list.items, list.count);
    *ret_count = list.count;
    *ret = TAKE_PTR(list.items);
    list.count = 0;
    return 0;
}
