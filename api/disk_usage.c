/* GET /system/df */
#include <string.h>

#include "api/images.h"
#include "api/system.h"
#include "base/strmap.h"
#include "base/timestamp.h"
#include "daemon/build/build.h"
#include "daemon/build/context_sync.h"
#include "daemon/container.h"
#include "daemon/engine.h"
#include "daemon/volumes.h"

/* Which parts were asked for; none named: all. */
struct parts {
    bool images, containers, volumes, builds;
};

static int read_parts(const struct api_request *request, struct parts *ret, struct error *err)
{
    CLEANUP_STRV struct strv types = STRV_INIT;

    *ret = (struct parts){0};
    api_query_all(request, "type", &types);
    if (types.count == 0)
        *ret = (struct parts){true, true, true, true};
    for (size_t i = 0; i < types.count; i++) {
        const struct {
            const char *name;
            bool *part;
        } names[] = {{"image", &ret->images},
                     {"container", &ret->containers},
                     {"volume", &ret->volumes},
                     {"build-cache", &ret->builds}};
        size_t k = 0;

        while (k < ARRAY_SIZE(names) && strcmp(names[k].name, types.items[i]) != 0)
            k++;
        if (k == ARRAY_SIZE(names))
            return error_set(err, ERROR_INVALID, 0, "unknown object type: %s", types.items[i]);
        *names[k].part = true;
    }
    return 0;
}

static int write_image(struct json_writer *w, struct engine *engine, const struct image *image, int64_t shared,
                       int version, struct error *err)
{
    CLEANUP_STRV struct strv tags = STRV_INIT, digests = STRV_INIT;
    CLEANUP_IMAGE_MANIFESTS struct image_manifests manifests = {0};
    int r;

    if (!images_shown(image, &tags, &digests))
        return 0;
    r = image_manifests_get(engine_images(engine), image, NULL, false, &manifests, err);
    if (r < 0)
        return r;
    images_write_summary(w, &(struct images_entry){.image = image,
                                                   .tags = &tags,
                                                   .digests = &digests,
                                                   .manifests = &manifests,
                                                   .containers = images_whole_containers(engine, image, &manifests),
                                                   .shared_size = shared,
                                                   .version = version});
    return 0;
}

static int write_images(struct json_writer *w, struct engine *engine, int version, struct error *err)
{
    struct image **images = NULL;
    size_t count = 0;
    int r = image_list(engine_images(engine), &images, &count, err);

    if (r < 0)
        return r;
    json_member_int(w, "LayersSize", images_layers_size(images, count));
    json_key(w, "Images");
    json_begin_array(w);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = write_image(w, engine, images[i], images_shared_size(images[i], images, count), version, err);
    json_end_array(w);
    images_free(images, count);
    return r;
}

/* How many containers of the list use a volume. */
static int64_t volume_users(const struct json *containers, const char *name)
{
    int64_t users = 0;

    for (size_t i = 0; i < json_count(containers); i++) {
        const struct json *mounts = json_get(json_at(containers, i), "Mounts");

        for (size_t k = 0; k < json_count(mounts); k++) {
            const char *used = json_get_string(json_at(mounts, k), "Name");

            if (used && strcmp(used, name) == 0) {
                users++;
                break;
            }
        }
    }
    return users;
}

static int write_volume(struct json_writer *w, struct engine *engine, const struct json *volume,
                        const struct json *containers, struct error *err)
{
    const char *name = json_get_string(volume, "Name");
    int64_t size = 0;
    int r = volume_size(engine_volumes(engine), name, &size, err);

    if (r < 0)
        return r;
    json_begin_object(w);
    for (size_t i = 0; i < volume->object.count; i++) {
        if (strcmp(volume->object.keys[i], "UsageData") != 0) {
            json_key(w, volume->object.keys[i]);
            json_put_value(w, &volume->object.values[i]);
        }
    }
    json_key(w, "UsageData");
    json_begin_object(w);
    json_member_int(w, "RefCount", volume_users(containers, name));
    json_member_int(w, "Size", size);
    json_end_object(w);
    json_end_object(w);
    return 0;
}

static int write_volumes(struct json_writer *w, struct engine *engine, const struct json *containers, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    const struct json *list;
    int r = engine_volume_list(engine, NULL, &text, err);

    if (r == 0)
        r = json_parse(text.data, text.size, &tree, err);
    if (r < 0)
        return r;
    list = json_get(tree, "Volumes");
    json_key(w, "Volumes");
    json_begin_array(w);
    for (size_t i = 0; r == 0 && i < json_count(list); i++)
        r = write_volume(w, engine, json_at(list, i), containers, err);
    json_end_array(w);
    return r;
}

static void write_build(struct json_writer *w, const struct build_cache_record *record)
{
    char time[TIMESTAMP_MAX];
    json_begin_object(w);
    json_member_string(w, "ID", record->id);
    if (record->parent && *record->parent) {
        json_member_string(w, "Parent", record->parent);
        json_key(w, "Parents");
        json_begin_array(w);
        json_put_string(w, record->parent);
        json_end_array(w);
    }
    json_member_string(w, "Type", record->type);
    json_member_string(w, "Description", record->description);
    json_member_bool(w, "InUse", record->in_use);
    json_member_bool(w, "Shared", record->shared);
    json_member_int(w, "Size", record->size);
    timestamp_format(time, record->created);
    json_member_string(w, "CreatedAt", time);
    if (record->last_used > 0) {
        timestamp_format(time, record->last_used);
        json_member_string(w, "LastUsedAt", time);
    } else {
        json_member_null(w, "LastUsedAt");
    }
    json_member_int(w, "UsageCount", record->use_count);
    json_end_object(w);
}

/* Results of steps and cache mounts, and the contexts that are kept (as one: the client's business is only that they
 * take room). */
static int write_builds(struct json_writer *w, struct engine *engine, struct error *err)
{
    struct build_cache_record *records = NULL;
    size_t count = 0, contexts = 0;
    int64_t bytes = 0;
    int r = build_cache_list(engine, &records, &count, err);

    if (r == 0)
        r = context_sync_usage(engine, false, &bytes, &contexts, err);
    json_key(w, "BuildCache");
    json_begin_array(w);
    for (size_t i = 0; r == 0 && i < count; i++)
        write_build(w, &records[i]);
    if (r == 0 && contexts > 0) {
        struct build_cache_record kept = {.id = (char *)"contexts",
                                          .type = (char *)"source.local",
                                          .description = (char *)"build contexts kept for the next build",
                                          .size = bytes,
                                          .use_count = (int64_t)contexts};
        write_build(w, &kept);
    }
    json_end_array(w);
    build_cache_records_free(records, count);
    return r;
}

int system_disk_usage(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, text = STRBUF_INIT;
    CLEANUP_JSON struct json *containers = NULL;
    struct json_writer w;
    struct parts parts;
    int r = read_parts(request, &parts, err);
    struct container_list every = {.all = true, .size = parts.containers};

    if (r == 0 && (parts.containers || parts.volumes))
        r = container_list(engine, &every, &text, err);
    if (r == 0 && text.size > 0)
        r = json_parse(text.data, text.size, &containers, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    if (parts.images)
        r = write_images(&w, engine, api_version(request), err);
    if (r == 0 && parts.containers) {
        json_key(&w, "Containers");
        json_put_raw(&w, text.data, text.size);
    }
    if (r == 0 && parts.volumes)
        r = write_volumes(&w, engine, containers, err);
    if (r < 0)
        return r;
    if (parts.builds)
        r = write_builds(&w, engine, err);
    if (r < 0)
        return r;
    json_end_object(&w);
    return api_reply_json(request, 200, &out);
}
