#include "daemon/build/cache_import.h"

#include <errno.h>

#include "base/db.h"
#include "base/log.h"
#include "daemon/engine.h"
#include "image/digest.h"
#include "image/layer.h"

struct cache_import {
    char *name;
    struct cache_place *place;
    struct manifest manifest;
    struct cache_config config;
    struct map by_key; /* struct cache_config_record */
};

/* ---- what there is ---- */

static const struct descriptor *config_of(const struct manifest *manifest)
{
    if (manifest->kind == MANIFEST_IMAGE)
        return strcmp(manifest->config.media_type, CACHE_CONFIG_TYPE) == 0 ? &manifest->config : NULL;
    for (size_t i = 0; i < manifest->count; i++)
        if (strcmp(manifest->items[i].media_type, CACHE_CONFIG_TYPE) == 0)
            return &manifest->items[i];
    return NULL;
}

static int to_buffer(const void *data, size_t size, void *buffer, struct error *err)
{
    struct strbuf *out = buffer;
    if (out->size + size > CACHE_CONFIG_SIZE_MAX)
        return error_set(err, ERROR_INVALID, 0, "build cache: the config is larger than %zu bytes",
                         CACHE_CONFIG_SIZE_MAX);
    strbuf_add(out, data, size);
    return 0;
}

static int read_config(struct cache_import *import, const struct descriptor *config, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    char digest[DIGEST_TEXT_MAX];
    int r = import->place->ops->read(import->place, config, to_buffer, &text, err);
    if (r < 0)
        return r;
    digest_of(text.data, text.size, digest);
    if (strcmp(digest, config->digest) != 0)
        return error_set(err, ERROR_INVALID, 0, "build cache: verification failed for digest %s", config->digest);
    r = cache_config_parse(text.data, text.size, &import->config, err);
    for (size_t i = 0; r == 0 && i < import->config.count; i++)
        map_set(&import->by_key, import->config.records[i].row->key, &import->config.records[i]);
    return r;
}

int cache_import_open(const char *name, struct cache_place *place, struct cache_import **ret, struct error *err)
{
    struct cache_import *import = xcalloc(1, sizeof(*import));
    CLEANUP_REGISTRY_MANIFEST struct registry_manifest document = {0};
    import->name = xstrdup(name);
    import->place = place;
    *ret = NULL;
    int r = place->ops->get_manifest(place, &document, err);
    if (r == 0)
        r = manifest_parse_loose(document.content_type, document.text, document.size, &import->manifest, err);
    const struct descriptor *config = r == 0 ? config_of(&import->manifest) : NULL;
    if (config)
        r = read_config(import, config, err);
    if (r < 0 || !config) {
        cache_import_free(import);
        return r;
    }
    *ret = import;
    return 0;
}

void cache_import_free(struct cache_import *import)
{
    if (!import)
        return;
    map_release(&import->by_key);
    cache_config_release(&import->config);
    manifest_release(&import->manifest);
    cache_place_free(import->place);
    free(import->name);
    free(import);
}

/* ---- those of a build ---- */

static bool is_given_up(void *build)
{
    return build_given_up(build);
}

/* An image that is here is one; what a registry has under this name is for it to say. */
static int open_named(struct build *build, const char *ref, struct cache_import **ret, struct error *err)
{
    static const struct registry_config none;
    const struct build_options *o = build->options;
    CLEANUP_IMAGE struct image *image = NULL;
    struct reference name = {0};
    struct cache_place *place = NULL;
    *ret = NULL;
    if (image_lookup(engine_images(build->engine), ref, &image, NULL) == 0)
        return 0;
    int r = reference_parse(ref, &name, err);
    struct cache_registry_options options = {
        .ref = ref,
        .registries = o->registries ? o->registries : &none,
        .cancelled = is_given_up,
        .data = build,
        .auth = r == 0 && o->suppliers.credentials ? o->suppliers.credentials(name.domain, o->suppliers.data) : NULL};
    if (r == 0)
        r = cache_registry_open(&options, &place, err);
    reference_release(&name);
    return r < 0 ? r : cache_import_open(ref, place, ret, err);
}

static void tell(struct build *build, int number, const char *name, bool ended, const struct error *error)
{
    const struct build_events *events = build->events;
    if (events->task)
        events->task(number, name, ended, error, events->data);
    else if (error)
        build_progress_warning(&build->progress, NULL, error->message);
}

static void keep_import(struct build *build, struct cache_import *import)
{
    build->imports = xreallocarray(build->imports, build->import_count + 1, sizeof(struct cache_import *));
    build->imports[build->import_count++] = import;
    if (import->config.count == 0 && import->config.foreign > 0)
        log_info("build: the cache %s is another builder's: none of its %zu records can be used", import->name,
                 import->config.foreign);
}

static void open_one(struct build *build, int number, const char *name, struct cache_place *place)
{
    CLEANUP_FREE char *task = xasprintf("importing cache manifest from %s", name);
    struct cache_import *import = NULL;
    struct error error = {0};
    bool silent = place == NULL && build->options->cache_from_only; /* the classic builder's: nothing but images */
    if (silent) {
        strv_add(&build->images, name);
        return;
    }
    tell(build, number, task, false, NULL);
    int r = place ? cache_import_open(name, place, &import, &error) : open_named(build, name, &import, &error);
    if (r < 0)
        error_context(&error, "cache from %s", name);
    tell(build, number, task, true, r < 0 ? &error : NULL);
    if (import)
        keep_import(build, import);
    else if (r == 0)
        strv_add(&build->images, name);
}

void cache_imports_open(struct build *build)
{
    const struct build_options *o = build->options;
    int number = 0;
    for (size_t i = 0; i < o->cache_from.count; i++)
        open_one(build, number++, o->cache_from.items[i], NULL);
    for (size_t i = 0; i < o->cache_place_count; i++)
        open_one(build, number++, o->cache_places[i].name, o->cache_places[i].open(o->cache_places[i].data));
}

void cache_imports_close(struct build *build)
{
    for (size_t i = 0; i < build->import_count; i++)
        cache_import_free(build->imports[i]);
    free(build->imports);
    strv_release(&build->images);
}

/* ---- one result ---- */

struct fetch {
    struct build *build;
    struct layer_ingest *ingest;
};

static int to_ingest(const void *data, size_t size, void *sink_data, struct error *err)
{
    struct fetch *fetch = sink_data;
    if (build_given_up(fetch->build))
        return error_set(err, ERROR_CANCELLED, ECANCELED, "build cancelled");
    return layer_ingest_write(fetch->ingest, data, size, err);
}

/* The layer is pinned then, and of *ret_size bytes. */
static int fetch_layer(struct build *build, struct cache_import *import, const struct cache_config_record *record,
                       int64_t *ret_size, struct error *err)
{
    struct image_store *store = engine_images(build->engine);
    CLEANUP_LAYER_INGEST struct layer_ingest *ingest = NULL;
    const struct descriptor *blob = NULL;
    for (size_t i = 0; !blob && i < import->manifest.count; i++)
        if (strcmp(import->manifest.items[i].digest, record->blob) == 0)
            blob = &import->manifest.items[i];
    if (!blob)
        return error_set(err, ERROR_INVALID, 0, "the manifest does not name the layer %s", record->blob);
    int r = layer_ingest_open(store, blob->digest, &ingest, err);
    struct fetch fetch = {.build = build, .ingest = ingest};
    if (r == 0)
        r = import->place->ops->read(import->place, blob, to_ingest, &fetch, err);
    if (r == 0)
        r = layer_ingest_finish(ingest, err);
    if (r == 0 && strcmp(layer_ingest_info(ingest)->diff_id, record->row->diff_id) != 0)
        r = error_set(err, ERROR_INVALID, 0, "layer %s is not what the cache says it is", record->blob);
    if (r < 0)
        return r;
    *ret_size = layer_ingest_info(ingest)->size;
    return image_layer_commit(store, ingest, err);
}

/* The record becomes one of this machine's; of a copy, since other stages may be at it as well. */
static int put_row(struct build *build, const struct cache_row *theirs, const struct draft_info *info,
                   struct error *err)
{
    struct cache_row row = *theirs; /* its texts remain theirs */
    int r = db_begin(engine_db(build->engine), err);
    if (r < 0)
        return r;
    r = cache_row_use(&row, engine_images(build->engine), info, err);
    if (r == 0)
        r = cache_put(engine_db(build->engine), &row, err);
    if (r < 0) {
        db_rollback(engine_db(build->engine));
        return r;
    }
    return db_commit(engine_db(build->engine), err);
}

static int bring(struct build *build, struct cache_import *import, const struct cache_config_record *record,
                 struct error *err)
{
    struct image_store *store = engine_images(build->engine);
    struct draft_info info = {.empty = record->row->diff_id[0] == 0};
    struct error error = {0};
    char dir[DRAFT_ID_MAX];
    if (info.empty)
        return put_row(build, record->row, &info, err);
    memcpy(info.diff_id, record->row->diff_id, sizeof(info.diff_id));
    int r = image_layer_open(store, info.diff_id, dir, &info.size, &error);
    if (r < 0 && error.kind != ERROR_NOT_FOUND)
        return error_propagate(err, &error);
    if (r < 0)
        r = fetch_layer(build, import, record, &info.size, err);
    if (r < 0)
        return r;
    r = put_row(build, record->row, &info, err);
    image_layer_unpin(store, info.diff_id); /* the record keeps it */
    return r;
}

int cache_import_find(struct build *build, const char *key, struct cache_row **ret, struct error *err)
{
    struct db *db = engine_db(build->engine);
    int r = cache_find(db, key, ret, err);
    for (size_t i = 0; r == 0 && !*ret && i < build->import_count; i++) {
        struct cache_import *import = build->imports[i];
        const struct cache_config_record *record = map_get(&import->by_key, key);
        struct error error = {0};
        if (!record)
            continue;
        if (bring(build, import, record, &error) == 0)
            r = cache_find(db, key, ret, err);
        else if (build_given_up(build))
            r = error_propagate(err, &error);
        else {
            error_context(&error, "cache from %s", import->name);
            build_progress_warning(&build->progress, NULL, error.message);
        }
    }
    return r;
}
