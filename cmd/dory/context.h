/* What the context commands share. */
#ifndef DORY_CMD_DORY_CONTEXT_H
#define DORY_CMD_DORY_CONTEXT_H

#include "base/json.h"
#include "cmd/dory/command.h"

/* A context as `inspect` and lists show it; "default" is what the environment says. *ret: json_free. */
int context_load(const struct cli *cli, const char *name, struct json **ret, struct error *err);
/* The host of a loaded context. */
const char *context_host(const struct json *context);
/* Refuses names that contexts cannot have, or (with `taken`) that one has already. */
int context_check_name(const struct cli *cli, const char *name, bool taken, struct error *err);
/* "Warning: DOCKER_HOST ... overrides the active context", on standard error, where it does. `name`: the context one
 * would have to name, or NULL. */
void context_warn_of_environment(const char *name);

#endif
