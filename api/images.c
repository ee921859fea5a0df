/* Images that are here: tag, remove, prune, and the routes of all of it. */
#include "api/images.h"

#include <string.h>

#include "base/timestamp.h"
#include "daemon/engine.h"
#include "daemon/events.h"

static int tag(struct api_request *request, struct engine *engine, struct error *err)
{
    const char *repo = api_query(request, "repo");
    CLEANUP_IMAGE struct image *image = NULL;
    CLEANUP_FREE char *name = NULL;
    struct reference ref = {0};
    int r = images_reference(repo ? repo : "", api_query(request, "tag"), &ref, err);

    if (r == 0 && ref.digest)
        r = error_set(err, ERROR_INVALID, 0, "refusing to create a tag with a digest reference");
    if (r == 0 && (name = reference_familiar(&ref)) != NULL && strncmp(name, "sha256:", 7) == 0)
        r = error_set(err, ERROR_INVALID, 0, "refusing to create an ambiguous tag using digest algorithm as name");
    if (r == 0)
        r = image_lookup(engine_images(engine), api_path(request, 0), &image, err);
    if (r == 0)
        r = image_tag(engine_images(engine), api_path(request, 0), &ref, err);
    if (r == 0) {
        engine_image_event(engine, "tag", image->id, name);
        r = api_reply_empty(request, 201);
    }
    reference_release(&ref);
    return r;
}

static void write_removed(struct json_writer *w, const struct image_removed *rows, size_t count)
{
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w);
        if (rows[i].untagged)
            json_member_string(w, "Untagged", rows[i].untagged);
        else
            json_member_string(w, "Deleted", rows[i].deleted);
        json_end_object(w);
    }
    json_end_array(w);
}

static void publish_removed(struct engine *engine, const char *id, const struct image_removed *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].untagged)
            engine_image_event(engine, "untag", id, rows[i].untagged);
        else if (rows[i].image)
            engine_image_event(engine, "delete", rows[i].deleted, rows[i].deleted);
    }
}

static int remove_image(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP_STRV struct strv platforms = STRV_INIT;
    const struct image_remove_options options = {.force = api_query_bool(request, "force", false),
                                                 .no_prune = api_query_bool(request, "noprune", false),
                                                 .platforms = &platforms};
    struct image_removed *rows = NULL;
    struct json_writer w;
    size_t count = 0;
    int r = image_lookup(engine_images(engine), api_path(request, 0), &image, err);

    if (r == 0)
        r = images_platforms(request, "platforms", &platforms, err);
    if (r == 0)
        r = engine_image_remove(engine, api_path(request, 0), &options, &rows, &count, err);
    if (r < 0)
        return r;
    publish_removed(engine, image->id, rows, count);
    json_writer_init(&w, &out);
    write_removed(&w, rows, count);
    image_removed_free(rows, count);
    return api_reply_json(request, 200, &out);
}

/* ---- prune ---- */

static const char *const prune_filters[] = {"dangling", "until", "label", "label!", NULL};

struct prune {
    bool dangling_only;
    int64_t until; /* ns; 0: none */
    const struct json *labels, *not_labels;
};

static int read_prune(const struct json *filters, struct prune *ret, struct error *err)
{
    const struct json *dangling = json_get(filters, "dangling"), *until = json_get(filters, "until");
    const char *text = json_count(dangling) > 0 ? json_string(json_at(dangling, 0)) : "true";

    *ret = (struct prune){.labels = json_get(filters, "label"), .not_labels = json_get(filters, "label!")};
    if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
        ret->dangling_only = true;
    else if (strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid filter 'dangling=[%s]'", text);
    if (json_count(until) > 1)
        return error_set(err, ERROR_INVALID, 0, "more than one until filter specified");
    if (json_count(until) > 0 &&
        timestamp_parse_human(json_string(json_at(until, 0)), timestamp_now(), &ret->until) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid filter 'until=[%s]'", json_string(json_at(until, 0)));
    return 0;
}

static bool has_label(const struct image *image, const char *text)
{
    const char *equals = strchr(text, '=');
    CLEANUP_FREE char *name = equals ? xstrndup(text, (size_t)(equals - text)) : xstrdup(text);
    const char *value = strmap_get(&image->config.labels, name);

    return value && (!equals || strcmp(value, equals + 1) == 0);
}

static bool prune_matches(const struct image *image, const struct prune *prune)
{
    CLEANUP_STRV struct strv tags = STRV_INIT, digests = STRV_INIT;

    if (!images_shown(image, &tags, &digests)) /* it goes with what it is a platform of */
        return false;
    if (prune->dangling_only && image->repo_tags.count > 0)
        return false;
    if (prune->until > 0 && image->created >= prune->until)
        return false;
    for (size_t i = 0; i < json_count(prune->labels); i++) {
        if (!has_label(image, json_string(json_at(prune->labels, i))))
            return false;
    }
    for (size_t i = 0; i < json_count(prune->not_labels); i++) {
        if (has_label(image, json_string(json_at(prune->not_labels, i))))
            return false;
    }
    return true;
}

static void prune_name(struct engine *engine, const struct image *image, const char *name,
                       const struct image_remove_options *how, struct json_writer *w)
{
    struct image_removed *rows = NULL;
    size_t count = 0;

    if (engine_image_remove(engine, name, how, &rows, &count, NULL) < 0)
        return;
    publish_removed(engine, image->id, rows, count);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w);
        json_member_string(w, rows[i].untagged ? "Untagged" : "Deleted",
                           rows[i].untagged ? rows[i].untagged : rows[i].deleted);
        json_end_object(w);
    }
    image_removed_free(rows, count);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names of one image that no container uses; what cannot be removed stays, as docker leaves it. Of one that is used
 * the last name stays. */
static void prune_one(struct engine *engine, const struct image *image, struct json_writer *w)
{
    static const struct image_remove_options force = {.force = true, .spare_used = true}, plain = {0};
    CLEANUP_STRV struct strv names = STRV_INIT;

    if (engine_image_containers(engine, image->id) == 0) {
        prune_name(engine, image, image->id, &force, w);
        return;
    }
    strv_copy(&names, &image->repo_tags);
    if (names.count > 1)
        qsort(names.items, names.count, sizeof(*names.items), by_text);
    for (size_t i = 0; i + 1 < names.count; i++)
        prune_name(engine, image, names.items[i], &plain, w);
}

/* Bytes of all layers, each counted once. */
int64_t images_layers_size(struct image *const *images, size_t count)
{
    struct map seen = MAP_INIT;
    int64_t size = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < images[i]->diff_ids.count; k++) {
            if (!map_set(&seen, images[i]->diff_ids.items[k], images[i]))
                size += images[i]->layer_sizes[k];
        }
    }
    map_release(&seen);
    return size;
}

static int layers_size(struct engine *engine, int64_t *ret, struct error *err)
{
    struct image **images = NULL;
    size_t count = 0;
    int r = image_list(engine_images(engine), &images, &count, err);

    if (r < 0)
        return r;
    *ret = images_layers_size(images, count);
    images_free(images, count);
    return 0;
}

static int prune(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, rows = STRBUF_INIT;
    struct image **images = NULL;
    struct json_writer w, row_writer;
    struct prune what;
    size_t count = 0;
    int64_t before = 0, after = 0;
    int r = api_filters(request, prune_filters, &filters, err);

    if (r == 0)
        r = read_prune(filters, &what, err);
    if (r == 0)
        r = image_list(engine_images(engine), &images, &count, err);
    if (r < 0)
        return r;
    image_forget_downloads(engine_images(engine));
    before = images_layers_size(images, count);
    json_writer_init(&row_writer, &rows);
    json_begin_array(&row_writer);
    for (size_t i = 0; i < count; i++) {
        if (prune_matches(images[i], &what))
            prune_one(engine, images[i], &row_writer);
    }
    json_end_array(&row_writer);
    images_free(images, count);
    r = layers_size(engine, &after, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "ImagesDeleted");
    if (strcmp(rows.data, "[]") == 0)
        json_put_null(&w);
    else
        json_put_raw(&w, rows.data, rows.size);
    json_member_int(&w, "SpaceReclaimed", before - after);
    events_publish_prune(engine_events(engine), "image", before - after);
    json_end_object(&w);
    return api_reply_json(request, 200, &out);
}

/* ---- save ---- */

struct save_answer {
    struct api_request *request;
    bool begun;
};

static int save_write(void *data, const void *bytes, size_t size, struct error *err)
{
    struct save_answer *answer = data;
    int r = answer->begun ? 0 : api_stream_begin(answer->request, 200, "application/x-tar");

    answer->begun = true;
    if (r == 0)
        r = api_stream_write(answer->request, bytes, size);
    return r < 0 ? error_set(err, ERROR_CANCELLED, -r, "the client has gone") : 0;
}

static int save_names(struct api_request *request, struct engine *engine, const struct strv *names, struct error *err)
{
    CLEANUP_STRV struct strv ids = STRV_INIT;
    CLEANUP_STRV struct strv platforms = STRV_INIT;
    struct save_answer answer = {.request = request};
    int r = images_platforms(request, "platform", &platforms, err);
    const struct image_save_options options = {.names = names, .platforms = &platforms, .ids = &ids};

    if (r == 0)
        r = image_save(engine_images(engine), &options, save_write, &answer, err);

    for (size_t i = 0; r == 0 && i < ids.count; i++)
        engine_image_event(engine, "save", ids.items[i], ids.items[i]);
    return r;
}

static int save_one(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;

    strv_add(&names, api_path(request, 0));
    return save_names(request, engine, &names, err);
}

static int save_several(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;

    api_query_all(request, "names", &names);
    if (names.count == 0)
        return error_set(err, ERROR_INVALID, 0, "no images to save: the parameter names is missing");
    return save_names(request, engine, &names, err);
}

const struct api_route api_image_routes[] = {
    {"GET", "/images/get", save_several, API_STREAM},
    {"GET", "/images/json", images_list, 0},
    {"POST", "/images/create", images_create, API_BODY_STREAM | API_STREAM},
    {"POST", "/images/load", images_load, API_BODY_STREAM | API_STREAM},
    {"POST", "/images/prune", prune, 0},
    {"GET", "/images/{*}/json", images_inspect, 0},
    {"GET", "/images/{*}/history", images_history, 0},
    {"GET", "/images/{*}/attestations", images_attestations, 0},
    {"GET", "/images/{*}/get", save_one, API_STREAM},
    {"POST", "/images/{*}/push", images_push, API_STREAM},
    {"POST", "/images/{*}/tag", tag, 0},
    {"DELETE", "/images/{*}", remove_image, 0},
    {0},
};
