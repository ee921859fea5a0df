/* --mount: comma-separated key=value pairs of one mount. */
#include <errno.h>

#include "base/json.h"
#include "base/parse.h"
#include "base/strmap.h"
#include "cmd/dory/body_members.h"
#include "cmd/dory/container_flags.h"
#include "cmd/dory/csv_fields.h"

struct mount_option {
    char *type, *source, *target, *consistency, *propagation, *driver, *subpath, *image_subpath;
    bool read_only, no_copy, non_recursive, ro_non_recursive, ro_force_recursive, create_source, has_size, has_mode;
    int64_t size, mode;
    struct strmap labels, driver_options;
};

static void mount_option_release(struct mount_option *m)
{
    free(m->type);
    free(m->source);
    free(m->target);
    free(m->consistency);
    free(m->propagation);
    free(m->driver);
    free(m->subpath);
    free(m->image_subpath);
    strmap_release(&m->labels);
    strmap_release(&m->driver_options);
}

static int add_pair(struct strmap *map, const char *value)
{
    const char *equals = strchr(value, '=');
    CLEANUP_FREE char *key = equals ? xstrndup(value, (size_t)(equals - value)) : xstrdup(value);
    strmap_set(map, key, equals ? equals + 1 : "");
    return 0;
}

static int set_bool(bool *place, const char *key, const char *value, struct error *err)
{
    if (!value) {
        *place = true;
        return 0;
    }
    if (parse_bool(value, place) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid value for %s: %s", key, value);
    return 0;
}

static bool is_one_of(const char *key, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(key, *names) == 0)
            return true;
    }
    return false;
}

static int set_tmpfs_number(struct mount_option *m, const char *key, const char *value, struct error *err)
{
    if (strcmp(key, "tmpfs-size") == 0) {
        m->has_size = parse_size(value, false, &m->size) == 0;
        return m->has_size ? 0 : error_set(err, ERROR_INVALID, 0, "invalid value for %s: %s", key, value);
    }
    char *end;
    errno = 0;
    unsigned long mode = strtoul(value, &end, 8);
    m->has_mode = errno == 0 && *value && !*end && mode <= 07777;
    m->mode = (int64_t)mode;
    return m->has_mode ? 0 : error_set(err, ERROR_INVALID, 0, "invalid value for %s: %s", key, value);
}

/* What is bound below the source, and whether "readonly" reaches it. */
static int set_recursive(struct mount_option *m, const char *value, struct error *err)
{
    if (strcmp(value, "disabled") == 0)
        m->non_recursive = true;
    else if (strcmp(value, "writable") == 0)
        m->ro_non_recursive = true;
    else if (strcmp(value, "readonly") == 0)
        m->ro_force_recursive = true;
    else if (strcmp(value, "enabled") != 0)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid value for bind-recursive: %s (must be \"enabled\", \"disabled\", \"writable\", or "
                         "\"readonly\")",
                         value);
    return 0;
}

static bool has_bind_options(const struct mount_option *m)
{
    return m->propagation || m->non_recursive || m->ro_non_recursive || m->ro_force_recursive || m->create_source;
}

static void write_bind_options(const struct mount_option *m, struct json_writer *w)
{
    if (!has_bind_options(m))
        return;
    json_key(w, "BindOptions");
    json_begin_object(w);
    if (m->propagation)
        json_member_string(w, "Propagation", m->propagation);
    if (m->non_recursive)
        json_member_bool(w, "NonRecursive", true);
    if (m->create_source)
        json_member_bool(w, "CreateMountpoint", true);
    if (m->ro_non_recursive)
        json_member_bool(w, "ReadOnlyNonRecursive", true);
    if (m->ro_force_recursive)
        json_member_bool(w, "ReadOnlyForceRecursive", true);
    json_end_object(w);
}

static int set_field(struct mount_option *m, const char *key, const char *value, struct error *err)
{
    static const char *const read_only[] = {"readonly", "ro", NULL};
    static const char *const source[] = {"source", "src", NULL};
    static const char *const target[] = {"target", "dst", "destination", NULL};
    if (is_one_of(key, read_only))
        return set_bool(&m->read_only, key, value, err);
    if (strcmp(key, "volume-nocopy") == 0)
        return set_bool(&m->no_copy, key, value, err);
    if (strcmp(key, "bind-nonrecursive") == 0)
        return set_bool(&m->non_recursive, key, value, err);
    if (strcmp(key, "bind-create-src") == 0)
        return set_bool(&m->create_source, key, value, err);
    if (!value)
        return error_set(err, ERROR_INVALID, 0, "invalid field '%s' must be a key=value pair", key);
    if (strcmp(key, "type") == 0)
        xstrset(&m->type, value);
    else if (is_one_of(key, source))
        xstrset(&m->source, value);
    else if (is_one_of(key, target))
        xstrset(&m->target, value);
    else if (strcmp(key, "consistency") == 0)
        xstrset(&m->consistency, value);
    else if (strcmp(key, "bind-propagation") == 0)
        xstrset(&m->propagation, value);
    else if (strcmp(key, "bind-recursive") == 0)
        return set_recursive(m, value, err);
    else if (strcmp(key, "volume-driver") == 0)
        xstrset(&m->driver, value);
    else if (strcmp(key, "volume-subpath") == 0)
        xstrset(&m->subpath, value);
    else if (strcmp(key, "image-subpath") == 0)
        xstrset(&m->image_subpath, value);
    else if (strcmp(key, "volume-label") == 0)
        return add_pair(&m->labels, value);
    else if (strcmp(key, "volume-opt") == 0)
        return add_pair(&m->driver_options, value);
    else if (strcmp(key, "tmpfs-size") == 0 || strcmp(key, "tmpfs-mode") == 0)
        return set_tmpfs_number(m, key, value, err);
    else
        return error_set(err, ERROR_INVALID, 0, "unexpected key '%s' in '%s=%s'", key, key, value);
    return 0;
}

static int parse_fields(struct mount_option *m, const char *text, struct error *err)
{
    CLEANUP_STRV struct strv fields = STRV_INIT;
    int r = 0;
    csv_fields_split(text, &fields);
    for (size_t i = 0; r == 0 && i < fields.count; i++) {
        char *value = strchr(fields.items[i], '=');
        if (value)
            *value++ = '\0';
        r = set_field(m, fields.items[i], value, err);
    }
    return r;
}

static void write_volume_options(const struct mount_option *m, struct json_writer *w)
{
    if (!m->no_copy && !m->driver && !m->subpath && !m->labels.count && !m->driver_options.count)
        return;
    json_key(w, "VolumeOptions");
    json_begin_object(w);
    if (m->no_copy)
        json_member_bool(w, "NoCopy", true);
    put_map(w, "Labels", &m->labels);
    if (m->subpath)
        json_member_string(w, "Subpath", m->subpath);
    if (m->driver || m->driver_options.count) {
        json_key(w, "DriverConfig");
        json_begin_object(w);
        json_member_string(w, "Name", m->driver ? m->driver : "local");
        put_map(w, "Options", &m->driver_options);
        json_end_object(w);
    }
    json_end_object(w);
}

static int check_kind(const struct mount_option *m, const char *type, struct error *err)
{
    if (!m->target)
        return error_set(err, ERROR_INVALID, 0, "target is required");
    bool bind = strcmp(type, "bind") == 0, volume = strcmp(type, "volume") == 0, tmpfs = strcmp(type, "tmpfs") == 0;
    if ((m->ro_non_recursive || m->ro_force_recursive) && !m->read_only)
        return error_set(err, ERROR_INVALID, 0,
                         "option 'bind-recursive=%s' requires 'readonly' to be specified in conjunction",
                         m->ro_non_recursive ? "writable" : "readonly");
    if (m->ro_force_recursive && (!m->propagation || strcmp(m->propagation, "rprivate") != 0))
        return error_set(
            err, ERROR_INVALID, 0,
            "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction");
    if (!bind && has_bind_options(m))
        return error_set(err, ERROR_INVALID, 0, "cannot mix 'bind-*' options with mount type '%s'", type);
    if (!volume && (m->no_copy || m->driver || m->subpath || m->labels.count || m->driver_options.count))
        return error_set(err, ERROR_INVALID, 0, "cannot mix 'volume-*' options with mount type '%s'", type);
    if (strcmp(type, "image") != 0 && m->image_subpath)
        return error_set(err, ERROR_INVALID, 0, "cannot mix 'image-*' options with mount type '%s'", type);
    if (!tmpfs && (m->has_size || m->has_mode))
        return error_set(err, ERROR_INVALID, 0, "cannot mix 'tmpfs-*' options with mount type '%s'", type);
    return 0;
}

int mount_option_write(const char *text, struct json_writer *w, struct error *err)
{
    __attribute__((cleanup(mount_option_release))) struct mount_option m = {0};
    int r = parse_fields(&m, text, err);
    const char *type = m.type ? m.type : "volume";
    if (r == 0)
        r = check_kind(&m, type, err);
    if (r < 0) {
        struct error why = *err;
        return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"--mount\" flag: %s", text, why.message);
    }
    json_begin_object(w);
    json_member_string(w, "Type", type);
    if (m.source)
        json_member_string(w, "Source", m.source);
    json_member_string(w, "Target", m.target);
    if (m.read_only)
        json_member_bool(w, "ReadOnly", true);
    if (m.consistency)
        json_member_string(w, "Consistency", m.consistency);
    write_bind_options(&m, w);
    write_volume_options(&m, w);
    if (m.image_subpath) {
        json_key(w, "ImageOptions");
        json_begin_object(w);
        json_member_string(w, "Subpath", m.image_subpath);
        json_end_object(w);
    }
    if (m.has_size || m.has_mode) {
        json_key(w, "TmpfsOptions");
        json_begin_object(w);
        if (m.has_size)
            json_member_int(w, "SizeBytes", m.size);
        if (m.has_mode)
            json_member_int(w, "Mode", m.mode);
        json_end_object(w);
    }
    json_end_object(w);
    return 0;
}
