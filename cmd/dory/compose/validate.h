/* What cannot be told of one value alone: pairs of keys that exclude each other, names that refer to nothing, cycles.
 */
#ifndef DORY_CMD_DORY_COMPOSE_VALIDATE_H
#define DORY_CMD_DORY_COMPOSE_VALIDATE_H

#include "cmd/dory/compose/yaml.h"

/* Secrets, configs, volumes, published addresses of a merged document, before names and defaults are filled in. */
int validate_objects(const struct yaml *root, struct error *err);
/* The whole project with the services that are active; `disabled` (may be NULL) has those that are not. */
int validate_project(const struct yaml *root, const struct yaml *disabled, struct error *err);
/* No two services have the same container_name. */
int validate_container_names(const struct yaml *root, struct error *err);

#endif
