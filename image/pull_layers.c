#include <errno.h>

#include "base/memory.h"
#include "base/timestamp.h"
#include "image/digest.h"
#include "image/pull.h"
#include "image/store.h"

#define CONCURRENT_DEFAULT 3
/* Smaller layers are fetched again after a restart of the daemon. */
#define SPOOLED_MIN (256 * 1024)
/* Several layers at once keep both the network and the unpacking busy; a line to the client ten times a second. */
#define REPORT_NS (100 * INT64_C(1000000))

/* ---- one layer ---- */

/* What the callbacks of one layer need. */
struct sink {
    struct pull *pull;
    struct pull_layer *layer;
};

static void report(struct sink *sink, int64_t received)
{
    struct pull_layer *layer = sink->layer;
    int64_t now = timestamp_monotonic();
    if (now - layer->last_report >= REPORT_NS) {
        layer->last_report = now;
        pull_progress(sink->pull, layer->id, "Downloading", received, layer->descriptor->size);
    }
}

static int on_bytes(const void *data, size_t size, void *arg, struct error *err)
{
    struct sink *sink = arg;
    int rc = download_write(sink->layer->download, data, size, err);
    if (rc == 0)
        report(sink, download_received(sink->layer->download));
    return rc;
}

static void on_retry(int seconds, void *arg)
{
    struct sink *sink = arg;
    CLEANUP_FREE char *text = xasprintf("Retrying in %d second%s", seconds, seconds == 1 ? "" : "s");
    pull_progress(sink->pull, sink->layer->id, text, -1, -1);
}

/* While another pull brings the bytes. */
static bool on_wait(int64_t received, void *arg)
{
    struct sink *sink = arg;
    report(sink, received);
    return pull_is_over(sink->pull);
}

/* Failures of the unpacking get docker's words in front; those of the network and of the digest have theirs. */
static int ingest_failure(struct error *err)
{
    if (err->kind == ERROR_CANCELLED || strstr(err->message, "verification failed"))
        return -err->errnum;
    return error_context(err, "failed to register layer");
}

/* May the next attempt go on where this one stopped? */
static bool is_passing(const struct error *error)
{
    return error->kind == ERROR_UNAVAILABLE || error->kind == ERROR_CANCELLED;
}

/* Fetches what is not there yet, and verifies the whole. */
static int fetch(struct sink *sink, struct http_client *client, struct error *err)
{
    struct pull *pull = sink->pull;
    struct pull_layer *layer = sink->layer;
    struct registry_blob blob = {.descriptor = layer->descriptor,
                                 .offset = download_received(layer->download),
                                 .what = "filesystem layer",
                                 .sink = on_bytes,
                                 .sink_data = sink,
                                 .retrying = on_retry};
    int rc = 0;
    if (blob.offset < layer->descriptor->size || layer->descriptor->size == 0)
        rc = registry_get_blob(pull->registry, client, &blob, err);
    if (rc < 0)
        return rc;
    pull_progress(pull, layer->id, "Verifying Checksum", -1, -1);
    return download_finish(layer->download, err);
}

/* Is it of the registry or of the client, rather than of the bytes? */
static bool is_refusal(const struct error *error)
{
    return is_passing(error) || error->kind == ERROR_NOT_FOUND || error->kind == ERROR_UNAUTHORIZED;
}

/* It is this pull's turn to bring the bytes. Those that were there may be another registry's, and nobody has verified
 * them yet: when the whole is wrong it is fetched once more from its beginning. */
static int drive(struct sink *sink, struct http_client *client, struct error *err)
{
    struct download *download = sink->layer->download;
    struct error failure = {0};
    int rc = download_replay(download, &failure);
    if (rc < 0 && failure.errnum == ENOSPC)
        image_forget_downloads(sink->pull->store);
    failure = (struct error){0};
    bool resumed = download_received(download) > 0;
    rc = fetch(sink, client, &failure);
    if (rc < 0 && resumed && !is_refusal(&failure)) {
        failure = (struct error){0};
        download_begin_anew(download);
        rc = fetch(sink, client, &failure);
    }
    if (rc == 0)
        return 0;
    download_stop(download, is_passing(&failure));
    if (failure.errnum == ENOSPC) /* what is kept may be what fills the disk */
        image_forget_downloads(sink->pull->store);
    rc = error_propagate(err, &failure);
    return is_refusal(&failure) ? rc : ingest_failure(err);
}

static int download(struct pull *pull, struct http_client *client, struct pull_layer *layer, struct error *err)
{
    struct sink sink = {.pull = pull, .layer = layer};
    enum download_turn turn;
    int rc = download_wait(layer->download, on_wait, &sink, &turn, err);
    if (rc == 0 && turn == DOWNLOAD_DRIVE)
        rc = drive(&sink, client, err);
    if (rc < 0)
        return rc;
    int64_t size = layer->descriptor->size;
    /* A manifest may claim another size than the one that the bytes were fetched for. */
    if (download_received(layer->download) != size)
        return error_set(err, ERROR_INVALID, 0, "filesystem layer verification failed for digest %s",
                         layer->descriptor->digest);
    pull_progress(pull, layer->id, "Download complete", -1, -1);
    pull_progress(pull, layer->id, "Extracting", size, size);
    pull_progress(pull, layer->id, "Pull complete", -1, -1);
    return 0;
}

/* ---- all of them ---- */

static bool is_missing(const struct pull_layer *layer)
{
    return !layer->same_as && !layer->diff_id[0];
}

/* The next layer to download, NULL when there is none or it is time to stop. */
static struct pull_layer *take_next(struct pull_layers *layers)
{
    struct pull_layer *layer = NULL;
    pthread_mutex_lock(&layers->mutex);
    while (!layer && layers->next < layers->count && !layers->pull->stopping) {
        struct pull_layer *candidate = &layers->items[layers->next++];
        if (is_missing(candidate))
            layer = candidate;
    }
    pthread_mutex_unlock(&layers->mutex);
    return layer;
}

/* Keeps the first failure; those that follow from it ("cancelled") say nothing. */
static void keep_error(struct pull_layers *layers, const struct error *error)
{
    pthread_mutex_lock(&layers->mutex);
    if (layers->error.kind == ERROR_NONE)
        layers->error = *error;
    layers->pull->stopping = true;
    pthread_mutex_unlock(&layers->mutex);
}

static void *worker(void *arg)
{
    struct pull_layers *layers = arg;
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    struct error error = {0};
    struct pull_layer *layer;
    int rc = registry_connect(layers->pull->registry, &client, &error);
    while (rc == 0 && (layer = take_next(layers)))
        rc = download(layers->pull, client, layer, &error);
    if (rc < 0)
        keep_error(layers, &error);
    return NULL;
}

static struct pull_layer *find_same(const struct pull_layers *layers, size_t end)
{
    for (size_t i = 0; i < end; i++)
        if (strcmp(layers->items[i].descriptor->digest, layers->items[end].descriptor->digest) == 0)
            return &layers->items[i];
    return NULL;
}

/* Pins it or joins its download. A pull that ends between the look into the store and the joining has left the layer in
 * the store: hence the second look. */
static void find_layer(struct image_store *store, struct pull_layer *layer, bool spool)
{
    const char *digest = layer->descriptor->digest;
    if (image_layer_pin(store, digest, layer->diff_id))
        return;
    layer->download = download_join(store, digest, spool);
    if (image_layer_pin(store, digest, layer->diff_id)) {
        download_leave(layer->download, 0);
        layer->download = NULL;
    } else {
        layer->diff_id[0] = '\0';
    }
}

/* Pins what is here. Returns how many are to be downloaded. */
static size_t prepare(struct pull_layers *layers, const struct manifest *manifest)
{
    size_t missing = 0;
    for (size_t i = 0; i < layers->count; i++) {
        struct pull_layer *layer = &layers->items[i];
        layer->descriptor = &manifest->items[i];
        snprintf(layer->id, sizeof layer->id, "%.12s", digest_hex(layer->descriptor->digest));
        layer->same_as = find_same(layers, i);
        if (!layer->same_as)
            find_layer(layers->pull->store, layer,
                       layers->pull->options->keep_seconds > 0 && layer->descriptor->size >= SPOOLED_MIN);
        bool absent = is_missing(layer);
        missing += absent;
        if (!layer->same_as)
            pull_progress(layers->pull, layer->id, absent ? "Pulling fs layer" : "Already exists", -1, -1);
    }
    return missing;
}

static void report_waiting(struct pull_layers *layers, size_t concurrent)
{
    for (size_t i = 0; i < layers->count; i++) {
        if (!is_missing(&layers->items[i]))
            continue;
        if (concurrent > 0)
            concurrent--;
        else
            pull_progress(layers->pull, layers->items[i].id, "Waiting", -1, -1);
    }
}

int pull_layers_start(struct pull_layers *layers, struct pull *pull, const struct manifest *manifest, struct error *err)
{
    *layers = (struct pull_layers){.pull = pull, .count = manifest->count};
    pthread_mutex_init(&layers->mutex, NULL);
    layers->items = xcalloc(layers->count ? layers->count : 1, sizeof *layers->items);
    size_t missing = prepare(layers, manifest);
    int wished = pull->options->concurrent_downloads;
    size_t concurrent = wished > 0 ? (size_t)wished : CONCURRENT_DEFAULT;
    if (concurrent > WORKERS_MAX)
        concurrent = WORKERS_MAX;
    report_waiting(layers, concurrent);
    return workers_start(&layers->workers, missing < concurrent ? missing : concurrent, worker, layers, err);
}

int pull_layers_wait(struct pull_layers *layers, bool failed, struct error *err)
{
    if (failed)
        layers->pull->stopping = true;
    workers_join(&layers->workers);
    return layers->error.kind != ERROR_NONE ? error_propagate(err, &layers->error) : 0;
}

void pull_layers_release(struct pull_layers *layers, bool keep)
{
    for (size_t i = 0; i < layers->count; i++) {
        struct pull_layer *layer = &layers->items[i];
        if (layer->download)
            download_leave(layer->download, keep ? layers->pull->options->keep_seconds : 0);
        if (layer->diff_id[0])
            image_layer_unpin(layers->pull->store, layer->diff_id);
    }
    free(layers->items);
    pthread_mutex_destroy(&layers->mutex);
    *layers = (struct pull_layers){0};
}
