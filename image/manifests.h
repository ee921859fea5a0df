/* The manifests of which an image is made: of its index, whether they are here or not, or its own. For showing them. */
#ifndef DORY_IMAGE_MANIFESTS_H
#define DORY_IMAGE_MANIFESTS_H

#include "base/json.h"
#include "image/image.h"
#include "image/platform.h"

struct image_manifest {
    char digest[DIGEST_TEXT_MAX];
    char *media_type;
    int64_t size;             /* bytes of the document */
    const struct json *item;  /* what the index says of it; NULL: it stands alone */
    struct image *image;      /* NULL: it is not here */
    struct platform platform; /* of what is here: as the index says, else as the config does */
    int64_t content;          /* bytes of what is kept of it in the form of blobs: manifest and config */
};

struct image_manifests {
    /* What a name stands for: an index, or a manifest alone. An image that was built or imported, and was in no
     * registry yet, has neither; then the digest is "". */
    char digest[DIGEST_TEXT_MAX];
    char *media_type;
    int64_t size;
    struct json *index; /* the document; NULL: none */
    struct image_manifest *items;
    size_t count;
};

/*
 * `name` is what the image was looked up by; its index counts. NULL, or an id: the index of the first of its names that
 * has one. `alone`: its platform was asked for, and the image's own manifest is all that is wanted. The caller releases
 * in every case.
 */
int image_manifests_get(struct image_store *store, const struct image *image, const char *name, bool alone,
                        struct image_manifests *ret, struct error *err);
void image_manifests_release(struct image_manifests *manifests);
#define CLEANUP_IMAGE_MANIFESTS CLEANUP(image_manifests_release)

#endif
