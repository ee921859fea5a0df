/*
 * Internal to runtime/: the root and the sources of bind mounts, paths of the host, as detached clones of their mounts.
 * They can be cloned only in the mount namespace that they belong to: normally in the child, which has a copy of the
 * host's mounts. A child in a new user namespace may have no right to walk there, then the parent does it before
 * clone3; it also does so for mounts whose ids are mapped, which takes rights over the file system.
 */
#ifndef DORY_RUNTIME_SOURCES_H
#define DORY_RUNTIME_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/mount_options.h"
#include "runtime/spec.h"

struct sources {
    const struct oci_spec *spec;
    const char *bundle; /* where relative paths start */
    int root_fd;        /* -1 unless opened before */
    int *fds;           /* one per mount of the spec, -1 for those that were not opened before; NULL: none was */
    int user_fd;        /* the user namespace of mounts that are mapped as the container is; -1 until it is needed */
    bool owns_user_fd;
};

/* How the host's mounts go on to be bound to their copies in the container: rootfsPropagation, unless which is said
 * they may appear in the container but nothing of the container on the host (MS_SLAVE); unbindable is private here.
 * ERROR_INVALID names one that there is not. Pure. */
int sources_propagation(const struct oci_spec *spec, uint64_t *ret, bool *ret_recursive, struct error *err);

/* In the parent: opens now what the child could not open, which is everything (`all`) or the mapped mounts. with_root:
 * root.path too. */
int sources_open(struct sources *sources, bool all, bool with_root, struct error *err);
/* In the child: what the parent has left. It comes before the container's root lies on top of the host's, which ".."
 * (in a path or in a link: /var/run -> ../run) and recursive clones of "/" would lead into from then on. */
int sources_open_rest(struct sources *sources, struct error *err);
void sources_release(struct sources *sources);

/* A descriptor that the caller owns, or -errno. */
int sources_root(struct sources *sources, struct error *err);
/* Of a bind; every one is open by then. The caller owns it. */
int sources_take(struct sources *sources, const struct oci_mount *mount);

#endif
