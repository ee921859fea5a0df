/*
 * <exec_root>/mounts/ID/NAME: mounts that the daemon makes on the host for one container, because the runtime takes a
 * source by its path only: a part of a volume that was opened safely, an id-mapped view, the memory that containers
 * share with --ipc. They last for a start, or (shm) as long as the container runs; what a crash leaves goes at the next
 * start.
 */
#ifndef DORY_DAEMON_HOST_MOUNTS_H
#define DORY_DAEMON_HOST_MOUNTS_H

#include <stdbool.h>

#include "base/error.h"

struct engine;

/* Attaches a detached mount (open_tree(2), fsmount(2)) there. *ret_path: the caller frees. */
int host_mount_attach(struct engine *engine, const char *id, const char *name, int mount_fd, char **ret_path,
                      struct error *err);
/* The path of one, whether it is there or not; the caller frees. */
char *host_mount_path(struct engine *engine, const char *id, const char *name);
/* Detaches and removes the container's, except the one called `keep` (NULL: all). Nothing there is fine. */
void host_mounts_remove(struct engine *engine, const char *id, const char *keep);
/* At the daemon's start: those of containers that do not run. */
void host_mounts_sweep(struct engine *engine, bool (*runs)(const char *id, void *data), void *data);

#endif
