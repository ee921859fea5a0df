/* Images with their index as an OCI layout (image-spec, image-layout.md). */
#include <errno.h>

#include "base/memory.h"
#include "image/bundle.h"
#include "image/digest.h"
#include "image/layer.h"

struct saving {
    struct image_store *store;
    struct tar_writer *writer;
    struct map written; /* digests */
};

static int put_directory(struct saving *s, const char *path, struct error *err)
{
    const struct tar_entry entry = {.type = TAR_DIRECTORY, .path = path, .link = "", .mode = 0755};
    return tar_writer_entry(s->writer, &entry, NULL, 0, err);
}

static int begin_file(struct saving *s, const char *path, int64_t size, struct error *err)
{
    const struct tar_entry entry = {.type = TAR_FILE, .path = path, .link = "", .mode = 0444, .size = size};
    return tar_writer_entry(s->writer, &entry, NULL, 0, err);
}

static int put_file(struct saving *s, const char *path, const void *bytes, size_t size, struct error *err)
{
    int r = begin_file(s, path, (int64_t)size, err);
    return r < 0 ? r : tar_writer_data(s->writer, bytes, size, err);
}

static int put_blob(struct saving *s, const char *digest, const void *bytes, size_t size, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("blobs/sha256/%s", digest_hex(digest));
    return map_set(&s->written, digest, s) ? 0 : put_file(s, path, bytes, size, err);
}

static int put_document(struct saving *s, const struct bundle_document *document, struct error *err)
{
    return put_blob(s, document->digest, document->text.data, document->text.size, err);
}

static int to_archive(void *data, const void *bytes, size_t size, struct error *err)
{
    return tar_writer_data(data, bytes, size, err);
}

static int put_layer(struct saving *s, const char *diff_id, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("blobs/sha256/%s", digest_hex(diff_id));
    int64_t size;
    if (map_set(&s->written, diff_id, s))
        return 0;
    int r = image_layer_tar_size(s->store, diff_id, &size, err);
    if (r == 0)
        r = begin_file(s, path, size, err);
    return r < 0 ? r : image_layer_tar_write(s->store, diff_id, to_archive, s->writer, err);
}

static int put_image(struct saving *s, const struct bundle_item *item, struct error *err)
{
    const struct image *image = item->image;
    int r = put_blob(s, image->id, image->config_text, strlen(image->config_text), err);
    for (size_t i = 0; r == 0 && i < image->diff_ids.count; i++)
        r = put_layer(s, image->diff_ids.items[i], err);
    if (r == 0)
        r = put_document(s, &item->manifest, err);
    if (r == 0 && item->attested)
        r = put_document(s, &item->statement, err);
    if (r == 0 && item->attested)
        r = put_document(s, &item->attestation_config, err);
    if (r == 0 && item->attested)
        r = put_document(s, &item->attestation, err);
    return r;
}

static void write_entry(const struct bundle *bundle, const struct reference *name, struct json_writer *w)
{
    const char *type;
    const struct bundle_document *top = bundle_top(bundle, &type);
    const struct strmap *annotations = &bundle->index_descriptor_annotations;
    json_begin_object(w);
    json_member_string(w, "mediaType", type);
    json_member_string(w, "digest", top->digest);
    json_member_int(w, "size", (int64_t)top->text.size);
    if (name || annotations->count > 0) {
        json_key(w, "annotations");
        json_begin_object(w);
        for (size_t i = 0; i < annotations->count; i++)
            json_member_string(w, annotations->items[i].key, annotations->items[i].value);
        if (name) {
            CLEANUP_FREE char *full = reference_full(name);
            json_member_string(w, "io.containerd.image.name", full);
            json_member_string(w, "org.opencontainers.image.ref.name", name->tag);
        }
        json_end_object(w);
    }
    json_end_object(w);
}

static int put_layout(struct saving *s, const struct bundle *bundle, const struct reference *names, size_t count,
                      struct error *err)
{
    static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_int(&w, "schemaVersion", 2);
    json_member_string(&w, "mediaType", MEDIA_OCI_INDEX);
    json_key(&w, "manifests");
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        write_entry(bundle, &names[i], &w);
    if (count == 0)
        write_entry(bundle, NULL, &w);
    json_end_array(&w);
    json_end_object(&w);
    int r = put_file(s, "index.json", text.data, text.size, err);
    return r < 0 ? r : put_file(s, "oci-layout", layout, strlen(layout), err);
}

static int write_all(struct saving *s, const struct bundle *bundle, const struct reference *names, size_t count,
                     struct error *err)
{
    int r = put_directory(s, "blobs/", err);
    if (r == 0)
        r = put_directory(s, "blobs/sha256/", err);
    for (size_t i = 0; r == 0 && i < bundle->count; i++)
        r = put_image(s, &bundle->items[i], err);
    if (r == 0 && bundle->index.text.size > 0)
        r = put_document(s, &bundle->index, err);
    if (r == 0)
        r = put_layout(s, bundle, names, count, err);
    return r < 0 ? r : tar_writer_finish(s->writer, err);
}

/* All layers stay until they are unpinned: as many as are counted. */
static int pin(struct saving *s, const struct bundle *bundle, struct strv *ret, struct error *err)
{
    for (size_t i = 0; i < bundle->count; i++) {
        const struct image *image = bundle->items[i].image;
        for (size_t k = 0; k < image->diff_ids.count; k++) {
            if (!image_layer_pin_diff_id(s->store, image->diff_ids.items[k]))
                return error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", image->id);
            strv_add(ret, image->diff_ids.items[k]);
        }
    }
    return 0;
}

int image_bundle_save(struct image_store *store, struct bundle *bundle, const struct reference *names, size_t count,
                      tar_sink_fn sink, void *data, struct error *err)
{
    struct saving saving = {.store = store};
    CLEANUP_STRV struct strv pinned = STRV_INIT;
    int r = pin(&saving, bundle, &pinned, err);
    if (r == 0)
        r = bundle_make_plain(bundle, store, err);
    if (r == 0) {
        saving.writer = tar_writer_new(sink, data);
        r = write_all(&saving, bundle, names, count, err);
        tar_writer_free(saving.writer);
        map_release(&saving.written);
    }
    for (size_t i = 0; i < pinned.count; i++)
        image_layer_unpin(store, pinned.items[i]);
    return r;
}
