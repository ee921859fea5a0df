#include "cmd/dory/compose/app.h"

#include <string.h>

#include "api/client.h"
#include "base/json_edit.h"
#include "base/parse.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/model.h"

void app_init(struct app *app, struct cli *cli, const char *title)
{
    *app = (struct app){.cli = cli, .options = compose_options(cli), .timeout = TIMEOUT_OWN};
    board_init(&app->board, app->options, title);
}

void app_release(struct app *app)
{
    for (size_t i = 0; i < app->count; i++) {
        struct app_service *service = &app->services[i];
        app_drop_containers(service, false);
        free(service->containers);
        free(service->name);
        json_free(service->config);
    }
    free(app->services);
    compose_images_release(&app->images);
    compose_containers_release(&app->existing);
    compose_project_release(&app->project);
    board_release(&app->board);
    *app = (struct app){0};
}

/* ---- from the file ---- */

int app_load(struct app *app, struct strv *names, bool dependencies, struct error *err)
{
    const struct compose_load load = {.services = names, .no_dependencies = !dependencies};
    int r = compose_project_load_with(app->options, &load, &app->project, err);
    if (r < 0)
        return r;
    compose_project_warn(&app->project);
    strv_clear(names);
    model_select(&app->project, names, false);
    return 0;
}

/* ---- from labels ---- */

/* "db:service_started:false,..." as depends_on of the model. What is not there any more is not waited for. */
static void read_dependencies(struct json *service, const char *label)
{
    CLEANUP_STRV struct strv entries = STRV_INIT;
    struct json *depends = json_object_of(service, "depends_on");
    if (!label || !*label)
        return;
    strv_split(&entries, label, ',');
    for (size_t i = 0; i < entries.count; i++) {
        CLEANUP_STRV struct strv parts = STRV_INIT;
        strv_split(&parts, entries.items[i], ':');
        struct json *condition = json_object_of(depends, parts.items[0]);
        json_set(condition, "condition", json_new_string(parts.count > 1 ? parts.items[1] : "service_started"));
        json_set(condition, "required", json_new_bool(false));
        json_set(condition, "restart", json_new_bool(parts.count > 2 && strcmp(parts.items[2], "true") == 0));
    }
}

static void model_from_labels(struct app *app)
{
    struct json *model = json_new_object();
    struct json *services = json_object_of(model, "services");
    for (size_t i = 0; i < app->existing.count; i++) {
        const struct compose_container *container = &app->existing.items[i];
        if (container->oneoff || !*container->service || json_get(services, container->service))
            continue;
        struct json *service = json_object_of(services, container->service);
        json_set(service, "image", json_new_string(container->image));
        read_dependencies(service, compose_container_label(container, COMPOSE_LABEL_DEPENDS_ON));
    }
    app->project.model = model;
}

/* With a file its services count; -p alone is enough where there is none. */
static int load_or_name(struct app *app, struct error *err)
{
    struct error failure = {0};
    int r = compose_project_load(app->options, &app->project, &failure);
    if (r == 0) {
        compose_project_warn(&app->project);
        return 0;
    }
    bool none = failure.kind == ERROR_NOT_FOUND;
    if (!none || compose_project_name(app->options, &app->project.name, err) < 0)
        return error_propagate(err, &failure);
    return 0;
}

int app_find(struct app *app, struct strv *names, struct error *err)
{
    int r = load_or_name(app, err);
    bool has_file = app->project.model != NULL;
    if (r == 0 && has_file && names->count > 0)
        r = compose_project_enable(&app->project, names, err);
    if (r == 0)
        r = app_list(app, err);
    if (r < 0)
        return r;
    if (!has_file)
        model_from_labels(app);
    for (size_t i = names->count; !has_file && i-- > 0;) {
        if (!compose_service(&app->project, names->items[i]))
            strv_remove(names, i);
    }
    return 0;
}

int app_list(struct app *app, struct error *err)
{
    compose_containers_release(&app->existing);
    return compose_containers_list(cli_client(app->cli), app->project.name,
                                   &(struct compose_query){.all = true, .oneoff = COMPOSE_ONEOFF_INCLUDE},
                                   &app->existing, err);
}

/* ---- services ---- */

struct app_container *app_add_container(struct app_service *service, const char *id, const char *name, int number)
{
    struct app_container *container = xcalloc(1, sizeof(*container));
    *container = (struct app_container){.id = xstrdup(id), .name = xstrdup(name), .number = number, .service = service};
    xgrow((void **)&service->containers, service->count, &service->capacity, sizeof(struct app_container *));
    service->containers[service->count++] = container;
    return container;
}

void app_drop_containers(struct app_service *service, bool removed)
{
    size_t kept = 0;
    for (size_t i = 0; i < service->count; i++) {
        struct app_container *container = service->containers[i];
        if (removed && !container->remove) {
            service->containers[kept++] = container;
            continue;
        }
        free(container->id);
        free(container->name);
        free(container);
    }
    service->count = kept;
}

struct container_op app_container_op(const struct app_container *container)
{
    const struct app *app = container->service->app;
    return (struct container_op){.id = container->id,
                                 .name = container->name,
                                 .service = container->service->config,
                                 .timeout = app->timeout,
                                 .dry_run = app->options->dry_run};
}

static void take_existing(struct app *app, struct app_service *service)
{
    for (size_t i = 0; i < app->existing.count; i++) {
        const struct compose_container *there = &app->existing.items[i];
        if (there->oneoff || strcmp(there->service, service->name) != 0)
            continue;
        struct app_container *container =
            app_add_container(service, there->id, there->name, (int)(there->number < INT32_MAX ? there->number : 0));
        container->running = strcmp(there->state, "running") == 0;
    }
}

void app_take_services(struct app *app, const struct strv *names)
{
    app->services = xcalloc(names->count + 1, sizeof(*app->services));
    for (size_t i = 0; i < names->count; i++) {
        struct app_service *service = &app->services[app->count++];
        *service = (struct app_service){.app = app,
                                        .name = xstrdup(names->items[i]),
                                        .config = json_copy(compose_service(&app->project, names->items[i]))};
        take_existing(app, service);
    }
}

struct app_service *app_service(const struct app *app, const char *name)
{
    for (size_t i = 0; name && i < app->count; i++) {
        if (strcmp(app->services[i].name, name) == 0)
            return &app->services[i];
    }
    return NULL;
}

char *app_event_id(const char *container_name)
{
    return xasprintf("Container %s", container_name);
}

bool app_environment_flag(const struct app *app, const char *name)
{
    const char *value = strv_env_get(&app->project.environment, name);
    bool yes = false;
    if (!value)
        value = getenv(name);
    return value && parse_bool(value, &yes) == 0 && yes;
}

/* ---- orphans ---- */

bool app_is_orphan(const struct app *app, const struct compose_container *container)
{
    if (container->oneoff)
        return strcmp(container->state, "exited") == 0 || strcmp(container->state, "dead") == 0;
    return !compose_service(&app->project, container->service) && !json_get(app->project.disabled, container->service);
}

static int remove_orphan(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct compose_container *container = data;
    return container_op_stop_and_remove(
        cli, &(struct container_op){.id = container->id, .name = container->name, .timeout = TIMEOUT_OWN}, report, err);
}

int app_orphans(struct app *app, bool remove, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    struct work *work = work_new(app->cli, &app->board, app->options->parallel);
    for (size_t i = 0; i < app->existing.count; i++) {
        struct compose_container *container = &app->existing.items[i];
        if (!app_is_orphan(app, container))
            continue;
        strv_add(&names, container->name);
        work_add(work, &(struct work_item){.name = container->name, .run = remove_orphan, .data = container});
    }
    int r = 0;
    if (remove) {
        r = work_run(work, err);
    } else if (names.count > 0) {
        CLEANUP_FREE char *list = strv_join(&names, " ");
        CLEANUP_FREE char *sentence =
            xasprintf("Found orphan containers ([%s]) for this project. If you removed or renamed this service in your "
                      "compose file, you can run this command with the --remove-orphans flag to clean it up.",
                      list);
        board_warn(&app->board, sentence);
    }
    work_free(work);
    return r;
}
