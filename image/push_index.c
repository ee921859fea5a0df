/*
 * An index to a registry. All images that it names have to be there: those that are here are sent, the others may be in
 * the repository. What is neither here nor there makes it a push of one image, as docker does it. An image whose layers
 * had to be compressed anew has another manifest, and the index is another one then.
 */
#include <errno.h>

#include "base/memory.h"
#include "image/platform.h"
#include "image/push_layers.h"
#include "image/store.h"

/* Has the repository a manifest? */
static int is_there(struct push *push, const char *digest, bool *ret, struct error *err)
{
    CLEANUP_REGISTRY_MANIFEST struct registry_manifest found = {0};
    struct error failure = {0};
    int rc = registry_get_manifest(push->registry, push->client, digest, &found, &failure);
    *ret = rc == 0;
    return rc < 0 && failure.kind != ERROR_NOT_FOUND ? error_propagate(err, &failure) : 0;
}

/* Is every image of the index here or there? The first that is not settles it. */
static int is_whole(struct push *push, const struct image_manifests *index, bool *ret, struct error *err)
{
    int rc = 0;
    *ret = true;
    for (size_t i = 0; rc == 0 && *ret && i < index->count; i++)
        if (!index->items[i].image)
            rc = is_there(push, index->items[i].digest, ret, err);
    return rc;
}

/* ---- one of them ---- */

/* The only one that is here, or this machine's. */
static int choose_one(const struct image_manifests *index, size_t *ret, struct error *err)
{
    struct platform host;
    size_t here = 0, best = index->count;
    int best_distance = 0;
    platform_host(&host);
    for (size_t i = 0; i < index->count; i++) {
        const struct image_manifest *item = &index->items[i];
        if (!item->image)
            continue;
        int distance = platform_distance(&host, &item->platform);
        if (here++ == 0)
            *ret = i;
        if (distance >= 0 && (best == index->count || distance < best_distance)) {
            best = i;
            best_distance = distance;
        }
    }
    if (best < index->count)
        *ret = best;
    return here == 1 || best < index->count
               ? 0
               : error_set(err, ERROR_CONFLICT, 0,
                           "multiple matching manifests found but no specific platform requested");
}

static int push_one(struct push *push, size_t n, struct error *err)
{
    CLEANUP_PUSHED_MANIFEST struct pushed_manifest pushed = {0};
    const struct image_manifests *index = &push->manifests[n];
    const char *tag = push->tags.items[n];
    size_t chosen = 0;
    int rc = choose_one(index, &chosen, err);
    if (rc == 0)
        rc = push_image(push, index->items[chosen].image, tag, &pushed, err);
    if (rc < 0)
        return rc;
    push_report(push, tag, pushed.digest, pushed.size);
    if (push->options->instead) {
        const struct image_pushed_instead what = {.index = index,
                                                  .item = index->items[chosen].item,
                                                  .media_type = pushed.media_type,
                                                  .digest = pushed.digest,
                                                  .size = (int64_t)pushed.size};
        push->options->instead(&what, push->options->data);
    }
    return 0;
}

/* ---- all of them ---- */

static bool is_attestation(const struct json *item)
{
    return json_get_string(json_get(item, "annotations"), "vnd.docker.reference.digest") != NULL;
}

static void write_member(struct json_writer *w, const struct image_manifest *item, const struct pushed_manifest *pushed)
{
    static const char *const kept[] = {"annotations", "platform"};
    if (!pushed->text) { /* it is there as it was */
        json_put_value(w, item->item);
        return;
    }
    json_begin_object(w);
    json_member_string(w, "mediaType", pushed->media_type);
    json_member_string(w, "digest", pushed->digest);
    json_member_int(w, "size", (int64_t)pushed->size);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        if (json_get(item->item, kept[i])) {
            json_key(w, kept[i]);
            json_put_value(w, json_get(item->item, kept[i]));
        }
    }
    json_end_object(w);
}

/* With the manifests as they are now; attestations are of others, and left out. */
static void write_index(const struct image_manifests *index, const struct pushed_manifest *pushed, struct strbuf *out)
{
    const struct json *annotations = json_get(index->index, "annotations");
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_int(&w, "schemaVersion", 2);
    json_member_string(&w, "mediaType", MEDIA_OCI_INDEX);
    json_key(&w, "manifests");
    json_begin_array(&w);
    for (size_t i = 0; i < index->count; i++)
        if (!is_attestation(index->items[i].item))
            write_member(&w, &index->items[i], &pushed[i]);
    json_end_array(&w);
    if (annotations) {
        json_key(&w, "annotations");
        json_put_value(&w, annotations);
    }
    json_end_object(&w);
}

/* The document, byte for byte unless a manifest became another one. */
static int index_text(struct push *push, const struct image_manifests *index, const struct pushed_manifest *pushed,
                      struct strbuf *text, const char **ret_media_type, struct error *err)
{
    CLEANUP_FREE char *kept = NULL;
    size_t size;
    bool same = true;
    for (size_t i = 0; i < index->count; i++)
        same = same && (!pushed[i].text || strcmp(pushed[i].digest, index->items[i].digest) == 0);
    *ret_media_type = same ? index->media_type : MEDIA_OCI_INDEX;
    if (!same) {
        write_index(index, pushed, text);
        return 0;
    }
    int rc = store_read_blob(push->store, index->digest, &kept, &size, err);
    if (rc == 0)
        strbuf_add(text, kept, size);
    return rc;
}

static int put_index(struct push *push, size_t n, const struct pushed_manifest *pushed, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    const char *media_type, *tag = push->tags.items[n];
    char digest[DIGEST_TEXT_MAX];
    int rc = index_text(push, &push->manifests[n], pushed, &text, &media_type, err);
    if (rc == 0)
        rc = registry_put_manifest(push->registry, push->client, tag, media_type, text.data, text.size, err);
    if (rc < 0)
        return rc;
    digest_of(text.data, text.size, digest);
    struct reference name = {.domain = push->options->ref->domain, .path = push->options->ref->path, .digest = digest};
    const struct image_commit keep = {.index = text.data, .index_size = text.size, .refs = &name, .ref_count = 1};
    rc = image_add_manifest(push->store, push->images[n]->id, &keep, err);
    if (rc == 0)
        push_report(push, tag, digest, text.size);
    return rc;
}

int push_index(struct push *push, size_t n, struct error *err)
{
    const struct image_manifests *index = &push->manifests[n];
    bool whole;
    int rc = is_whole(push, index, &whole, err);
    if (rc < 0 || !whole)
        return rc < 0 ? rc : push_one(push, n, err);
    struct pushed_manifest *pushed = xcalloc(index->count + 1, sizeof(*pushed));
    for (size_t i = 0; rc == 0 && i < index->count; i++)
        if (index->items[i].image)
            rc = push_image(push, index->items[i].image, NULL, &pushed[i], err);
    if (rc == 0)
        rc = put_index(push, n, pushed, err);
    for (size_t i = 0; i < index->count; i++)
        pushed_manifest_release(&pushed[i]);
    free(pushed);
    return rc;
}
