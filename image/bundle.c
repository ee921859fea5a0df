#include "image/bundle.h"

#include "base/memory.h"
#include "image/digest.h"
#include "image/layer.h"

#define MEDIA_STATEMENT "application/vnd.in-toto+json"

static void document_release(struct bundle_document *document)
{
    strbuf_release(&document->text);
}

void bundle_release(struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++) {
        struct bundle_item *item = &bundle->items[i];
        image_unref(item->image);
        strmap_release(&item->annotations);
        strmap_release(&item->descriptor_annotations);
        document_release(&item->manifest);
        document_release(&item->statement);
        document_release(&item->attestation_config);
        document_release(&item->attestation);
    }
    free(bundle->items);
    strmap_release(&bundle->index_annotations);
    strmap_release(&bundle->index_descriptor_annotations);
    document_release(&bundle->index);
    *bundle = (struct bundle){0};
}

struct bundle_item *bundle_add(struct bundle *bundle, struct image *image)
{
    bundle->items = xreallocarray(bundle->items, bundle->count + 1, sizeof(*bundle->items));
    struct bundle_item *item = &bundle->items[bundle->count++];
    *item = (struct bundle_item){.image = image};
    platform_set(&item->platform, image->os, image->architecture, image->variant);
    return item;
}

/* ---- documents ---- */

static void begin_document(struct json_writer *w, struct bundle_document *document, const char *media_type)
{
    strbuf_clear(&document->text);
    json_writer_init(w, &document->text);
    json_begin_object(w);
    json_member_int(w, "schemaVersion", 2);
    json_member_string(w, "mediaType", media_type);
}

static void end_document(struct json_writer *w, struct bundle_document *document)
{
    json_end_object(w);
    digest_of(document->text.data, document->text.size, document->digest);
}

static void write_annotations(struct json_writer *w, const struct strmap *annotations)
{
    if (annotations->count == 0)
        return;
    json_key(w, "annotations");
    json_begin_object(w);
    for (size_t i = 0; i < annotations->count; i++)
        json_member_string(w, annotations->items[i].key, annotations->items[i].value);
    json_end_object(w);
}

static void begin_descriptor(struct json_writer *w, const char *media_type, const char *digest, int64_t size)
{
    json_begin_object(w);
    json_member_string(w, "mediaType", media_type);
    json_member_string(w, "digest", digest);
    json_member_int(w, "size", size);
}

static int make_manifest(struct bundle_item *item, bundle_layer_fn layer, void *data, struct error *err)
{
    const struct image *image = item->image;
    struct json_writer w;
    begin_document(&w, &item->manifest, MEDIA_OCI_MANIFEST);
    json_key(&w, "config");
    begin_descriptor(&w, MEDIA_OCI_CONFIG, image->id, (int64_t)strlen(image->config_text));
    json_end_object(&w);
    json_key(&w, "layers");
    json_begin_array(&w);
    for (size_t i = 0; i < image->diff_ids.count; i++) {
        struct bundle_layer blob;
        int r = layer(item, i, &blob, data, err);
        if (r < 0)
            return r;
        begin_descriptor(&w, blob.media_type, blob.digest, blob.size);
        json_end_object(&w);
    }
    json_end_array(&w);
    write_annotations(&w, &item->annotations);
    end_document(&w, &item->manifest);
    return 0;
}

/* A config of no platform, with the statement as the only layer: registries and tools take it for an image. */
static void make_attestation(const struct bundle *bundle, struct bundle_item *item, size_t i)
{
    struct json_writer w;
    strbuf_clear(&item->statement.text);
    bundle->attest(i, item->manifest.digest, &item->statement.text, bundle->data);
    digest_of(item->statement.text.data, item->statement.text.size, item->statement.digest);
    strbuf_clear(&item->attestation_config.text);
    json_writer_init(&w, &item->attestation_config.text);
    json_begin_object(&w);
    json_member_string(&w, "architecture", "unknown");
    json_member_string(&w, "os", "unknown");
    json_key(&w, "config");
    json_begin_object(&w);
    json_end_object(&w);
    json_key(&w, "rootfs");
    json_begin_object(&w);
    json_member_string(&w, "type", "layers");
    json_key(&w, "diff_ids");
    json_begin_array(&w);
    json_put_string(&w, item->statement.digest);
    json_end_array(&w);
    json_end_object(&w);
    end_document(&w, &item->attestation_config);
    begin_document(&w, &item->attestation, MEDIA_OCI_MANIFEST);
    json_key(&w, "config");
    begin_descriptor(&w, MEDIA_OCI_CONFIG, item->attestation_config.digest,
                     (int64_t)item->attestation_config.text.size);
    json_end_object(&w);
    json_key(&w, "layers");
    json_begin_array(&w);
    begin_descriptor(&w, MEDIA_STATEMENT, item->statement.digest, (int64_t)item->statement.text.size);
    json_key(&w, "annotations");
    json_begin_object(&w);
    json_member_string(&w, "in-toto.io/predicate-type", bundle->predicate_type);
    json_end_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    end_document(&w, &item->attestation);
}

static void write_platform(struct json_writer *w, const struct platform *platform)
{
    json_key(w, "platform");
    json_begin_object(w);
    json_member_string(w, "architecture", platform->architecture);
    json_member_string(w, "os", platform->os);
    if (platform->variant[0] != 0)
        json_member_string(w, "variant", platform->variant);
    json_end_object(w);
}

static void write_attestation_entry(struct json_writer *w, const struct bundle_item *item)
{
    const struct platform unknown = {.os = "unknown", .architecture = "unknown"};
    begin_descriptor(w, MEDIA_OCI_MANIFEST, item->attestation.digest, (int64_t)item->attestation.text.size);
    json_key(w, "annotations");
    json_begin_object(w);
    json_member_string(w, "vnd.docker.reference.digest", item->manifest.digest);
    json_member_string(w, "vnd.docker.reference.type", "attestation-manifest");
    json_end_object(w);
    write_platform(w, &unknown);
    json_end_object(w);
}

static void make_index(struct bundle *bundle)
{
    struct json_writer w;
    begin_document(&w, &bundle->index, MEDIA_OCI_INDEX);
    json_key(&w, "manifests");
    json_begin_array(&w);
    for (size_t i = 0; i < bundle->count; i++) {
        const struct bundle_item *item = &bundle->items[i];
        begin_descriptor(&w, MEDIA_OCI_MANIFEST, item->manifest.digest, (int64_t)item->manifest.text.size);
        write_annotations(&w, &item->descriptor_annotations);
        write_platform(&w, &item->platform);
        json_end_object(&w);
    }
    for (size_t i = 0; i < bundle->count; i++)
        if (bundle->items[i].attested)
            write_attestation_entry(&w, &bundle->items[i]);
    json_end_array(&w);
    write_annotations(&w, &bundle->index_annotations);
    end_document(&w, &bundle->index);
}

int bundle_make(struct bundle *bundle, bundle_layer_fn layer, void *data, struct error *err)
{
    bool needs_index = bundle->count > 1 || bundle->index_annotations.count > 0;
    strbuf_clear(&bundle->index.text);
    for (size_t i = 0; i < bundle->count; i++) {
        struct bundle_item *item = &bundle->items[i];
        int r = make_manifest(item, layer, data, err);
        if (r < 0)
            return r;
        if (item->attested)
            make_attestation(bundle, item, i);
        needs_index = needs_index || item->attested || item->descriptor_annotations.count > 0;
    }
    if (needs_index)
        make_index(bundle);
    return 0;
}

const struct bundle_document *bundle_top(const struct bundle *bundle, const char **ret_media_type)
{
    bool index = bundle->index.text.size > 0;
    *ret_media_type = index ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST;
    return index ? &bundle->index : &bundle->items[0].manifest;
}

/* ---- in the store ---- */

/* As they are in the store: not compressed. */
static int plain_layer(const struct bundle_item *item, size_t i, struct bundle_layer *ret, void *data,
                       struct error *err)
{
    const char *diff_id = item->image->diff_ids.items[i];
    ret->media_type = MEDIA_OCI_LAYER;
    snprintf(ret->digest, sizeof(ret->digest), "%s", diff_id);
    return image_layer_tar_size(data, diff_id, &ret->size, err);
}

int bundle_make_plain(struct bundle *bundle, struct image_store *store, struct error *err)
{
    return bundle_make(bundle, plain_layer, store, err);
}

int image_bundle_keep(struct image_store *store, struct bundle *bundle, const struct reference *names, size_t count,
                      struct error *err)
{
    int r = bundle->items[0].manifest.text.size > 0 ? 0 : bundle_make_plain(bundle, store, err);
    for (size_t i = 0; r == 0 && i < bundle->count; i++) {
        const struct bundle_item *item = &bundle->items[i];
        const struct image_commit keep = {.manifest = item->manifest.text.data,
                                          .manifest_size = item->manifest.text.size};
        r = image_add_manifest(store, item->image->id, &keep, err);
    }
    const struct image_commit all = {.index = bundle->index.text.size > 0 ? bundle->index.text.data : NULL,
                                     .index_size = bundle->index.text.size,
                                     .refs = names,
                                     .ref_count = count};
    return r < 0 ? r : image_add_manifest(store, bundle->items[0].image->id, &all, err);
}
