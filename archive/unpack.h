/*
 * Unpacking one layer's tar into a directory, in overlay form: a whiteout ".wh.NAME" becomes a character device 0:0
 * called NAME, ".wh..wh..opq" the attribute trusted.overlay.opaque of its directory. So a layer does not depend on
 * those beneath it, and layers unpack in any order (OCI image-spec, layer.md).
 *
 * Whatever the archive says, nothing outside the directory is read or changed: every path is resolved with the
 * directory as its root, symlinks in it too, and worked on by descriptor.
 */
#ifndef DORY_ARCHIVE_UNPACK_H
#define DORY_ARCHIVE_UNPACK_H

#include "archive/tar.h"
#include "base/id_map.h"

/* Limits; beyond them the archive is refused. The first is what counts when the caller names none. */
#define UNPACK_ENTRIES_MAX 5000000
#define UNPACK_DEPTH_MAX 256
#define UNPACK_DIRECTORY_NAMES_MAX (128 * 1024 * 1024)

struct unpack_result {
    int64_t size; /* content of regular files */
    int64_t entries;
    bool opaque_root; /* layers beneath are hidden altogether, which overlayfs cannot say of a root */
    bool replaced;    /* an entry took the place of an earlier one, whose contents are gone */
};

/*
 * Reads the archive to its end marker. Owners, modes, times with nanoseconds, device nodes and extended attributes are
 * kept (trusted.overlay.* of an archive is dropped: it is the host's). Later entries replace earlier ones of the same
 * name. More than entries_max entries are ERROR_INVALID; 0: UNPACK_ENTRIES_MAX. The calling thread must own its umask
 * (unshare(CLONE_FS)) and have set it to 0.
 */
int unpack_layer(struct tar_reader *reader, int root_fd, int64_t entries_max, struct unpack_result *result,
                 struct error *err);

/* Unpacking into a tree that is in use (docker cp), which others may change meanwhile. Zeros: as unpack_layer. */
struct unpack_options {
    /* Directory beneath root_fd that names are relative to, clean and without slashes around it. Symlinks in it and in
     * the names' directories lead where they lead with root_fd as the root. NULL: root_fd itself. */
    const char *prefix;
    /* Whiteouts are plain names; the destination's own entry (".") is passed over. */
    bool plain;
    bool keep_kinds;  /* a directory replaces no file and the other way round: an error (NoOverwriteDirNonDir) */
    bool no_owner;    /* everything belongs to who unpacks it */
    bool no_symlinks; /* directories that are symlinks are not entered (ELOOP) */
    bool set_owner;   /* everything belongs to uid:gid */
    uid_t uid;
    gid_t gid;
    /* Owners, also those above, are ids in there; one that is nothing outside is ERROR_INVALID. NULL: as they are. */
    const struct id_map *uids, *gids;
    /* Names that begin with the component rename_from begin with rename_to instead; "/": with it in front. */
    const char *rename_from, *rename_to;
    int64_t entries_max; /* 0: UNPACK_ENTRIES_MAX */
};
int unpack_tree(struct tar_reader *reader, int root_fd, const struct unpack_options *options,
                struct unpack_result *result, struct error *err);

#endif
