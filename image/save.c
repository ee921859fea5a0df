/*
 * docker save: an OCI image layout (image-spec, image-layout.md) that is a docker archive at the same time, as docker
 * writes it since version 25: manifest.json names the same blobs by their paths. Nothing in it depends on when it is
 * written.
 */
#include <errno.h>

#include "archive/tar_writer.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "image/bundle.h"
#include "image/layer.h"
#include "image/manifest.h"
#include "image/store.h"

/* One image with the names it is saved under. */
struct item {
    struct image *image;
    struct strv names; /* full, "docker.io/library/busybox:latest" */
    struct strbuf manifest;
    char digest[DIGEST_TEXT_MAX]; /* of the manifest */
};

struct save {
    struct image_store *store;
    struct item *items;
    size_t count, capacity;
    struct map layers; /* diffID -> size of its tar, as a heap int64_t; each is pinned */
    struct map written;
    struct tar_writer *writer;
};

static void save_release(struct save *save)
{
    size_t i = 0;
    const char *diff_id;
    void *size;
    for (size_t k = 0; k < save->count; k++) {
        image_unref(save->items[k].image);
        strv_release(&save->items[k].names);
        strbuf_release(&save->items[k].manifest);
    }
    free(save->items);
    while (map_next(&save->layers, &i, &diff_id, &size)) {
        image_layer_unpin(save->store, diff_id);
        free(size);
    }
    map_release(&save->layers);
    map_release(&save->written);
    tar_writer_free(save->writer);
}

/* ---- What is saved ---- */

static struct item *add_item(struct save *save, struct image *image)
{
    for (size_t i = 0; i < save->count; i++) {
        if (strcmp(save->items[i].image->id, image->id) == 0) {
            return &save->items[i];
        }
    }
    xgrow((void **)&save->items, save->count, &save->capacity, sizeof(*save->items));
    save->items[save->count] = (struct item){.image = image_ref(image)};
    return &save->items[save->count++];
}

static void add_name(struct item *item, const struct reference *ref)
{
    CLEANUP_FREE char *name = reference_full(ref);
    if (ref->tag != NULL && ref->digest == NULL && !strv_contains(&item->names, name)) {
        strv_add(&item->names, name);
    }
}

/* Every tag of a repository. *ret_found: there is one at all. */
static int add_repository(struct save *save, const struct reference *ref, bool *ret_found, struct error *err)
{
    struct image **images = NULL;
    size_t count = 0;
    int r = image_list(save->store, &images, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        for (size_t k = 0; k < images[i]->repo_tags.count; k++) {
            struct reference tag = {0};
            if (!strv_contains(&images[i]->second_names, images[i]->repo_tags.items[k]) &&
                reference_parse(images[i]->repo_tags.items[k], &tag, NULL) == 0 &&
                strcmp(tag.domain, ref->domain) == 0 && strcmp(tag.path, ref->path) == 0) {
                add_name(add_item(save, images[i]), &tag);
                *ret_found = true;
            }
            reference_release(&tag);
        }
    }
    for (size_t i = 0; i < count; i++) {
        image_unref(images[i]);
    }
    free(images);
    return r;
}

/* As docker: a name without tag means all of its tags; an id brings no names along. */
static int add_by_name(struct save *save, const char *name, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    struct reference ref = {0};
    bool found = false, parsed = reference_parse(name, &ref, NULL) == 0;
    int r = parsed && ref.tag == NULL && ref.digest == NULL ? add_repository(save, &ref, &found, err) : 0;
    if (r == 0 && !found) {
        r = image_lookup(save->store, name, &image, err);
    }
    if (r == 0 && !found) {
        char id[DIGEST_TEXT_MAX];
        struct item *item = add_item(save, image);
        if (parsed && ref.tag != NULL && image_resolve(save->store, &ref, id) && strcmp(id, image->id) == 0) {
            add_name(item, &ref);
        }
    }
    reference_release(&ref);
    return r;
}

static int check_platform(const struct image *image, const char *wanted, struct error *err)
{
    bool suits = true;
    int r = image_has_platform(image, wanted, &suits, err);
    if (r < 0 || suits) {
        return r;
    }
    return error_set(err, ERROR_NOT_FOUND, 0, "image %s has no platform %s", image->id, wanted);
}

/* Sizes first: what cannot be written must be known before the first byte is. */
static int pin_layers(struct save *save, const struct image *image, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < image->diff_ids.count; i++) {
        const char *diff_id = image->diff_ids.items[i];
        if (map_get(&save->layers, diff_id) != NULL) {
            continue;
        }
        if (!image_layer_pin_diff_id(save->store, diff_id)) {
            return error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", image->id);
        }
        int64_t *size = xcalloc(1, sizeof(*size));
        map_set(&save->layers, diff_id, size);
        r = image_layer_tar_size(save->store, diff_id, size, err);
    }
    return r;
}

static int64_t layer_size(const struct save *save, const char *diff_id)
{
    return *(const int64_t *)map_get(&save->layers, diff_id);
}

/* ---- Documents ---- */

static void write_descriptor(struct json_writer *w, const char *media_type, const char *digest, int64_t size)
{
    json_begin_object(w);
    json_member_string(w, "mediaType", media_type);
    json_member_string(w, "digest", digest);
    json_member_int(w, "size", size);
    json_end_object(w);
}

static void make_manifest(const struct save *save, struct item *item)
{
    const struct image *image = item->image;
    struct json_writer w;
    json_writer_init(&w, &item->manifest);
    json_begin_object(&w);
    json_key(&w, "schemaVersion");
    json_put_int(&w, 2);
    json_member_string(&w, "mediaType", MEDIA_OCI_MANIFEST);
    json_key(&w, "config");
    write_descriptor(&w, MEDIA_OCI_CONFIG, image->id, (int64_t)strlen(image->config_text));
    json_key(&w, "layers");
    json_begin_array(&w);
    for (size_t i = 0; i < image->diff_ids.count; i++) {
        const char *diff_id = image->diff_ids.items[i];
        write_descriptor(&w, MEDIA_OCI_LAYER, diff_id, layer_size(save, diff_id));
    }
    json_end_array(&w);
    json_end_object(&w);
    digest_of(item->manifest.data, item->manifest.size, item->digest);
}

static void index_entry(struct json_writer *w, const struct item *item, const char *name)
{
    json_begin_object(w);
    json_member_string(w, "mediaType", MEDIA_OCI_MANIFEST);
    json_member_string(w, "digest", item->digest);
    json_member_int(w, "size", (int64_t)item->manifest.size);
    if (name != NULL) {
        json_key(w, "annotations");
        json_begin_object(w);
        json_member_string(w, "io.containerd.image.name", name);
        json_member_string(w, "org.opencontainers.image.ref.name", strrchr(name, ':') + 1);
        json_end_object(w);
    }
    json_end_object(w);
}

static void make_index(const struct save *save, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_int(&w, "schemaVersion", 2);
    json_member_string(&w, "mediaType", MEDIA_OCI_INDEX);
    json_key(&w, "manifests");
    json_begin_array(&w);
    for (size_t i = 0; i < save->count; i++) {
        const struct item *item = &save->items[i];
        for (size_t k = 0; k < item->names.count; k++) {
            index_entry(&w, item, item->names.items[k]);
        }
        if (item->names.count == 0) {
            index_entry(&w, item, NULL);
        }
    }
    json_end_array(&w);
    json_end_object(&w);
}

static char *familiar(const char *full)
{
    struct reference ref = {0};
    char *text = reference_parse(full, &ref, NULL) == 0 ? reference_familiar(&ref) : xstrdup(full);
    reference_release(&ref);
    return text;
}

static void docker_entry(struct json_writer *w, const struct save *save, const struct item *item)
{
    const struct image *image = item->image;
    CLEANUP_FREE char *config = xasprintf("blobs/sha256/%s", digest_hex(image->id));
    json_begin_object(w);
    json_member_string(w, "Config", config);
    json_key(w, "RepoTags");
    if (item->names.count == 0) {
        json_put_null(w);
    } else {
        json_begin_array(w);
        for (size_t i = 0; i < item->names.count; i++) {
            CLEANUP_FREE char *name = familiar(item->names.items[i]);
            json_put_string(w, name);
        }
        json_end_array(w);
    }
    json_key(w, "Layers");
    json_begin_array(w);
    for (size_t i = 0; i < image->diff_ids.count; i++) {
        CLEANUP_FREE char *path = xasprintf("blobs/sha256/%s", digest_hex(image->diff_ids.items[i]));
        json_put_string(w, path);
    }
    json_end_array(w);
    json_key(w, "LayerSources");
    json_begin_object(w);
    for (size_t i = 0; i < image->diff_ids.count; i++) {
        const char *diff_id = image->diff_ids.items[i];
        json_key(w, diff_id);
        write_descriptor(w, MEDIA_OCI_LAYER, diff_id, layer_size(save, diff_id));
    }
    json_end_object(w);
    json_end_object(w);
}

static void make_docker_manifest(const struct save *save, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (size_t i = 0; i < save->count; i++) {
        docker_entry(&w, save, &save->items[i]);
    }
    json_end_array(&w);
}

/* ---- The archive ---- */

static int put_directory(struct save *save, const char *path, struct error *err)
{
    const struct tar_entry entry = {.type = TAR_DIRECTORY, .path = path, .link = "", .mode = 0755};
    return tar_writer_entry(save->writer, &entry, NULL, 0, err);
}

static int put_file(struct save *save, const char *path, int64_t size, struct error *err)
{
    const struct tar_entry entry = {.type = TAR_FILE, .path = path, .link = "", .mode = 0444, .size = size};
    return tar_writer_entry(save->writer, &entry, NULL, 0, err);
}

static int put_text(struct save *save, const char *path, const char *text, size_t size, struct error *err)
{
    int r = put_file(save, path, (int64_t)size, err);
    return r < 0 ? r : tar_writer_data(save->writer, text, size, err);
}

static bool is_written(struct save *save, const char *digest)
{
    return map_set(&save->written, digest, save) != NULL;
}

static int put_blob(struct save *save, const char *digest, const char *text, size_t size, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("blobs/sha256/%s", digest_hex(digest));
    return is_written(save, digest) ? 0 : put_text(save, path, text, size, err);
}

static int to_archive(void *data, const void *bytes, size_t size, struct error *err)
{
    return tar_writer_data(data, bytes, size, err);
}

static int put_layer(struct save *save, const char *diff_id, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("blobs/sha256/%s", digest_hex(diff_id));
    if (is_written(save, diff_id)) {
        return 0;
    }
    int r = put_file(save, path, layer_size(save, diff_id), err);
    return r < 0 ? r : image_layer_tar_write(save->store, diff_id, to_archive, save->writer, err);
}

static int put_image(struct save *save, struct item *item, struct error *err)
{
    const struct image *image = item->image;
    int r = put_blob(save, image->id, image->config_text, strlen(image->config_text), err);
    if (r == 0) {
        r = put_blob(save, item->digest, item->manifest.data, item->manifest.size, err);
    }
    for (size_t i = 0; r == 0 && i < image->diff_ids.count; i++) {
        r = put_layer(save, image->diff_ids.items[i], err);
    }
    return r;
}

static int write_archive(struct save *save, struct error *err)
{
    static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    struct strbuf CLEANUP_STRBUF index = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF docker = STRBUF_INIT;
    int r = put_directory(save, "blobs/", err);
    if (r == 0) {
        r = put_directory(save, "blobs/sha256/", err);
    }
    for (size_t i = 0; r == 0 && i < save->count; i++) {
        make_manifest(save, &save->items[i]);
        r = put_image(save, &save->items[i], err);
    }
    make_index(save, &index);
    make_docker_manifest(save, &docker);
    if (r == 0) {
        r = put_text(save, "index.json", index.data, index.size, err);
    }
    if (r == 0) {
        r = put_text(save, "manifest.json", docker.data, docker.size, err);
    }
    if (r == 0) {
        r = put_text(save, "oci-layout", layout, strlen(layout), err);
    }
    return r < 0 ? r : tar_writer_finish(save->writer, err);
}

int image_save(struct image_store *store, const struct image_save_options *options, tar_sink_fn sink, void *data,
               struct error *err)
{
    struct save save CLEANUP(save_release) = {.store = store};
    int r = 0;
    for (size_t i = 0; r == 0 && i < options->names->count; i++) {
        r = add_by_name(&save, options->names->items[i], err);
    }
    for (size_t i = 0; r == 0 && save.count == 1 && i < options->as_count; i++) {
        add_name(&save.items[0], &options->as[i]);
    }
    for (size_t i = 0; r == 0 && i < save.count; i++) {
        r = check_platform(save.items[i].image, options->platform, err);
        if (r == 0) {
            r = pin_layers(&save, save.items[i].image, err);
        }
    }
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; options->ids != NULL && i < save.count; i++) {
        strv_add(options->ids, save.items[i].image->id);
    }
    save.writer = tar_writer_new(sink, data);
    return write_archive(&save, err);
}
