/* compose build --print: the builds of services as a file for docker's `buildx bake`. */
#ifndef DORY_CMD_DORY_COMPOSE_BUILD_PRINT_H
#define DORY_CMD_DORY_COMPOSE_BUILD_PRINT_H

#include "cmd/dory/compose/images.h"

/* On standard output, as JSON. `services` have a `build` each; the group "default" names all of them. */
void build_print(const struct compose_project *project, const struct strv *services,
                 const struct compose_build_options *options);

#endif
