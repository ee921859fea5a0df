/*
 * Files that the former result of the same COPY has already: they become links to that layer's files instead of being
 * copied. A file of a layer never changes, and links are only made at the same path, so that no two names of an image
 * share a file that did not before; only link counts are higher than they would be.
 *
 * What is the same is told by the digests that are noted at both files (content.h), and by mode, owner, size and time.
 */
#ifndef DORY_DAEMON_BUILD_COPY_LINKS_H
#define DORY_DAEMON_BUILD_COPY_LINKS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/strv.h"

/* File systems have a limit (ext4: 65000), and so many builds in a row may share a file: from here on it is copied. */
#define COPY_LINKS_MAX 32000

struct copy_links {
    int from_fd;       /* the former layer's files; -1: there is none, and only notes are made */
    char *base;        /* where the directory that is being copied to lies in the layer: "/a/b", "" for the root */
    struct strv paths; /* of files that are left out for now, in both layers */
    char *parent;      /* the directory of the last one */
    int64_t bytes;     /* of files that have, or get, a note */
};
#define COPY_LINKS_INIT                                                                                                \
    {                                                                                                                  \
        .from_fd = -1                                                                                                  \
    }

/*
 * Is `path`, relative to the base, there as it is wanted (mode with its kind, owner; size and time are the source's)?
 * Then it is kept in mind, and nothing may be written in its place. to_dir is the directory that it goes to; its times
 * become those of now.
 */
bool copy_links_take(struct copy_links *links, const char *path, int to_dir, int source_fd, const struct stat *wanted);
/* A file that was copied: its contents are noted, if they are at the source. */
void copy_links_note(struct copy_links *links, int source_fd, const struct stat *source, int to_fd);
/* In the new layer's own directory, once nothing is mounted over it any more. */
int copy_links_make(struct copy_links *links, int layer_fd, struct error *err);
/* Closes from_fd. */
void copy_links_release(struct copy_links *links);

#endif
