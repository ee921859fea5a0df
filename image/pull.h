/* What pull.c and pull_layers.c share: one pull under way. Nobody outside image/ includes this. */
#ifndef DORY_IMAGE_PULL_H
#define DORY_IMAGE_PULL_H

#include <pthread.h>
#include <stdatomic.h>

#include "image/downloads.h"
#include "image/layer.h"
#include "image/registry.h"
#include "image/workers.h"

struct pull {
    struct image_store *store;
    const struct image_pull_options *options;
    struct platform platform;
    struct registry *registry; /* of the endpoint that is being tried */
    pthread_mutex_t progress_mutex;
    atomic_bool cancelled; /* by the client */
    atomic_bool stopping;  /* a download failed: the others need not go on */
};

/* Has it no sense to go on? */
bool pull_is_over(struct pull *pull);

/* A line for the client. Thread-safe; a client that is gone cancels the pull. */
void pull_progress(struct pull *pull, const char *id, const char *status, int64_t current, int64_t total);

/* One layer of the manifest. */
struct pull_layer {
    const struct descriptor *descriptor;
    char id[13];                   /* the short digest, as the client sees it */
    struct pull_layer *same_as;    /* an earlier layer of the same digest, which brings the bytes */
    char diff_id[DIGEST_TEXT_MAX]; /* pinned in the store; "" otherwise */
    struct download *download;     /* joined; NULL for what is here already */
    int64_t last_report;           /* time of the last "Downloading" line */
};

struct pull_layers {
    struct pull *pull;
    struct pull_layer *items;
    size_t count;
    pthread_mutex_t mutex;
    /* Under the mutex: */
    size_t next;        /* the first layer that nobody has taken up */
    struct error error; /* the first failure */
    struct workers workers;
};

/* Pins what the store has and starts downloading the rest, base first, in threads of its own. */
int pull_layers_start(struct pull_layers *layers, struct pull *pull, const struct manifest *manifest,
                      struct error *err);
/* Waits for all of them; stops them first when `failed`. The first failure is reported. */
int pull_layers_wait(struct pull_layers *layers, bool failed, struct error *err);
/* After the wait: leaves and unpins everything, whatever happened. keep: the pull failed in a way that the next one may
 * not, which will want what came so far. */
void pull_layers_release(struct pull_layers *layers, bool keep);

#endif
