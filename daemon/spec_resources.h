/*
 * HostConfig's limits and device rules as `linux.resources` of the OCI runtime spec. Pure, except that block devices
 * are looked up by their path: one that is gone since the container was made is left out.
 */
#ifndef DORY_DAEMON_SPEC_RESOURCES_H
#define DORY_DAEMON_SPEC_RESOURCES_H

#include "base/json.h"
#include "daemon/devices.h"
#include "daemon/host_config.h"

/* The member "resources" with its key: what a start asks for. */
void spec_resources_write(const struct host_config *host, const struct device_list *devices, struct json_writer *w);
/* An object of the limits alone, without device rules: what an update of a running container asks for. */
void spec_limits_write(const struct host_config *host, struct json_writer *w);

#endif
