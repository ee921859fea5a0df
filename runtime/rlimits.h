/* Internal to runtime/: room for the limits of a process that is in a user namespace of the container's. */
#ifndef DORY_RUNTIME_RLIMITS_H
#define DORY_RUNTIME_RLIMITS_H

#include <sys/types.h>

#include "base/error.h"
#include "runtime/spec.h"

/* A process in a user namespace has no right to raise its hard limits (getrlimit(2)). Raises those of `pid` to the ones
 * of process.rlimits that are higher, from outside; it, or its child, takes them itself. A pid that has ended is no
 * error: its end is told otherwise. */
int rlimits_make_room(const struct oci_process *process, pid_t pid, struct error *err);

#endif
