/*
 * From what there is to what the file says: containers of services are made, made anew when their configuration or
 * image has changed, or removed; then started in the order of their dependencies.
 */
#ifndef DORY_CMD_DORY_COMPOSE_CONVERGE_H
#define DORY_CMD_DORY_COMPOSE_CONVERGE_H

#include "cmd/dory/compose/app.h"

enum recreate { RECREATE_CHANGED, RECREATE_ALWAYS, RECREATE_NEVER };

struct converge_options {
    enum recreate recreate, recreate_dependencies;
    struct strv named;  /* services that `recreate` is for; empty: all. The others follow recreate_dependencies */
    bool renew_volumes; /* anonymous ones are not kept */
    bool no_build, quiet_pull, quiet_build, assume_yes;
    bool remove_orphans, ignore_orphans;
};
void converge_options_release(struct converge_options *options);

/*
 * Images, networks, volumes, orphans, containers, in this order; the services are those of app_take_services(). On
 * success each service has the containers that it is to have. After a failure what was made stays, and the next run
 * goes on from there.
 */
int converge_create(struct app *app, const struct converge_options *options, struct error *err);

struct start_options {
    bool wait;            /* --wait: until everything runs or is healthy */
    int64_t wait_timeout; /* seconds; 0: no limit */
    bool those_there;     /* a service without containers is passed over where others have some, and no error */
    work_line_fn on_line; /* what hooks print; NULL: nobody sees it */
    void *line_data;
};
/* Starts what does not run, each service when what it waits for is so far. Blocks. */
int converge_start(struct app *app, const struct start_options *options, struct error *err);
/* Adds the tasks of that to `work`, for callers with a loop of their own. */
void converge_start_tasks(struct app *app, const struct start_options *options, struct work *work);

/* Waits, before anything of `service` is made (run): a work of its own. */
int converge_wait_dependencies(struct app *app, const char *service, struct error *err);

/* ---- parts (objects.c, create_container.c) ---- */
/* Networks and volumes that the services use: made, or found and checked. */
int converge_networks(struct app *app, const struct converge_options *options, struct error *err);
int converge_volumes(struct app *app, const struct converge_options *options, struct error *err);
/* The id of the daemon's network for a key of the project, as converge_networks() found it; NULL: unknown. */
const char *converge_network_id(const struct app *app, const char *key);

/* A container to be made. */
struct creation {
    struct app *app;
    struct app_container *container; /* number 0: a one-off of `run` */
    bool keep_volumes, oneoff, auto_remove, attach_stdin, no_aliases;
    const char *slug;
    const struct strmap *extra_labels; /* run --label */
};
/* The hash that its label gets: of the configuration with other services' containers filled in. */
void creation_hash(const struct app_service *service, char ret[DIGEST_HEX_MAX]);
/* POST /containers/create under `name`, in a task. The caller frees *ret_id. */
int creation_request(struct cli *cli, const struct creation *creation, const char *name, struct work_report *report,
                     char **ret_id, struct error *err);
/* Tasks: of a new container, and of one that replaces another. Data is a struct creation; the result is the id. */
int creation_task(struct cli *cli, void *data, struct work_report *report, struct error *err);
int creation_task_replace(struct cli *cli, void *data, struct work_report *report, struct error *err);
void creation_done(void *data, const char *result);

#endif
