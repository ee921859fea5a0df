/*
 * Mounting into a container that runs: the source is cloned in the daemon's mount namespace and attached in the
 * container's, by a thread that enters it (setns(2)). The container's root decides what its paths mean.
 */
#ifndef DORY_DAEMON_MOUNT_LIVE_H
#define DORY_DAEMON_MOUNT_LIVE_H

#include <sys/types.h>

#include "base/error.h"

/* Attaches a detached mount at `destination` in the mount namespace of process `pid`; a missing target is made. */
int mount_live_attach(pid_t pid, int mount_fd, const char *destination, struct error *err);

#endif
