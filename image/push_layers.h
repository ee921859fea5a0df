/* What push.c and push_layers.c share: one push under way. Nobody outside image/ includes this. */
#ifndef DORY_IMAGE_PUSH_LAYERS_H
#define DORY_IMAGE_PUSH_LAYERS_H

#include <stdatomic.h>

#include "image/bundle.h"
#include "image/layer.h"
#include "image/manifests.h"
#include "image/registry.h"
#include "image/workers.h"

struct push {
    struct image_store *store;
    const struct image_push_options *options;
    struct strv tags;
    struct image **images;             /* one for each tag */
    struct image_manifests *manifests; /* what each tag stands for */
    const struct strv *mount_from;
    struct registry *registry;
    struct http_client *client; /* for what is not a layer */
    pthread_mutex_t progress_mutex;
    atomic_bool cancelled; /* by the client */
    atomic_bool stopping;  /* a layer failed: the others need not go on */
};

/* A line for the client, whose leaving ends the push. Thread-safe. */
void push_progress(struct push *push, const char *id, const char *status, int64_t current, int64_t total);

/* A manifest as it is in the registry. */
struct pushed_manifest {
    char *media_type, *text;
    size_t size;
    char digest[DIGEST_TEXT_MAX];
};
void pushed_manifest_release(struct pushed_manifest *manifest);
#define CLEANUP_PUSHED_MANIFEST CLEANUP(pushed_manifest_release)
/* push.c: layers, config and the manifest by its digest are there afterwards, under the tag where one is given. The
 * manifest is kept with the image, and in the second case named. The caller releases. */
int push_image(struct push *push, const struct image *image, const char *tag, struct pushed_manifest *ret,
               struct error *err);
/* Tells what a tag is now. */
void push_report(struct push *push, const char *tag, const char *digest, size_t size);
/* push_index.c: an index with its images, under the tag number n. */
int push_index(struct push *push, size_t n, struct error *err);
/* push.c: the image's config is there afterwards. */
int push_config(struct push *push, const struct image *image, struct error *err);
/* push_bundle.c: all of options->bundle, under the tag of options->ref. */
int push_bundle(struct push *push, struct error *err);

/* Repositories of the same registry that have layers of these images, a few. */
int push_mount_sources(struct push *push, struct strv *ret, struct error *err);

/* A manifest that is kept with an image. */
struct push_manifest {
    char *text;
    size_t size;
    struct manifest manifest;
};

struct push_layer {
    char id[13]; /* short, as the client sees it */
    const char *diff_id;
    /* Of the blob in the registry, once it is there: */
    char digest[DIGEST_TEXT_MAX];
    int64_t size;
    const char *media_type;
    bool pinned;
    const struct push_layer *same_as; /* an earlier one with the same diffID, whose blob it has */
};

struct push_layers {
    struct push *push;
    const struct image *image;
    struct push_layer *items; /* base first */
    size_t count;
    struct push_manifest *known; /* of images that share layers with this one; its own first */
    size_t known_count;
    struct workers workers;
    pthread_mutex_t mutex;
    /* Under the mutex: */
    size_t next;        /* the first layer that nobody has taken up */
    struct error error; /* the first failure */
};

/* Sees to it that the repository has all layers of the image, several at a time. */
int push_layers_run(struct push_layers *layers, struct error *err);
void push_layers_release(struct push_layers *layers);

#endif
