/*
 * docker save: an OCI image layout (image-spec, image-layout.md) that is a docker archive at the same time, as docker
 * writes it since version 25: manifest.json names the same blobs by their paths. Nothing in it depends on when it is
 * written.
 */
#include <errno.h>

#include "base/memory.h"
#include "image/save.h"

static void save_release(struct save *save)
{
    size_t i = 0;
    const char *diff_id;
    void *size;
    save_entries_release(save);
    while (map_next(&save->layers, &i, &diff_id, &size)) {
        image_layer_unpin(save->store, diff_id);
        free(size);
    }
    map_release(&save->layers);
    map_release(&save->written);
    tar_writer_free(save->writer);
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

/* ---- Documents ---- */

static void index_entry(struct json_writer *w, const struct save_entry *entry, const char *name)
{
    json_begin_object(w);
    json_member_string(w, "mediaType", entry->media_type);
    json_member_string(w, "digest", entry->digest);
    json_member_int(w, "size", entry->size);
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
        const struct save_entry *entry = &save->entries[i];
        for (size_t k = 0; k < entry->names.count; k++) {
            index_entry(&w, entry, entry->names.items[k]);
        }
        if (entry->names.count == 0) {
            index_entry(&w, entry, NULL);
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

/* A docker archive has one image under a name. */
static void docker_entry(struct json_writer *w, const struct save *save, const struct save_entry *entry)
{
    const struct image *image = save->parts[entry->parts[entry->first]].image;
    CLEANUP_FREE char *config = xasprintf("blobs/sha256/%s", digest_hex(image->id));
    json_begin_object(w);
    json_member_string(w, "Config", config);
    json_key(w, "RepoTags");
    if (entry->names.count == 0) {
        json_put_null(w);
    } else {
        json_begin_array(w);
        for (size_t i = 0; i < entry->names.count; i++) {
            CLEANUP_FREE char *name = familiar(entry->names.items[i]);
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
        save_write_descriptor(w, MEDIA_OCI_LAYER, diff_id, save_layer_size(save, diff_id));
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
        docker_entry(&w, save, &save->entries[i]);
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
    int r = put_file(save, path, save_layer_size(save, diff_id), err);
    return r < 0 ? r : image_layer_tar_write(save->store, diff_id, to_archive, save->writer, err);
}

static int put_part(struct save *save, const struct save_part *part, struct error *err)
{
    const struct image *image = part->image;
    int r = put_blob(save, image->id, image->config_text, strlen(image->config_text), err);
    if (r == 0) {
        r = put_blob(save, part->digest, part->manifest.data, part->manifest.size, err);
    }
    for (size_t i = 0; r == 0 && i < image->diff_ids.count; i++) {
        r = put_layer(save, image->diff_ids.items[i], err);
    }
    return r;
}

static int put_entry(struct save *save, const struct save_entry *entry, struct error *err)
{
    int r = entry->index.size > 0 ? put_blob(save, entry->digest, entry->index.data, entry->index.size, err) : 0;
    for (size_t i = 0; r == 0 && i < entry->part_count; i++) {
        r = put_part(save, &save->parts[entry->parts[i]], err);
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
        r = put_entry(save, &save->entries[i], err);
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
    struct save save CLEANUP(save_release) = {.store = store, .options = options};
    int r = 0;
    for (size_t i = 0; r == 0 && i < options->names->count; i++) {
        r = save_add(&save, options->names->items[i], err);
    }
    for (size_t i = 0; r == 0 && save.count == 1 && i < options->as_count; i++) {
        save_add_name(&save.entries[0], &options->as[i]);
    }
    for (size_t i = 0; r == 0 && i < save.part_count; i++) {
        r = pin_layers(&save, save.parts[i].image, err);
    }
    if (r == 0) {
        r = save_make_documents(&save, err);
    }
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; options->ids != NULL && i < save.part_count; i++) {
        if (!strv_contains(options->ids, save.parts[i].image->id)) {
            strv_add(options->ids, save.parts[i].image->id);
        }
    }
    save.writer = tar_writer_new(sink, data);
    return write_archive(&save, err);
}
