/* Images of several platforms, with their index and attestations, to a registry: the layers go as those of any push. */
#include "base/memory.h"
#include "image/push_layers.h"

static int pushed_layer(const struct bundle_item *item, size_t i, struct bundle_layer *ret, void *data,
                        struct error *err)
{
    const struct push_layers *all = data;
    (void)err;
    while (all->image != item->image)
        all++;
    const struct push_layer *layer = &all->items[i];
    bool docker = strcmp(layer->media_type, PUSH_MEDIA_GZIP) == 0;
    ret->media_type = docker ? PUSH_MEDIA_OCI_GZIP : layer->media_type;
    memcpy(ret->digest, layer->digest, sizeof(ret->digest));
    ret->size = layer->size;
    return 0;
}

static int put_blob(struct push *push, const struct bundle_document *document, struct error *err)
{
    const struct registry_upload upload = {.text = document->text.data, .size = document->text.size};
    return registry_put_blob(push->registry, push->client, &upload, err);
}

static int put_manifest(struct push *push, const struct bundle_document *document, const char *where, const char *type,
                        struct error *err)
{
    return registry_put_manifest(push->registry, push->client, where, type, document->text.data, document->text.size,
                                 err);
}

/* An index wants all that it names to be there. */
static int put_members(struct push *push, const struct bundle_item *item, struct error *err)
{
    int rc = put_manifest(push, &item->manifest, item->manifest.digest, MEDIA_OCI_MANIFEST, err);
    if (rc == 0 && item->attested)
        rc = put_blob(push, &item->statement, err);
    if (rc == 0 && item->attested)
        rc = put_blob(push, &item->attestation_config, err);
    if (rc == 0 && item->attested)
        rc = put_manifest(push, &item->attestation, item->attestation.digest, MEDIA_OCI_MANIFEST, err);
    return rc;
}

static int put_top(struct push *push, struct error *err)
{
    const struct image_push_options *options = push->options;
    const char *type, *tag = options->ref->tag;
    const struct bundle_document *top = bundle_top(options->bundle, &type);
    int rc = put_manifest(push, top, tag, type, err);
    if (rc < 0)
        return rc;
    CLEANUP_FREE char *line = xasprintf("%s: digest: %s size: %zu", tag, top->digest, top->text.size);
    push_progress(push, NULL, line, -1, -1);
    if (options->pushed)
        options->pushed(tag, top->digest, (int64_t)top->text.size, options->data);
    return 0;
}

int push_bundle(struct push *push, struct error *err)
{
    struct bundle *bundle = push->options->bundle;
    struct push_layers *all = xcalloc(bundle->count, sizeof(*all));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < bundle->count; i++) {
        all[i] = (struct push_layers){.push = push, .image = bundle->items[i].image};
        rc = push_layers_run(&all[i], err);
        if (rc == 0)
            rc = push_config(push, all[i].image, err);
    }
    if (rc == 0)
        rc = bundle_make(bundle, pushed_layer, all, err);
    for (size_t i = 0; rc == 0 && bundle->index.text.size > 0 && i < bundle->count; i++)
        rc = put_members(push, &bundle->items[i], err);
    if (rc == 0)
        rc = put_top(push, err);
    for (size_t i = 0; i < bundle->count; i++)
        push_layers_release(&all[i]);
    free(all);
    return rc;
}
