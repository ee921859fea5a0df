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
    const char *index; /* NULL: it is in none */
    size_t index_size;
    bool quiet; /* another platform of the same name was told */
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
        .index = found->index,
        .index_size = found->index_size,
        .refs = found->refs,
        .ref_count = found->ref_count,
    };
    int r = 0;
    digest_of(found->config, found->config_size, id);
    for (size_t i = 0; r == 0 && found->index == NULL && i < found->ref_count; i++) {
        r = report_replaced(load, &found->refs[i], id, err);
    }
    if (r == 0) {
        r = image_commit(load->store, &commit, id, err);
    }
    if (r == 0 && load->options->ids != NULL) {
        strv_add(load->options->ids, id);
    }
    return r < 0 || found->quiet ? r : report_loaded(load, found, id, err);
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

static int no_platform(const struct platform *platform, struct error *err)
{
    char text[PLATFORM_TEXT_MAX];
    platform_format(platform, text);
    return error_set(err, ERROR_NOT_FOUND, 0, "requested platform (%s) not found in the archive", text);
}

/* Asked for by the user; otherwise an image of another machine is loaded as well. */
static int check_platform(const struct load *load, const struct image *image, struct error *err)
{
    struct platform have = {0};
    platform_set(&have, image->os, image->architecture, image->variant);
    for (size_t i = 0; i < load->platform_count; i++) {
        if (platform_distance(&load->platforms[i], &have) >= 0) {
            return 0;
        }
    }
    return load->platform_count == 0 ? 0 : no_platform(&load->platforms[0], err);
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

/* What index.json or an index in the archive names. */
struct oci_item {
    const char *digest, *media_type;
    const char *name;  /* may be NULL */
    const char *index; /* the index that it is of, if it is */
    size_t index_size;
    bool quiet; /* as in struct found */
    int depth;
};

static int oci_index(struct load *load, const struct manifest *list, const struct oci_item *item, const char *text,
                     size_t size, struct error *err);

static int oci_image(struct load *load, const struct oci_item *item, struct error *err)
{
    struct manifest CLEANUP_MANIFEST manifest = {0};
    struct found CLEANUP_FOUND found = {.index = item->index, .index_size = item->index_size, .quiet = item->quiet};
    if (load->manifests++ >= LOAD_MANIFESTS_MAX) {
        return error_set(err, ERROR_INVALID, EFBIG, "invalid archive: too many manifests");
    }
    int r = oci_text(load, item->digest, &found.manifest, &found.manifest_size, err);
    if (r == 0) {
        r = manifest_parse(item->media_type, found.manifest, found.manifest_size, &manifest, err);
    }
    if (r < 0) {
        return r;
    }
    if (manifest.kind == MANIFEST_LIST) {
        return item->depth < INDEX_DEPTH_MAX
                   ? oci_index(load, &manifest, item, found.manifest, found.manifest_size, err)
                   : error_set(err, ERROR_INVALID, EINVAL, "invalid archive: too many indexes");
    }
    found.config_digest = manifest.config.digest;
    r = oci_text(load, manifest.config.digest, &found.config, &found.config_size, err);
    if (r == 0) {
        r = oci_layers(load, &manifest, &found, err);
    }
    if (r == 0 && item->name != NULL) {
        r = found_add_ref(&found, item->name, err);
    }
    return r < 0 ? r : found_commit(load, &found, err);
}

static bool is_here(struct load *load, const struct descriptor *member)
{
    CLEANUP_FREE char *path = xasprintf("blobs/sha256/%s", digest_hex(member->digest));
    return load_find(load, path) != NULL;
}

/* A member for this system: what has another one, or none that is known (attestations), is no image for us. Where that
 * is not told the manifest tells what it is: a signature, for one. */
static bool is_image(struct load *load, const struct descriptor *member)
{
    struct manifest CLEANUP_MANIFEST manifest = {0};
    const char *text;
    size_t size;
    if (member->has_platform) {
        return strcmp(member->platform.os, "linux") == 0;
    }
    return oci_text(load, member->digest, &text, &size, NULL) == 0 &&
           manifest_parse(member->media_type, text, size, &manifest, NULL) == 0;
}

/* Marks the members to load: what was asked for, or all that the archive has. */
static int oci_choose(struct load *load, const struct manifest *list, bool *wanted, struct error *err)
{
    struct manifest here = {.kind = MANIFEST_LIST};
    const struct descriptor *chosen;
    CLEANUP_FREE size_t *positions = xcalloc(list->count + 1, sizeof(*positions));
    CLEANUP_FREE struct descriptor *items = xcalloc(list->count + 1, sizeof(*items));
    here.items = items; /* borrowed: never released as a manifest */
    for (size_t i = 0; i < list->count; i++) {
        if (is_here(load, &list->items[i]) && is_image(load, &list->items[i])) {
            positions[here.count] = i;
            items[here.count++] = list->items[i];
            wanted[i] = load->platform_count == 0;
        }
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < load->platform_count; i++) {
        if (manifest_choose(&here, &load->platforms[i], &chosen, NULL) < 0) {
            r = no_platform(&load->platforms[i], err);
        } else {
            wanted[positions[chosen - items]] = true;
        }
    }
    return r < 0 || here.count > 0
               ? r
               : error_set(err, ERROR_INVALID, EINVAL, "invalid archive: none of the images of an index is in it");
}

static int oci_index(struct load *load, const struct manifest *list, const struct oci_item *item, const char *text,
                     size_t size, struct error *err)
{
    CLEANUP_FREE bool *wanted = xcalloc(list->count + 1, sizeof(*wanted));
    bool quiet = item->quiet;
    int r = oci_choose(load, list, wanted, err);
    for (size_t i = 0; r == 0 && i < list->count; i++) {
        if (wanted[i]) {
            const struct oci_item member = {.digest = list->items[i].digest,
                                            .media_type = list->items[i].media_type,
                                            .name = item->name,
                                            .index = text,
                                            .index_size = size,
                                            .quiet = quiet,
                                            .depth = item->depth + 1};
            r = oci_image(load, &member, err);
            quiet = item->name != NULL;
        }
    }
    return r;
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
        const struct oci_item named = {
            .digest = digest, .media_type = json_get_string(item, "mediaType"), .name = oci_name(item)};
        r = digest != NULL && digest_is_valid(digest)
                ? oci_image(load, &named, err)
                : error_set(err, ERROR_INVALID, EINVAL, "invalid index.json: manifests[%zu]: no digest", i);
    }
    return r;
}

/* An archive of both forms: does the OCI one say more, for docker's has one platform of a name? */
static bool names_indexes(const struct load_file *oci)
{
    CLEANUP_JSON struct json *index = NULL;
    if (oci == NULL || oci->data == NULL || json_parse(oci->data, oci->size, &index, NULL) < 0) {
        return false;
    }
    const struct json *list = json_get(index, "manifests");
    for (size_t i = 0; i < json_count(list); i++) {
        const char *type = json_get_string(json_at(list, i), "mediaType");
        if (type != NULL && (strcmp(type, MEDIA_OCI_INDEX) == 0 || strcmp(type, MEDIA_DOCKER_LIST) == 0)) {
            return true;
        }
    }
    return false;
}

int load_images(struct load *load, struct error *err)
{
    const struct load_file *docker = load_find(load, "manifest.json");
    const struct load_file *oci = load_find(load, "index.json");
    if (docker != NULL && docker->data != NULL && !names_indexes(oci)) {
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
