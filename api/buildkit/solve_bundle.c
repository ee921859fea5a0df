#include "api/buildkit/solve_bundle.h"

#include <string.h>

#include "base/memory.h"
#include "daemon/engine.h"

#define PREFIX "annotation"

bool solve_bundle_is_annotation(const char *key)
{
    return strncmp(key, PREFIX, strlen(PREFIX)) == 0 && key[strlen(PREFIX)] && strchr("-.[", key[strlen(PREFIX)]);
}

bool solve_bundle_is_asked_for(Bk__Entry *const *attrs, size_t count)
{
    bool asked = false;
    for (size_t i = 0; i < count; i++)
        asked = asked || solve_bundle_is_annotation(attrs[i]->key) ||
                (strcmp(attrs[i]->key, "oci-mediatypes") == 0 && strcmp(attrs[i]->value, "true") == 0);
    return asked;
}

/* ---- annotations ---- */

/* "annotation[-KIND][\[PLATFORM\]].NAME" */
struct annotation {
    enum { OF_MANIFEST, OF_DESCRIPTOR, OF_INDEX, OF_INDEX_DESCRIPTOR } kind;
    bool of_platform;
    struct platform platform;
    const char *name;
};

static int unknown(const char *key, struct error *err)
{
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "annotation %.200s is not supported", key);
}

static int read_kind(const char *key, const char *text, size_t size, struct annotation *ret, struct error *err)
{
    static const struct {
        const char *name;
        int kind;
    } kinds[] = {
        {"", OF_MANIFEST},
        {"-manifest", OF_MANIFEST},
        {"-manifest-descriptor", OF_DESCRIPTOR},
        {"-index", OF_INDEX},
        {"-index-descriptor", OF_INDEX_DESCRIPTOR},
    };
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strlen(kinds[i].name) == size && strncmp(kinds[i].name, text, size) == 0) {
            ret->kind = kinds[i].kind;
            return 0;
        }
    }
    return unknown(key, err);
}

static int read_annotation(const char *key, struct annotation *ret, struct error *err)
{
    const char *rest = key + strlen(PREFIX);
    size_t size = strcspn(rest, "[.");
    *ret = (struct annotation){0};
    int r = read_kind(key, rest, size, ret, err);
    rest += size;
    if (r == 0 && *rest == '[') {
        size_t length = strcspn(rest + 1, "]");
        CLEANUP_FREE char *platform = xstrndup(rest + 1, length);
        if (rest[1 + length] != ']')
            return unknown(key, err);
        ret->of_platform = true;
        r = platform_parse(platform, &ret->platform, err);
        rest += length + 2;
    }
    if (r == 0 && (*rest != '.' || !rest[1]))
        return unknown(key, err);
    ret->name = rest + 1;
    if (r == 0 && ret->of_platform && ret->kind >= OF_INDEX)
        return error_set(err, ERROR_INVALID, 0, "annotation %.200s: an index is of no platform", key);
    return r;
}

int solve_bundle_check_annotation(const char *key, struct error *err)
{
    struct annotation annotation;
    return read_annotation(key, &annotation, err);
}

static bool is_same(const struct platform *a, const struct platform *b)
{
    return platform_distance(a, b) == 0;
}

static void annotate_items(struct bundle *bundle, const struct annotation *annotation, const char *value)
{
    for (size_t i = 0; i < bundle->count; i++) {
        struct bundle_item *item = &bundle->items[i];
        if (!annotation->of_platform || is_same(&annotation->platform, &item->platform))
            strmap_set(annotation->kind == OF_MANIFEST ? &item->annotations : &item->descriptor_annotations,
                       annotation->name, value);
    }
}

static int annotate(struct bundle *bundle, bool index, const Bk__Entry *attr, struct error *err)
{
    struct annotation annotation;
    int r = read_annotation(attr->key, &annotation, err);
    if (r < 0)
        return r;
    if (!index && annotation.kind != OF_MANIFEST)
        return error_set(err, ERROR_INVALID, 0, "index annotations not supported for single platform export");
    if (annotation.kind == OF_INDEX)
        strmap_set(&bundle->index_annotations, annotation.name, attr->value);
    else if (annotation.kind == OF_INDEX_DESCRIPTOR)
        strmap_set(&bundle->index_descriptor_annotations, annotation.name, attr->value);
    else
        annotate_items(bundle, &annotation, attr->value);
    return 0;
}

/* ---- all ---- */

static void attest(size_t i, const char *manifest_digest, struct strbuf *out, void *data)
{
    const struct solve_bundle *b = data;
    solve_provenance_write(b->solve, &b->solve->platforms[i], b->name, &b->bundle.items[i].platform, manifest_digest,
                           out);
}

int solve_bundle_fill(struct solve_bundle *ret, const struct solve *solve, const struct reference *name,
                      Bk__Entry *const *attrs, size_t count, struct error *err)
{
    bool attested = solve->provenance != NULL;
    *ret = (struct solve_bundle){.solve = solve, .name = name};
    for (size_t i = 0; i < solve->platform_count; i++) {
        struct image *image = NULL;
        int r = image_lookup(engine_images(solve->engine), solve->platforms[i].result.image_id, &image, err);
        if (r < 0)
            return r;
        bundle_add(&ret->bundle, image)->attested = attested;
    }
    ret->bundle.attest = attest;
    ret->bundle.data = ret;
    ret->bundle.predicate_type = PROVENANCE_TYPE;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        if (solve_bundle_is_annotation(attrs[i]->key))
            r = annotate(&ret->bundle, attested || solve->platform_count > 1, attrs[i], err);
    return r;
}
