/* Does the disk have what the database says, and nothing else? For `system check`. */
#ifndef DORY_IMAGE_CHECK_H
#define DORY_IMAGE_CHECK_H

#include "image/image.h"

struct store_problem {
    const char *type; /* "image", "layer", "manifest", "directory", "blob" */
    char *id;
    char *text; /* what is wrong with it: "its config is gone from the disk" */
    bool repaired;
};

struct store_check {
    bool repair;   /* put right what can be */
    bool contents; /* read every layer and compare it with its digest */
    /* The answer: */
    struct store_problem *problems;
    size_t count;
    int64_t images, layers; /* that were looked at */
};

/*
 * An image whose config or one of whose layers is lost or damaged is removed by a repair, as at the daemon's start: it
 * can be pulled again. Nothing is removed that a container has below it. Directories and blobs that nothing in the
 * database has are deleted; those younger than a minute are left alone, because they may be on their way in.
 */
int image_store_check(struct image_store *store, struct store_check *check, struct error *err);
void store_check_release(struct store_check *check);
/* Adds a problem; takes `text`. */
void store_check_add(struct store_check *check, const char *type, const char *id, char *text, bool repaired);

#endif
