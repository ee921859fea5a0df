/* Changes of files in trees, by inotify(7): directories that appear are watched too. */
#ifndef DORY_CMD_DORY_COMPOSE_WATCH_TREE_H
#define DORY_CMD_DORY_COMPOSE_WATCH_TREE_H

#include "base/error.h"
#include "base/strv.h"

/* Directories inside each other; what is deeper is not watched. */
#define WATCH_DEPTH_MAX 200

struct watch_tree;

/* Asked for every directory beneath a root: true leaves it out, with everything in it. */
typedef bool (*watch_skip_fn)(const char *directory, void *data);

int watch_tree_new(watch_skip_fn skip, void *data, struct watch_tree **ret, struct error *err);
void watch_tree_free(struct watch_tree *tree); /* NULL is fine */
/* A directory with all that is in it, or one file. It must be there. Symlinks are not followed, but for the root. */
int watch_tree_add(struct watch_tree *tree, const char *path, struct error *err);
/* Readable when there is something to read. */
int watch_tree_fd(const struct watch_tree *tree);
/* Adds the paths of what changed, came or went, each once. Does not block. When the kernel's queue ran over, all files
 * count as changed. */
int watch_tree_read(struct watch_tree *tree, struct strv *changed, struct error *err);

/* Adds all that is below a directory, or the file: what `skip` leaves. */
void watch_tree_list(const struct watch_tree *tree, const char *path, struct strv *ret);

#endif
