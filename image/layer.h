/*
 * Layers on their way into the store. A layer arrives as a stream of bytes, just as a registry or an archive has them
 * (gzip, zstd or plain tar, told apart by their first bytes). Three stages run at the same time: the caller's thread
 * hashes the bytes as they come, a second one inflates and hashes the tar (the diffID), a third one unpacks it
 * into a directory below tmp/. Buffers between them are bounded; a stage that is ahead waits. Any number of layers may
 * be under way at once, each in its own ingest.
 *
 * Nothing is visible in the store before image_commit(), which takes the finished layers of one image, compares their
 * diffIDs with the image's config and writes everything in one transaction.
 *
 * A pull goes so:
 *     for each layer of the manifest, base first:
 *         if (image_layer_pin(store, digest, diff_id)) layers[i].diff_id = diff_id;      // here already: skip
 *         else { layer_ingest_open; layer_ingest_write...; layer_ingest_finish; layers[i].ingest = ingest; }
 *     image_commit(store, &commit, id, err);
 *     layer_ingest_free / image_layer_unpin for every layer, whatever happened
 */
#ifndef DORY_IMAGE_LAYER_H
#define DORY_IMAGE_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/tar_writer.h"
#include "base/error.h"
#include "image/image.h"
#include "image/reference.h"

struct layer_ingest;

/*
 * Begins a layer. `digest` ("sha256:...") is what the bytes as they arrive must hash to, NULL when nothing is claimed.
 * On success *ret is the caller's, to be freed with layer_ingest_free.
 */
int layer_ingest_open(struct image_store *store, const char *digest, struct layer_ingest **ret, struct error *err);
/*
 * The next bytes, in any portion. Waits while the later stages are behind. A failure of a later stage (corrupt data, a
 * hostile entry, disk full) comes back from the next write or from finish; after it only free is of use. One thread at
 * a time.
 */
int layer_ingest_write(struct layer_ingest *ingest, const void *data, size_t size, struct error *err);
/* The stream is at its end: waits for the other stages and verifies the digest. */
int layer_ingest_finish(struct layer_ingest *ingest, struct error *err);
/* Stops whatever runs, deletes the directory unless image_commit has taken it. NULL is fine. */
void layer_ingest_free(struct layer_ingest *ingest);
void layer_ingest_free_ptr(struct layer_ingest **ingest);
#define CLEANUP_LAYER_INGEST CLEANUP(layer_ingest_free_ptr)

/* Bytes of the stream that were taken by the inflating stage so far (for "Extracting"). Any thread. */
int64_t layer_ingest_consumed(struct layer_ingest *ingest);

/* After finish: what was computed from the bytes. */
struct layer_info {
    char digest[DIGEST_TEXT_MAX];  /* of the bytes as they came */
    char diff_id[DIGEST_TEXT_MAX]; /* of the tar */
    int64_t stream_size, tar_size;
    int64_t size; /* content of regular files */
};
const struct layer_info *layer_ingest_info(const struct layer_ingest *ingest);

/*
 * Is a layer here whose bytes, as they came, had this digest? Only digests that the store itself computed count. When
 * so, ret_diff_id is set and the layer cannot be removed until image_layer_unpin.
 */
bool image_layer_pin(struct image_store *store, const char *digest, char ret_diff_id[DIGEST_TEXT_MAX]);
/* The same by diffID (a local archive whose bytes were hashed before). */
bool image_layer_pin_diff_id(struct image_store *store, const char *diff_id);
void image_layer_unpin(struct image_store *store, const char *diff_id);

/* The layer whose bytes had this digest in some form (compressed), as the store computed it. */
bool image_layer_of_digest(struct image_store *store, const char *digest, char ret_diff_id[DIGEST_TEXT_MAX]);
/* Notes that the layer has this digest in another form, which was computed from its bytes just now. */
int image_layer_add_digest(struct image_store *store, const char *digest, const char *diff_id, struct error *err);

/* Digests of the manifests that are kept with the image, and after them of those kept with images that share a layer
 * with it. */
int image_manifests(struct image_store *store, const char *id, struct strv *ret, struct error *err);
/* Keeps a manifest with an image that is here, under these names: of `what` manifest, index and refs count. */
struct image_commit;
int image_add_manifest(struct image_store *store, const char *id, const struct image_commit *what, struct error *err);

/* One layer of an image to commit: exactly one of the two is set. */
struct image_commit_layer {
    struct layer_ingest *ingest; /* finished; its directory is taken over */
    const char *diff_id;         /* pinned */
};

struct image_commit {
    const char *config; /* the config blob, byte for byte; its sha256 is the image's id */
    size_t config_size;
    const char *expected_id;                 /* what the manifest says the config's digest is; NULL: nothing claimed */
    const char *parent;                      /* id of the image it is built upon, which it keeps from being removed */
    const struct image_commit_layer *layers; /* base first; must equal the config's rootfs.diff_ids */
    size_t layer_count;
    const char *manifest; /* kept as a blob beside the config; NULL when there is none */
    size_t manifest_size;
    const char *index; /* what the names stand for, with all of its platforms that are here; NULL: the image alone */
    size_t index_size;
    const struct reference *refs; /* names that shall point here; each with a tag, or with a digest (a repo digest) */
    size_t ref_count;
};

/*
 * Makes the image visible with all its names, or nothing at all. An image that is here already only gets the names.
 * Wrong contents are ERROR_INVALID ("layers from manifest don't match image configuration"). ret_id may be NULL.
 */
int image_commit(struct image_store *store, const struct image_commit *commit, char ret_id[DIGEST_TEXT_MAX],
                 struct error *err);

/* A finished layer comes into the store without an image, pinned (image_layer_unpin): somebody has to use it
 * (image/draft.h: image_layer_use), best in the same transaction of the caller's. One that is there already is that
 * one. */
int image_layer_commit(struct image_store *store, struct layer_ingest *ingest, struct error *err);

/* The id a name points at now; false when the name is unknown ("Image is up to date" needs it). `ref` with tag or
 * digest. */
bool image_resolve(struct image_store *store, const struct reference *ref, char ret_id[DIGEST_TEXT_MAX]);
/* Adds names to an image that is here (the manifest was seen before). */
int image_add_refs(struct image_store *store, const char *id, const struct reference *refs, size_t count,
                   struct error *err);

/* ---- The tar of a layer, byte for byte as it came (image/layer_tar.c) ---- */

/* Its size. A layer whose tar cannot be made again is ERROR_CONFLICT, with the reason. */
int image_layer_tar_size(struct image_store *store, const char *diff_id, int64_t *ret, struct error *err);
/* Writes it; what was written is compared with the diffID at the end, and a difference is an error. The caller keeps
 * the layer from being removed (an image reference does not: image_layer_pin_diff_id). */
int image_layer_tar_write(struct image_store *store, const char *diff_id, tar_sink_fn sink, void *data,
                          struct error *err);

#endif
