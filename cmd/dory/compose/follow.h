/*
 * `up` without -d: the output of the containers line by line, what becomes of them, Ctrl-C that stops them all and a
 * second one that kills. Everything happens in one loop; what is done to containers are tasks (work.h) in it.
 */
#ifndef DORY_CMD_DORY_COMPOSE_FOLLOW_H
#define DORY_CMD_DORY_COMPOSE_FOLLOW_H

#include "cmd/dory/compose/app.h"

struct follow_options {
    const struct strv *attached; /* services whose output is shown */
    const struct strv *watched;  /* services that it ends with, when all their containers have; empty: all attached */
    bool no_color, no_prefix, timestamps;
    bool abort_on_exit, abort_on_failure;
    const char *exit_code_from; /* NULL: none */
};

/* Attaches, starts the services and stays until their containers have ended. Returns the exit status of the program:
 * that of the container that ended it where that is asked for, 130 after a signal; or an error. */
int follow_application(struct app *app, const struct follow_options *options, struct error *err);

#endif
