/* What the two files of unpacking share: the walk through the archive (unpack.c) and the entries (unpack_entry.c). */
#ifndef DORY_ARCHIVE_UNPACK_INTERNAL_H
#define DORY_ARCHIVE_UNPACK_INTERNAL_H

#include <limits.h>

#include "archive/unpack.h"
#include "base/strbuf.h"

/* Directories that were opened last: entries of one directory mostly follow each other, with its subdirectories
 * between. */
#define UNPACK_PARENTS 8

struct unpack_parent {
    char *path;
    int fd;
    uint64_t used;
};

struct unpack {
    const struct unpack_options *options;
    int root_fd;
    struct unpack_parent parents[UNPACK_PARENTS];
    uint64_t clock;
    struct strbuf directories; /* times to set once everything is inside: timespec, path, NUL, ... */
    bool plain_owner;          /* what we make belongs to 0:0 by itself */
    struct unpack_result result;
};

/* An entry's path, cleaned, with the options' prefix in front: "a/b/c"; the root is "". */
struct place {
    char path[PATH_MAX];
    const char *parent; /* "a/b" */
    char *name;         /* "c" */
    char storage[PATH_MAX];
};

/* ---- unpack.c ---- */

int unpack_errno(struct error *err, int errnum, const char *doing, const char *path);
int unpack_invalid(struct error *err, const char *path, const char *what);
/* Takes the dots out of a path of the archive and puts the prefix in front; one that climbs out is refused. */
int unpack_path(const struct unpack *unpack, const char *text, char path[PATH_MAX], struct error *err);

/* The path after the options' renaming; NULL when it stays as it is. The caller frees. */
char *unpack_renamed(const struct unpack_options *options, const char *path);

/* ---- unpack_entry.c ---- */

/* Makes the entry. -EEXIST with `err` untouched: something else has the name. */
int unpack_make(struct unpack *unpack, struct tar_reader *reader, int parent_fd, const struct place *place,
                const struct tar_entry *entry, struct error *err);
/* Owner, mode and attributes of the layer's root directory, which is there already. */
int unpack_set_root(struct unpack *unpack, const struct place *place, const struct tar_entry *entry, struct error *err);
/* trusted.overlay.opaque for parent_fd/name. */
int unpack_set_opaque(int parent_fd, const char *name, const char *path, struct error *err);

#endif
