/*
 * Layers that come into being here, on top of each other (a build): a directory below overlay/ is mounted as the upper
 * one of a root, written to, read once for its digest, and is the layer from then on, where it lies. Nothing is copied,
 * and the next root may stand on it before the digest is known.
 *
 * A draft is a row of table rootfs until it is a layer: image_rootfs_mount() and the other functions of image.h
 * take its id, a crash leaves nothing of it, and the layers beneath it stay.
 *
 * A layer that is wanted for more than images (the results of a build cache) has a row in layer_use under a name of the
 * user's choice, and stays as long as it has one.
 */
#ifndef DORY_IMAGE_DRAFT_H
#define DORY_IMAGE_DRAFT_H

#include "image/image.h"
#include "image/layer.h"

#define DRAFT_ID_MAX 13

/* What a draft stands on, from the top: `above`, then the places where mounts go (with_init), then the image. */
struct draft_base {
    const char *above;         /* ids of drafts and directories of layers, top first, blanks between; may be "" */
    const struct image *image; /* NULL: nothing is beneath */
    bool with_init;            /* with /etc/hosts, /dev and so on, which then are in no layer (init_layer.c) */
};

/* Makes an empty one. ret_id is its directory's name, for `above` of others. */
int image_draft_create(struct image_store *store, const struct draft_base *base, char ret_id[DRAFT_ID_MAX],
                       struct error *err);
/* Makes the places where the mounts of a container go: for a draft without an image beneath it. */
int image_draft_make_init(struct image_store *store, const char *id, struct error *err);
/* A detached mount of a directory of anybody's with the draft, which has nothing beneath it, as the place for writes.
 * mapped: writes have mapped ids (ROOTFS_MAPPED); the directory has what it has. */
int image_draft_mount_over(struct image_store *store, const char *id, int lower_fd, bool mapped, struct error *err);
/* Forgets it and has its directory deleted. */
void image_draft_remove(struct image_store *store, const char *id);

struct draft_info {
    char diff_id[DIGEST_TEXT_MAX];
    int64_t size; /* content of regular files */
    bool empty;   /* nothing is in it: docker makes no layer of such a step */
};
/*
 * Reads it as the layer's tar: digest, and the way back to the tar (skeleton.h). Nothing may write there any more.
 * Takes as long as hashing it. not_after (may be NULL): files and directories changed later than that (seconds) are
 * given this time, on the disk too. Needs a stack of DRAFT_STACK.
 */
#define DRAFT_STACK (8 * 1024 * 1024)
int image_draft_digest(struct image_store *store, const char *id, const int64_t *not_after, struct draft_info *ret,
                       struct error *err);
/*
 * The draft becomes a layer of the store. When the store has one of this diffID already
 * that one is used and the draft stays one: *ret_kept is false, and image_draft_remove() is the caller's when nothing
 * stands on it any more. Inside a transaction of the caller's where there is one. The layer is pinned
 * (image_layer_unpin).
 */
int image_draft_commit(struct image_store *store, const char *id, const struct draft_info *info, bool *ret_kept,
                       struct error *err);

/* Of a layer: its directory's name and size, pinned. ERROR_NOT_FOUND. */
int image_layer_open(struct image_store *store, const char *diff_id, char ret_dir[DRAFT_ID_MAX], int64_t *ret_size,
                     struct error *err);
/* `user` keeps this layer, instead of the one it had. */
int image_layer_use(struct image_store *store, const char *diff_id, const char *user, struct error *err);
/* Gives up a user's layer; what nobody needs goes. Not inside a transaction. */
int image_layer_release(struct image_store *store, const char *user, struct error *err);
/* Does an image have the layer, too? */
bool image_layer_is_shared(struct image_store *store, const char *diff_id);

/* A read-only view of layers, as draft_base names them: a detached mount, or -errno. mapped: see ROOTFS_MAPPED. */
int image_layers_view(struct image_store *store, const struct draft_base *base, bool mapped, struct error *err);

#endif
