/* What remove.c and remove_platforms.c share: one removal under way. Nobody outside image/ includes this. */
#ifndef DORY_IMAGE_REMOVE_H
#define DORY_IMAGE_REMOVE_H

#include "image/index.h"

/* A removal under way, with the database's lock held: rows are changed in one transaction, files after it. */
struct removal {
    struct image_store *store;
    const struct image_remove_options *options;
    struct image_removed *rows;
    size_t count, capacity;
    struct strv layer_dirs, blobs; /* whose rows are gone */
    struct strv platforms;         /* images that names which are gone meant for their platforms */
};

enum conflict {
    CONFLICT_CHILD = 1 << 0,     /* an image was built upon it */
    CONFLICT_RUNNING = 1 << 1,   /* a running container uses it */
    CONFLICT_REFERENCE = 1 << 2, /* it has names */
    CONFLICT_STOPPED = 1 << 3,   /* a stopped container uses it */
    CONFLICT_HARD = CONFLICT_CHILD | CONFLICT_RUNNING,
    CONFLICT_SOFT = CONFLICT_REFERENCE | CONFLICT_STOPPED,
};

/* Runs a statement with one argument; the first column of its rows is added to `list` when there is one. */
int removal_run(struct removal *removal, const char *sql, const char *argument, struct strv *list, struct error *err);
/* *ret_used: the conflict (ERROR_CONFLICT) is a container. mask: of enum conflict. */
int removal_check_conflicts(struct removal *removal, const char *id, unsigned mask, bool *ret_used, struct error *err);
/* The container that uses an image (the caller frees), or NULL. */
char *removal_used_by(const struct removal *removal, const char *id, bool *ret_running);
/* The rows of an image without names. */
int removal_delete_image(struct removal *removal, const char *id, struct error *err);

/* ---- remove_platforms.c ---- */

/* The images that a name means, its first choice and those of other platforms. */
int removal_list_platforms(struct removal *removal, const char *name, struct strv *images, struct error *err);
/* Has the image a name, if only for its platform? */
int removal_has_names(struct removal *removal, const char *id, bool *ret, struct error *err);
/* Containers that use other platforms of what the image's names stand for: those go with the last name. */
int removal_check_platforms(struct removal *removal, const char *id, unsigned mask, struct error *err);
/* The container that uses one of the images a name means, and which; *ret_container (the caller frees) NULL: none. */
int removal_name_used_by(struct removal *removal, const char *name, char **ret_container, char ret_id[DIGEST_TEXT_MAX],
                         struct error *err);
/* The platforms that options->platforms names, of the index that `name` stands for. *ret_done: others are left, and
 * nothing remains to be done; else the name itself has to go. */
int removal_lose_platforms(struct removal *removal, const char *name, bool *ret_done, struct error *err);
/* Images that were there as platforms of names that are gone now (removal->platforms) go, too, unless something else
 * has them. */
int removal_sweep_platforms(struct removal *removal, struct error *err);

#endif
