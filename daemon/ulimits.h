/* Ulimits: names of setrlimit(2) as docker spells them. Pure. */
#ifndef DORY_DAEMON_ULIMITS_H
#define DORY_DAEMON_ULIMITS_H

#include "base/error.h"

struct host_config;

/* "RLIMIT_NOFILE" for "nofile"; NULL when unknown. */
const char *ulimit_rlimit_name(const char *name);
int ulimits_validate(const struct host_config *host, struct error *err);

#endif
