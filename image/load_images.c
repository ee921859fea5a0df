#include <errno.h>

#include "base/memory.h"
#include "image/digest.h"
#include "image/load.h"
#include "image/manifest.h"
#include "image/platform.h"

/* Indexes within indexes (an archive of several platforms has two levels). */
#define INDEX_DEPTH_MAX 4

/* One image as a manifest tells of it. */
struct found {
    const char *config;
    size_t config_size;
    const char *config_digest; /* NULL in a docker archive, which has none */
    struct image_commit_layer *layers;
    size_t layer_count;
    struct reference *refs;
    size_t ref_count;
    const char *manifest;
    size_t manifest_size;
};

static void found_release(struct found *found)
{
    for (size_t i = 0; i < found->ref_count; i++) {
        reference_release(&found->refs[i]);
    }
    free(found->refs);
    free(found->layers);
    *found = (struct found){0};
}
#define CLEANUP_FOUND CLEANUP(found_release)

/* ---- Into the store ---- */

static int report_replaced(struct load *load, const struct reference *ref, const char *id, struct error *err)
{
    char old[DIGEST_TEXT_MAX];
    if (!image_resolve(load->store, ref, old) || strcmp(old, id) == 0) {
        return 0;
    }
    CLEANUP_FREE char *name = reference_familiar(ref);
    CLEANUP_FREE char *status =
        xasprintf("The image %s already exists, renaming the old one with ID %s to empty string", name, old);
    return load_report(load, NULL, status, -1, -1, err);
}

static int report_loaded(struct load *load, const struct found *found, const char *id, struct error *err)
{
    int r = 0;
    if (found->ref_count == 0) {
        CLEANUP_FREE char *status = xasprintf("Loaded image ID: %s", id);
        return load_report(load, NULL, status, -1, -1, err);
    }
    for (size_t i = 0; r == 0 && i < found->ref_count; i++) {
        CLEANUP_FREE char *name = reference_familiar(&found->refs[i]);
        CLEANUP_FREE char *status = xasprintf("Loaded image: %s", name);
        r = load_report(load, NULL, status, -1, -1, err);
    }
    return r;
}

static int found_commit(struct load *load, const struct found *found, struct error *err)
{
    char id[DIGEST_TEXT_MAX];
    struct image_commit commit = {
        .config = found->config,
        .config_size = found->config_size,
        .expected_id = found->config_digest,
        .layers = found->layers,
        .layer_count = found->layer_count,
        .manifest = found->manifest,
        .manifest_size = found->manifest_size,
        .refs = found->refs,
        .ref_count = found->ref_count,
    };
    int r = 0;
    digest_of(found->config, found->config_size, id);
    for (size_t i = 0; r == 0 && i < found->ref_count; i++) {
        r = report_replaced(load, &found->refs[i], id, err);
    }
    if (r == 0) {
        r = image_commit(load->store, &commit, id, err);
    }
    if (r == 0 && load->options->ids != NULL) {
        strv_add(load->options->ids, id);
    }
    return r < 0 ? r : report_loaded(load, found, id, err);
}

static int found_add_ref(struct found *found, const char *name, struct error *err)
{
    struct reference ref = {0};
    int r = reference_parse(name, &ref, err);
    if (r < 0) {
        return error_context(err, "invalid tag %s", name);
    }
    reference_default_tag(&ref);
    found->refs = xreallocarray(found->refs, found->ref_count + 1, sizeof(*found->refs));
    found->refs[found->ref_count++] = ref;
    return 0;
}

static int find_text(struct load *load, const char *path, const char **ret, size_t *ret_size, struct error *err)
{
    const struct load_file *file = load_find(load, path);
    if (file == NULL || file->data == NULL) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid archive: %s is missing", path);
    }
    *ret = file->data;
    *ret_size = file->size;
    return 0;
}

/* ---- docker save: manifest.json ---- */

static int docker_layers(struct load *load, const struct json *list, struct found *found, struct error *err)
{
    size_t count = json_count(list);
    if (count > MANIFEST_LAYERS_MAX) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid manifest: too many layers");
    }
    found->layers = xcalloc(count + 1, sizeof(*found->layers));
    for (size_t i = 0; i < count; i++) {
        const char *path = json_string(json_at(list, i));
        int r = path != NULL ? load_layer(load, path, &found->layers[i].ingest, err)
                             : error_set(err, ERROR_INVALID, EINVAL, "invalid manifest: Layers[%zu]", i);
        if (r < 0) {
            return r;
        }
        found->layer_count++;
    }
    return 0;
}

/* Asked for by the user; otherwise an image of another machine is loaded as well. */
static int check_platform(const struct load *load, const struct image *image, struct error *err)
{
    struct platform have = {0};
    char text[PLATFORM_TEXT_MAX];
    if (load->options->platform == NULL || load->options->platform[0] == 0) {
        return 0;
    }
    platform_set(&have, image->os, image->architecture, image->variant);
    platform_format(&load->platform, text);
    return platform_distance(&load->platform, &have) >= 0
               ? 0
               : error_set(err, ERROR_NOT_FOUND, 0, "requested platform (%s) not found in the archive", text);
}

/* Docker's own words for layers that are not what the config says. */
static int docker_check(const struct load *load, const struct found *found, struct error *err)
{
    struct image_object *object = NULL;
    int r = image_parse_config(found->config, found->config_size, &object, err);
    if (r < 0) {
        return r;
    }
    const struct strv *expected = &object->image.diff_ids;
    r = check_platform(load, &object->image, err);
    if (r == 0 && expected->count != found->layer_count) {
        r = error_set(err, ERROR_INVALID, EINVAL, "invalid manifest, layers length mismatch: expected %zu, got %zu",
                      expected->count, found->layer_count);
    }
    for (size_t i = 0; r == 0 && i < found->layer_count; i++) {
        const char *actual = layer_ingest_info(found->layers[i].ingest)->diff_id;
        if (strcmp(actual, expected->items[i]) != 0) {
            r = error_set(err, ERROR_INVALID, EINVAL, "invalid diffID for layer %zu: expected \"%s\", got \"%s\"", i,
                          expected->items[i], actual);
        }
    }
    image_unref(&object->image);
    return r;
}

static int docker_image(struct load *load, const struct json *item, struct error *err)
{
    struct found CLEANUP_FOUND found = {0};
    const char *config = json_get_string(item, "Config");
    const struct json *tags = json_get(item, "RepoTags");
    if (config == NULL) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid manifest: no Config");
    }
    int r = find_text(load, config, &found.config, &found.config_size, err);
    if (r == 0) {
        r = docker_layers(load, json_get(item, "Layers"), &found, err);
    }
    for (size_t i = 0; r == 0 && i < json_count(tags); i++) {
        const char *tag = json_string(json_at(tags, i));
        r = tag != NULL ? found_add_ref(&found, tag, err)
                        : error_set(err, ERROR_INVALID, EINVAL, "invalid manifest: RepoTags[%zu]", i);
    }
    if (r == 0) {
        r = docker_check(load, &found, err);
    }
    return r < 0 ? r : found_commit(load, &found, err);
}

static int docker_images(struct load *load, const struct load_file *file, struct error *err)
{
    CLEANUP_JSON struct json *list = NULL;
    int r = json_parse(file->data, file->size, &list, err);
    if (r < 0) {
        return error_context(err, "invalid manifest.json");
    }
    if (list->kind != JSON_ARRAY) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid manifest.json: expected a list");
    }
    for (size_t i = 0; r == 0 && i < json_count(list); i++) {
        r = docker_image(load, json_at(list, i), err);
    }
    return r;
}

/* ---- OCI layout: index.json ---- */

static int oci_text(struct load *load, const char *digest, const char **ret, size_t *ret_size, struct error *err)
{
    char actual[DIGEST_TEXT_MAX];
    CLEANUP_FREE char *path = xasprintf("blobs/sha256/%s", digest_hex(digest));
    int r = find_text(load, path, ret, ret_size, err);
    if (r < 0) {
        return r;
    }
    digest_of(*ret, *ret_size, actual);
    return strcmp(actual, digest) == 0
               ? 0
               : error_set(err, ERROR_INVALID, EINVAL, "invalid archive: blob %s has the digest %s", digest, actual);
}

static int oci_layers(struct load *load, const struct manifest *manifest, struct found *found, struct error *err)
{
    found->layers = xcalloc(manifest->count + 1, sizeof(*found->layers));
    for (size_t i = 0; i < manifest->count; i++) {
        const char *digest = manifest->items[i].digest;
        CLEANUP_FREE char *path = xasprintf("blobs/sha256/%s", digest_hex(digest));
        int r = load_layer(load, path, &found->layers[i].ingest, err);
        if (r < 0) {
            return r;
        }
        const char *actual = layer_ingest_info(found->layers[i].ingest)->digest;
        if (strcmp(actual, digest) != 0) {
            return error_set(err, ERROR_INVALID, EINVAL, "invalid archive: layer %s has the digest %s", digest, actual);
        }
        found->layer_count++;
    }
    return 0;
}

/* A manifest by digest, or the one of an index that suits this machine. `name` may be NULL. */
static int oci_image(struct load *load, const char *digest, const char *media_type, const char *name, int depth,
                     struct error *err)
{
    struct manifest CLEANUP_MANIFEST manifest = {0};
    struct found CLEANUP_FOUND found = {0};
    int r = oci_text(load, digest, &found.manifest, &found.manifest_size, err);
    if (r == 0) {
        r = manifest_parse(media_type, found.manifest, found.manifest_size, &manifest, err);
    }
    if (r < 0) {
        return r;
    }
    if (manifest.kind == MANIFEST_LIST) {
        const struct descriptor *chosen;
        r = depth < INDEX_DEPTH_MAX ? manifest_choose(&manifest, &load->platform, &chosen, err)
                                    : error_set(err, ERROR_INVALID, EINVAL, "invalid archive: too many indexes");
        return r < 0 ? r : oci_image(load, chosen->digest, chosen->media_type, name, depth + 1, err);
    }
    found.config_digest = manifest.config.digest;
    r = oci_text(load, manifest.config.digest, &found.config, &found.config_size, err);
    if (r == 0) {
        r = oci_layers(load, &manifest, &found, err);
    }
    if (r == 0 && name != NULL) {
        r = found_add_ref(&found, name, err);
    }
    return r < 0 ? r : found_commit(load, &found, err);
}

/* What the index calls the image: containerd's annotation is always a whole name; the specification's own one may be a
 * tag alone, which names nothing by itself. */
static const char *oci_name(const struct json *item)
{
    const struct json *annotations = json_get(item, "annotations");
    const char *whole = json_get_string(annotations, "io.containerd.image.name");
    const char *name = json_get_string(annotations, "org.opencontainers.image.ref.name");
    if (whole != NULL) {
        return whole;
    }
    return name != NULL && strpbrk(name, ":/") != NULL ? name : NULL;
}

static int oci_images(struct load *load, const struct load_file *file, struct error *err)
{
    CLEANUP_JSON struct json *index = NULL;
    int r = json_parse(file->data, file->size, &index, err);
    if (r < 0) {
        return error_context(err, "invalid index.json");
    }
    const struct json *list = json_get(index, "manifests");
    if (json_count(list) == 0) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid index.json: no manifests");
    }
    for (size_t i = 0; r == 0 && i < json_count(list); i++) {
        const struct json *item = json_at(list, i);
        const char *digest = json_get_string(item, "digest");
        r = digest != NULL && digest_is_valid(digest)
                ? oci_image(load, digest, json_get_string(item, "mediaType"), oci_name(item), 0, err)
                : error_set(err, ERROR_INVALID, EINVAL, "invalid index.json: manifests[%zu]: no digest", i);
    }
    return r;
}

int load_images(struct load *load, struct error *err)
{
    const struct load_file *docker = load_find(load, "manifest.json");
    const struct load_file *oci = load_find(load, "index.json");
    if (docker != NULL && docker->data != NULL) {
        return docker_images(load, docker, err);
    }
    if (oci != NULL && oci->data != NULL) {
        return oci_images(load, oci, err);
    }
    if (load_find(load, "repositories") != NULL) {
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "the archive has no manifest.json: archives from before Docker 1.10 are not supported");
    }
    return error_set(err, ERROR_INVALID, EINVAL, "invalid archive: does not contain a manifest.json");
}
