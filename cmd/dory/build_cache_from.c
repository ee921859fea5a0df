/* --cache-from: images and caches, by name or as buildx writes them; --cache-to. */
#include <string.h>

#include "base/strmap.h"
#include "cmd/dory/build.h"
#include "cmd/dory/csv_fields.h"

/* "type=registry,ref=IMAGE": the image alone. */
static int read_fields(const char *text, char **ret, struct error *err)
{
    CLEANUP_STRV struct strv fields = STRV_INIT;
    const char *type = NULL, *ref = NULL;
    csv_fields_split(text, &fields);
    for (size_t i = 0; i < fields.count; i++) {
        const char *field = fields.items[i];
        if (strncmp(field, "type=", 5) == 0)
            type = field + 5;
        else if (strncmp(field, "ref=", 4) == 0)
            ref = field + 4;
        else
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "--cache-from %s: %s is not supported", text, field);
    }
    if (!type || strcmp(type, "registry") != 0)
        return error_set(
            err, ERROR_NOT_IMPLEMENTED, 0,
            "--cache-from %s is not supported: images and caches in registries are (type=registry,ref=IMAGE)", text);
    if (!ref || !*ref)
        return error_set(err, ERROR_INVALID, 0, "--cache-from %s: ref is missing", text);
    *ret = xstrdup(ref);
    return 0;
}

int build_cache_from_read(struct strv *sources, struct error *err)
{
    for (size_t i = 0; i < sources->count; i++) {
        char *image = NULL;
        if (!strchr(sources->items[i], '='))
            continue;
        int r = read_fields(sources->items[i], &image, err);
        if (r < 0)
            return r;
        free(sources->items[i]);
        sources->items[i] = image;
    }
    return 0;
}

static int write_target(struct json_writer *w, const char *text, struct error *err)
{
    CLEANUP_STRV struct strv fields = STRV_INIT;
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    const char *type = "registry"; /* "host/name:tag" alone */
    csv_fields_split(text, &fields);
    for (size_t i = 0; i < fields.count; i++) {
        char *equals = strchr(fields.items[i], '=');
        if (!equals && fields.count == 1) {
            strmap_set(&attributes, "ref", text);
            break;
        }
        if (!equals)
            return error_set(err, ERROR_INVALID, 0, "invalid value %s for --cache-to: name=value is expected", text);
        *equals = 0;
        if (strcmp(fields.items[i], "type") == 0)
            type = equals + 1;
        else
            strmap_set(&attributes, fields.items[i], equals + 1);
    }
    if (strcmp(type, "registry") != 0 && strcmp(type, "inline") != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "--cache-to %s: type %s is not supported: registry and inline are", text, type);
    json_begin_object(w);
    json_member_string(w, "type", type);
    json_key(w, "attributes");
    json_begin_object(w);
    for (size_t i = 0; i < attributes.count; i++)
        json_member_string(w, attributes.items[i].key, attributes.items[i].value);
    json_end_object(w);
    json_end_object(w);
    return 0;
}

int build_cache_to_write(struct json_writer *w, const struct strv *targets, struct error *err)
{
    int r = 0;
    json_key(w, "caches");
    json_begin_array(w);
    for (size_t i = 0; i < targets->count && r == 0; i++)
        r = write_target(w, targets->items[i], err);
    json_end_array(w);
    return r;
}
