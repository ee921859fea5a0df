#include "image/push_layers.h"

#include <errno.h>

#include "base/memory.h"
#include "base/timestamp.h"
#include "image/layer_gzip.h"
#include "image/store.h"

#define REPORT_NS (100 * INT64_C(1000000))
#define MOUNT_SOURCES_MAX 5
#define UPLOAD_ATTEMPTS 3
#define CONCURRENT_DEFAULT 5

/* ---- what is known of the layers' blobs ---- */

static int load_manifest(struct push_layers *layers, const char *digest, struct error *err)
{
    struct push_manifest known = {0};
    int rc = store_read_blob(layers->push->store, digest, &known.text, &known.size, err);
    if (rc < 0)
        return rc;
    /* Kept ones were accepted once; OCI's need not name their type. A list is no image's. */
    bool parsed = manifest_parse(NULL, known.text, known.size, &known.manifest, NULL) == 0 ||
                  manifest_parse(MEDIA_OCI_MANIFEST, known.text, known.size, &known.manifest, NULL) == 0;
    if (!parsed || known.manifest.kind != MANIFEST_IMAGE) {
        manifest_release(&known.manifest);
        free(known.text);
        return 0;
    }
    layers->known = xreallocarray(layers->known, layers->known_count + 1, sizeof(*layers->known));
    layers->known[layers->known_count++] = known;
    return 0;
}

static int load_manifests(struct push_layers *layers, struct error *err)
{
    CLEANUP_STRV struct strv digests = STRV_INIT;
    int rc = image_manifests(layers->push->store, layers->image->id, &digests, err);
    for (size_t i = 0; rc == 0 && i < digests.count; i++)
        rc = load_manifest(layers, digests.items[i], err);
    return rc;
}

static bool may_be_sent(const char *media_type)
{
    return strstr(media_type, "gzip") || strstr(media_type, "zstd");
}

/* A descriptor of the layer in one of the manifests, from number *next on; only digests that were computed here count.
 */
static const struct descriptor *next_descriptor(const struct push_layers *layers, const struct push_layer *layer,
                                                size_t *next)
{
    while (*next < layers->known_count) {
        const struct manifest *m = &layers->known[(*next)++].manifest;
        for (size_t i = 0; i < m->count; i++) {
            char diff_id[DIGEST_TEXT_MAX];
            if (may_be_sent(m->items[i].media_type) &&
                image_layer_of_digest(layers->push->store, m->items[i].digest, diff_id) &&
                strcmp(diff_id, layer->diff_id) == 0)
                return &m->items[i];
        }
    }
    return NULL;
}

static void take_descriptor(struct push_layer *layer, const struct descriptor *d)
{
    bool gzip = strstr(d->media_type, "gzip") != NULL;
    memcpy(layer->digest, d->digest, sizeof layer->digest);
    layer->size = d->size;
    layer->media_type = gzip ? PUSH_MEDIA_GZIP : d->media_type;
}

/* ---- from elsewhere in the registry ---- */

static void add_sources(struct push *push, const struct image *image, struct strv *ret)
{
    const struct strv *lists[] = {&image->repo_tags, &image->repo_digests};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        for (size_t k = 0; k < lists[i]->count && ret->count < MOUNT_SOURCES_MAX; k++) {
            struct reference ref = {0};
            const struct reference *to = push->options->ref;
            if (reference_parse(lists[i]->items[k], &ref, NULL) == 0 && strcmp(ref.domain, to->domain) == 0 &&
                strcmp(ref.path, to->path) != 0 && !strv_contains(ret, ref.path))
                strv_add(ret, ref.path);
            reference_release(&ref);
        }
    }
}

static bool share_a_layer(const struct image *a, const struct image *b)
{
    for (size_t i = 0; i < a->diff_ids.count; i++)
        if (strv_contains(&b->diff_ids, a->diff_ids.items[i]))
            return true;
    return false;
}

/* Any platform of what a tag stands for. */
static bool shares_a_layer(const struct push *push, size_t tag, const struct image *image)
{
    const struct image_manifests *manifests = &push->manifests[tag];
    bool shares = share_a_layer(push->images[tag], image);
    for (size_t i = 0; !shares && i < manifests->count; i++)
        shares = manifests->items[i].image && share_a_layer(manifests->items[i].image, image);
    return shares;
}

int push_mount_sources(struct push *push, struct strv *ret, struct error *err)
{
    struct image **all = NULL;
    size_t count = 0;
    int rc = image_list(push->store, &all, &count, err);
    for (size_t i = 0; rc == 0 && i < push->tags.count; i++)
        for (size_t k = 0; k < count; k++)
            if (shares_a_layer(push, i, all[k]))
                add_sources(push, all[k], ret);
    for (size_t i = 0; i < count; i++)
        image_unref(all[i]);
    free(all);
    return rc;
}

/* 1: the repository has it now. */
static int mount_layer(struct push *push, struct http_client *client, struct push_layer *layer,
                       const struct descriptor *d, struct error *err)
{
    for (size_t i = 0; i < push->mount_from->count; i++) {
        const char *from = push->mount_from->items[i];
        int rc = registry_mount_blob(push->registry, client, d->digest, from, err);
        if (rc < 0)
            return rc;
        if (rc > 0) {
            CLEANUP_FREE char *status = xasprintf("Mounted from %s", from);
            take_descriptor(layer, d);
            push_progress(push, layer->id, status, -1, -1);
            return 1;
        }
    }
    return 0;
}

/* 1: no bytes need to be sent. */
static int find_layer(struct push_layers *layers, struct http_client *client, struct push_layer *layer,
                      struct error *err)
{
    struct push *push = layers->push;
    const struct descriptor *d;
    int rc = 0;
    for (size_t next = 0; rc == 0 && (d = next_descriptor(layers, layer, &next)) != NULL;) {
        int64_t size;
        rc = registry_has_blob(push->registry, client, d->digest, &size, err);
        if (rc > 0 && size == d->size) {
            take_descriptor(layer, d);
            push_progress(push, layer->id, "Layer already exists", -1, -1);
        } else if (rc > 0) {
            rc = 0; /* of another size: not that blob, whatever the registry says */
        } else if (rc == 0) {
            rc = mount_layer(push, client, layer, d, err);
        }
    }
    return rc;
}

/* ---- sending ---- */

struct upload {
    struct push *push;
    struct push_layer *layer;
    struct layer_gzip *gzip;
    int64_t total, reported;
};

static ssize_t upload_read(void *buffer, size_t size, void *data, struct error *err)
{
    struct upload *upload = data;
    int64_t now = timestamp_monotonic();
    if (now - upload->reported >= REPORT_NS) {
        upload->reported = now;
        push_progress(upload->push, upload->layer->id, "Pushing", layer_gzip_consumed(upload->gzip), upload->total);
    }
    if (upload->push->cancelled || upload->push->stopping)
        return error_set(err, ERROR_CANCELLED, ECANCELED, "context canceled");
    return layer_gzip_read(buffer, size, upload->gzip, err);
}

static void upload_digest(void *data, char ret[DIGEST_TEXT_MAX])
{
    int64_t size;
    layer_gzip_result(((struct upload *)data)->gzip, ret, &size);
}

static int send_once(struct push *push, struct http_client *client, struct push_layer *layer, int64_t total,
                     struct error *err)
{
    struct layer_gzip *gzip CLEANUP(layer_gzip_free_ptr) = NULL;
    int rc = layer_gzip_open(push->store, layer->diff_id, &gzip, err);
    if (rc < 0)
        return rc;
    struct upload upload = {.push = push, .layer = layer, .gzip = gzip, .total = total};
    struct registry_upload what = {.source = upload_read, .data = &upload, .digest = upload_digest};
    rc = registry_put_blob(push->registry, client, &what, err);
    if (rc < 0)
        return rc;
    layer_gzip_result(gzip, layer->digest, &layer->size);
    layer->media_type = PUSH_MEDIA_GZIP;
    return image_layer_add_digest(push->store, layer->digest, layer->diff_id, err);
}

static int send_layer(struct push *push, struct http_client *client, struct push_layer *layer, struct error *err)
{
    int64_t total = 0;
    int rc = image_layer_tar_size(push->store, layer->diff_id, &total, err);
    for (int attempt = 1; rc == 0; attempt++) {
        struct error failure = {0};
        push_progress(push, layer->id, "Pushing", 0, total);
        rc = send_once(push, client, layer, total, &failure);
        if (rc == 0 || failure.kind != ERROR_UNAVAILABLE || attempt == UPLOAD_ATTEMPTS || push->cancelled ||
            push->stopping) {
            error_propagate(err, &failure);
            break;
        }
        push_progress(push, layer->id, "Retrying", -1, -1);
        rc = 0;
    }
    if (rc == 0)
        push_progress(push, layer->id, "Pushed", -1, -1);
    return rc;
}

/* ---- all of them ---- */

/* A layer that is there twice is sent once. */
static const struct push_layer *find_same(const struct push_layers *layers, size_t end)
{
    for (size_t i = 0; i < end; i++)
        if (strcmp(layers->items[i].diff_id, layers->items[end].diff_id) == 0)
            return &layers->items[i];
    return NULL;
}

static int pin_all(struct push_layers *layers, struct error *err)
{
    const struct strv *diff_ids = &layers->image->diff_ids;
    layers->items = xcalloc(diff_ids->count + 1, sizeof(*layers->items));
    for (size_t i = 0; i < diff_ids->count; i++) {
        struct push_layer *layer = &layers->items[layers->count++];
        layer->diff_id = diff_ids->items[i];
        layer->same_as = find_same(layers, i);
        snprintf(layer->id, sizeof(layer->id), "%.12s", digest_hex(layer->diff_id));
        layer->pinned = image_layer_pin_diff_id(layers->push->store, layer->diff_id);
        if (!layer->pinned)
            return error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", layers->image->id);
        push_progress(layers->push, layer->id, "Preparing", -1, -1);
    }
    return 0;
}

/* The next layer to bring, NULL when there is none or it is time to stop. */
static struct push_layer *take_next(struct push_layers *layers)
{
    struct push_layer *layer = NULL;
    pthread_mutex_lock(&layers->mutex);
    while (!layer && layers->next < layers->count && !layers->push->stopping && !layers->push->cancelled) {
        struct push_layer *candidate = &layers->items[layers->next++];
        if (!candidate->same_as)
            layer = candidate;
    }
    pthread_mutex_unlock(&layers->mutex);
    return layer;
}

static int bring_layer(struct push_layers *layers, struct http_client *client, struct push_layer *layer,
                       struct error *err)
{
    int rc = find_layer(layers, client, layer, err);
    if (rc == 0)
        return send_layer(layers->push, client, layer, err);
    return rc < 0 ? rc : 0;
}

static void *worker(void *arg)
{
    struct push_layers *layers = arg;
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    struct error error = {0};
    struct push_layer *layer;
    int rc = registry_connect(layers->push->registry, &client, &error);
    while (rc == 0 && (layer = take_next(layers)))
        rc = bring_layer(layers, client, layer, &error);
    if (rc < 0) {
        /* Those that fail because another one did say nothing. */
        pthread_mutex_lock(&layers->mutex);
        if (layers->error.kind == ERROR_NONE)
            layers->error = error;
        layers->push->stopping = true;
        pthread_mutex_unlock(&layers->mutex);
    }
    return NULL;
}

static int bring_all(struct push_layers *layers, struct error *err)
{
    int wished = layers->push->options->concurrent_uploads;
    size_t concurrent = wished > 0 ? (size_t)wished : CONCURRENT_DEFAULT;
    layers->push->stopping = false;
    pthread_mutex_init(&layers->mutex, NULL);
    int rc =
        workers_start(&layers->workers, layers->count < concurrent ? layers->count : concurrent, worker, layers, err);
    workers_join(&layers->workers);
    pthread_mutex_destroy(&layers->mutex);
    if (rc == 0 && layers->error.kind != ERROR_NONE)
        rc = error_propagate(err, &layers->error);
    if (rc == 0 && layers->push->cancelled)
        rc = error_set(err, ERROR_CANCELLED, ECANCELED, "context canceled");
    return rc;
}

int push_layers_run(struct push_layers *layers, struct error *err)
{
    int rc = pin_all(layers, err);
    if (rc == 0)
        rc = load_manifests(layers, err);
    if (rc == 0)
        rc = bring_all(layers, err);
    for (size_t i = 0; rc == 0 && i < layers->count; i++) {
        struct push_layer *layer = &layers->items[i];
        if (layer->same_as) {
            memcpy(layer->digest, layer->same_as->digest, sizeof(layer->digest));
            layer->size = layer->same_as->size;
            layer->media_type = layer->same_as->media_type;
        }
    }
    return rc;
}

void push_layers_release(struct push_layers *layers)
{
    for (size_t i = 0; i < layers->count; i++)
        if (layers->items[i].pinned)
            image_layer_unpin(layers->push->store, layers->items[i].diff_id);
    free(layers->items);
    for (size_t i = 0; i < layers->known_count; i++) {
        manifest_release(&layers->known[i].manifest);
        free(layers->known[i].text);
    }
    free(layers->known);
}
