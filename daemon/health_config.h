/* Config.Healthcheck: how a container's health is found out. Pure. */
#ifndef DORY_DAEMON_HEALTH_CONFIG_H
#define DORY_DAEMON_HEALTH_CONFIG_H

#include "base/error.h"
#include "image/container_config.h"

/* What the request leaves open comes from the image, member by member. */
void health_config_merge(struct container_config *config, const struct container_config *image);
/* docker's words: "Interval in Healthcheck cannot be less than 1ms". NULL is fine. */
int health_config_validate(const struct health_config *config, struct error *err);
/* There is something to run: neither absent, nor empty, nor NONE. */
bool health_config_has_check(const struct container_config *config);
/* What runs: the words after CMD, or the shell with what comes after CMD-SHELL. */
void health_config_command(const struct container_config *config, struct strv *ret);
/* The values in force, ns: what is 0 has docker's default (30 s, 30 s, 0, 5 s; 3 retries). */
int64_t health_config_interval(const struct health_config *config);
int64_t health_config_timeout(const struct health_config *config);
int64_t health_config_start_interval(const struct health_config *config);
int64_t health_config_retries(const struct health_config *config);

#endif
