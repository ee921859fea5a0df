#include "daemon/build/cache_export.h"

#include <errno.h>

#include "base/db.h"
#include "daemon/build/cache_config.h"
#include "daemon/build/execute.h"
#include "daemon/engine_internal.h"
#include "image/digest.h"
#include "image/layer_gzip.h"

struct cache_set {
    struct engine *engine;
    struct strv keys;   /* held */
    struct map results; /* those of the keys that the result is made of */
    struct map known;   /* all of them */
};

struct cache_set *cache_set_new(struct engine *engine)
{
    struct cache_set *set = xcalloc(1, sizeof(*set));
    set->engine = engine;
    return set;
}

void cache_set_free(struct cache_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->keys.count; i++)
        build_key_unhold(set->engine->builds, set->keys.items[i]);
    strv_release(&set->keys);
    map_release(&set->results);
    map_release(&set->known);
    free(set);
}

/* ---- what builds have used and made ---- */

static void add_stage(struct cache_set *set, const struct stage_run *run, bool result)
{
    for (size_t i = 0; i < run->keys.count; i++) {
        const char *key = run->keys.items[i];
        if (result)
            map_set(&set->results, key, set);
        if (map_set(&set->known, key, set))
            continue;
        build_key_hold(set->engine->builds, key);
        strv_add(&set->keys, key);
    }
}

/* Records are written when their layers have digests. */
static int wait_for_layers(const struct build_state *state, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < state->layer_count && r == 0; i++) {
        const struct draft_info *info;
        r = build_layer_wait(state->layers[i], &info, err);
    }
    return r;
}

int cache_set_add(struct cache_set *set, struct build *build, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < build->stages.count && r == 0; i++)
        if (build->runs[i].stage)
            r = wait_for_layers(&build->runs[i].state, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < build->stages.count; i++)
        if (build->runs[i].stage)
            add_stage(set, &build->runs[i], false);
    for (int at = (int)build->stages.target; at >= 0; at = build->stages.items[at].base_stage)
        add_stage(set, &build->runs[at], true);
    return 0;
}

/* ---- one layer ---- */

struct writer {
    struct cache_set *set;
    const struct cache_export *how;
    struct cache_config config;
    struct map sizes;  /* of blobs: size + 1 */
    struct strv blobs; /* in the order of the manifest */
};

static void tell(const struct writer *w, const char *what, const char *digest, bool done)
{
    CLEANUP_FREE char *text = xasprintf("writing %s %s", what, digest);
    if (w->how->progress)
        w->how->progress(text, done, w->how->data);
}

struct upload {
    const struct cache_export *how;
    struct layer_gzip *gzip;
};

static ssize_t upload_read(void *buffer, size_t size, void *data, struct error *err)
{
    struct upload *upload = data;
    if (upload->how->cancelled && upload->how->cancelled(upload->how->data))
        return error_set(err, ERROR_CANCELLED, ECANCELED, "context canceled");
    return layer_gzip_read(buffer, size, upload->gzip, err);
}

static void upload_digest(void *data, char ret[DIGEST_TEXT_MAX])
{
    int64_t size;
    layer_gzip_result(((struct upload *)data)->gzip, ret, &size);
}

static int send_layer(struct writer *w, const char *diff_id, struct cache_blob *ret, struct error *err)
{
    struct layer_gzip *gzip CLEANUP(layer_gzip_free_ptr) = NULL;
    int r = layer_gzip_open(engine_images(w->set->engine), diff_id, &gzip, err);
    if (r < 0)
        return r;
    struct upload upload = {.how = w->how, .gzip = gzip};
    const struct registry_upload what = {.source = upload_read, .data = &upload, .digest = upload_digest};
    r = w->how->place->ops->write(w->how->place, &what, err);
    if (r < 0)
        return r;
    layer_gzip_result(gzip, ret->digest, &ret->size);
    return cache_blob_put(engine_db(w->set->engine), diff_id, ret, err);
}

static int bring_layer(struct writer *w, const char *diff_id, struct cache_blob *ret, struct error *err)
{
    struct image_store *store = engine_images(w->set->engine);
    int64_t size = 0;
    int r = cache_blob_find(engine_db(w->set->engine), diff_id, ret, err);
    bool known = r == 0 && ret->digest[0] != 0 && map_get(&w->sizes, ret->digest);
    if (r < 0 || known)
        return r;
    if (ret->digest[0] != 0)
        r = w->how->place->ops->has(w->how->place, ret->digest, &size, err);
    if (r < 0)
        return r;
    if (r == 0 || size != ret->size) {
        if (!image_layer_pin_diff_id(store, diff_id))
            return error_set(err, ERROR_NOT_FOUND, 0, "layer %s is not in the store any more", diff_id);
        tell(w, "layer", diff_id, false);
        r = send_layer(w, diff_id, ret, err);
        image_layer_unpin(store, diff_id);
        if (r < 0)
            return r;
        tell(w, "layer", diff_id, true);
    }
    if (!map_set(&w->sizes, ret->digest, (void *)(uintptr_t)(ret->size + 1)))
        strv_add(&w->blobs, ret->digest);
    return 0;
}

static int add_record(struct writer *w, const char *key, struct error *err)
{
    CLEANUP_CACHE_ROW struct cache_row *row = NULL;
    struct cache_blob blob = {0};
    int r = cache_find(engine_db(w->set->engine), key, &row, err);
    if (r < 0 || !row)
        return r;
    if (row->diff_id[0] != 0)
        r = bring_layer(w, row->diff_id, &blob, err);
    if (r == 0)
        cache_config_add(&w->config, TAKE_PTR(row), blob.digest);
    return r;
}

/* ---- the manifest ---- */

static void write_descriptor(struct json_writer *w, const char *media_type, const char *digest, size_t size)
{
    json_begin_object(w);
    json_member_string(w, "mediaType", media_type);
    json_member_string(w, "digest", digest);
    json_member_int(w, "size", (int64_t)size);
    json_end_object(w);
}

static void write_blobs(const struct writer *writer, struct json_writer *w)
{
    for (size_t i = 0; i < writer->blobs.count; i++) {
        const char *digest = writer->blobs.items[i];
        write_descriptor(w, writer->how->docker_types ? PUSH_MEDIA_GZIP : PUSH_MEDIA_OCI_GZIP, digest,
                         (size_t)(uintptr_t)map_get(&writer->sizes, digest) - 1);
    }
}

static const char *write_manifest(const struct writer *writer, const char *config, size_t config_size,
                                  struct strbuf *out)
{
    const struct cache_export *how = writer->how;
    const char *type = how->image_manifest ? MEDIA_OCI_MANIFEST
                       : how->docker_types ? MEDIA_DOCKER_LIST
                                           : MEDIA_OCI_INDEX;
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_int(&w, "schemaVersion", 2);
    json_member_string(&w, "mediaType", type);
    if (how->image_manifest) {
        json_key(&w, "config");
        write_descriptor(&w, CACHE_CONFIG_TYPE, config, config_size);
    }
    json_key(&w, how->image_manifest ? "layers" : "manifests");
    json_begin_array(&w);
    write_blobs(writer, &w);
    if (!how->image_manifest)
        write_descriptor(&w, CACHE_CONFIG_TYPE, config, config_size);
    json_end_array(&w);
    json_end_object(&w);
    return type;
}

static int write_texts(const struct writer *writer, struct strbuf *ret_manifest, struct error *err)
{
    struct cache_place *place = writer->how->place;
    CLEANUP_STRBUF struct strbuf config = STRBUF_INIT, manifest = STRBUF_INIT;
    char digest[DIGEST_TEXT_MAX];
    cache_config_write(&writer->config, &config);
    if (config.size > CACHE_CONFIG_SIZE_MAX)
        return error_set(err, ERROR_INVALID, 0, "build cache: the config is larger than %zu bytes",
                         CACHE_CONFIG_SIZE_MAX);
    digest_of(config.data, config.size, digest);
    const struct registry_upload upload = {.text = config.data, .size = config.size};
    tell(writer, "config", digest, false);
    int r = place->ops->write(place, &upload, err);
    if (r < 0)
        return r;
    tell(writer, "config", digest, true);
    const char *type = write_manifest(writer, digest, config.size, &manifest);
    digest_of(manifest.data, manifest.size, digest);
    tell(writer, "cache manifest", digest, false);
    r = place->ops->put_manifest(place, type, manifest.data, manifest.size, err);
    if (r < 0)
        return r;
    tell(writer, "cache manifest", digest, true);
    struct json_writer w;
    json_writer_init(&w, ret_manifest);
    write_descriptor(&w, type, digest, manifest.size);
    return 0;
}

int cache_set_write(struct cache_set *set, const struct cache_export *how, struct strbuf *ret_manifest,
                    struct error *err)
{
    struct writer writer = {.set = set, .how = how};
    int r = 0;
    for (size_t i = 0; i < set->keys.count && r == 0; i++)
        if (how->max || map_get(&set->results, set->keys.items[i]))
            r = add_record(&writer, set->keys.items[i], err);
    if (r == 0 && writer.blobs.count > 0)
        r = write_texts(&writer, ret_manifest, err);
    cache_config_release(&writer.config);
    map_release(&writer.sizes);
    strv_release(&writer.blobs);
    return r;
}
