/* What tasks do to one container: requests one after the other, told to the board. */
#ifndef DORY_CMD_DORY_COMPOSE_CONTAINER_OPS_H
#define DORY_CMD_DORY_COMPOSE_CONTAINER_OPS_H

#include "cmd/dory/compose/work.h"

struct json; /* base/json.h */

struct container_op {
    const char *id, *name;
    const struct json *service; /* for hooks; NULL: none */
    int64_t timeout;            /* seconds to stop in, -1: for ever; or TIMEOUT_OWN */
    bool remove_volumes;        /* anonymous ones */
    const char *signal;         /* kill: NULL is SIGKILL */
    bool dry_run;               /* nothing is asked of the daemon */
};

/* Stopping, Stopped, with pre_stop hooks before. */
int container_op_stop(struct cli *cli, const struct container_op *op, struct work_report *report, struct error *err);
/* The same, then Removing, Removed. One that has gone meanwhile is fine. */
int container_op_stop_and_remove(struct cli *cli, const struct container_op *op, struct work_report *report,
                                 struct error *err);
/* Removing, Removed. force: also when it runs. */
int container_op_remove(struct cli *cli, const struct container_op *op, bool force, struct work_report *report,
                        struct error *err);
/* Restarting, Started, with pre_stop hooks before and post_start hooks behind. */
int container_op_restart(struct cli *cli, const struct container_op *op, struct work_report *report, struct error *err);
int container_op_kill(struct cli *cli, const struct container_op *op, struct work_report *report, struct error *err);
/* verb: "pause" or "unpause". */
int container_op_pause(struct cli *cli, const struct container_op *op, const char *verb, struct work_report *report,
                       struct error *err);

/* POST /containers/ID/SUFFIX with an empty answer. */
int container_op_post(struct cli *cli, const char *id, const char *suffix, struct error *err);

/* The hooks of the service ("post_start", "pre_stop") in a running container, in their order; their output goes to
 * work_line() as "NAME ->". One that fails: "SERVICE hook exited with status N". (hooks.c) */
int container_hooks_run(struct cli *cli, const char *id, const char *name, const struct json *service, const char *kind,
                        struct work_report *report, struct error *err);
/* Copies secrets and configs whose contents stand in the model or the environment into a container that was made.
 * (inject.c) */
struct compose_project;
int container_files_inject(struct cli *cli, const char *id, const struct compose_project *project,
                           const char *service_name, const struct json *service, struct error *err);

#endif
