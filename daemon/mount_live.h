/*
 * Mounting into a container that runs: the source is cloned in the daemon's mount namespace and attached in the
 * container's, by a thread that enters it (setns(2)). The container's root decides what its paths mean.
 */
#ifndef DORY_DAEMON_MOUNT_LIVE_H
#define DORY_DAEMON_MOUNT_LIVE_H

#include <sys/types.h>

#include "base/beneath.h"
#include "base/error.h"

/* The mount namespace of container `id`, whose process is `pid`: a descriptor, or -errno when that has ended (also when
 * another process got its number). */
int mount_live_open(pid_t pid, const char *id, struct error *err);
/* Attaches a detached mount at `destination`; a missing target is made, for `owner` (beneath_make_target_owned()). The
 * descriptor stays the mount's. */
int mount_live_attach(int namespace_fd, int mount_fd, const char *destination, const struct beneath_owner *owner,
                      struct error *err);
/* Undoes it, with everything below. A target that was made stays. */
int mount_live_detach(int namespace_fd, int mount_fd, struct error *err);

#endif
