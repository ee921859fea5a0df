/* Which project a command that works on existing containers is about: known by its name alone, or with its files. */
#ifndef DORY_CMD_DORY_COMPOSE_LOOKUP_H
#define DORY_CMD_DORY_COMPOSE_LOOKUP_H

#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/project.h"

struct compose_lookup {
    char *name;                     /* the project's */
    bool loaded;                    /* `project` was made from files */
    struct compose_project project; /* its name is taken over into `name` only by copying */
};
#define CLEANUP_COMPOSE_LOOKUP CLEANUP(compose_lookup_release)
void compose_lookup_release(struct compose_lookup *lookup);

/*
 * With -p and without -f no file is looked at, and the services are not checked. Else the files are loaded, `services`
 * (NULL: none) are taken out of inactive profiles, and unknown ones are ERROR_NOT_FOUND "no such service: X"; files
 * that cannot be loaded matter only when COMPOSE_PROJECT_NAME does not say the name. Warnings of the files are printed.
 * `ret` need not be initialised; on failure there is nothing to release.
 */
int compose_lookup(const struct cli *cli, const struct strv *services, struct compose_lookup *ret, struct error *err);

/* Names of the services of the model, sorted; with `disabled` also those of inactive profiles. */
void compose_lookup_services(const struct compose_lookup *lookup, bool disabled, struct strv *names);

/* The running container of a service that exec, port, ... mean, those of `run` included: compose_container_of() in the
 * project that compose_project_name() tells. The caller releases *ret_list in every case. */
int compose_lookup_container(struct cli *cli, const char *service, int64_t index, struct compose_containers *ret_list,
                             const struct compose_container **ret, struct error *err);

#endif
