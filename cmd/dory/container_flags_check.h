/* What docker's client refuses of run's and create's flags before the daemon is asked, in its words. Pure. */
#ifndef DORY_CMD_DORY_CONTAINER_FLAGS_CHECK_H
#define DORY_CMD_DORY_CONTAINER_FLAGS_CHECK_H

#include "cmd/dory/container_flags.h"

int container_flags_check(const struct container_flags *flags, struct error *err);
/* Of single values, for the table of flags. */
int check_address(const char *value, struct error *err);
int check_sysctl(const char *value, struct error *err);
int check_ulimit(const char *value, struct error *err);
int check_add_host(const char *value, struct error *err);

#endif
