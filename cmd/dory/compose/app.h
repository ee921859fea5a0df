/*
 * An application in the middle of a command: its project, the containers that there are of it, and the containers that
 * its services come to have. Tasks (work.h) read it in their processes; what they achieve is entered here by the
 * parent.
 */
#ifndef DORY_CMD_DORY_COMPOSE_APP_H
#define DORY_CMD_DORY_COMPOSE_APP_H

#include "base/strmap.h"
#include "cmd/dory/command.h"
#include "cmd/dory/compose/board.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/hash.h"
#include "cmd/dory/compose/images.h"
#include "cmd/dory/compose/project.h"
#include "cmd/dory/compose/work.h"

struct container_op; /* container_ops.h */

/* A container of a service, there already or to come. */
struct app_container {
    char *id, *name; /* id NULL: not made yet */
    int number;      /* among those of its service; 0: one of `run` */
    bool running;
    struct app_service *service;
    const struct json *replaced; /* row of the container whose place it takes; NULL: none */
    bool remove;                 /* it is one too many */
};

struct app_service {
    struct app *app;
    char *name;
    struct json *config;               /* a copy of the model's service */
    const struct compose_image *image; /* NULL: not looked for */
    struct app_container **containers; /* by number */
    size_t count, capacity;
    bool recreates; /* some container of it is made anew in this run */
};

/* No time to stop in was given: that of the container counts. */
#define TIMEOUT_OWN INT64_MIN

struct app {
    struct cli *cli;
    const struct compose_options *options;
    struct compose_project project;     /* without a model when there is no file */
    struct compose_containers existing; /* all, those of `run` included */
    struct compose_images images;
    struct app_service *services;
    size_t count;
    struct board board;
    int64_t timeout; /* seconds to stop in, -1: for ever; or TIMEOUT_OWN */
};
#define CLEANUP_APP CLEANUP(app_release)

void app_init(struct app *app, struct cli *cli, const char *title);
void app_release(struct app *app);

/* Loads the file, enables and selects the services that are named (all without names). `names` gets what was selected:
 * with `dependencies` also what they need. Nothing is asked of the daemon. */
int app_load(struct app *app, struct strv *names, bool dependencies, struct error *err);
/*
 * For commands that need no file: the project of the file when there is one, else of -p with what the labels of its
 * containers tell (services, and their dependencies). Lists the containers. Names that no service has: ERROR_NOT_FOUND
 * with a file, and dropped from `names` without one.
 */
int app_find(struct app *app, struct strv *names, struct error *err);
/* Lists the containers again. */
int app_list(struct app *app, struct error *err);
/* Makes app_services of the project's services that are named; their containers are those that exist. */
void app_take_services(struct app *app, const struct strv *names);

struct app_service *app_service(const struct app *app, const char *name);
struct app_container *app_add_container(struct app_service *service, const char *id, const char *name, int number);
/* Frees all containers of the service, or with `removed` alone those that were to be removed. */
void app_drop_containers(struct app_service *service, bool removed);
/* What is done to the container, with its service's settings and the command's flags. */
struct container_op app_container_op(const struct app_container *container);
/* "Container NAME". The caller frees. */
char *app_event_id(const char *container_name);
/* Is the container one whose service the project does not have (any more)? */
bool app_is_orphan(const struct app *app, const struct compose_container *container);
/* Warns of orphans, or with `remove` removes them. */
int app_orphans(struct app *app, bool remove, struct error *err);
/* COMPOSE_REMOVE_ORPHANS and the like: a variable of the project's or our own environment that says yes. */
bool app_environment_flag(const struct app *app, const char *name);

#endif
