#include "daemon/build/run_mount.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "base/path_match.h"
#include "base/strbuf.h"

#define FIELDS_MAX 100

static const char *const kind_names[] = {"bind", "cache", "tmpfs", "secret", "ssh", NULL};
static const char *const sharing_names[] = {"shared", "private", "locked", NULL};

#define ON(kind) (1u << RUN_MOUNT_##kind)
#define ALL_KINDS (ON(BIND) | ON(CACHE) | ON(TMPFS) | ON(SECRET) | ON(SSH))

enum mount_key {
    KEY_TYPE,
    KEY_FROM,
    KEY_SOURCE,
    KEY_TARGET,
    KEY_READ_ONLY,
    KEY_READ_WRITE,
    KEY_REQUIRED,
    KEY_SIZE,
    KEY_ID,
    KEY_SHARING,
    KEY_MODE,
    KEY_UID,
    KEY_GID,
    KEY_ENV,
    KEYS,
};

/* Names of options, what each is, which kinds have it and whether it may stand without a value. */
static const struct {
    const char *name;
    enum mount_key key;
    unsigned kinds;
    bool alone;
} keys[] = {
    {"type", KEY_TYPE, ALL_KINDS, false},
    {"from", KEY_FROM, ON(BIND) | ON(CACHE), false},
    {"source", KEY_SOURCE, ON(BIND) | ON(CACHE) | ON(SECRET), false},
    {"src", KEY_SOURCE, ON(BIND) | ON(CACHE) | ON(SECRET), false},
    {"target", KEY_TARGET, ALL_KINDS, false},
    {"dst", KEY_TARGET, ALL_KINDS, false},
    {"destination", KEY_TARGET, ALL_KINDS, false},
    {"readonly", KEY_READ_ONLY, ON(BIND) | ON(CACHE), true},
    {"ro", KEY_READ_ONLY, ON(BIND) | ON(CACHE), true},
    {"readwrite", KEY_READ_WRITE, ON(BIND) | ON(CACHE), true},
    {"rw", KEY_READ_WRITE, ON(BIND) | ON(CACHE), true},
    {"required", KEY_REQUIRED, ON(SECRET) | ON(SSH), true},
    {"size", KEY_SIZE, ON(TMPFS), false},
    {"id", KEY_ID, ON(CACHE) | ON(SECRET) | ON(SSH), false},
    {"sharing", KEY_SHARING, ON(CACHE), false},
    {"mode", KEY_MODE, ON(CACHE) | ON(SECRET) | ON(SSH), false},
    {"uid", KEY_UID, ON(CACHE) | ON(SECRET) | ON(SSH), false},
    {"gid", KEY_GID, ON(CACHE) | ON(SECRET) | ON(SSH), false},
    {"env", KEY_ENV, ON(SECRET), false},
};

/* Values of the keys, expanded, and the names under which they were given. */
struct mount_values {
    char *values[KEYS];
    const char *names[KEYS];
};

static void mount_values_release(struct mount_values *v)
{
    for (size_t i = 0; i < KEYS; i++)
        free(v->values[i]);
}

/* ---- CSV ---- */

static int csv_error(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID, EINVAL, "failed to parse csv mounts: %s", what);
}

static int take_field(const char **text, struct strbuf *out, struct error *err)
{
    const char *p = *text;
    if (*p != '"') {
        size_t size = strcspn(p, ",");
        if (memchr(p, '"', size) != NULL)
            return csv_error(err, "bare \" in non-quoted field");
        strbuf_add(out, p, size);
        *text = p + size;
        return 0;
    }
    for (p++; *p != '\0'; p++) {
        if (*p == '"' && *++p != '"')
            break;
        strbuf_addc(out, *p);
    }
    if (p[-1] != '"' || (*p != '\0' && *p != ','))
        return csv_error(err, "extraneous or missing \" in quoted-field");
    *text = p;
    return 0;
}

int run_mount_fields(const char *text, struct strv *ret, struct error *err)
{
    for (;;) {
        struct strbuf field = STRBUF_INIT;
        int r = take_field(&text, &field, err);
        if (r == 0 && ret->count >= FIELDS_MAX)
            r = csv_error(err, "too many fields");
        if (r < 0) {
            strbuf_release(&field);
            return r;
        }
        strv_add_take(ret, strbuf_take(&field));
        if (*text == '\0')
            return 0;
        text++;
    }
}

int run_mount_from(const char *text, char **ret, struct error *err)
{
    CLEANUP_STRV struct strv fields = STRV_INIT;
    int r = run_mount_fields(text, &fields, err);
    for (size_t i = 0; r == 0 && i < fields.count; i++) {
        const char *value = strncasecmp(fields.items[i], "from=", 5) == 0 ? fields.items[i] + 5 : NULL;
        const char *dollar = value != NULL ? strchr(value, '$') : NULL;
        if (dollar != NULL && dollar[1] != '\0')
            return error_set(err, ERROR_INVALID, EINVAL,
                             "'from' doesn't support variable expansion, define alias stage instead");
        if (value != NULL)
            xstrset(ret, value);
    }
    return r;
}

/* ---- values ---- */

static int invalid(struct error *err, const char *name, const char *value)
{
    return error_set(err, ERROR_INVALID, EINVAL, "invalid value for %s: %s", name, value);
}

static int find_name(const char *value, const char *const *names, const char *what, unsigned *ret, struct error *err)
{
    for (unsigned i = 0; names[i] != NULL; i++) {
        if (strcasecmp(names[i], value) == 0) {
            *ret = i;
            return 0;
        }
    }
    const char *meant = suggest_word(value, names);
    return error_set(err, ERROR_INVALID, EINVAL, "unsupported %s \"%s\"%s%s%s", what, value,
                     meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
}

static int parse_octal(const char *text, uint32_t *ret)
{
    uint32_t mode = 0;
    if (*text == '\0' || strlen(text) > 6 || text[strspn(text, "01234567")] != '\0')
        return -EINVAL;
    for (; *text != '\0'; text++)
        mode = mode * 8 + (uint32_t)(*text - '0');
    *ret = mode;
    return mode > 07777 ? -ERANGE : 0;
}

static int unknown_key(const char *name, const char *field, struct error *err)
{
    const char *names[ARRAY_SIZE(keys) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        names[i] = keys[i].name;
    const char *meant = suggest_word(name, names);
    return error_set(err, ERROR_INVALID, EINVAL, "unexpected key '%s' in '%s'%s%s%s", name, field,
                     meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
}

static int read_field(const char *field, run_mount_expand_fn expand, void *data, struct mount_values *values,
                      struct error *err)
{
    size_t size = strcspn(field, "="), i = 0;
    CLEANUP_FREE char *name = xstrndup(field, size);
    while (i < ARRAY_SIZE(keys) && strcasecmp(keys[i].name, name) != 0)
        i++;
    if (field[size] == '\0' && (i == ARRAY_SIZE(keys) || !keys[i].alone))
        return error_set(err, ERROR_INVALID, EINVAL, "invalid field '%s' must be a key=value pair", field);
    if (i == ARRAY_SIZE(keys))
        return unknown_key(name, field, err);
    char *value = NULL;
    int r = 0;
    if (field[size] == '\0')
        value = xstrdup("true");
    else
        r = expand(field + size + 1, &value, data, err);
    if (r < 0)
        return r;
    /* the last of readonly and readwrite counts */
    if (keys[i].key == KEY_READ_ONLY || keys[i].key == KEY_READ_WRITE)
        for (size_t k = KEY_READ_ONLY; k <= KEY_READ_WRITE; k++)
            xstrset(&values->values[k], NULL);
    free(values->values[keys[i].key]);
    values->values[keys[i].key] = value;
    values->names[keys[i].key] = keys[i].name;
    return 0;
}

static int check_kinds(const struct mount_values *v, enum run_mount_kind kind, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *name = v->names[keys[i].key];
        if (name != NULL && v->values[keys[i].key] != NULL && strcmp(name, keys[i].name) == 0 &&
            (keys[i].kinds & (1u << kind)) == 0)
            return error_set(err, ERROR_INVALID, EINVAL, "unexpected key '%s' for mount type '%s'", name,
                             kind_names[kind]);
    }
    return 0;
}

/* ---- the mount ---- */

static int set_flags(const struct mount_values *v, struct run_mount *m, struct error *err)
{
    bool flag;
    m->writable = m->kind == RUN_MOUNT_CACHE || m->kind == RUN_MOUNT_TMPFS;
    if (v->values[KEY_READ_ONLY] != NULL) {
        if (parse_bool(v->values[KEY_READ_ONLY], &flag) < 0)
            return invalid(err, v->names[KEY_READ_ONLY], v->values[KEY_READ_ONLY]);
        m->writable = !flag;
    }
    if (v->values[KEY_READ_WRITE] != NULL && parse_bool(v->values[KEY_READ_WRITE], &m->writable) < 0)
        return invalid(err, v->names[KEY_READ_WRITE], v->values[KEY_READ_WRITE]);
    if (v->values[KEY_REQUIRED] != NULL && parse_bool(v->values[KEY_REQUIRED], &m->required) < 0)
        return invalid(err, "required", v->values[KEY_REQUIRED]);
    return 0;
}

static int set_numbers(const struct mount_values *v, struct run_mount *m, struct error *err)
{
    uint64_t id;
    m->mode = m->kind == RUN_MOUNT_SECRET ? 0400 : m->kind == RUN_MOUNT_SSH ? 0600 : 0755;
    if (v->values[KEY_MODE] != NULL && parse_octal(v->values[KEY_MODE], &m->mode) < 0)
        return error_set(err, ERROR_INVALID, EINVAL, "invalid value %s for mode", v->values[KEY_MODE]);
    for (size_t k = KEY_UID; k <= KEY_GID; k++) {
        if (v->values[k] == NULL)
            continue;
        if (parse_uint64(v->values[k], INT32_MAX, &id) < 0)
            return error_set(err, ERROR_INVALID, EINVAL, "invalid value %s for %s", v->values[k], v->names[k]);
        *(k == KEY_UID ? &m->uid : &m->gid) = (uint32_t)id;
    }
    if (v->values[KEY_SIZE] != NULL && (parse_size(v->values[KEY_SIZE], false, &m->size) < 0 || m->size < 0))
        return invalid(err, "size", v->values[KEY_SIZE]);
    return 0;
}

static char *absolute(const char *directory, const char *path)
{
    CLEANUP_FREE char *joined = *path == '/' ? xstrdup(path) : xasprintf("/%s/%s", directory, path);
    return path_clean(joined);
}

static int set_secret(const struct mount_values *v, struct run_mount *m, struct error *err)
{
    const char *id = v->values[KEY_ID], *source = v->values[KEY_SOURCE], *target = v->values[KEY_TARGET];
    if (source != NULL && id != NULL)
        return error_set(err, ERROR_INVALID, EINVAL, "both source and id can't be set");
    if (id == NULL)
        id = source;
    if (id == NULL && target == NULL)
        return error_set(err, ERROR_INVALID, EINVAL, "invalid secret mount. one of source, target required");
    const char *slash = target != NULL ? strrchr(target, '/') : NULL;
    xstrset(&m->id, id != NULL ? id : slash != NULL ? slash + 1 : target);
    if (*m->id == '\0')
        return error_set(err, ERROR_INVALID, EINVAL, "invalid secret mount. the id is empty");
    if (v->values[KEY_ENV] != NULL) {
        if (*v->values[KEY_ENV] == '\0' || strchr(v->values[KEY_ENV], '=') != NULL)
            return invalid(err, "env", v->values[KEY_ENV]);
        xstrset(&m->env, v->values[KEY_ENV]);
    }
    if (target == NULL && m->env == NULL)
        m->target = xasprintf("/run/secrets/%s", strrchr(m->id, '/') ? strrchr(m->id, '/') + 1 : m->id);
    return 0;
}

static int set_paths(const struct mount_values *v, const char *working_dir, struct run_mount *m, struct error *err)
{
    const char *target = v->values[KEY_TARGET];
    if (m->kind == RUN_MOUNT_SECRET) {
        int r = set_secret(v, m, err);
        if (r < 0)
            return r;
    }
    if (target != NULL && *target != '\0') {
        free(m->target);
        m->target = absolute(working_dir, target);
    }
    bool needs_target = m->kind == RUN_MOUNT_BIND || m->kind == RUN_MOUNT_CACHE || m->kind == RUN_MOUNT_TMPFS;
    if (needs_target && m->target == NULL)
        return error_set(err, ERROR_INVALID, EINVAL, "%s mount: target is required", kind_names[m->kind]);
    if (m->target != NULL && strcmp(m->target, "/") == 0)
        return error_set(err, ERROR_INVALID, EINVAL, "invalid mount target \"/\"");
    if (m->kind == RUN_MOUNT_BIND || m->kind == RUN_MOUNT_CACHE) {
        m->source = absolute("", v->values[KEY_SOURCE] != NULL ? v->values[KEY_SOURCE] : "/");
        m->from = v->values[KEY_FROM] != NULL && *v->values[KEY_FROM] != '\0' ? xstrdup(v->values[KEY_FROM]) : NULL;
    }
    if (m->kind == RUN_MOUNT_CACHE || m->kind == RUN_MOUNT_SSH) {
        const char *given = v->values[KEY_ID];
        xstrset(&m->id, given != NULL && *given != '\0' ? given : m->kind == RUN_MOUNT_SSH ? "default" : m->target);
    }
    return 0;
}

static int set_all(const struct mount_values *v, const char *working_dir, struct run_mount *m, struct error *err)
{
    unsigned kind = RUN_MOUNT_BIND, sharing = CACHE_SHARED;
    int r = v->values[KEY_TYPE] != NULL ? find_name(v->values[KEY_TYPE], kind_names, "mount type", &kind, err) : 0;
    if (r == 0 && v->values[KEY_SHARING] != NULL)
        r = find_name(v->values[KEY_SHARING], sharing_names, "sharing value", &sharing, err);
    m->kind = kind;
    m->sharing = sharing;
    if (r == 0)
        r = check_kinds(v, m->kind, err);
    if (r == 0)
        r = set_flags(v, m, err);
    if (r == 0)
        r = set_numbers(v, m, err);
    return r == 0 ? set_paths(v, working_dir, m, err) : r;
}

int run_mount_parse(const char *text, const char *working_dir, run_mount_expand_fn expand, void *data,
                    struct run_mount *ret, struct error *err)
{
    CLEANUP_STRV struct strv fields = STRV_INIT;
    CLEANUP(mount_values_release) struct mount_values values = {0};
    CLEANUP_FREE char *from = NULL;
    struct run_mount mount = {0};
    int r = run_mount_fields(text, &fields, err);
    if (r == 0)
        r = run_mount_from(text, &from, err);
    for (size_t i = 0; r == 0 && i < fields.count; i++)
        r = read_field(fields.items[i], expand, data, &values, err);
    if (r == 0)
        r = set_all(&values, working_dir, &mount, err);
    if (r < 0)
        run_mount_release(&mount);
    else
        *ret = mount;
    return r;
}

void run_mount_release(struct run_mount *mount)
{
    free(mount->target);
    free(mount->source);
    free(mount->from);
    free(mount->id);
    free(mount->env);
}
