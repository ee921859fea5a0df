/* Which containers are made, made anew or removed, and in what order. */
#include "cmd/dory/compose/converge.h"

#include <string.h>

#include "base/json_edit.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/model.h"

void converge_options_release(struct converge_options *options)
{
    strv_release(&options->named);
}

/* A service's point in the work, behind all that happens to its containers. */
struct plan {
    struct app *app;
    const struct converge_options *options;
    struct work *work;
    size_t *points; /* by service */
    struct creation **creations;
    size_t creation_count, creation_capacity;
};

static const struct json *row_of(const struct app *app, const char *id)
{
    for (size_t i = 0; i < app->existing.count; i++) {
        if (strcmp(app->existing.items[i].id, id) == 0)
            return app->existing.items[i].row;
    }
    return NULL;
}

/* ---- has it changed? ---- */

static bool is_on_networks(const struct app_service *service, const struct json *row)
{
    const struct json *wanted = json_get(service->config, "networks");
    const struct json *actual = json_get(json_get(row, "NetworkSettings"), "Networks");
    for (size_t i = 0; i < model_members(wanted); i++) {
        const char *id = converge_network_id(service->app, wanted->object.keys[i]);
        bool found = !id;
        for (size_t j = 0; !found && j < model_members(actual); j++) {
            const char *other = json_get_string(&actual->object.values[j], "NetworkID");
            found = other && strcmp(other, id) == 0;
        }
        if (!found)
            return false;
    }
    return true;
}

static bool has_volumes(const struct app_service *service, const struct json *row)
{
    const struct json *wanted = json_get(service->config, "volumes"), *mounts = json_get(row, "Mounts");
    const struct json *volumes = json_get(service->app->project.model, "volumes");
    for (size_t i = 0; i < json_count(wanted); i++) {
        const char *type = json_get_string(json_at(wanted, i), "type"),
                   *source = json_get_string(json_at(wanted, i), "source");
        const char *name = source ? json_get_string(json_get(volumes, source), "name") : NULL;
        if (!type || strcmp(type, "volume") != 0 || !name)
            continue;
        bool found = false;
        for (size_t j = 0; !found && j < json_count(mounts); j++) {
            const char *other = json_get_string(json_at(mounts, j), "Name");
            found = other && strcmp(other, name) == 0;
        }
        if (!found)
            return false;
    }
    return true;
}

/* Does it live in a namespace, or with volumes, of a service whose container is made anew? */
static bool shares_with_recreated(const struct app_service *service)
{
    static const char *const modes[] = {"network_mode", "ipc", "pid"};
    const struct json *volumes = json_get(service->config, "volumes_from");
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        const char *name = model_shared_service(service->config, modes[i]);
        const struct app_service *other = app_service(service->app, name);
        if (other && other->recreates)
            return true;
    }
    for (size_t i = 0; i < json_count(volumes); i++) {
        const char *entry = json_string(json_at(volumes, i));
        CLEANUP_FREE char *name = xstrndup(entry ? entry : "", strcspn(entry ? entry : "", ":"));
        const struct app_service *other = app_service(service->app, name);
        if (other && other->recreates)
            return true;
    }
    return false;
}

static bool must_recreate(const struct app_service *service, const struct app_container *container,
                          const char *expected, enum recreate policy)
{
    const struct json *row = row_of(service->app, container->id), *labels = json_get(row, "Labels");
    const char *hash = json_get_string(labels, COMPOSE_LABEL_CONFIG_HASH),
               *image = json_get_string(labels, COMPOSE_LABEL_IMAGE);
    if (policy != RECREATE_CHANGED)
        return policy == RECREATE_ALWAYS;
    if (!hash || strcmp(hash, expected) != 0 || shares_with_recreated(service))
        return true;
    const char *current = service->image ? service->image->id : NULL;
    if (strcmp(image ? image : "", current ? current : "") != 0)
        return true;
    /* Of a container that does not run the daemon keeps the settings, which the hash stands for. */
    if ((container->running || service->recreates) && !is_on_networks(service, row))
        return true;
    return !has_volumes(service, row);
}

/* ---- tasks ---- */

static struct creation *add_creation(struct plan *plan, struct app_container *container)
{
    struct creation *creation = xcalloc(1, sizeof(*creation));
    *creation =
        (struct creation){.app = plan->app, .container = container, .keep_volumes = !plan->options->renew_volumes};
    xgrow((void **)&plan->creations, plan->creation_count, &plan->creation_capacity, sizeof(struct creation *));
    plan->creations[plan->creation_count++] = creation;
    return creation;
}

static size_t service_index(const struct app *app, const char *name)
{
    const struct app_service *service = app_service(app, name);
    return service ? (size_t)(service - app->services) : app->count;
}

/* The task stands between the points of what its service needs and that of the service. */
static void place_task(struct plan *plan, const struct app_service *service, size_t task)
{
    CLEANUP_STRV struct strv needs = STRV_INIT;
    model_dependencies(service->config, &needs);
    for (size_t i = 0; i < needs.count; i++) {
        size_t other = service_index(plan->app, needs.items[i]);
        if (other < plan->app->count)
            work_after(plan->work, task, plan->points[other]);
    }
    work_after(plan->work, plan->points[service - plan->app->services], task);
}

static int remove_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct app_container *container = data;
    struct container_op op = app_container_op(container);
    return container_op_stop_and_remove(cli, &op, report, err);
}

static void plan_remove(struct plan *plan, struct app_container *container)
{
    container->remove = true;
    place_task(
        plan, container->service,
        work_add(plan->work, &(struct work_item){.name = container->name, .run = remove_task, .data = container}));
}

static void plan_create(struct plan *plan, struct app_service *service, int number)
{
    CLEANUP_FREE char *name = model_container_name(&plan->app->project, service->name, number);
    struct app_container *container = app_add_container(service, NULL, name, number);
    struct creation *creation = add_creation(plan, container);
    place_task(plan, service,
               work_add(plan->work,
                        &(struct work_item){
                            .name = container->name, .run = creation_task, .done = creation_done, .data = creation}));
}

static void plan_recreate(struct plan *plan, struct app_container *container)
{
    struct app_service *service = container->service;
    CLEANUP_FREE char *name = model_container_name(&plan->app->project, service->name, container->number);
    container->replaced = row_of(plan->app, container->id);
    xstrset(&container->name, name);
    service->recreates = true;
    place_task(plan, service,
               work_add(plan->work, &(struct work_item){.name = container->name,
                                                        .run = creation_task_replace,
                                                        .done = creation_done,
                                                        .data = add_creation(plan, container)}));
}

/* ---- dependents with restart: true ---- */

static int stop_dependent_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct app_container *container = data;
    struct container_op op = app_container_op(container);
    return container_op_stop(cli, &op, report, err);
}

/* They are stopped before what they depend on is made anew, and started again with all the others. */
static int stop_dependents(struct app *app, const struct app_service *service, struct error *err)
{
    struct work *work = work_new(app->cli, &app->board, app->options->parallel);
    for (size_t i = 0; i < app->count; i++) {
        const struct json *depends = json_get(json_get(app->services[i].config, "depends_on"), service->name);
        if (!json_get_bool(depends, "restart", false))
            continue;
        for (size_t j = 0; j < app->services[i].count; j++) {
            struct app_container *container = app->services[i].containers[j];
            if (!container->running)
                continue;
            work_add(work, &(struct work_item){.name = container->name, .run = stop_dependent_task, .data = container});
            container->running = false;
        }
    }
    int r = work_run(work, err);
    work_free(work);
    return r;
}

/* ---- one service ---- */

static int compare_numbers(const void *a, const void *b)
{
    const struct app_container *x = *(struct app_container *const *)a, *y = *(struct app_container *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

static enum recreate policy_of(const struct plan *plan, const char *service)
{
    const struct strv *named = &plan->options->named;
    return named->count == 0 || strv_contains(named, service) ? plan->options->recreate
                                                              : plan->options->recreate_dependencies;
}

static int check_scale(const struct app_service *service, int64_t scale, struct error *err)
{
    const char *own = json_get_string(service->config, "container_name");
    if (scale > 1 && own && *own)
        return error_set(err, ERROR_INVALID, 0,
                         "WARNING: The \"%s\" service is using the custom container name \"%s\". Docker requires each "
                         "container to have a unique name. Remove the custom name to scale the service",
                         service->name, own);
    return 0;
}

/* Too many: those that are out of date go first, then those of the highest numbers. */
static void plan_scale_down(struct plan *plan, struct app_service *service, const bool *outdated, size_t excess)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = service->count; excess > 0 && i-- > 0;) {
            if (service->containers[i]->remove || (pass == 0 && !outdated[i]))
                continue;
            plan_remove(plan, service->containers[i]);
            excess--;
        }
    }
}

static int plan_service(struct plan *plan, struct app_service *service, struct error *err)
{
    int64_t scale = model_scale(service->config);
    enum recreate policy = policy_of(plan, service->name);
    size_t there = service->count;
    CLEANUP_FREE bool *outdated = xcalloc(there + 1, sizeof(*outdated));
    char hash[DIGEST_HEX_MAX];
    int next = 1;
    bool any = false;
    int r = check_scale(service, scale, err);
    if (r < 0)
        return r;
    if (there > 1)
        qsort(service->containers, there, sizeof(struct app_container *), compare_numbers);
    creation_hash(service, hash);
    for (size_t i = 0; i < there; i++) {
        outdated[i] = must_recreate(service, service->containers[i], hash, policy);
        next = service->containers[i]->number >= next ? service->containers[i]->number + 1 : next;
    }
    if ((int64_t)there > scale)
        plan_scale_down(plan, service, outdated, there - (size_t)(scale > 0 ? scale : 0));
    for (size_t i = 0; i < there; i++)
        any = any || (outdated[i] && !service->containers[i]->remove);
    if (any && (r = stop_dependents(plan->app, service, err)) < 0)
        return r;
    for (size_t i = 0; i < there; i++) {
        struct app_container *container = service->containers[i];
        CLEANUP_FREE char *event = app_event_id(container->name);
        if (container->remove)
            continue;
        if (outdated[i])
            plan_recreate(plan, container);
        else if (container->running)
            board_event(&plan->app->board, event, BOARD_DONE, "Running");
    }
    for (int64_t i = (int64_t)there; i < scale; i++) {
        plan_create(plan, service, next++);
        service->recreates = true; /* what shares a namespace with it gets another one */
    }
    return 0;
}

/* ---- all services ---- */

/* Those it needs first, as what happens to them decides. */
static int plan_in_order(struct plan *plan, size_t i, bool *planned, struct error *err)
{
    struct app_service *service = &plan->app->services[i];
    CLEANUP_STRV struct strv needs = STRV_INIT;
    int r = 0;
    if (planned[i])
        return 0;
    planned[i] = true;
    model_dependencies(service->config, &needs);
    for (size_t j = 0; r == 0 && j < needs.count; j++) {
        size_t other = service_index(plan->app, needs.items[j]);
        if (other < plan->app->count)
            r = plan_in_order(plan, other, planned, err);
    }
    return r < 0 ? r : plan_service(plan, service, err);
}

static void add_points(struct plan *plan)
{
    for (size_t i = 0; i < plan->app->count; i++)
        plan->points[i] = work_add(plan->work, &(struct work_item){.name = plan->app->services[i].name});
    for (size_t i = 0; i < plan->app->count; i++) {
        CLEANUP_STRV struct strv needs = STRV_INIT;
        model_dependencies(plan->app->services[i].config, &needs);
        for (size_t j = 0; j < needs.count; j++) {
            size_t other = service_index(plan->app, needs.items[j]);
            if (other < plan->app->count)
                work_after(plan->work, plan->points[i], plan->points[other]);
        }
    }
}

static int create_containers(struct app *app, const struct converge_options *options, struct error *err)
{
    struct plan plan = {.app = app, .options = options};
    CLEANUP_FREE bool *planned = xcalloc(app->count + 1, sizeof(*planned));
    int r = 0;
    plan.points = xcalloc(app->count + 1, sizeof(*plan.points));
    plan.work = work_new(app->cli, &app->board, app->options->parallel);
    add_points(&plan);
    for (size_t i = 0; r == 0 && i < app->count; i++)
        r = plan_in_order(&plan, i, planned, err);
    if (r == 0 && work_count(plan.work) > app->count)
        r = work_run(plan.work, err);
    work_free(plan.work);
    for (size_t i = 0; i < plan.creation_count; i++)
        free(plan.creations[i]);
    free(plan.creations);
    free(plan.points);
    for (size_t i = 0; r == 0 && i < app->count; i++)
        app_drop_containers(&app->services[i], true);
    return r;
}

/* Two services of one container_name would take it from each other. */
static int check_names(const struct app *app, struct error *err)
{
    for (size_t i = 0; i < app->count; i++) {
        const char *name = json_get_string(app->services[i].config, "container_name");
        for (size_t j = 0; name && j < i; j++) {
            const char *other = json_get_string(app->services[j].config, "container_name");
            if (other && strcmp(name, other) == 0)
                return error_set(err, ERROR_INVALID, 0,
                                 "services.%s: container name \"%s\" is already in use by service %s",
                                 app->services[i].name, name, app->services[j].name);
        }
    }
    return 0;
}

/* Keys that would be ignored otherwise. */
static int check_services(const struct app *app, struct error *err)
{
    static const char *const refused[] = {"provider", "models", "gpus", "credential_spec", "use_api_socket"};
    for (size_t i = 0; i < app->count; i++) {
        for (size_t j = 0; j < ARRAY_SIZE(refused); j++) {
            const struct json *value = json_get(app->services[i].config, refused[j]);
            if (value && value->kind != JSON_NULL && !(value->kind == JSON_BOOL && !value->boolean))
                return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "services.%s.%s is not supported",
                                 app->services[i].name, refused[j]);
        }
    }
    return check_names(app, err);
}

static int find_images(struct app *app, struct error *err)
{
    for (size_t i = 0; i < app->count; i++) { /* asked first, as the answers move while they come */
        CLEANUP_FREE char *name = model_image(&app->project, app->services[i].name);
        int r = compose_images_get(app->cli, &app->images, name,
                                   compose_platform(&app->project, app->services[i].config), NULL, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < app->count; i++) {
        CLEANUP_FREE char *name = model_image(&app->project, app->services[i].name);
        compose_images_get(app->cli, &app->images, name, compose_platform(&app->project, app->services[i].config),
                           &app->services[i].image, NULL);
    }
    return 0;
}

int converge_create(struct app *app, const struct converge_options *options, struct error *err)
{
    struct compose_images_policy policy = {.no_build = options->no_build,
                                           .quiet_pull = options->quiet_pull,
                                           .quiet_build = options->quiet_build,
                                           .parallel = app->options->parallel};
    CLEANUP_STRV struct strv names = STRV_INIT;
    for (size_t i = 0; i < app->count; i++)
        strv_add(&names, app->services[i].name);
    int r = check_services(app, err);
    if (r == 0)
        r = compose_images_ensure(app->cli, &app->project, &names, &policy, &app->board, &app->images, err);
    if (r == 0)
        r = find_images(app, err);
    if (r == 0)
        r = converge_networks(app, options, err);
    if (r == 0)
        r = converge_volumes(app, options, err);
    if (r == 0 && !options->ignore_orphans)
        r = app_orphans(app, options->remove_orphans, err);
    return r < 0 ? r : create_containers(app, options, err);
}
