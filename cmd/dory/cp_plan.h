/*
 * What docker cp makes of its two paths: where the archive is unpacked and under which name its top appears there. The
 * rules are those of docker's documentation for `docker cp` (SRC_PATH and DEST_PATH, files and directories, the "/."
 * ending). Pure but for the look at local files.
 */
#ifndef DORY_CMD_DORY_CP_PLAN_H
#define DORY_CMD_DORY_CP_PLAN_H

#include <stdbool.h>

#include "base/error.h"

/* CONTAINER:PATH, or a local path, which an absolute one and one that begins with a dot always are. *ret_path points
 * into the argument. The container's name (the caller frees) or NULL. */
char *cp_split_argument(const char *argument, const char **ret_path);

/* One side. */
struct cp_end {
    char *path;
    bool exists, is_directory;
    char *rename; /* the name asked for, where following a symlink led to another one; NULL: none */
};
void cp_end_release(struct cp_end *end);
#define CLEANUP_CP_END CLEANUP(cp_end_release)

/* A local source: absolute, symlinks in its directories followed, in the last place only with follow. */
int cp_local_source(const char *path, bool follow, struct cp_end *ret, struct error *err);
/* A local destination: symlinks followed to their end, which need not exist when its directory does. */
int cp_local_destination(const char *path, struct cp_end *ret, struct error *err);
/* "link" that was asked for as `path` leads to `target`: the path to use, and the name to keep. */
void cp_follow(const char *path, const char *target, struct cp_end *ret);

struct cp_plan {
    char *directory; /* to unpack in */
    /* The first component of the archive's names, and what it becomes; both NULL: as it is. */
    char *rename_from, *rename_to;
};
void cp_plan_release(struct cp_plan *plan);
#define CLEANUP_CP_PLAN CLEANUP(cp_plan_release)

/* "cannot copy directory", "no such directory". */
int cp_plan_make(const struct cp_end *source, const struct cp_end *destination, struct cp_plan *ret, struct error *err);

#endif
