/* The flags that up and create share, and what they mean for a project. */
#ifndef DORY_CMD_DORY_COMPOSE_CREATE_OPTIONS_H
#define DORY_CMD_DORY_COMPOSE_CREATE_OPTIONS_H

#include "cmd/dory/compose/converge.h"

struct create_flags {
    bool build, no_build, force_recreate, no_recreate, recreate_dependencies, renew_volumes, remove_orphans, quiet_pull,
        quiet_build, yes, no_dependencies;
    bool remove_orphans_given;
    char *pull;
    struct strv scale;
    int64_t timeout;
    bool timeout_given;
};

/* What --pull may be; NULL: it was not given. */
int create_pull_check(const char *policy, struct error *err);
/* Combinations that contradict themselves, in docker's words. */
int create_flags_check(const struct create_flags *flags, struct error *err);
/*
 * The whole way to a project whose services have their containers: loads it, selects `services` (empty: all), applies
 * --scale, --pull and --build to the model, lists the containers, and converges. `options` is filled for the caller,
 * who releases it in every case.
 */
int create_flags_run(struct app *app, const struct create_flags *flags, const struct strv *services,
                     struct converge_options *options, struct error *err);
/* The steps of it, for `up`, which looks at the project before anything happens. */
int create_flags_load(struct app *app, const struct create_flags *flags, const struct strv *services,
                      struct error *err);
int create_flags_converge(struct app *app, const struct create_flags *flags, const struct strv *services,
                          struct converge_options *options, struct error *err);
/* "web=3": sets the scale of a service of the project. */
int create_scale_apply(struct app *app, const char *text, const char *message, struct error *err);

#endif
