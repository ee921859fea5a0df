/* Internal to runtime/: linux.netDevices, interfaces of the runtime's network namespace that move into the container's.
 */
#ifndef DORY_RUNTIME_NET_DEVICES_H
#define DORY_RUNTIME_NET_DEVICES_H

#include <stdbool.h>

#include "base/error.h"
#include "runtime/spec.h"

/* Names that interfaces can have, no two the same in the container, and a network namespace to move to. Pure. */
int net_devices_check(const struct oci_spec *spec, struct error *err);

/*
 * Moves all of them into ns_fd, with their permanent global addresses, under their new names, and sets them up. That
 * each is there and that no name is taken is found out before the first is moved. Runs in the runtime's namespace,
 * visits the other one for a socket; a failure to come back ends in -EXDEV and a process that can only be ended.
 */
int net_devices_move(const struct oci_spec *spec, int ns_fd, struct error *err);

#endif
