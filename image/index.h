/*
 * Indexes (manifest lists) that names stand for. An image of the store is always of one platform. A name that was
 * pulled or loaded through an index stands for that index, and with it for every platform of it that is here; the row
 * in image_name says which of them is meant where nobody asks for a platform. Nobody outside image/ includes this.
 *
 * Tables: image_index (the documents, blobs as manifests are), index_image (which platforms are here), name_index
 * (which names stand for an index). An index lives as long as a name stands for it. All functions: the database's lock
 * is held.
 */
#ifndef DORY_IMAGE_INDEX_H
#define DORY_IMAGE_INDEX_H

#include "image/manifest.h"
#include "image/store.h"

/* A platform of an index that is here. */
struct index_member {
    char image[DIGEST_TEXT_MAX];
    struct platform platform; /* as the index says, else as the image's config does */
};
struct index_members {
    struct index_member *items; /* in the order of the index */
    size_t count;
};
void index_members_release(struct index_members *members);
#define CLEANUP_INDEX_MEMBERS CLEANUP(index_members_release)

/* Digest of the index that a name (as image_name_key) stands for; "" when it stands for one image alone. */
int index_of_name(struct image_store *store, const char *name, char ret[DIGEST_TEXT_MAX], struct error *err);
/* The platforms of an index that are here; none for "". The caller releases. */
int index_members(struct image_store *store, const char *index, struct index_members *ret, struct error *err);
/* The member of a platform: exactly this one, or else the one that runs there best. NULL: none. */
const struct index_member *index_choose(const struct index_members *members, const struct platform *platform,
                                        bool exact);

/* Parses a document that must be an index. The caller releases in every case. */
int index_parse(const char *text, size_t size, struct manifest *ret, struct error *err);
/* Writes the document down and notes which of its manifests are kept with images. Within a transaction. */
int index_keep(struct image_store *store, const char *text, size_t size, char ret_digest[DIGEST_TEXT_MAX],
               struct error *err);
/* Has a name that is there stand for the index ("": for its image alone), and for the platform of it that suits this
 * machine; for `id` when none does. Within a transaction. */
int index_name(struct image_store *store, const char *name, const char *index, const char *id, struct error *err);
/* An index loses a platform: names that meant it mean another one from now on. Within a transaction. */
int index_lose(struct image_store *store, const char *index, const char *image, struct error *err);
/* Deletes the rows of indexes that no name stands for, and adds the names of their blobs to `blobs`: the caller gives
 * those to store_trash once the transaction is committed. */
int index_drop_unused(struct image_store *store, struct strv *blobs, struct error *err);
/* Ends a transaction that moved names, well or (r < 0) not, with what follows of it for indexes and the cache. */
int index_commit(struct image_store *store, int r, struct error *err);

#endif
