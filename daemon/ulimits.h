/* Ulimits: names of setrlimit(2) as docker spells them. Pure. */
#ifndef DORY_DAEMON_ULIMITS_H
#define DORY_DAEMON_ULIMITS_H

#include <stdint.h>

#include "base/error.h"

struct host_config;

/* "RLIMIT_NOFILE" for "nofile"; NULL when unknown. */
const char *ulimit_rlimit_name(const char *name);
/* "soft[:hard]", -1 for unlimited, of a limit of that name; hard is soft when left out. Errors in docker's words. */
int ulimit_parse(const char *name, const char *value, int64_t *ret_soft, int64_t *ret_hard, struct error *err);
int ulimits_validate(const struct host_config *host, struct error *err);

#endif
