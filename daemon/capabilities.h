/* CapAdd, CapDrop and Privileged to a set of capabilities (bit N: capability N). Pure but for the kernel's highest. */
#ifndef DORY_DAEMON_CAPABILITIES_H
#define DORY_DAEMON_CAPABILITIES_H

#include <stdint.h>

#include "base/error.h"

struct host_config;

/* Names with or without CAP_, any case, and ALL. 'invalid CapAdd: unknown capability: "CAP_X"'. */
int capabilities_resolve(const struct host_config *host, uint64_t *ret, struct error *err);

#endif
