/* Variables: those that interpolation sees, and those that a service gets from its files. */
#ifndef DORY_CMD_DORY_COMPOSE_ENVIRONMENT_H
#define DORY_CMD_DORY_COMPOSE_ENVIRONMENT_H

#include "cmd/dory/compose/dotenv.h"

/*
 * Adds to `environment` (which counts more) what the env files say: `named` (--env-file), or else .env of `directory`,
 * if there is one and COMPOSE_DISABLE_ENV_FILE does not say otherwise.
 */
int environment_add_files(struct strv *environment, const struct strv *named, const char *directory,
                          struct strv *warnings, struct error *err);
/* Reads env_file of a service into its environment, and removes it. A file that is required and missing is an error
 * with its place. */
int environment_resolve_service(struct yaml_pool *pool, struct yaml *service, const struct strv *environment,
                                struct strv *warnings, struct error *err);

/* The same with label_file and labels. */
int environment_resolve_labels(struct yaml_pool *pool, struct yaml *service, struct strv *warnings, struct error *err);

#endif
