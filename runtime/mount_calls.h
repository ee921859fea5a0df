/* Internal to runtime/: the mount API of Linux 5.12 by descriptor, in the combinations that are needed. 0 or -errno. */
#ifndef DORY_RUNTIME_MOUNT_CALLS_H
#define DORY_RUNTIME_MOUNT_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* Clones the mount (or the part of it) at source_fd, with the mounts below it when `recursive`, sets attributes on all
 * of the clone, and attaches it at target_fd. Both are O_PATH in our mount namespace; they may be the same. */
int mount_clone_onto(int source_fd, bool recursive, uint64_t attributes, int target_fd);
/* Attaches a detached mount at an O_PATH descriptor. */
int mount_attach(int mount_fd, int target_fd);

#endif
