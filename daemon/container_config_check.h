/* Config of a container: merged with its image's and checked. Pure. */
#ifndef DORY_DAEMON_CONTAINER_CONFIG_CHECK_H
#define DORY_DAEMON_CONTAINER_CONFIG_CHECK_H

#include "base/error.h"
#include "daemon/host_config.h"
#include "image/container_config.h"

/* What the request left open comes from the image, by docker's rules. `image` may be NULL. */
void container_config_merge(struct container_config *config, const struct container_config *image);
/* 400s in docker's words; what is not supported by name. */
int container_config_validate(const struct container_config *config, const struct host_config *host, struct error *err);
/* Path and arguments of the process from Entrypoint and Cmd: "no command specified". The caller frees. */
int container_config_command(struct container_config *config, char **ret_path, struct strv *ret_args,
                             struct error *err);

#endif
