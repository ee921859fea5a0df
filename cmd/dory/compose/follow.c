#include "cmd/dory/compose/follow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/converge.h"
#include "cmd/dory/compose/follow_streams.h"
#include "cmd/dory/compose/model.h"
#include "cmd/dory/compose/monitor.h"
#include "cmd/dory/compose/reverse.h"

#define EXIT_INTERRUPTED 130

/* A container that `up` waits for. */
struct watched {
    char *id;
    bool restarting;
};

struct follow {
    struct app *app;
    const struct follow_options *options;
    struct loop *loop;
    struct follow_streams streams;
    struct watched *watched;
    size_t watched_count, watched_capacity;
    struct monitor *monitor;
    struct loop_source *signal_source;
    struct work *start, *stop, *kill;
    struct reverse_options stop_options;
    bool starting, stopping, interrupted, aborted;
    int exit_code;
    bool exit_code_taken; /* that of exit_code_from */
    struct error failure;
};

static bool is_watched_service(const struct follow *follow, const char *service)
{
    const struct strv *list =
        follow->options->watched->count > 0 ? follow->options->watched : follow->options->attached;
    return list->count == 0 || strv_contains(list, service);
}

static struct watched *find_watched(struct follow *follow, const char *id)
{
    for (size_t i = 0; i < follow->watched_count; i++) {
        if (strcmp(follow->watched[i].id, id) == 0)
            return &follow->watched[i];
    }
    return NULL;
}

static void watch(struct follow *follow, const char *id)
{
    if (find_watched(follow, id))
        return;
    xgrow((void **)&follow->watched, follow->watched_count, &follow->watched_capacity, sizeof(*follow->watched));
    follow->watched[follow->watched_count++] = (struct watched){.id = xstrdup(id)};
}

static void unwatch(struct follow *follow, const char *id)
{
    struct watched *entry = find_watched(follow, id);
    if (!entry)
        return;
    free(entry->id);
    *entry = follow->watched[--follow->watched_count];
}

/* The end: nothing runs that is waited for, all output is printed, and nothing is being done. */
static void check_end(struct follow *follow)
{
    bool busy = follow->starting || follow->stop || follow->kill;
    if (!busy && (follow->failure.kind != ERROR_NONE ||
                  (follow->watched_count == 0 && follow_streams_open(&follow->streams) == 0)))
        loop_quit(follow->loop, 0);
}

static void fail(struct follow *follow, const struct error *err)
{
    if (follow->failure.kind == ERROR_NONE)
        follow->failure = *err;
}

/* ---- stopping ---- */

static void on_stopped(void *data, int r, const struct error *err)
{
    struct follow *follow = data;
    if (r < 0)
        fail(follow, err);
    /* Its memory is needed until the loop is back. */
    follow->stopping = false;
    follow->stop = NULL;
    check_end(follow);
}

static void on_hook_line(void *data, const char *source, const char *line, size_t size)
{
    struct follow *follow = data;
    const char *project = follow->app->project.name;
    size_t n = strlen(project);
    if (strncmp(source, project, n) == 0 && source[n] == compose_separator(&follow->app->project))
        source += n + 1;
    CLEANUP_FREE char *own = xstrndup(source, strcspn(source, " "));
    follow_print_line(follow->streams.printer, own, false, line, size);
}

static void stop_all(struct follow *follow)
{
    struct error err = {0};
    if (follow->stopping)
        return;
    follow->stopping = true;
    follow->stop_options = (struct reverse_options){.on_line = on_hook_line, .line_data = follow};
    struct work *work = work_new(follow->app->cli, &follow->app->board, follow->app->options->parallel);
    follow->stop = work;
    follow->streams.works[follow->streams.work_count++] = work;
    reverse_tasks(follow->app, &follow->stop_options, work);
    int r = work_begin(work, follow->loop, on_stopped, follow, &err);
    if (r < 0)
        on_stopped(follow, r, &err);
}

static int kill_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct app_container *container = data;
    int r = container_op_kill(cli, &(struct container_op){.id = container->id, .name = container->name}, report, err);
    if (r < 0 && (err->kind == ERROR_CONFLICT || err->kind == ERROR_NOT_FOUND)) {
        error_clear(err); /* it has ended meanwhile */
        return 0;
    }
    return r;
}

static void on_killed(void *data, int r, const struct error *err)
{
    struct follow *follow = data;
    if (r < 0)
        fail(follow, err);
    follow->kill = NULL;
    check_end(follow);
}

static void kill_all(struct follow *follow)
{
    struct error err = {0};
    if (follow->kill)
        return;
    follow->kill = work_new(follow->app->cli, &follow->app->board, follow->app->options->parallel);
    follow->streams.works[follow->streams.work_count++] = follow->kill;
    for (size_t i = 0; i < follow->app->count; i++) {
        const struct app_service *service = &follow->app->services[i];
        for (size_t j = 0; j < service->count; j++)
            work_add(follow->kill, &(struct work_item){.name = service->containers[j]->name,
                                                       .run = kill_task,
                                                       .data = service->containers[j]});
    }
    int r = work_begin(follow->kill, follow->loop, on_killed, follow, &err);
    if (r < 0)
        on_killed(follow, r, &err);
}

static void on_signal(struct loop_source *source, int number, void *data)
{
    (void)source, (void)number;
    struct follow *follow = data;
    if (follow->interrupted) {
        if (follow->streams.work_count < FOLLOW_WORKS_MAX)
            kill_all(follow);
        return;
    }
    follow->interrupted = true;
    printf("Gracefully Stopping... press Ctrl+C again to force\n");
    fflush(stdout);
    stop_all(follow);
}

/* ---- events ---- */

static bool is_restarting(struct follow *follow, const char *id)
{
    CLEANUP_JSON struct json *inspect = NULL;
    CLEANUP_FREE char *path = xasprintf("/containers/%s/json", id);
    if (client_json(cli_client(follow->app->cli), &(struct client_request){.path = path}, &inspect, NULL) < 0)
        return false;
    const struct json *state = json_get(inspect, "State");
    return json_get_bool(state, "Restarting", false) || json_get_bool(state, "Running", false);
}

/* The first one that ends, where that is to be the end of all. */
static void take_exit_code(struct follow *follow, const char *service, int code)
{
    const struct follow_options *options = follow->options;
    bool aborts = options->abort_on_exit || (options->abort_on_failure && code != 0);
    if (options->exit_code_from && !follow->exit_code_taken && strcmp(service, options->exit_code_from) == 0) {
        follow->exit_code = code;
        follow->exit_code_taken = true;
    }
    if (!aborts || follow->aborted || follow->interrupted)
        return;
    follow->aborted = true;
    if (!options->exit_code_from)
        follow->exit_code = code;
    fprintf(stderr, "Aborting on container exit...\n");
    stop_all(follow);
}

static void on_die(struct follow *follow, const char *id, const char *name, const char *service, int code)
{
    bool restarting = is_restarting(follow, id);
    struct watched *watched = find_watched(follow, id);
    CLEANUP_FREE char *status = xasprintf("exited with code %d%s", code, restarting ? " (restarting)" : "");
    follow_streams_end(&follow->streams, id, name, status);
    if (restarting) {
        if (watched)
            watched->restarting = true;
        return;
    }
    unwatch(follow, id);
    take_exit_code(follow, service, code);
}

static void on_start(struct follow *follow, const char *id, const char *name, const char *service)
{
    struct watched *watched = find_watched(follow, id);
    bool restarted = watched && watched->restarting;
    bool shown = strv_contains(follow->options->attached, service);
    if (shown && (restarted || !follow_streams_knows(&follow->streams, id)))
        follow_streams_logs(&follow->streams, id, name);
    watch(follow, id);
    find_watched(follow, id)->restarting = false;
}

static const char *short_name(const struct follow *follow, const char *name, const char *service, int64_t number)
{
    const struct compose_container container = {.name = name, .service = service, .number = number};
    return compose_container_short_name(&container, follow->app->project.name);
}

static void on_event(const struct monitor_event *event, const struct error *err, void *data)
{
    struct follow *follow = data;
    if (!event) {
        fail(follow, err);
        loop_quit(follow->loop, 0);
        return;
    }
    if (event->oneoff || !*event->service || !is_watched_service(follow, event->service))
        return;
    const char *name = short_name(follow, event->name, event->service, event->number);
    if (strcmp(event->action, "die") == 0)
        on_die(follow, event->id, name, event->service, event->exit_code);
    else if (strcmp(event->action, "start") == 0)
        on_start(follow, event->id, name, event->service);
    else if (strcmp(event->action, "create") == 0)
        watch(follow, event->id);
    else if (strcmp(event->action, "destroy") == 0)
        unwatch(follow, event->id);
    check_end(follow);
}

/* ---- beginning ---- */

static int take_signals(struct follow *follow)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    signal(SIGINT, SIG_DFL); /* a shell's background process has it ignored, and then nothing would come */
    return loop_add_signals(follow->loop, &set, on_signal, follow, &follow->signal_source);
}

static int attach_all(struct follow *follow, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    struct app *app = follow->app;
    for (size_t i = 0; i < app->count; i++) {
        struct app_service *service = &app->services[i];
        for (size_t j = 0; j < service->count; j++) {
            const struct app_container *own = service->containers[j];
            const char *name = short_name(follow, own->name, service->name, own->number);
            if (is_watched_service(follow, service->name))
                watch(follow, own->id);
            if (!strv_contains(follow->options->attached, service->name))
                continue;
            strv_add(&names, name);
            log_printer_source(follow->streams.printer, name);
            int r =
                follow_streams_attach(&follow->streams, own->id, name, model_bool(service->config, "tty", false), err);
            if (r < 0)
                return r;
        }
    }
    CLEANUP_FREE char *list = names.count ? strv_join(&names, ", ") : NULL;
    if (list)
        printf("Attaching to %s\n", list);
    fflush(stdout);
    return 0;
}

static void on_started(void *data, int r, const struct error *err)
{
    struct follow *follow = data;
    follow->starting = false;
    if (r < 0 && !follow->interrupted)
        fail(follow, err);
    check_end(follow);
}

static void on_stream_end(void *data)
{
    check_end(data);
}

static int begin(struct follow *follow, struct error *err)
{
    const struct start_options options = {.on_line = on_hook_line, .line_data = follow};
    int r = take_signals(follow);
    if (r < 0)
        return error_errno(err, r, "signals");
    r = monitor_new(cli_client(follow->app->cli), follow->app->project.name, follow->loop, on_event, follow,
                    &follow->monitor, err);
    if (r == 0)
        r = attach_all(follow, err);
    if (r < 0)
        return r;
    follow->starting = true;
    converge_start_tasks(follow->app, &options, follow->start);
    return work_begin(follow->start, follow->loop, on_started, follow, err);
}

static void release(struct follow *follow)
{
    work_free(follow->start);
    for (size_t i = 0; i < follow->streams.work_count; i++)
        work_free(follow->streams.works[i]);
    follow_streams_release(&follow->streams);
    monitor_free(follow->monitor);
    loop_remove(follow->signal_source);
    while (follow->watched_count > 0)
        unwatch(follow, follow->watched[0].id);
    free(follow->watched);
    loop_free(follow->loop);
}

int follow_application(struct app *app, const struct follow_options *options, struct error *err)
{
    struct follow follow = {.app = app, .options = options};
    int r = loop_new(&follow.loop, err);
    if (r < 0)
        return r;
    /* Its lines stand among those of the containers. Starting is not told, as nobody needs to read it there. */
    struct board quiet = {.mode = BOARD_QUIET};
    if (app->board.mode == BOARD_TTY)
        app->board.mode = BOARD_PLAIN;
    follow_streams_init(&follow.streams, app->cli, follow.loop, on_stream_end, &follow);
    follow.streams.printer =
        log_printer_new(app->options, &(struct log_printer_options){.no_colour = options->no_color,
                                                                    .no_prefix = options->no_prefix,
                                                                    .timestamps = options->timestamps});
    follow.start = work_new(app->cli, &quiet, app->options->parallel);
    r = begin(&follow, err);
    if (r == 0)
        loop_run(follow.loop);
    if (r == 0 && follow.failure.kind != ERROR_NONE)
        r = error_propagate(err, &follow.failure);
    release(&follow);
    if (r < 0)
        return r;
    return follow.interrupted ? EXIT_INTERRUPTED : follow.exit_code;
}
