/* Containers stopped or removed against the order of dependencies: what needs others goes first. */
#ifndef DORY_CMD_DORY_COMPOSE_REVERSE_H
#define DORY_CMD_DORY_COMPOSE_REVERSE_H

#include "cmd/dory/compose/app.h"

struct reverse_options {
    bool remove, remove_volumes;
    work_line_fn on_line; /* what pre_stop hooks print; NULL: nobody sees it */
    void *line_data;
};

/* All containers of the app's services; blocks. */
int reverse_containers(struct app *app, const struct reverse_options *options, struct error *err);
/* The same as tasks of a work in the caller's loop. */
void reverse_tasks(struct app *app, const struct reverse_options *options, struct work *work);
/* app_take_services() of the services that are named and of those that need them; of all when none is named. */
void app_take_dependents(struct app *app, const struct strv *names);

#endif
