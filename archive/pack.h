/*
 * A file or a directory tree into a tar stream. The tree may be somebody else's and change meanwhile: every step is by
 * descriptor, symlinks are stored and never followed, and nothing is opened that is neither a regular file nor a
 * directory. What disappears before its turn is left out; a file that shrinks while it is read is filled up with zeros.
 */
#ifndef DORY_ARCHIVE_PACK_H
#define DORY_ARCHIVE_PACK_H

#include <sys/stat.h>

#include "archive/tar_writer.h"
#include "base/id_map.h"

/* Directories inside each other; a deeper tree is refused. */
#define PACK_DEPTH_MAX 1024

/* What to do with something in the tree. */
enum pack_verdict {
    PACK_TAKE,
    PACK_SKIP,  /* with everything beneath it */
    PACK_ENTER, /* a directory: not itself, but what is taken beneath it */
};

struct pack_options {
    /* Of the top in the archive, without a slash at the end: "etc", ".". "" with contents_only. */
    const char *name;
    /* A directory's contents without an entry for itself: names are "a", "a/b" (with `name`: "NAME/a"). */
    bool contents_only;
    /* The tree is the upper directory of an overlay: whiteouts and opaque directories become ".wh." entries (OCI
     * image-spec, layer.md). */
    bool overlay;
    /* Holes are stored as holes (GNU sparse 1.0). Not in layers: docker's tar-split cannot rebuild those. */
    bool sparse;
    /* Kernel file systems (proc, sysfs, cgroup, ...) that are mounted in the tree are stored as empty directories. */
    bool skip_kernel;
    /* Everything belongs to 0:0. */
    bool no_owner;
    /* Owners are stored as their ids in there; NULL: as they are. */
    const struct id_map *uids, *gids;
    /* Asked about everything but the top, by its name in the archive (no slash behind a directory's). NULL: take. */
    enum pack_verdict (*judge)(const char *path, const struct stat *st, void *data);
    void *judge_data;
};

/*
 * `fd` is the file, symlink or directory itself (O_PATH suffices) and stays the caller's. The archive is not finished.
 * Sockets have no form in tar and are left out. Names are sorted, so that the same tree gives the same bytes.
 */
int pack_tree(struct tar_writer *writer, int fd, const struct pack_options *options, struct error *err);

/* Is the file system behind the descriptor one of the kernel's own? */
bool pack_is_kernel(int fd);

#endif
