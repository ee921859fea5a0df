/* What docker's client refuses of run's and create's flags before the daemon is asked, in its words. Pure. */
#ifndef DORY_CMD_DORY_CONTAINER_FLAGS_CHECK_H
#define DORY_CMD_DORY_CONTAINER_FLAGS_CHECK_H

#include "cmd/dory/container_flags.h"

int container_flags_check(const struct container_flags *flags, struct error *err);
/* Of single values, for the table of flags. */
int check_address(const char *value, struct error *err);
int check_sysctl(const char *value, struct error *err);
int check_env(const char *value, struct error *err);
int check_label(const char *value, struct error *err);
int check_dns_search(const char *value, struct error *err);
int check_device_rule(const char *value, struct error *err);
/* DEVICE:WEIGHT, DEVICE:BYTES and DEVICE:NUMBER of the blkio flags. */
int check_device_weight(const char *value, struct error *err);
int check_device_bytes(const char *value, struct error *err);
int check_device_rate(const char *value, struct error *err);
int check_ulimit(const char *value, struct error *err);
int check_add_host(const char *value, struct error *err);

#endif
