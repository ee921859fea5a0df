/* GET /images/{}/json and /images/{}/history */
#include "api/images.h"

#include <string.h>

#include "base/timestamp.h"
#include "daemon/engine.h"

#define NS_PER_S INT64_C(1000000000)

static void write_names(struct json_writer *w, const char *key, const struct strv *names)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < names->count; i++)
        json_put_string(w, names->items[i]);
    json_end_array(w);
}

/* Where the layers lie, in the words of docker's overlay2 driver. */
static void write_graph_driver(struct json_writer *w, const struct image *image, const char *data_root)
{
    CLEANUP_STRBUF struct strbuf lower = STRBUF_INIT;
    size_t count = image->layer_dirs.count;

    json_key(w, "GraphDriver");
    json_begin_object(w);
    json_key(w, "Data");
    json_begin_object(w);
    for (size_t i = count; i > 1; i--)
        strbuf_addf(&lower, "%s%s/%s", lower.size > 0 ? ":" : "", data_root, image->layer_dirs.items[i - 2]);
    if (lower.size > 0)
        json_member_string(w, "LowerDir", lower.data);
    if (count > 0) {
        CLEANUP_FREE char *upper = xasprintf("%s/%s", data_root, image->layer_dirs.items[count - 1]);

        json_member_string(w, "UpperDir", upper);
    }
    json_end_object(w);
    json_member_string(w, "Name", "overlay2");
    json_end_object(w);
}

/*
 * An image that was not made by a commit does not say what it was committed from: then it is the image's own Config,
 * for docker-compose takes from here which volumes a container has of its image, and keeps them for the next container.
 */
static int write_container(struct json_writer *w, const struct image *image, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    struct container_config from = {0};
    const struct json *config;
    int r = json_parse(image->config_text, strlen(image->config_text), &tree, err);

    if (r < 0)
        return r;
    json_member_string(w, "Container", json_get_string(tree, "container"));
    json_key(w, "ContainerConfig");
    config = json_get(tree, "container_config");
    if (config == NULL || config->kind == JSON_NULL) {
        json_table_encode(&container_config_table, &image->config, w);
        return 0;
    }
    r = json_table_decode(&container_config_table, config, &from, err);
    if (r == 0)
        json_table_encode(&container_config_table, &from, w);
    container_config_release(&from);
    return r < 0 ? error_context(err, "container_config of image %s", image->id) : 0;
}

/* What says nothing is left out since 1.52. */
static void write_text(struct json_writer *w, const char *key, const char *value, const struct api_request *request)
{
    if (api_version(request) < 52 || (value != NULL && *value != '\0'))
        json_member_string(w, key, value);
}

static bool with_manifests(const struct api_request *request)
{
    return api_version(request) >= 48 && api_query_bool(request, "manifests", false);
}

static int write_image(struct json_writer *w, const struct image *image, const struct image_manifests *manifests,
                       struct engine *engine, const struct api_request *request, struct error *err)
{
    char created[TIMESTAMP_MAX], tagged[TIMESTAMP_MAX];

    timestamp_format(created, image->created);
    json_begin_object(w);
    json_member_string(w, "Id", image->id);
    if (api_version(request) >= 48)
        images_write_descriptor(w, manifests);
    if (with_manifests(request))
        images_write_manifests(w, manifests, engine);
    write_names(w, "RepoTags", &image->repo_tags);
    write_names(w, "RepoDigests", &image->repo_digests);
    write_text(w, "Parent", image->parent, request);
    write_text(w, "Comment", image->comment, request);
    json_member_string(w, "Created", created);
    if (api_version(request) < 45) {
        int r = write_container(w, image, err);

        if (r < 0)
            return r;
    }
    write_text(w, "DockerVersion", image->docker_version, request);
    write_text(w, "Author", image->author, request);
    json_key(w, "Config");
    container_config_show_image(&image->config, api_version(request), w);
    json_member_string(w, "Architecture", image->architecture);
    if (image->variant && *image->variant)
        json_member_string(w, "Variant", image->variant);
    json_member_string(w, "Os", image->os);
    json_member_int(w, "Size", image->size);
    if (api_version(request) < 44)
        json_member_int(w, "VirtualSize", image->size);
    write_graph_driver(w, image, engine_options(engine)->data_root);
    json_key(w, "RootFS");
    json_begin_object(w);
    json_member_string(w, "Type", "layers");
    if (image->diff_ids.count > 0)
        write_names(w, "Layers", &image->diff_ids);
    json_end_object(w);
    json_key(w, "Metadata");
    json_begin_object(w);
    timestamp_format(tagged, image->tagged);
    json_member_string(w, "LastTagTime", tagged);
    json_end_object(w);
    json_end_object(w);
    return 0;
}

int images_inspect(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    CLEANUP_IMAGE_MANIFESTS struct image_manifests manifests = {0};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    const char *platform = api_query(request, "platform");
    struct json_writer w;
    int r;

    if (with_manifests(request) && platform && *platform)
        return error_set(err, ERROR_INVALID, 0,
                         "conflicting options: manifests and platform options cannot both be set");
    r = images_lookup(request, engine, &image, err);
    if (r == 0)
        r = images_manifests(engine, image, api_path(request, 0), platform && *platform, &manifests, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    r = write_image(&w, image, &manifests, engine, request, err);
    if (r < 0)
        return r;
    return api_reply_json(request, 200, &out);
}

int images_attestations(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    int r = 0;

    if (api_version(request) < 55)
        return error_set(err, ERROR_INVALID, 0, "GET /images/{name}/attestations requires minimum API version 1.55");
    r = images_lookup(request, engine, &image, err);
    return r < 0 ? r : error_set(err, ERROR_NOT_IMPLEMENTED, 0, "attestations of images are not kept");
}

/* One row; `of` is the image whose newest row it is, or NULL. */
static void write_history(struct json_writer *w, const struct image *of, const struct image_history *row, int64_t size)
{
    json_begin_object(w);
    json_member_string(w, "Comment", row->comment);
    json_member_int(w, "Created", row->created / NS_PER_S);
    json_member_string(w, "CreatedBy", row->created_by);
    json_member_string(w, "Id", of != NULL ? of->id : "<missing>");
    json_member_int(w, "Size", size);
    if (of != NULL && of->repo_tags.count > 0)
        write_names(w, "Tags", &of->repo_tags);
    else
        json_member_null(w, "Tags");
    json_end_object(w);
}

/* The image that `child` was made from and whose rows are its older ones, as far as it is still here. */
static struct image *history_parent(struct engine *engine, const struct image *child)
{
    struct image *parent = NULL;

    if (child->parent == NULL || *child->parent == '\0' ||
        image_lookup(engine_images(engine), child->parent, &parent, NULL) < 0)
        return NULL;
    if (parent->history_count >= child->history_count) {
        image_unref(parent);
        return NULL;
    }
    return parent;
}

int images_history(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    size_t layer;
    int r = images_lookup(request, engine, &image, err);

    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_array(&w);
    layer = image->diff_ids.count;
    CLEANUP_IMAGE struct image *next = NULL; /* the ancestor whose rows come next */
    for (size_t i = image->history_count; i > 0; i--) {
        const struct image_history *row = &image->history[i - 1];
        int64_t size = !row->empty_layer && layer > 0 ? image->layer_sizes[--layer] : 0;
        const struct image *of = i == image->history_count ? image : next;

        if (of != NULL && of->history_count != i)
            of = NULL;
        write_history(&w, of, row, size);
        if (of != NULL) {
            struct image *parent = history_parent(engine, of);

            image_unref(next);
            next = parent;
        }
    }
    json_end_array(&w);
    return api_reply_json(request, 200, &out);
}
