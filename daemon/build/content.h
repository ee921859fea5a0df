/*
 * What files are, as one digest: names, kinds, modes, contents, links and extended attributes, and owners where they
 * mean something; no times. Symlinks are not followed (but for the top one, inside the root).
 */
#ifndef DORY_DAEMON_BUILD_CONTENT_H
#define DORY_DAEMON_BUILD_CONTENT_H

#include <stdbool.h>

#include "archive/ignore.h"
#include "base/digest.h"

struct content_options {
    bool owners;
    const struct ignore *excludes; /* of paths relative to the directory; may be NULL */
    bool remember; /* the files are kept by the daemon: their digests may be noted at them (trusted.dory.content) */
};
/* `path` beneath root_fd. ret_is_dir may be NULL. ENOENT where nothing is. */
int content_digest(int root_fd, const char *path, const struct content_options *options, char ret[DIGEST_HEX_MAX],
                   bool *ret_is_dir, struct error *err);

/* Attributes that are part of a file, and copied with it: the user's and capabilities. */
bool content_keeps_xattr(const char *name);

#endif
