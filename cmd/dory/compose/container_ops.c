#include "cmd/dory/compose/container_ops.h"

#include <stdio.h>

#include "api/client.h"
#include "cmd/dory/compose/app.h"
#include "cmd/dory/each.h"

int container_op_post(struct cli *cli, const char *id, const char *suffix, struct error *err)
{
    return container_request(cli, "POST", id, suffix, err);
}

/* "/stop?t=3" */
static char *with_timeout(const char *verb, int64_t timeout)
{
    CLEANUP_STRBUF struct strbuf suffix = STRBUF_INIT;
    strbuf_addf(&suffix, "/%s", verb);
    if (timeout != TIMEOUT_OWN)
        client_query_add_int(&suffix, "t", timeout);
    return strbuf_take(&suffix);
}

static int stop(struct cli *cli, const struct container_op *op, struct work_report *report, struct error *err)
{
    CLEANUP_FREE char *suffix = with_timeout("stop", op->timeout);
    int r = container_hooks_run(cli, op->id, op->name, op->service, "pre_stop", report, err);
    if (r < 0 && (err->kind == ERROR_NOT_FOUND || err->kind == ERROR_CONFLICT)) {
        error_clear(err); /* it does not run, so there is nothing that a hook could do */
        r = 0;
    }
    return r < 0 ? r : container_op_post(cli, op->id, suffix, err);
}

int container_op_stop(struct cli *cli, const struct container_op *op, struct work_report *report, struct error *err)
{
    CLEANUP_FREE char *id = app_event_id(op->name);
    work_event(report, id, BOARD_WORKING, "Stopping");
    int r = op->dry_run ? 0 : stop(cli, op, report, err);
    if (r < 0 && err->kind != ERROR_NOT_FOUND)
        work_event(report, id, BOARD_ERROR, "Error while Stopping");
    if (r == 0)
        work_event(report, id, BOARD_DONE, "Stopped");
    return r;
}

int container_op_remove(struct cli *cli, const struct container_op *op, bool force, struct work_report *report,
                        struct error *err)
{
    CLEANUP_FREE char *id = app_event_id(op->name);
    CLEANUP_STRBUF struct strbuf suffix = STRBUF_INIT;
    client_query_add_bool(&suffix, "force", force);
    client_query_add_bool(&suffix, "v", op->remove_volumes);
    work_event(report, id, BOARD_WORKING, "Removing");
    int r = op->dry_run ? 0 : container_request(cli, "DELETE", op->id, strbuf_str(&suffix), err);
    if (r < 0 && (err->kind == ERROR_NOT_FOUND || (force && err->kind == ERROR_CONFLICT))) {
        error_clear(err); /* somebody else removes it */
        r = 0;
    }
    work_event(report, id, r < 0 ? BOARD_ERROR : BOARD_DONE, r < 0 ? "Error while Removing" : "Removed");
    return r;
}

int container_op_stop_and_remove(struct cli *cli, const struct container_op *op, struct work_report *report,
                                 struct error *err)
{
    int r = container_op_stop(cli, op, report, err);
    if (r < 0 && err->kind == ERROR_NOT_FOUND) {
        CLEANUP_FREE char *id = app_event_id(op->name);
        error_clear(err);
        work_event(report, id, BOARD_DONE, "Removed");
        return 0;
    }
    return r < 0 ? r : container_op_remove(cli, op, true, report, err);
}

int container_op_restart(struct cli *cli, const struct container_op *op, struct work_report *report, struct error *err)
{
    CLEANUP_FREE char *id = app_event_id(op->name), *suffix = with_timeout("restart", op->timeout);
    int r = 0;
    if (!op->dry_run)
        r = container_hooks_run(cli, op->id, op->name, op->service, "pre_stop", report, err);
    if (r < 0 && (err->kind == ERROR_NOT_FOUND || err->kind == ERROR_CONFLICT)) {
        error_clear(err);
        r = 0;
    }
    if (r < 0)
        return r;
    work_event(report, id, BOARD_WORKING, "Restarting");
    if (!op->dry_run)
        r = container_op_post(cli, op->id, suffix, err);
    work_event(report, id, r < 0 ? BOARD_ERROR : BOARD_DONE, r < 0 ? "Error while Restarting" : "Started");
    if (r == 0 && !op->dry_run)
        r = container_hooks_run(cli, op->id, op->name, op->service, "post_start", report, err);
    return r;
}

int container_op_kill(struct cli *cli, const struct container_op *op, struct work_report *report, struct error *err)
{
    CLEANUP_FREE char *id = app_event_id(op->name);
    CLEANUP_STRBUF struct strbuf suffix = STRBUF_INIT;
    strbuf_adds(&suffix, "/kill");
    client_query_add(&suffix, "signal", op->signal);
    work_event(report, id, BOARD_WORKING, "Killing");
    int r = op->dry_run ? 0 : container_op_post(cli, op->id, strbuf_str(&suffix), err);
    work_event(report, id, r < 0 ? BOARD_ERROR : BOARD_DONE, r < 0 ? "Error while Killing" : "Killed");
    return r;
}

int container_op_pause(struct cli *cli, const struct container_op *op, const char *verb, struct work_report *report,
                       struct error *err)
{
    CLEANUP_FREE char *id = app_event_id(op->name), *suffix = xasprintf("/%s", verb);
    int r = op->dry_run ? 0 : container_op_post(cli, op->id, suffix, err);
    if (r == 0)
        work_event(report, id, BOARD_DONE, suffix[1] == 'p' ? "Paused" : "Unpaused");
    return r;
}
