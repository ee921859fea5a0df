/*
 * What a start does on the host before the runtime can mount: sources of binds made where that was asked for, volumes
 * mounted, parts of volumes opened safely (the content of a volume is a container's).
 */
#ifndef DORY_DAEMON_MOUNT_SOURCES_H
#define DORY_DAEMON_MOUNT_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct engine;
struct identity;
struct container;
struct mount_point;

/* Zero-initialised is empty. */
struct mount_sources {
    char **paths; /* one per mount of the container: where the source is now; NULL: where it says */
    size_t count;
    size_t prepared; /* how many mounts are done: for their volumes volume_unmount() is due */
    bool on_host;    /* something lies in host_mounts.h's directory for the time of the start */
};

/* A bind's source: made if it is missing and create_source is set. */
int mount_source_make(const struct mount_point *m, struct error *err);
/*
 * What the mount shows of the volume or image whose root is root_fd: its subpath, or all of it. A subpath that is not
 * there is ERROR_NOT_FOUND and -ENOENT; one that symlinks lead out of the root is ERROR_INVALID and -EXDEV. Flags of
 * open(2); close-on-exec.
 */
int mount_subpath_open(const struct mount_point *m, int root_fd, int flags, struct error *err);
/* identity: the container's user, for idmap and U. In the order of c->mounts. On failure the caller still calls
 * mount_sources_undo(). */
int mount_sources_prepare(struct engine *engine, const struct container *c, const struct identity *identity,
                          struct mount_sources *sources, struct error *err);
/* After a failed start: unmounts. */
void mount_sources_undo(struct engine *engine, const struct container *c, struct mount_sources *sources);
/* Frees, and removes what was only needed for the start. */
void mount_sources_release(struct engine *engine, const struct container *c, struct mount_sources *sources);
/* Gives the volumes of a container back that has ended: those of the mounts that it had when its end was recorded. What
 * an update adds later is not mounted for it. */
void mount_sources_unmount(struct engine *engine, const struct container *c, const struct mount_point *mounts,
                           size_t count);

#endif
