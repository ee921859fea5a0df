/* The config of an image that is made here (import, commit), as docker writes it. Private to image/. */
#ifndef DORY_IMAGE_CONFIG_WRITE_H
#define DORY_IMAGE_CONFIG_WRITE_H

#include "image/image.h"
#include "image/platform.h"

struct config_write {
    const struct image *parent;      /* its history and layers come first; NULL: none */
    const struct platform *platform; /* without a parent */
    const char *author, *comment;
    const char *container_id;                        /* NULL: not of a container */
    const struct container_config *container_config; /* NULL likewise */
    const struct container_config *config;
    const char *created_by; /* of the new line of the history; may be NULL */
    const char *diff_id;    /* of the new layer; NULL: the step has none */
    /* Several steps at once, instead of the two above. */
    const struct image_history *steps;
    size_t step_count;
    const struct strv *diff_ids; /* one for each step that is no empty_layer; NULL: one step */
    int64_t created;             /* ns; 0: now */
};
/* Appends the JSON text. Fails when the parent's config cannot be read. */
int config_write(const struct config_write *what, struct strbuf *out, struct error *err);

#endif
