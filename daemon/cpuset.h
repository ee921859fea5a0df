/* Lists of processors and memory nodes: "0-3,7" (cpuset(7), list format). */
#ifndef DORY_DAEMON_CPUSET_H
#define DORY_DAEMON_CPUSET_H

#include "base/error.h"

enum cpuset_kind { CPUSET_CPUS, CPUSET_MEMS };

/* The list (NULL and "" are fine) is well formed and the host has what it names, in docker's words. Reads /sys. */
int cpuset_check(const char *list, enum cpuset_kind kind, struct error *err);
/* Whether every number of `list` is in `available`; -EINVAL when one of them is malformed. Pure. */
int cpuset_is_subset(const char *list, const char *available);

#endif
