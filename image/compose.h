/* An image made of layers that are in the store already: the last step of a build. */
#ifndef DORY_IMAGE_COMPOSE_H
#define DORY_IMAGE_COMPOSE_H

#include "image/image.h"

struct image_compose {
    const struct image *base; /* its layers and history come first; NULL: none */
    const char *platform;     /* "linux/arm64": without a base; NULL or "": this machine's */
    const char *author;
    const struct container_config *config;
    const struct image_history *steps; /* lines of the history; created 0: as the image */
    size_t step_count;
    const struct strv *diff_ids;  /* of the layers above the base's, pinned: one for each step with a layer */
    int64_t created;              /* ns; 0: now */
    const struct reference *refs; /* names it gets */
    size_t ref_count;
};
/* Image and names are there, or nothing. */
int image_compose(struct image_store *store, const struct image_compose *what, char ret_id[DIGEST_TEXT_MAX],
                  struct error *err);

#endif
