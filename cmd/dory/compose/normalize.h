/* What a project has without saying it: networks, dependencies, names. */
#ifndef DORY_CMD_DORY_COMPOSE_NORMALIZE_H
#define DORY_CMD_DORY_COMPOSE_NORMALIZE_H

#include "base/strv.h"
#include "cmd/dory/compose/yaml.h"

/*
 * In place: services without networks get "default", which is then declared; depends_on gets what links, volumes_from
 * and "service:..." modes imply; dockerfile its default; variables without a value in environment and build.args get
 * that of `environment` (build arguments without one are dropped); objects without a name get "PROJECT_KEY".
 */
void normalize_project(struct yaml_pool *pool, struct yaml *root, const char *project, const struct strv *environment);
/* Lower case, [a-z0-9_-], beginning with a letter or digit; the caller frees. "" when nothing is left. */
char *normalize_project_name(const char *text);

#endif
