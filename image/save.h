/* What save.c and save_entries.c share: one archive that is being made. Nobody outside image/ includes this. */
#ifndef DORY_IMAGE_SAVE_H
#define DORY_IMAGE_SAVE_H

#include "archive/tar_writer.h"
#include "base/strbuf.h"
#include "image/bundle.h"
#include "image/index.h"
#include "image/layer.h"
#include "image/manifests.h"

/* An image with its manifest: the one that it came with, if it is of the layers' tars as they are, or a new one. */
struct save_part {
    struct image *image;
    char known[DIGEST_TEXT_MAX]; /* of the manifest that it came with; "": none */
    struct strbuf manifest;
    char *media_type;
    char digest[DIGEST_TEXT_MAX]; /* of the manifest */
};

/* What is saved under some names: an image, or an index with those of its platforms that are here. */
struct save_entry {
    struct strv names;          /* full, "docker.io/library/busybox:latest" */
    struct image_manifests *of; /* the index; NULL: an image */
    size_t *parts;              /* numbers of save->parts */
    size_t *positions;          /* of each in the index */
    size_t part_count;
    size_t first;        /* the part that a docker archive has under the names */
    struct strbuf index; /* the document as it is saved, when there is one */
    char *media_type;    /* of what index.json names: the index or the manifest */
    char digest[DIGEST_TEXT_MAX];
    int64_t size;
};

struct save {
    struct image_store *store;
    const struct image_save_options *options;
    struct save_part *parts;
    size_t part_count, part_capacity;
    struct save_entry *entries;
    size_t count, capacity;
    struct map layers; /* diffID -> size of its tar, as a heap int64_t; each is pinned */
    struct map written;
    struct tar_writer *writer;
};

/* Adds what a name stands for, or the tags of a repository. */
int save_add(struct save *save, const char *name, struct error *err);
void save_add_name(struct save_entry *entry, const struct reference *ref);
void save_entries_release(struct save *save);
/* The layers are pinned: makes the manifests and indexes of all entries. */
int save_make_documents(struct save *save, struct error *err);
int64_t save_layer_size(const struct save *save, const char *diff_id);
void save_write_descriptor(struct json_writer *w, const char *media_type, const char *digest, int64_t size);

#endif
