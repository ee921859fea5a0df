/*
 * What a request to make a container means in older versions of the API. A member that a version did not have yet is
 * refused or counts as absent, as docker has it; what has moved to another place is put there, with a warning.
 */
#ifndef DORY_DAEMON_CONTAINER_VERSIONS_H
#define DORY_DAEMON_CONTAINER_VERSIONS_H

#include "daemon/container.h"

/* Config and HostConfig as they were decoded from the request. */
int container_versions_apply(const struct container_create *request, struct container *c, struct strv *warnings,
                             struct error *err);
/* The settings of its networks, of which the first is HostConfig.NetworkMode's; HostConfig has its defaults.
 * api_version as api_is_before() takes it. */
int container_versions_apply_networks(struct container *c, int api_version, struct strv *warnings, struct error *err);

#endif
