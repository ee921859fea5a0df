/*
 * --ipc shareable and --ipc container:X. What containers share besides the IPC namespace is /dev/shm: of a shareable
 * container it is a tmpfs that the daemon mounts on the host (host_mounts.h, "shm") for as long as the container runs.
 */
#ifndef DORY_DAEMON_IPC_SHARE_H
#define DORY_DAEMON_IPC_SHARE_H

#include "base/error.h"

struct engine;
struct container;

/* At creation: "container:NAME" becomes "container:ID". */
int ipc_share_resolve(struct engine *engine, struct container *c, struct error *err);
/* At a start. *ret_shm: the host's path of /dev/shm, *ret_namespace: the namespace to join; NULL: the container's own.
 * The caller frees. */
int ipc_share_start(struct engine *engine, const struct container *c, char **ret_shm, char **ret_namespace,
                    struct error *err);
/* After its end, or a failed start. */
void ipc_share_end(struct engine *engine, const struct container *c);

#endif
