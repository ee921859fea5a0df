/* --cache-from: images, by name or as buildx writes them. */
#include <string.h>

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
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "--cache-from %s is not supported: only images serve as caches (type=registry,ref=IMAGE)",
                         text);
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
