/* compose logs: what the containers of a project said, and with -f what they say from now on, also those that come
 * later. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/timestamp.h"
#include "cmd/dory/compose/board.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/log_merge.h"
#include "cmd/dory/compose/lookup.h"
#include "cmd/dory/compose/monitor.h"

struct logs_flags {
    bool follow, no_colour, no_prefix, timestamps;
    int64_t index;
    char *since, *until, *tail;
};

#define AT(member) offsetof(struct logs_flags, member)
static const struct option logs_options[] = {
    {"follow", 'f', OPTION_BOOL, AT(follow), NULL, "Follow log output", 0, 0, NULL},
    {"index", 0, OPTION_INT, AT(index), "int", "index of the container if service has multiple replicas", 0, 0, NULL},
    {"no-color", 0, OPTION_BOOL, AT(no_colour), NULL, "Produce monochrome output", 0, 0, NULL},
    {"no-log-prefix", 0, OPTION_BOOL, AT(no_prefix), NULL, "Don't print prefix in logs", 0, 0, NULL},
    {"since", 0, OPTION_STRING, AT(since), "string",
     "Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)", 0, 0, NULL},
    {"tail", 'n', OPTION_STRING, AT(tail), "string",
     "Number of lines to show from the end of the logs for each container (default \"all\")", 0, 0, NULL},
    {"timestamps", 't', OPTION_BOOL, AT(timestamps), NULL, "Show timestamps", 0, 0, NULL},
    {"until", 0, OPTION_STRING, AT(until), "string",
     "Show logs before a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)", 0, 0, NULL},
    {0},
};

/* How soon the start of a restart follows the end, at the latest. */
#define RESTART_MS 1000

/* One container whose log is open, or was. */
struct source {
    char *id, *started; /* when it was started, as the daemon says: tells one run of it from the next */
    size_t number;      /* the printer's */
    bool again;         /* started once more while the log of its last run was still being read */
    struct log_stream *stream;
    struct logs *logs;
};

struct logs {
    struct cli *cli;
    const char *project;
    const struct strv *services; /* only of these; empty: of all */
    struct log_query query;
    struct log_printer *printer;
    struct loop *loop;
    struct loop_source *idle; /* a timer while nothing runs */
    struct monitor *monitor;
    struct strv alive; /* ids of containers that may say more */
    struct source **items;
    size_t count, capacity, open;
    int result;
    struct error error;
};

static void logs_release(struct logs *logs)
{
    for (size_t i = 0; i < logs->count; i++) {
        log_stream_free(logs->items[i]->stream);
        free(logs->items[i]->id);
        free(logs->items[i]->started);
        free(logs->items[i]);
    }
    free(logs->items);
    strv_release(&logs->alive);
    monitor_free(logs->monitor);
    loop_remove(logs->idle);
    log_printer_free(logs->printer);
    loop_free(logs->loop);
}

static struct source *find_source(struct logs *logs, const char *id)
{
    for (size_t i = 0; i < logs->count; i++) {
        if (strcmp(logs->items[i]->id, id) == 0)
            return logs->items[i];
    }
    return NULL;
}

static struct source *add_source(struct logs *logs, const char *id, const char *name)
{
    struct source *source = xcalloc(1, sizeof(*source));
    *source = (struct source){.id = xstrdup(id), .number = log_printer_source(logs->printer, name), .logs = logs};
    xgrow((void **)&logs->items, logs->count, &logs->capacity, sizeof(*logs->items));
    return logs->items[logs->count++] = source;
}

static int inspect(struct logs *logs, const char *id, struct json **ret, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/containers/%s/json", id);
    return client_json(cli_client(logs->cli), &(struct client_request){.path = path}, ret, err);
}

/* What the daemon cannot give is told, and the other logs are shown. */
static int forgive(const char *name, struct error *err)
{
    if (err->kind == ERROR_NOT_IMPLEMENTED) {
        CLEANUP_FREE char *text = xasprintf("Can't retrieve logs for \"%s\": %s", name, err->message);
        compose_warn(text);
    } else if (err->kind != ERROR_NOT_FOUND) {
        return -err->errnum;
    }
    error_clear(err);
    return 0;
}

static void fail(struct logs *logs, int r, const struct error *err)
{
    logs->result = r;
    logs->error = *err;
    loop_quit(logs->loop, 0);
}

static void on_idle(struct loop_source *source, void *data)
{
    (void)source;
    struct logs *logs = data;
    logs->idle = NULL;
    loop_quit(logs->loop, 0);
}

/* Nothing comes any more, unless the last container is started again at once: a restart is told as an end and a start.
 */
static void check_end(struct logs *logs)
{
    bool over = logs->alive.count == 0 && logs->open == 0;
    if (!over)
        loop_remove(TAKE_PTR(logs->idle));
    else if (!logs->idle && loop_add_timer(logs->loop, RESTART_MS, on_idle, logs, &logs->idle) < 0)
        loop_quit(logs->loop, 0);
}

static int follow_run(struct logs *logs, struct source *source, struct error *err);

static void on_log_end(struct log_stream *stream, int r, const struct error *err, void *data)
{
    struct source *source = data;
    struct logs *logs = source->logs;
    struct error failure = {0};
    log_stream_free(stream);
    source->stream = NULL;
    logs->open--;
    if (r < 0) {
        fail(logs, r, err);
        return;
    }
    if (source->again) {
        source->again = false;
        r = follow_run(logs, source, &failure);
        if (r < 0)
            fail(logs, r, &failure);
    }
    check_end(logs);
}

/* Opens the log of a container whose details are at hand. */
static int follow(struct logs *logs, struct source *source, const struct json *details, const struct log_query *query,
                  struct error *err)
{
    const char *name = json_get_string(details, "Name");
    const char *started = json_get_string(json_get(details, "State"), "StartedAt");
    bool raw = json_get_bool(json_get(details, "Config"), "Tty", false);
    xstrset(&source->started, started ? started : "");
    int r = log_stream_open(cli_client(logs->cli), query, source->id, raw, logs->printer, source->number,
                            &source->stream, err);
    if (r < 0)
        return forgive(name ? name : source->id, err);
    logs->open++;
    return log_stream_follow(source->stream, logs->loop, on_log_end, source, err);
}

/* What was printed of a log that is still open is not printed again: the daemon may go on with it into the next run. */
static bool leave_off(struct source *source, char since[TIMESTAMP_MAX])
{
    int64_t last = log_stream_last(source->stream);
    if (last == 0)
        return false;
    timestamp_format_fixed(since, last + 1);
    log_stream_free(TAKE_PTR(source->stream));
    source->logs->open--;
    return true;
}

/* The log of the run that has just begun. */
static int follow_run(struct logs *logs, struct source *source, struct error *err)
{
    CLEANUP_JSON struct json *details = NULL;
    struct log_query query = logs->query;
    char since[TIMESTAMP_MAX];
    int r = inspect(logs, source->id, &details, err);
    if (r < 0)
        return forgive(source->id, err);
    const char *started = json_get_string(json_get(details, "State"), "StartedAt");
    if (started && source->started && strcmp(started, source->started) == 0)
        return 0;
    /* All of it: a number of lines is about what was there before. */
    query.since = started;
    query.tail = NULL;
    if (source->stream && leave_off(source, since)) {
        query.since = since;
    } else if (source->stream) {
        source->again = true;
        return 0;
    }
    return follow(logs, source, details, &query, err);
}

static void set_alive(struct logs *logs, const char *id, bool alive)
{
    for (size_t i = 0; i < logs->alive.count; i++) {
        if (strcmp(logs->alive.items[i], id) != 0)
            continue;
        if (!alive)
            strv_remove(&logs->alive, i);
        return;
    }
    if (alive)
        strv_add(&logs->alive, id);
}

static int on_die(struct logs *logs, const struct monitor_event *event, size_t number, struct error *err)
{
    CLEANUP_JSON struct json *details = NULL;
    int r = inspect(logs, event->id, &details, err);
    if (r < 0 && err->kind != ERROR_NOT_FOUND)
        return r;
    error_clear(err);
    const struct json *state = json_get(details, "State");
    bool again = json_get_bool(state, "Restarting", false) || json_get_bool(state, "Running", false);
    CLEANUP_FREE char *text = xasprintf("exited with code %d%s", event->exit_code, again ? " (restarting)" : "");
    log_printer_status(logs->printer, number, text);
    fflush(stdout);
    set_alive(logs, event->id, again);
    return 0;
}

static int handle(struct logs *logs, const struct monitor_event *event, struct error *err)
{
    struct compose_container container = {.name = event->name, .service = event->service, .number = event->number};
    const char *name = compose_container_short_name(&container, logs->project);
    struct source *source = find_source(logs, event->id);
    bool starts = strcmp(event->action, "start") == 0;
    if (strcmp(event->action, "create") == 0 && event->replaces) {
        log_printer_status(logs->printer, log_printer_source(logs->printer, event->replaces), "has been recreated");
        fflush(stdout);
    }
    if (starts || strcmp(event->action, "create") == 0)
        set_alive(logs, event->id, true);
    if (strcmp(event->action, "destroy") == 0)
        set_alive(logs, event->id, false);
    if (strcmp(event->action, "die") == 0)
        return on_die(logs, event, source ? source->number : log_printer_source(logs->printer, name), err);
    if (!starts)
        return 0;
    return follow_run(logs, source ? source : add_source(logs, event->id, name), err);
}

static void on_event(const struct monitor_event *event, const struct error *err, void *data)
{
    struct logs *logs = data;
    struct error failure = {0};
    if (!event) {
        fail(logs, -EIO, err);
        return;
    }
    if (event->oneoff || (logs->services->count > 0 && !strv_contains(logs->services, event->service)))
        return;
    int r = handle(logs, event, &failure);
    if (r < 0)
        fail(logs, r, &failure);
    else
        check_end(logs);
}

/* All names first: the prefixes are then as wide from the first line on. */
static void add_names(struct logs *logs, const struct compose_containers *containers)
{
    for (size_t i = 0; i < containers->count; i++)
        add_source(logs, containers->items[i].id, compose_container_short_name(&containers->items[i], logs->project));
}

static int follow_all(struct logs *logs, const struct compose_containers *containers, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < logs->count && r == 0; i++) {
        CLEANUP_JSON struct json *details = NULL;
        strv_add(&logs->alive, containers->items[i].id);
        r = inspect(logs, logs->items[i]->id, &details, err);
        r = r < 0 ? forgive(containers->items[i].name, err) : follow(logs, logs->items[i], details, &logs->query, err);
    }
    if (r < 0 || logs->count == 0)
        return r;
    loop_run(logs->loop);
    return logs->result < 0 ? error_propagate(err, &logs->error) : 0;
}

static int open_source(struct logs *logs, struct source *source, struct error *err)
{
    CLEANUP_JSON struct json *details = NULL;
    int r = inspect(logs, source->id, &details, err);
    bool raw = json_get_bool(json_get(details, "Config"), "Tty", false);
    return r < 0 ? r
                 : log_stream_open(cli_client(logs->cli), &logs->query, source->id, raw, logs->printer, source->number,
                                   &source->stream, err);
}

/* All of them, in the order of time. */
static int print_all(struct logs *logs, const struct compose_containers *containers, struct error *err)
{
    CLEANUP_FREE struct log_stream **streams = xcalloc(logs->count + 1, sizeof(struct log_stream *));
    size_t count = 0;
    for (size_t i = 0; i < logs->count; i++) {
        int r = open_source(logs, logs->items[i], err);
        if (r < 0 && (r = forgive(containers->items[i].name, err)) < 0)
            return r;
        if (logs->items[i]->stream)
            streams[count++] = logs->items[i]->stream;
    }
    return log_merge_print(streams, count, err);
}

static int list(struct logs *logs, const struct strv *arguments, int64_t index, struct compose_containers *ret,
                struct error *err)
{
    struct compose_query query = {.all = true, .services = logs->services};
    const struct compose_container *container = NULL;
    struct client *client = cli_client(logs->cli);
    if (index == 0)
        return compose_containers_list(client, logs->project, &query, ret, err);
    int r = compose_container_of(client, logs->project, arguments->items[0], index, &query, ret, &container, err);
    if (r == 0) {
        ret->items[0] = *container;
        ret->count = 1;
    }
    return r;
}

/* Without names: the services of the file, but for those that keep their output to themselves. */
static void choose_services(const struct compose_lookup *lookup, const struct strv *arguments, struct strv *ret)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    strv_add_all(ret, arguments);
    if (ret->count > 0 || !lookup->loaded)
        return;
    compose_lookup_services(lookup, false, &names);
    for (size_t i = 0; i < names.count; i++) {
        if (json_get_bool(compose_service(&lookup->project, names.items[i]), "attach", true))
            strv_add(ret, names.items[i]);
    }
    if (ret->count == 0)
        strv_add_all(ret, &names);
}

static int show(struct logs *logs, const struct strv *arguments, int64_t index, struct error *err)
{
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    int r = 0;
    if (logs->query.follow)
        r = loop_new(&logs->loop, err);
    if (r == 0 && logs->query.follow)
        r = monitor_new(cli_client(logs->cli), logs->project, logs->loop, on_event, logs, &logs->monitor, err);
    if (r == 0)
        r = list(logs, arguments, index, &containers, err);
    if (r < 0)
        return r;
    add_names(logs, &containers);
    return logs->query.follow ? follow_all(logs, &containers, err) : print_all(logs, &containers, err);
}

static int run_logs(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct logs_flags *flags = data;
    CLEANUP_COMPOSE_LOOKUP struct compose_lookup lookup = {0};
    CLEANUP_STRV struct strv services = STRV_INIT;
    CLEANUP(logs_release) struct logs logs = {.cli = cli, .services = &services};
    logs.query = (struct log_query){.follow = flags->follow,
                                    .timestamps = flags->timestamps,
                                    .since = flags->since,
                                    .until = flags->until,
                                    .tail = flags->tail};
    if (flags->index > 0 && arguments->count != 1)
        return error_set(err, ERROR_INVALID, 0, "--index requires one service to be selected");
    int r = compose_lookup(cli, arguments, &lookup, err);
    if (r == 0)
        r = log_query_check(&logs.query, err);
    if (r < 0)
        return r;
    choose_services(&lookup, arguments, &services);
    logs.project = lookup.name;
    logs.printer = log_printer_new(compose_options(cli), &(struct log_printer_options){.no_colour = flags->no_colour,
                                                                                       .no_prefix = flags->no_prefix});
    return show(&logs, arguments, flags->index, err);
}

const struct command command_compose_logs = {
    .name = "compose logs",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "View output from containers",
    .options = logs_options,
    .flags_size = sizeof(struct logs_flags),
    .max_arguments = -1,
    .run = run_logs,
};
