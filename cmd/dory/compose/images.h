/* The images of services: built with the code of `dory build`, pulled with that of `dory pull`. */
#ifndef DORY_CMD_DORY_COMPOSE_IMAGES_H
#define DORY_CMD_DORY_COMPOSE_IMAGES_H

#include "base/json.h"
#include "base/strv.h"
#include "cmd/dory/command.h"
#include "cmd/dory/compose/board.h"
#include "cmd/dory/compose/project.h"
#include "image/reference.h"

/* What the command line says beyond the file. */
struct compose_build_options {
    struct strv args, ssh;
    int64_t memory;
    bool no_cache, pull, push, quiet, check;
};

/*
 * Builds the image of a service that has `build` and gives it its names; progress goes to standard error as that of
 * `dory build` (--progress). Blocks. A failure is ERROR_* with the service in front; what the build itself reported is
 * on standard error already. *ret_status (may be NULL) is the exit status of `dory build`.
 */
int compose_build_service(struct cli *cli, const struct compose_project *project, const char *service,
                          const struct compose_build_options *options, int *ret_status, struct error *err);
/* The services that are to be built before this one: those whose images are its additional contexts ("service:NAME").
 */
void compose_build_dependencies(const struct json *service, struct strv *out);
/* "NAME=VALUE" of build.args, with what --build-arg (`given`) puts in their place. One without a value takes the
 * project's variable of that name, and is left out where there is none. */
void compose_build_arguments(const struct compose_project *project, const struct json *build, const struct strv *given,
                             struct strv *out);

/* An image of the daemon. A name may stand for several platforms: it is the one that is asked for, if that is there. */
struct compose_image {
    char *name, *platform; /* platform NULL: any */
    char *id;              /* NULL: the daemon has none of that name */
    struct json *inspect;
};
struct compose_images {
    struct compose_image *items;
    size_t count, capacity;
};
#define CLEANUP_COMPOSE_IMAGES CLEANUP(compose_images_release)
void compose_images_release(struct compose_images *images);
/* The platform that a service asks for: its own, or DOCKER_DEFAULT_PLATFORM; NULL: none. */
const char *compose_platform(const struct compose_project *project, const struct json *service);
/* Asks the daemon, or what it said before. platform may be NULL. *ret lives until the next call. */
int compose_images_get(struct cli *cli, struct compose_images *images, const char *name, const char *platform,
                       const struct compose_image **ret, struct error *err);

struct compose_images_policy {
    bool no_build, quiet_pull, quiet_build;
    int64_t parallel;
};
/* Pulls and builds what the services need and the daemon does not have, or what pull_policy wants anew. Afterwards
 * `images` knows the image of each service (model_image()); one that is missing yet is an error of the creation. */
int compose_images_ensure(struct cli *cli, const struct compose_project *project, const struct strv *services,
                          const struct compose_images_policy *policy, struct board *board,
                          struct compose_images *images, struct error *err);

/* An image to be pulled. */
struct compose_pull {
    const char *event; /* the service, or what of it: stands in front of failures */
    const char *image, *platform;
    bool dry_run; /* its registry is only asked whether it has it */
};
/* Pulls it and reports to the board as "NAME  Pulling", "NAME  Pulled". */
struct work_report;
int compose_pull_image(struct cli *cli, const struct compose_pull *pull, struct work_report *report, struct error *err);
/* The digest that the registry says the tag has, asked for through the daemon. Blocks; the caller frees *ret. */
int compose_image_digest(struct cli *cli, const struct reference *reference, char **ret, struct error *err);

#endif
