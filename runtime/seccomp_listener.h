/*
 * Internal to runtime/: SCMP_ACT_NOTIFY. The descriptor on which a filter asks (seccomp_unotify(2)) is made in the
 * container's process and handed to the listener that the spec names, with the "container process state" of the OCI
 * runtime spec (config-linux.md, "The Container Process State").
 */
#ifndef DORY_RUNTIME_SECCOMP_LISTENER_H
#define DORY_RUNTIME_SECCOMP_LISTENER_H

#include <sys/types.h>

#include "base/error.h"
#include "runtime/hooks.h"
#include "runtime/spec.h"

/*
 * Takes descriptor `number` out of the process behind pid_fd and sends it to seccomp->listener_path, a Unix stream
 * socket. `state` is the container's; `pid` the process that the filter belongs to, which for an exec is another than
 * state's.
 */
int seccomp_listener_pass(const struct oci_seccomp *seccomp, const struct runtime_hook_state *state, pid_t pid,
                          int pid_fd, int number, struct error *err);

#endif
