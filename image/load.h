/* What image_load keeps of an archive while it reads it, and how its manifests are understood. Private to image/. */
#ifndef DORY_IMAGE_LOAD_H
#define DORY_IMAGE_LOAD_H

#include "image/platform.h"
#include "image/store.h"

/* Limits of an archive apart from its layers. */
#define LOAD_FILES_MAX 20000
#define LOAD_MANIFESTS_MAX 20000
#define LOAD_FILE_MAX (8 * 1024 * 1024)
#define LOAD_MEMORY_MAX (64 * 1024 * 1024)

/* One member of the archive. */
struct load_file {
    char *data; /* contents of a small file, NUL-terminated */
    size_t size;
    struct layer_ingest *ingest; /* a layer */
    bool finished;               /* the ingest was */
    struct error error;          /* why it is no layer; matters only if a manifest says it is one */
    char *link;                  /* path of what a link leads to */
};

struct load {
    struct image_store *store;
    const struct image_load_options *options;
    struct platform *platforms; /* wanted; none: all that the archive has */
    size_t platform_count;
    struct map files; /* path -> struct load_file */
    size_t memory;
    size_t manifests;          /* that were looked at: indexes may name the same ones over and over */
    struct load_file *open[2]; /* ingests not finished yet, oldest first */
};

/* By path, links followed. NULL when there is none. */
struct load_file *load_find(struct load *load, const char *path);
/* The layer in this member, finished. Small ones are unpacked now. */
int load_layer(struct load *load, const char *path, struct layer_ingest **ret, struct error *err);
/* One call of the progress function; a wish to stop becomes an error. */
int load_report(struct load *load, const char *id, const char *status, int64_t current, int64_t total,
                struct error *err);

/* Everything was read: makes the images that manifest.json or index.json tell of. */
int load_images(struct load *load, struct error *err);

#endif
