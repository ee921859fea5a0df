/* The tree behind a project's model. */
#ifndef DORY_CMD_DORY_COMPOSE_SOURCE_H
#define DORY_CMD_DORY_COMPOSE_SOURCE_H

#include "cmd/dory/compose/project.h"
#include "cmd/dory/compose/render.h"

struct compose_source {
    struct yaml_pool pool;
    struct yaml *root;     /* everything but services; canonical and normalized */
    struct yaml *services; /* all of them */
    struct yaml *active;   /* those of the model */
    struct yaml *inactive;
    bool raw; /* variables are still in it */
    bool keep_env_files;
};

void compose_source_free(struct compose_source *source);
/* Shares the services out by the project's profiles. */
void compose_source_apply_profiles(struct compose_project *project);
/* Reads env files of active services, and renders project->model and project->disabled. */
int compose_source_refresh(struct compose_project *project, struct error *err);
/* The model's tree: the active services, and the objects that they use (or all). Lives in the pool. */
struct yaml *compose_source_view(const struct compose_project *project);

#endif
