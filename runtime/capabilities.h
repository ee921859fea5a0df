/* Internal to runtime/: the capability sets of a process, see capabilities(7). Bit N is capability N. */
#ifndef DORY_RUNTIME_CAPABILITIES_H
#define DORY_RUNTIME_CAPABILITIES_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/container.h"

struct capability_sets {
    uint64_t bounding, effective, inheritable, permitted, ambient;
};

/* What the process has at the moment. */
uint64_t capabilities_permitted(void);
/* The sets of the spec as far as they can be had from `grantable`: what cannot be granted is left out, as the spec
 * wants it. Only what is permitted can be effective, and only what is inheritable too can be ambient. */
struct capability_sets capabilities_wanted(const struct oci_process *process, uint64_t grantable);
/* capset(2). 0 or -errno. */
int capabilities_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);
/* Warns of names that nobody knows and of capabilities that will be left out. `all`: the process will have every one to
 * give, as the first in a user namespace has. */
void capabilities_warn(const struct oci_process *process, bool all, runtime_warn *warn, void *warn_context);

#endif
