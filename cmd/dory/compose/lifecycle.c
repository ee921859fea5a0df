/* stop, start, restart, kill, pause, unpause, rm: what is done to the containers that there are. */
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/json_edit.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/converge.h"
#include "cmd/dory/compose/model.h"
#include "cmd/dory/compose/reverse.h"
#include "cmd/dory/prompt.h"

struct lifecycle_flags {
    int64_t timeout;
    bool timeout_given, no_dependencies, remove_orphans, force, stop, volumes, all;
    char *signal;
};

#define AT(member) offsetof(struct lifecycle_flags, member)
#define TIMEOUT_ROW                                                                                                    \
    {                                                                                                                  \
        "timeout", 't', OPTION_INT, AT(timeout), "int", "Specify a shutdown timeout in seconds", 0, AT(timeout_given), \
            NULL                                                                                                       \
    }

static const struct option stop_options[] = {TIMEOUT_ROW, {0}};
static const struct option restart_options[] = {
    {"no-deps", 0, OPTION_BOOL, AT(no_dependencies), NULL, "Don't restart dependent services", 0, 0, NULL},
    TIMEOUT_ROW,
    {0},
};
static const struct option kill_options[] = {
    {"remove-orphans", 0, OPTION_BOOL, AT(remove_orphans), NULL,
     "Remove containers for services not defined in the Compose file", 0, 0, NULL},
    {"signal", 's', OPTION_STRING, AT(signal), "string", "SIGNAL to send to the container (default \"SIGKILL\")", 0, 0,
     NULL},
    {0},
};
static const struct option rm_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Deprecated - no effect", OPTION_HIDDEN, 0, NULL},
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Don't ask to confirm removal", 0, 0, NULL},
    {"stop", 's', OPTION_BOOL, AT(stop), NULL, "Stop the containers, if required, before removing", 0, 0, NULL},
    {"volumes", 'v', OPTION_BOOL, AT(volumes), NULL, "Remove any anonymous volumes attached to containers", 0, 0, NULL},
    {0},
};

/* The project by file or by labels; the services that are named, or all. */
static int begin(struct app *app, struct cli *cli, const char *title, const struct lifecycle_flags *flags,
                 const struct strv *arguments, struct strv *ret_names, struct error *err)
{
    app_init(app, cli, title);
    app->timeout = flags->timeout_given ? flags->timeout : TIMEOUT_OWN;
    strv_add_all(ret_names, arguments);
    int r = app_find(app, ret_names, err);
    if (r < 0)
        return r;
    if (arguments->count > 0 && ret_names->count == 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "no such service: %s", arguments->items[0]);
    model_select(&app->project, ret_names, false);
    return 0;
}

/* ---- stop ---- */

static int run_stop(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    CLEANUP_APP struct app app = {0};
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = begin(&app, cli, "Stopping", data, arguments, &names, err);
    if (r < 0)
        return r;
    app_take_services(&app, &names);
    r = reverse_containers(&app, &(struct reverse_options){0}, err);
    board_finish(&app.board);
    return r;
}

const struct command command_compose_stop = {
    .name = "compose stop",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Stop services",
    .options = stop_options,
    .flags_size = sizeof(struct lifecycle_flags),
    .max_arguments = -1,
    .run = run_stop,
};

/* ---- start ---- */

/* What they depend on is started, too. */
static int run_start(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct lifecycle_flags none = {0};
    CLEANUP_APP struct app app = {0};
    CLEANUP_STRV struct strv names = STRV_INIT;
    (void)data;
    int r = begin(&app, cli, "Running", &none, arguments, &names, err);
    if (r < 0)
        return r;
    model_select(&app.project, &names, true);
    app_take_services(&app, &names);
    r = converge_start(&app, &(struct start_options){.those_there = app.existing.count > 0}, err);
    board_finish(&app.board);
    return r;
}

const struct command command_compose_start = {
    .name = "compose start",
    .usage = "[SERVICE...]",
    .summary = "Start services",
    .max_arguments = -1,
    .run = run_start,
};

/* ---- what is done to each container by itself ---- */

struct each_item {
    const struct app *app;
    struct container_op op;
    const char *verb;
};

typedef int (*each_container_fn)(struct cli *cli, const struct each_item *item, struct work_report *report,
                                 struct error *err);

struct each_task {
    struct each_item item;
    each_container_fn fn;
};

static int each_run(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct each_task *task = data;
    return task->fn(cli, &task->item, report, err);
}

static size_t add_each(struct app *app, struct work *work, const struct container_op *op, const char *verb,
                       each_container_fn fn)
{
    struct each_task *task = xcalloc(1, sizeof(*task));
    *task = (struct each_task){{app, *op, verb}, fn};
    task->item.op.dry_run = app->options->dry_run;
    return work_add(work, &(struct work_item){.name = op->name, .run = each_run, .data = task, .release = free});
}

/* ---- restart ---- */

static int restart_one(struct cli *cli, const struct each_item *item, struct work_report *report, struct error *err)
{
    return container_op_restart(cli, &item->op, report, err);
}

/* Those that ask for it (restart: true) are restarted with what they depend on, behind it. */
static void add_restarting_dependents(const struct app *app, struct strv *names)
{
    const struct json *services = json_get(app->project.model, "services");
    for (size_t done = 0; done < names->count; done++) {
        for (size_t i = 0; i < model_members(services); i++) {
            const struct json *depends = json_get(&services->object.values[i], "depends_on");
            const char *name = services->object.keys[i];
            if (json_get_bool(json_get(depends, names->items[done]), "restart", false) && !strv_contains(names, name))
                strv_add(names, name);
        }
    }
}

static void order_restarts(struct app *app, struct work *work, const size_t *before, const size_t *behind)
{
    for (size_t i = 0; i < app->count; i++) {
        const struct json *depends = json_get(app->services[i].config, "depends_on");
        for (size_t j = 0; j < model_members(depends); j++) {
            const struct app_service *other = app_service(app, depends->object.keys[j]);
            if (other && json_get_bool(&depends->object.values[j], "restart", false))
                work_after(work, before[i], behind[other - app->services]);
        }
    }
}

static int restart_all(struct app *app, struct error *err)
{
    CLEANUP_FREE size_t *before = xcalloc(app->count + 1, sizeof(size_t));
    CLEANUP_FREE size_t *behind = xcalloc(app->count + 1, sizeof(size_t));
    struct work *work = work_new(app->cli, &app->board, app->options->parallel);
    for (size_t i = 0; i < app->count; i++) {
        const struct app_service *service = &app->services[i];
        before[i] = work_add(work, &(struct work_item){.name = service->name});
        behind[i] = work_add(work, &(struct work_item){.name = service->name});
        work_after(work, behind[i], before[i]);
        for (size_t j = 0; j < service->count; j++) {
            const struct container_op op = app_container_op(service->containers[j]);
            size_t task = add_each(app, work, &op, NULL, restart_one);
            work_after(work, task, before[i]);
            work_after(work, behind[i], task);
        }
    }
    order_restarts(app, work, before, behind);
    int r = work_run(work, err);
    work_free(work);
    return r;
}

static int run_restart(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct lifecycle_flags *flags = data;
    CLEANUP_APP struct app app = {0};
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = begin(&app, cli, "Restarting", flags, arguments, &names, err);
    if (r < 0)
        return r;
    if (!flags->no_dependencies)
        add_restarting_dependents(&app, &names);
    model_select(&app.project, &names, false);
    app_take_services(&app, &names);
    r = restart_all(&app, err);
    board_finish(&app.board);
    return r;
}

const struct command command_compose_restart = {
    .name = "compose restart",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Restart service containers",
    .options = restart_options,
    .flags_size = sizeof(struct lifecycle_flags),
    .max_arguments = -1,
    .run = run_restart,
};

/* ---- kill, pause, unpause ---- */

static int kill_one(struct cli *cli, const struct each_item *item, struct work_report *report, struct error *err)
{
    return container_op_kill(cli, &item->op, report, err);
}

static int pause_one(struct cli *cli, const struct each_item *item, struct work_report *report, struct error *err)
{
    return container_op_pause(cli, &item->op, item->verb, report, err);
}

static bool runs(const struct compose_container *container)
{
    return strcmp(container->state, "running") == 0 || strcmp(container->state, "paused") == 0 ||
           strcmp(container->state, "restarting") == 0;
}

static int run_kill(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct lifecycle_flags *flags = data;
    CLEANUP_APP struct app app = {0};
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = begin(&app, cli, "Killing", flags, arguments, &names, err);
    if (r < 0)
        return r;
    struct work *work = work_new(cli, &app.board, app.options->parallel);
    bool orphans = flags->remove_orphans || app_environment_flag(&app, "COMPOSE_REMOVE_ORPHANS");
    for (size_t i = 0; i < app.existing.count; i++) {
        const struct compose_container *container = &app.existing.items[i];
        if (!runs(container) || (!strv_contains(&names, container->service) && !(orphans && arguments->count == 0)))
            continue;
        const struct container_op op = {.id = container->id, .name = container->name, .signal = flags->signal};
        add_each(&app, work, &op, NULL, kill_one);
    }
    if (work_count(work) == 0)
        fprintf(stderr, "no container to kill");
    r = work_run(work, err);
    work_free(work);
    board_finish(&app.board);
    return r;
}

const struct command command_compose_kill = {
    .name = "compose kill",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Force stop service containers",
    .options = kill_options,
    .flags_size = sizeof(struct lifecycle_flags),
    .max_arguments = -1,
    .run = run_kill,
};

/* Those that run. One that is so already is an error of the daemon's, which the others do not mind. */
static int pause_all(struct cli *cli, const struct strv *arguments, const char *verb, const char *title,
                     struct error *err)
{
    const struct lifecycle_flags none = {0};
    CLEANUP_APP struct app app = {0};
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = begin(&app, cli, title, &none, arguments, &names, err);
    if (r < 0)
        return r;
    struct work *work = work_new(cli, &app.board, app.options->parallel);
    for (size_t i = 0; i < app.existing.count; i++) {
        const struct compose_container *container = &app.existing.items[i];
        if (container->oneoff || !runs(container) || !strv_contains(&names, container->service))
            continue;
        add_each(&app, work, &(struct container_op){.id = container->id, .name = container->name}, verb, pause_one);
    }
    r = work_run(work, err);
    work_free(work);
    board_finish(&app.board);
    return r;
}

static int run_pause(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)data;
    return pause_all(cli, arguments, "pause", "Pausing", err);
}

static int run_unpause(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)data;
    return pause_all(cli, arguments, "unpause", "Running", err);
}

const struct command command_compose_pause = {
    .name = "compose pause",
    .usage = "[SERVICE...]",
    .summary = "Pause services",
    .max_arguments = -1,
    .run = run_pause,
};

const struct command command_compose_unpause = {
    .name = "compose unpause",
    .usage = "[SERVICE...]",
    .summary = "Unpause services",
    .max_arguments = -1,
    .run = run_unpause,
};

/* ---- rm ---- */

static int remove_one(struct cli *cli, const struct each_item *item, struct work_report *report, struct error *err)
{
    return container_op_remove(cli, &item->op, item->verb != NULL, report, err);
}

static bool confirmed(const struct lifecycle_flags *flags, const struct strv *names)
{
    CLEANUP_FREE char *list = strv_join(names, ", ");
    CLEANUP_FREE char *question = xasprintf("? Going to remove %s (y/N) ", list);
    if (flags->force) {
        printf("Going to remove %s\n", list);
        fflush(stdout);
        return true;
    }
    CLEANUP_FREE char *answer = prompt(question, false);
    return answer && (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0);
}

static int remove_stopped(struct app *app, const struct lifecycle_flags *flags, const struct strv *services,
                          struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    struct work *work = work_new(app->cli, &app->board, app->options->parallel);
    for (size_t i = 0; i < app->existing.count; i++) {
        const struct compose_container *container = &app->existing.items[i];
        bool stopped = !runs(container) || (flags->stop && app->options->dry_run);
        if (container->oneoff || !stopped || !strv_contains(services, container->service))
            continue;
        const struct container_op op = {.id = container->id, .name = container->name, .remove_volumes = flags->volumes};
        strv_add(&names, container->name);
        add_each(app, work, &op, flags->force ? "force" : NULL, remove_one);
    }
    int r = 0;
    if (names.count == 0)
        fprintf(stderr, "No stopped containers\n");
    else if (confirmed(flags, &names))
        r = work_run(work, err);
    work_free(work);
    return r;
}

static int run_rm(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct lifecycle_flags *flags = data;
    CLEANUP_APP struct app app = {0};
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = begin(&app, cli, flags->stop ? "Stopping" : "Removing", flags, arguments, &names, err);
    if (r == 0 && flags->stop) {
        app_take_services(&app, &names);
        r = reverse_containers(&app, &(struct reverse_options){0}, err);
        board_finish(&app.board);
        app.board.title = "Removing";
        if (r == 0)
            r = app_list(&app, err);
    }
    if (r == 0)
        r = remove_stopped(&app, flags, &names, err);
    board_finish(&app.board);
    return r;
}

const struct command command_compose_rm = {
    .name = "compose rm",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Removes stopped service containers",
    .description =
        "Removes stopped service containers\n\nBy default, anonymous volumes attached to containers will not "
        "be removed. You\ncan override this with -v. To list all volumes, use \"docker volume ls\".\n\nAny "
        "data which is not in a volume will be lost.",
    .options = rm_options,
    .flags_size = sizeof(struct lifecycle_flags),
    .max_arguments = -1,
    .run = run_rm,
};
