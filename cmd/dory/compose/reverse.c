#include "cmd/dory/compose/reverse.h"

#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/model.h"

struct reverse_item {
    const struct app_container *container;
    const struct reverse_options *options;
};

static int reverse_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct reverse_item *item = data;
    struct container_op op = app_container_op(item->container);
    op.remove_volumes = item->options->remove_volumes;
    return item->options->remove ? container_op_stop_and_remove(cli, &op, report, err)
                                 : container_op_stop(cli, &op, report, err);
}

/* A service comes behind the points of those that need it. */
static void order_points(struct app *app, struct work *work, const size_t *before, const size_t *behind)
{
    for (size_t i = 0; i < app->count; i++) {
        CLEANUP_STRV struct strv needs = STRV_INIT;
        model_dependencies(app->services[i].config, &needs);
        for (size_t j = 0; j < needs.count; j++) {
            const struct app_service *needed = app_service(app, needs.items[j]);
            if (needed)
                work_after(work, before[needed - app->services], behind[i]);
        }
    }
}

void reverse_tasks(struct app *app, const struct reverse_options *options, struct work *work)
{
    CLEANUP_FREE size_t *before = xcalloc(app->count + 1, sizeof(size_t));
    CLEANUP_FREE size_t *behind = xcalloc(app->count + 1, sizeof(size_t));
    if (options->on_line)
        work_on_line(work, options->on_line, options->line_data);
    for (size_t i = 0; i < app->count; i++) {
        const struct app_service *service = &app->services[i];
        before[i] = work_add(work, &(struct work_item){.name = service->name});
        behind[i] = work_add(work, &(struct work_item){.name = service->name});
        work_after(work, behind[i], before[i]);
        for (size_t j = 0; j < service->count; j++) {
            struct reverse_item *item = xmemdup(&(struct reverse_item){service->containers[j], options}, sizeof(*item));
            size_t task = work_add(
                work, &(struct work_item){
                          .name = service->containers[j]->name, .run = reverse_task, .data = item, .release = free});
            work_after(work, task, before[i]);
            work_after(work, behind[i], task);
        }
    }
    order_points(app, work, before, behind);
}

int reverse_containers(struct app *app, const struct reverse_options *options, struct error *err)
{
    struct work *work = work_new(app->cli, &app->board, app->options->parallel);
    reverse_tasks(app, options, work);
    int r = work_run(work, err);
    work_free(work);
    return r;
}

void app_take_dependents(struct app *app, const struct strv *names)
{
    const struct json *services = json_get(app->project.model, "services");
    CLEANUP_STRV struct strv taken = STRV_INIT;
    for (size_t i = 0; i < model_members(services); i++) {
        const char *name = services->object.keys[i];
        bool wanted = names->count == 0 || strv_contains(names, name);
        for (size_t j = 0; !wanted && j < names->count; j++)
            wanted = model_depends(&app->project, name, names->items[j]);
        if (wanted)
            strv_add(&taken, name);
    }
    app_take_services(app, &taken);
}
