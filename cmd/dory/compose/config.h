/* The parts of `dory compose config`. */
#ifndef DORY_CMD_DORY_COMPOSE_CONFIG_H
#define DORY_CMD_DORY_COMPOSE_CONFIG_H

#include "cmd/dory/compose/source.h"

struct config_flags {
    char *format, *hash, *output;
    bool environment, images, lock_digests, models, networks, no_consistency, no_env_resolution, no_interpolate,
        no_normalize, no_path_resolution, profiles, quiet, resolve_digests, services, variables, volumes;
};

/* The model as it is printed: JSON's form or YAML's. A heap tree. */
struct json *config_model(const struct compose_project *project, bool as_json);
/* Prints the list that a flag asks for. 1: none does. */
int config_print_list(const struct config_flags *flags, struct compose_project *project, struct error *err);
/* Puts into every image of the model the digest that its registry says its tag has. Blocks on the daemon. */
int config_pin_images(struct cli *cli, struct json *model, struct error *err);

#endif
