#include "daemon/build/cache_target.h"

#include <string.h>

#include "base/parse.h"

struct reader {
    const char *type, *key, *value;
    struct cache_target *ret;
    bool manifest_given;
};

void cache_target_release(struct cache_target *target)
{
    free(target->where);
    *target = (struct cache_target){0};
}

static int refuse(const struct reader *r, struct error *err)
{
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "cache export of type %.100s: %.100s=%.100s is not supported",
                     r->type, r->key, r->value);
}

static int read_bool(const struct reader *r, bool *ret, struct error *err)
{
    return parse_bool(r->value, ret) == 0
               ? 0
               : error_set(err, ERROR_INVALID, 0, "cache export of type %.100s: failed to parse %s=%.100s", r->type,
                           r->key, r->value);
}

static int read_where(struct reader *r, struct error *err)
{
    (void)err;
    xstrset(&r->ret->where, r->value);
    return 0;
}

static int read_mode(struct reader *r, struct error *err)
{
    r->ret->max = strcmp(r->value, "max") == 0;
    if (r->ret->max || strcmp(r->value, "min") == 0)
        return 0;
    return error_set(err, ERROR_INVALID, 0, "cache export of type %.100s: mode=%.100s is neither min nor max", r->type,
                     r->value);
}

static int read_compression(struct reader *r, struct error *err)
{
    return strcmp(r->value, "gzip") == 0 ? 0 : refuse(r, err);
}

static int read_force(struct reader *r, struct error *err)
{
    bool yes = false;
    int failed = read_bool(r, &yes, err);
    return failed == 0 && yes ? refuse(r, err) : failed;
}

static int read_types(struct reader *r, struct error *err)
{
    bool oci = true;
    int failed = read_bool(r, &oci, err);
    r->ret->docker_types = !oci;
    return failed;
}

static int read_manifest(struct reader *r, struct error *err)
{
    r->manifest_given = true;
    return read_bool(r, &r->ret->image_manifest, err);
}

static int read_ignore(struct reader *r, struct error *err)
{
    return read_bool(r, &r->ret->ignore_error, err);
}

static int read_nothing(struct reader *r, struct error *err)
{
    (void)r;
    (void)err;
    return 0;
}

static const struct {
    const char *key;
    int kind; /* of this one alone; 0: of all */
    int (*read)(struct reader *r, struct error *err);
} attributes[] = {
    {"ref", CACHE_REGISTRY, read_where},
    {"dest", CACHE_LOCAL, read_where},
    {"mode", 0, read_mode},
    {"compression", 0, read_compression},
    {"force-compression", 0, read_force},
    {"oci-mediatypes", 0, read_types},
    {"image-manifest", 0, read_manifest},
    {"ignore-error", 0, read_ignore},
    {"tag", CACHE_LOCAL, read_nothing}, /* the client's own business, as the next */
    {"reset", CACHE_LOCAL, read_nothing},
};

static int read_attribute(struct reader *r, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        if (strcmp(attributes[i].key, r->key) == 0 && (!attributes[i].kind || attributes[i].kind == (int)r->ret->kind))
            return attributes[i].read(r, err);
    return refuse(r, err);
}

int cache_target_read(const char *type, const struct strmap *list, struct cache_target *ret, struct error *err)
{
    struct reader reader = {.type = type, .ret = ret};
    *ret = (struct cache_target){0};
    if (strcmp(type, "inline") == 0) /* every image serves as cache: its history says what its layers are of */
        return 0;
    if (strcmp(type, "registry") != 0 && strcmp(type, "local") != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "cache export of type %.100s is not supported: only inline, registry and local are", type);
    ret->kind = strcmp(type, "local") == 0 ? CACHE_LOCAL : CACHE_REGISTRY;
    for (size_t i = 0; i < list->count; i++) {
        reader.key = list->items[i].key;
        reader.value = list->items[i].value;
        int r = read_attribute(&reader, err);
        if (r < 0)
            return r;
    }
    if (!reader.manifest_given)
        ret->image_manifest = !ret->docker_types;
    if (ret->image_manifest && ret->docker_types)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid configuration for remote cache, OCI mediatypes are required for image-manifest cache "
                         "format");
    if (!ret->where || !*ret->where)
        return error_set(err, ERROR_INVALID, 0, "%s cache exporter requires %s", type,
                         ret->kind == CACHE_LOCAL ? "dest" : "ref");
    return 0;
}
