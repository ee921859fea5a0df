/* Starting in the order of dependencies, and waiting for their conditions. */
#include <string.h>
#include <time.h>

#include "api/client.h"
#include "base/timestamp.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/converge.h"
#include "cmd/dory/compose/model.h"

/* How often the daemon is asked while something is waited for: more and more seldom. */
#define POLL_FIRST_MS 10
#define POLL_LAST_MS 250
/* A container without a health check counts as running after so long: one that fails at once is not healthy. Docker's
 * plugin looks for the first time after that time. */
#define STEADY_MS 500

/* Docker's plugin's name for what --wait waits for where there may be no health check. */
#define RUNNING_OR_HEALTHY "running_or_healthy"

/* What one service waits for before it starts. */
struct waiting {
    struct app *app;
    const char *service;    /* who waits; for messages */
    const char *dependency; /* for whom */
    const char *condition;
    bool required;
    int64_t deadline; /* monotonic ns; 0: none */
    int64_t began;    /* monotonic ns */
};

enum verdict { VERDICT_NOT_YET, VERDICT_READY, VERDICT_FAILED };

/* began: when the waiting did, for clocks that differ. */
static bool is_steady(const struct json *state, int64_t began)
{
    const char *text = json_get_string(state, "StartedAt");
    int64_t started, least = (int64_t)STEADY_MS * 1000000;
    if (timestamp_monotonic() - began >= least)
        return true;
    return text && timestamp_parse(text, &started) == 0 && timestamp_now() - started >= least;
}

static enum verdict judge_health(const struct waiting *waiting, const struct json *container, const char *name,
                                 struct error *err)
{
    bool or_running = strcmp(waiting->condition, RUNNING_OR_HEALTHY) == 0;
    const struct json *state = json_get(container, "State");
    const char *status = json_get_string(state, "Status");
    const char *health = json_get_string(json_get(state, "Health"), "Status");
    if (status && (strcmp(status, "exited") == 0 || strcmp(status, "dead") == 0)) {
        error_set(err, ERROR_SYSTEM, 0, "container %s exited (%lld)", name,
                  (long long)json_get_int(state, "ExitCode", 0));
        return VERDICT_FAILED;
    }
    if (!health && or_running)
        return status && strcmp(status, "running") == 0 && is_steady(state, waiting->began) ? VERDICT_READY
                                                                                            : VERDICT_NOT_YET;
    if (!health) {
        error_set(err, ERROR_INVALID, 0, "container %s has no healthcheck configured", name);
        return VERDICT_FAILED;
    }
    if (strcmp(health, "healthy") == 0)
        return VERDICT_READY;
    if (strcmp(health, "unhealthy") != 0)
        return VERDICT_NOT_YET;
    error_set(err, ERROR_SYSTEM, 0, "container %s is unhealthy", name);
    return VERDICT_FAILED;
}

static enum verdict judge_end(const struct waiting *waiting, const struct json *container, struct error *err)
{
    const struct json *state = json_get(container, "State");
    const char *status = json_get_string(state, "Status");
    int64_t code = json_get_int(state, "ExitCode", 0);
    if (!status || strcmp(status, "exited") != 0)
        return VERDICT_NOT_YET;
    if (code == 0)
        return VERDICT_READY;
    error_set(err, ERROR_SYSTEM, 0, "service \"%s\" didn't complete successfully: exit %lld", waiting->dependency,
              (long long)code);
    return VERDICT_FAILED;
}

static int judge(struct cli *cli, const struct waiting *waiting, const struct app_container *container,
                 enum verdict *ret, struct error *failure, struct error *err)
{
    CLEANUP_JSON struct json *inspect = NULL;
    CLEANUP_FREE char *path = xasprintf("/containers/%s/json", container->id);
    int r = client_json(cli_client(cli), &(struct client_request){.path = path}, &inspect, err);
    if (r < 0)
        return r;
    if (strcmp(waiting->condition, "service_completed_successfully") == 0)
        *ret = judge_end(waiting, inspect, failure);
    else
        *ret = judge_health(waiting, inspect, container->name, failure);
    return 0;
}

static void tell_all(const struct app_service *service, struct work_report *report, enum board_status status,
                     const char *text)
{
    for (size_t i = 0; i < service->count; i++) {
        CLEANUP_FREE char *event = app_event_id(service->containers[i]->name);
        work_event(report, event, status, text);
    }
}

static int failed(const struct waiting *waiting, const struct app_service *service, struct work_report *report,
                  const struct error *failure, struct error *err)
{
    if (!waiting->required) {
        CLEANUP_FREE char *text = xasprintf("Skipped: optional dependency \"%s\" failed to start", waiting->dependency);
        CLEANUP_FREE char *sentence =
            xasprintf("optional dependency \"%s\" failed to start: %s", waiting->dependency, failure->message);
        tell_all(service, report, BOARD_WARNING, text);
        work_warn(report, sentence);
        return 0;
    }
    tell_all(service, report, BOARD_ERROR, "Error");
    error_propagate(err, failure);
    if (strcmp(waiting->condition, "service_healthy") == 0)
        return error_context(err, "dependency failed to start");
    return -failure->errnum;
}

/* All containers of the service are what the condition says; or it fails. */
static int poll_condition(struct cli *cli, const struct waiting *waiting, const struct app_service *service,
                          struct work_report *report, struct error *err)
{
    int64_t pause_ms = POLL_FIRST_MS;
    size_t ready = 0;
    while (ready < service->count) {
        enum verdict verdict;
        struct error failure = {0};
        int r = judge(cli, waiting, service->containers[ready], &verdict, &failure, err);
        if (r < 0)
            return r;
        if (verdict == VERDICT_FAILED)
            return failed(waiting, service, report, &failure, err);
        if (verdict == VERDICT_READY) {
            ready++;
            continue;
        }
        if (waiting->deadline && timestamp_monotonic() >= waiting->deadline)
            return error_set(err, ERROR_UNAVAILABLE, 0, "timeout waiting for dependencies: %s is not %s",
                             service->containers[ready]->name, waiting->condition);
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000000}, NULL);
        pause_ms = pause_ms * 3 / 2 < POLL_LAST_MS ? pause_ms * 3 / 2 + 1 : POLL_LAST_MS;
    }
    bool ends = strcmp(waiting->condition, "service_completed_successfully") == 0;
    tell_all(service, report, BOARD_DONE, ends ? "Exited" : "Healthy");
    return 0;
}

static int wait_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    struct waiting *waiting = data;
    const struct app_service *service = app_service(waiting->app, waiting->dependency);
    tell_all(service, report, BOARD_WORKING, "Waiting");
    if (waiting->app->options->dry_run) {
        tell_all(service, report, BOARD_DONE, "Healthy");
        return 0;
    }
    if (service->count == 0) {
        CLEANUP_FREE char *sentence = xasprintf("%s is missing dependency %s", waiting->service, waiting->dependency);
        if (waiting->required)
            return error_set(err, ERROR_NOT_FOUND, 0, "%s", sentence);
        work_warn(report, sentence);
        return 0;
    }
    work_waiting(report, true);
    waiting->began = timestamp_monotonic();
    return poll_condition(cli, waiting, service, report, err);
}

/* ---- starting ---- */

static int start_container(struct cli *cli, const struct app_container *container, struct work_report *report,
                           struct error *err)
{
    const struct app_service *service = container->service;
    int r = container_files_inject(cli, container->id, &service->app->project, service->name, service->config, err);
    if (r == 0)
        r = container_op_post(cli, container->id, "/start", err);
    if (r == 0)
        r = container_hooks_run(cli, container->id, container->name, service->config, "post_start", report, err);
    return r;
}

static int start_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct app_container *container = data;
    CLEANUP_FREE char *event = app_event_id(container->name);
    work_event(report, event, BOARD_WORKING, "Starting");
    int r = container->service->app->options->dry_run ? 0 : start_container(cli, container, report, err);
    if (r < 0) {
        CLEANUP_FREE char *text = xasprintf("Error %s", err->message);
        work_event(report, event, BOARD_ERROR, text);
        return error_context(err, "service %s: container %s", container->service->name, container->name);
    }
    work_event(report, event, BOARD_DONE, "Started");
    return 0;
}

static void start_done(void *data, const char *result)
{
    (void)result;
    ((struct app_container *)data)->running = true;
}

/* The point of a service (by its place), behind all that is done for it. */
struct start_plan {
    struct app *app;
    struct work *work;
    size_t *points;
};

static size_t add_wait(struct start_plan *plan, const struct waiting *waiting)
{
    struct waiting *copy = xmemdup(waiting, sizeof(*waiting));
    return work_add(plan->work,
                    &(struct work_item){.name = waiting->dependency, .run = wait_task, .data = copy, .release = free});
}

/* Conditions beyond "started"; `task` comes behind them. */
static void wait_for(struct start_plan *plan, const struct app_service *service, size_t task)
{
    const struct json *depends = json_get(service->config, "depends_on");
    CLEANUP_STRV struct strv needs = STRV_INIT;
    model_dependencies(service->config, &needs);
    for (size_t i = 0; i < needs.count; i++) {
        const struct app_service *other = app_service(plan->app, needs.items[i]);
        const struct json *dependency = json_get(depends, needs.items[i]);
        const char *condition = json_get_string(dependency, "condition");
        if (!other)
            continue; /* --no-deps, or not there and not required */
        size_t point = plan->points[other - plan->app->services];
        work_after(plan->work, task, point);
        if (!condition || strcmp(condition, "service_started") == 0 || model_scale(other->config) == 0)
            continue;
        size_t wait = add_wait(plan, &(struct waiting){.app = plan->app,
                                                       .service = service->name,
                                                       .dependency = other->name,
                                                       .condition = condition,
                                                       .required = json_get_bool(dependency, "required", true)});
        work_after(plan->work, wait, point);
        work_after(plan->work, task, wait);
    }
}

static void plan_start(struct start_plan *plan, struct app_service *service)
{
    size_t point = plan->points[service - plan->app->services];
    bool any = false;
    for (size_t i = 0; i < service->count; i++)
        any = any || !service->containers[i]->running;
    /* What runs already needs nobody to wait, but stays behind what it needs. */
    size_t before = any ? work_add(plan->work, &(struct work_item){.name = service->name}) : point;
    if (any)
        wait_for(plan, service, before);
    for (size_t i = 0; i < service->count; i++) {
        struct app_container *container = service->containers[i];
        if (container->running)
            continue;
        size_t task = work_add(
            plan->work,
            &(struct work_item){.name = container->name, .run = start_task, .done = start_done, .data = container});
        work_after(plan->work, task, before);
        work_after(plan->work, point, task);
    }
}

/* One that others wait for to end is waited for in the same way. */
static const char *final_condition(const struct app *app, const struct app_service *service)
{
    for (size_t i = 0; i < app->count; i++) {
        const struct json *dependency = json_get(json_get(app->services[i].config, "depends_on"), service->name);
        const char *condition = json_get_string(dependency, "condition");
        if (condition && strcmp(condition, "service_completed_successfully") == 0)
            return "service_completed_successfully";
    }
    return RUNNING_OR_HEALTHY;
}

void converge_start_tasks(struct app *app, const struct start_options *options, struct work *work)
{
    struct start_plan plan = {.app = app, .work = work, .points = xcalloc(app->count + 1, sizeof(size_t))};
    if (options->on_line)
        work_on_line(work, options->on_line, options->line_data);
    for (size_t i = 0; i < app->count; i++)
        plan.points[i] = work_add(work, &(struct work_item){.name = app->services[i].name});
    for (size_t i = 0; i < app->count; i++)
        plan_start(&plan, &app->services[i]);
    int64_t seconds = options->wait_timeout < INT32_MAX ? options->wait_timeout : INT32_MAX;
    int64_t deadline = seconds > 0 ? timestamp_monotonic() + seconds * 1000000000 : 0;
    for (size_t i = 0; options->wait && i < app->count; i++) {
        if (model_scale(app->services[i].config) == 0)
            continue;
        size_t task = add_wait(&plan, &(struct waiting){.app = app,
                                                        .service = app->project.name,
                                                        .dependency = app->services[i].name,
                                                        .condition = final_condition(app, &app->services[i]),
                                                        .required = true,
                                                        .deadline = deadline});
        for (size_t j = 0; j < app->count; j++)
            work_after(work, task, plan.points[j]);
    }
    free(plan.points);
}

static int check_containers(const struct app *app, struct error *err)
{
    for (size_t i = 0; i < app->count; i++) {
        if (app->services[i].count == 0 && model_scale(app->services[i].config) > 0)
            return error_set(err, ERROR_NOT_FOUND, 0, "service \"%s\" has no container to start",
                             app->services[i].name);
    }
    return 0;
}

int converge_start(struct app *app, const struct start_options *options, struct error *err)
{
    struct work *work = work_new(app->cli, &app->board, app->options->parallel);
    int r = options->those_there ? 0 : check_containers(app, err);
    if (r == 0) {
        converge_start_tasks(app, options, work);
        r = work_run(work, err);
    }
    work_free(work);
    if (r < 0 && options->wait && strncmp(err->message, "timeout waiting for dependencies", 32) == 0)
        return error_set(err, ERROR_UNAVAILABLE, 0, "application not healthy after %llds",
                         (long long)options->wait_timeout);
    return r;
}

int converge_wait_dependencies(struct app *app, const char *service, struct error *err)
{
    struct start_plan plan = {.app = app, .points = xcalloc(app->count + 1, sizeof(size_t))};
    const struct app_service *waiter = app_service(app, service);
    plan.work = work_new(app->cli, &app->board, app->options->parallel);
    for (size_t i = 0; i < app->count; i++)
        plan.points[i] = work_add(plan.work, &(struct work_item){.name = app->services[i].name});
    wait_for(&plan, waiter, plan.points[waiter - app->services]);
    int r = work_run(plan.work, err);
    work_free(plan.work);
    free(plan.points);
    return r;
}
