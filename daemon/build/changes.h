/* Dockerfile instructions that only change an image's config: `docker import --change`, `docker commit --change`. */
#ifndef DORY_DAEMON_BUILD_CHANGES_H
#define DORY_DAEMON_BUILD_CHANGES_H

#include "image/container_config.h"

/*
 * Applies one instruction or several, a line each (CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD SHELL STOPSIGNAL
 * USER VOLUME WORKDIR). Variables come from the config's own Env. Anything else: "X is not a valid change command"
 * (ERROR_INVALID). On failure what stood before the bad one is applied.
 */
int container_config_change(struct container_config *config, const char *instructions, struct error *err);

#endif
