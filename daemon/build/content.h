/*
 * What files are, as one digest: names, kinds, modes, contents, links and extended attributes, and owners where they
 * mean something; no times. Symlinks are not followed (but for the top one, inside the root).
 */
#ifndef DORY_DAEMON_BUILD_CONTENT_H
#define DORY_DAEMON_BUILD_CONTENT_H

#include <stdbool.h>
#include <sys/stat.h>

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

/* Files below are read as quickly as their notes, and have none. */
#define CONTENT_NOTED_SIZE ((int64_t)64 * 1024)
/* The digest of the contents that was noted at the file when it was read or copied, if it still is this file,
 * unchanged. Only for files that nobody but the daemon can have written to. */
bool content_noted(int fd, const struct stat *st, unsigned char ret[DIGEST_SIZE]);
/* It only saves time: where it cannot be written the file is read again. */
void content_note(int fd, const struct stat *st, const unsigned char digest[DIGEST_SIZE]);

/* Attributes that are part of a file, and copied with it: the user's and capabilities. */
bool content_keeps_xattr(const char *name);

#endif
