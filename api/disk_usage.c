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
    if (types.count == 0 || api_version(request) < 42)
        *ret = (struct parts){true, true, true, true};
    for (size_t i = 0; i < types.count && api_version(request) >= 42; i++) {
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

/* ---- what is counted ---- */

/* Of one kind of object; "active" is what is in use. */
struct usage {
    int64_t active, total, size, reclaimable;
    struct strbuf items; /* a JSON array */
};

static void usage_add(struct usage *usage, bool active, int64_t size, int64_t reclaimable)
{
    usage->active += active;
    usage->total++;
    usage->size += size;
    usage->reclaimable += active ? 0 : reclaimable;
}

static int write_image(struct json_writer *w, struct usage *usage, struct engine *engine, const struct image *image,
                       int64_t shared, int version, struct error *err)
{
    CLEANUP_STRV struct strv tags = STRV_INIT, digests = STRV_INIT;
    CLEANUP_IMAGE_MANIFESTS struct image_manifests manifests = {0};
    int64_t users;
    int r;

    if (!images_shown(image, &tags, &digests))
        return 0;
    r = images_manifests(engine, image, NULL, false, &manifests, err);
    if (r < 0)
        return r;
    users = images_whole_containers(engine, image, &manifests);
    images_write_summary(w, &(struct images_entry){.image = image,
                                                   .tags = &tags,
                                                   .digests = &digests,
                                                   .manifests = &manifests,
                                                   .containers = users,
                                                   .shared_size = shared,
                                                   .version = version});
    usage_add(usage, users > 0, 0, image->size - shared);
    return 0;
}

static int count_images(struct usage *usage, struct engine *engine, int version, struct error *err)
{
    struct image **images = NULL;
    struct json_writer w;
    size_t count = 0;
    int r = image_list(engine_images(engine), &images, &count, err);

    if (r < 0)
        return r;
    json_writer_init(&w, &usage->items);
    json_begin_array(&w);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = write_image(&w, usage, engine, images[i], images_shared_size(images[i], images, count), version, err);
    json_end_array(&w);
    usage->size = images_layers_size(images, count); /* each once */
    images_free(images, count);
    return r;
}

static void count_containers(struct usage *usage, const struct json *list, const struct strbuf *text)
{
    strbuf_add(&usage->items, text->data, text->size);
    for (size_t i = 0; i < json_count(list); i++) {
        const char *state = json_get_string(json_at(list, i), "State");
        int64_t size = json_get_int(json_at(list, i), "SizeRw", 0);
        bool active = state && (strcmp(state, "running") == 0 || strcmp(state, "paused") == 0 ||
                                strcmp(state, "restarting") == 0);

        usage_add(usage, active, size, size);
    }
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

static int write_volume(struct json_writer *w, struct usage *usage, struct engine *engine, const struct json *volume,
                        const struct json *containers, struct error *err)
{
    const char *name = json_get_string(volume, "Name");
    int64_t size = 0, users = volume_users(containers, name);
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
    json_member_int(w, "RefCount", users);
    json_member_int(w, "Size", size);
    json_end_object(w);
    json_end_object(w);
    usage_add(usage, users > 0, size, size);
    return 0;
}

static int count_volumes(struct usage *usage, struct engine *engine, const struct json *containers, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    const struct json *list;
    struct json_writer w;
    int r = engine_volume_list(engine, NULL, &text, err);

    if (r == 0)
        r = json_parse(text.data, text.size, &tree, err);
    if (r < 0)
        return r;
    list = json_get(tree, "Volumes");
    json_writer_init(&w, &usage->items);
    json_begin_array(&w);
    for (size_t i = 0; r == 0 && i < json_count(list); i++)
        r = write_volume(&w, usage, engine, json_at(list, i), containers, err);
    json_end_array(&w);
    return r;
}

static void write_build(struct json_writer *w, struct usage *usage, const struct build_cache_record *record)
{
    char time[TIMESTAMP_MAX];

    usage_add(usage, record->in_use, record->size, record->shared ? 0 : record->size);
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
static int count_builds(struct usage *usage, struct engine *engine, struct error *err)
{
    struct build_cache_record *records = NULL;
    struct json_writer w;
    size_t count = 0, contexts = 0;
    int64_t bytes = 0;
    int r = build_cache_list(engine, &records, &count, err);

    if (r == 0)
        r = context_sync_usage(engine, false, &bytes, &contexts, err);
    json_writer_init(&w, &usage->items);
    json_begin_array(&w);
    for (size_t i = 0; r == 0 && i < count; i++)
        write_build(&w, usage, &records[i]);
    if (r == 0 && contexts > 0) {
        struct build_cache_record kept = {.id = (char *)"contexts",
                                          .type = (char *)"source.local",
                                          .description = (char *)"build contexts kept for the next build",
                                          .size = bytes,
                                          .use_count = (int64_t)contexts};

        write_build(&w, usage, &kept);
    }
    json_end_array(&w);
    build_cache_records_free(records, count);
    return r;
}

/* ---- the answer ---- */

/* What the answer is made of: a kind that is not asked for has no items. */
struct usages {
    struct usage images, containers, volumes, builds;
};

static void usages_release(struct usages *all)
{
    strbuf_release(&all->images.items);
    strbuf_release(&all->containers.items);
    strbuf_release(&all->volumes.items);
    strbuf_release(&all->builds.items);
}

static int count(struct usages *ret, struct engine *engine, const struct parts *parts, int version, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *containers = NULL;
    struct container_list every = {.all = true, .size = parts->containers, .api_version = version};
    bool listed = parts->containers || parts->volumes;
    int r = listed ? container_list(engine, &every, &text, err) : 0;

    if (r == 0 && listed)
        r = json_parse(text.data, text.size, &containers, err);
    if (r == 0 && parts->containers)
        count_containers(&ret->containers, containers, &text);
    if (r == 0 && parts->images)
        r = count_images(&ret->images, engine, version, err);
    if (r == 0 && parts->volumes)
        r = count_volumes(&ret->volumes, engine, containers, err);
    if (r == 0 && parts->builds)
        r = count_builds(&ret->builds, engine, err);
    return r;
}

static void write_items(struct json_writer *w, const char *key, const struct usage *usage)
{
    if (usage->items.size == 0)
        return;
    json_key(w, key);
    json_put_raw(w, usage->items.data, usage->items.size);
}

static void write_usage(struct json_writer *w, const char *key, const struct usage *usage, bool verbose)
{
    if (usage->items.size == 0)
        return;
    json_key(w, key);
    json_begin_object(w);
    json_member_int(w, "ActiveCount", usage->active);
    json_member_int(w, "TotalCount", usage->total);
    json_member_int(w, "TotalSize", usage->size);
    json_member_int(w, "Reclaimable", usage->reclaimable);
    if (verbose)
        write_items(w, "Items", usage);
    json_end_object(w);
}

/* Since 1.52 there are sums, and `verbose` has the items with them: a client that does not ask for it may be one of
 * before, which finds what it knows. */
static void write_answer(struct json_writer *w, const struct usages *all, bool sums, bool verbose)
{
    json_begin_object(w);
    if (!verbose) {
        if (all->images.items.size > 0)
            json_member_int(w, "LayersSize", all->images.size);
        write_items(w, "Images", &all->images);
        write_items(w, "Containers", &all->containers);
        write_items(w, "Volumes", &all->volumes);
        write_items(w, "BuildCache", &all->builds);
    }
    if (sums) {
        write_usage(w, "ImageUsage", &all->images, verbose);
        write_usage(w, "ContainerUsage", &all->containers, verbose);
        write_usage(w, "VolumeUsage", &all->volumes, verbose);
        write_usage(w, "BuildCacheUsage", &all->builds, verbose);
    }
    json_end_object(w);
}

int system_disk_usage(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP(usages_release) struct usages all = {0};
    bool sums = api_version(request) >= 52;
    struct json_writer w;
    struct parts parts;
    int r = read_parts(request, &parts, err);

    if (r == 0)
        r = count(&all, engine, &parts, api_version(request), err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    write_answer(&w, &all, sums, sums && api_query_bool(request, "verbose", false));
    return api_reply_json(request, 200, &out);
}
