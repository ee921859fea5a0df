/* `dory compose down`: containers against the order of dependencies, then networks, images and volumes. */
#include <string.h>

#include "api/client.h"
#include "cmd/dory/compose/app.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/model.h"
#include "cmd/dory/compose/reverse.h"
#include "cmd/dory/filters_query.h"
#include "image/reference.h"

struct down_flags {
    bool remove_orphans, remove_orphans_given, volumes;
    char *rmi;
    int64_t timeout;
    bool timeout_given;
};

#define AT(member) offsetof(struct down_flags, member)
static const struct option down_options[] = {
    {"remove-orphans", 0, OPTION_BOOL, AT(remove_orphans), NULL,
     "Remove containers for services not defined in the Compose file", 0, AT(remove_orphans_given), NULL},
    {"rmi", 0, OPTION_STRING, AT(rmi), "string",
     "Remove images used by services. \"local\" remove only images that don't have a custom tag (\"local\"|\"all\")", 0,
     0, NULL},
    {"timeout", 't', OPTION_INT, AT(timeout), "int", "Specify a shutdown timeout in seconds", 0, AT(timeout_given),
     NULL},
    {"volumes", 'v', OPTION_BOOL, AT(volumes), NULL,
     "Remove named volumes declared in the \"volumes\" section of the Compose file and anonymous volumes attached to "
     "containers",
     0, 0, NULL},
    {0},
};

/* An object that is to be removed beside others. */
struct removal {
    const struct app *app;
    enum removal_kind { REMOVE_NETWORK, REMOVE_VOLUME, REMOVE_IMAGE } kind;
    char *name, *id;
};

static void free_removal(void *data)
{
    struct removal *removal = data;
    free(removal->name);
    free(removal->id);
    free(removal);
}

static const struct {
    const char *title, *path, *query;
} removal_kinds[] = {
    [REMOVE_NETWORK] = {"Network", "/networks/", ""},
    [REMOVE_VOLUME] = {"Volume", "/volumes/", "?force=1"},
    [REMOVE_IMAGE] = {"Image", "/images/", ""},
};

static int remove_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct removal *removal = data;
    CLEANUP_FREE char *event = xasprintf("%s %s", removal_kinds[removal->kind].title, removal->name);
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    struct error failure = {0};
    strbuf_adds(&path, removal_kinds[removal->kind].path);
    client_path_escape(&path, removal->id);
    strbuf_adds(&path, removal_kinds[removal->kind].query);
    work_event(report, event, BOARD_WORKING, "Removing");
    struct client_request request = {.method = "DELETE", .path = strbuf_str(&path)};
    int r = removal->app->options->dry_run ? 0 : client_call(cli_client(cli), &request, NULL, NULL, NULL, &failure);
    if (r < 0 && (failure.kind == ERROR_CONFLICT || failure.kind == ERROR_FORBIDDEN)) {
        work_event(report, event, BOARD_WARNING, "Resource is still in use");
    } else if (r < 0 && failure.kind == ERROR_NOT_FOUND) {
        work_event(report, event, BOARD_DONE, "Warning: No resource found to remove");
    } else if (r < 0) {
        work_event(report, event, BOARD_ERROR, "Error");
        error_propagate(err, &failure);
        return error_context(err, "failed to remove %s", event);
    } else {
        work_event(report, event, BOARD_DONE, "Removed");
    }
    return 0;
}

static void add_removal(struct app *app, struct work *work, enum removal_kind kind, const char *name, const char *id)
{
    struct removal *removal = xcalloc(1, sizeof(*removal));
    *removal = (struct removal){.app = app, .kind = kind, .name = xstrdup(name), .id = xstrdup(id ? id : name)};
    work_add(work,
             &(struct work_item){.name = removal->name, .run = remove_task, .data = removal, .release = free_removal});
}

static int list_labelled(struct app *app, const char *path, const char *more, struct json **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf full = STRBUF_INIT;
    CLEANUP_STRV struct strv filters = STRV_INIT;
    strbuf_adds(&full, path);
    strv_addf(&filters, "label=%s=%s", COMPOSE_LABEL_PROJECT, app->project.name);
    strv_add(&filters, more);
    int r = filters_query_add(&full, &filters, err);
    return r < 0 ? r : client_json(cli_client(app->cli), &(struct client_request){.path = strbuf_str(&full)}, ret, err);
}

/* With a file the objects that it names; without one all that carry the project's label. */
static bool is_declared(const struct app *app, bool has_file, const char *section, const char *kind_label,
                        const struct json *object)
{
    const char *key = json_get_string(json_get(object, "Labels"), kind_label);
    const struct json *declared = key ? json_get(json_get(app->project.model, section), key) : NULL;
    const char *name = json_get_string(declared, "name"), *actual = json_get_string(object, "Name");
    if (!has_file)
        return key != NULL;
    return declared && !json_get_bool(declared, "external", false) && name && actual && strcmp(name, actual) == 0;
}

static int add_networks(struct app *app, struct work *work, bool has_file, struct error *err)
{
    CLEANUP_JSON struct json *list = NULL;
    int r = list_labelled(app, "/networks", NULL, &list, err);
    for (size_t i = 0; r == 0 && i < json_count(list); i++) {
        const struct json *network = json_at(list, i);
        if (is_declared(app, has_file, "networks", COMPOSE_LABEL_NETWORK, network))
            add_removal(app, work, REMOVE_NETWORK, json_get_string(network, "Name"), json_get_string(network, "Id"));
    }
    return r;
}

static int add_volumes(struct app *app, struct work *work, bool has_file, struct error *err)
{
    CLEANUP_JSON struct json *list = NULL;
    int r = list_labelled(app, "/volumes", NULL, &list, err);
    const struct json *volumes = json_get(list, "Volumes");
    for (size_t i = 0; r == 0 && i < json_count(volumes); i++) {
        const struct json *volume = json_at(volumes, i);
        if (is_declared(app, has_file, "volumes", COMPOSE_LABEL_VOLUME, volume))
            add_removal(app, work, REMOVE_VOLUME, json_get_string(volume, "Name"), NULL);
    }
    return r;
}

/* ---- images ---- */

/* The way that lists show it, each once. */
static void add_image_name(struct strv *names, const char *name)
{
    bool tagged = strchr(name, '@') || (strrchr(name, ':') && !strchr(strrchr(name, ':'), '/'));
    CLEANUP_FREE char *full = xasprintf("%s%s", name, tagged ? "" : ":latest");
    if (!strv_contains(names, full))
        strv_add(names, full);
}

static int collect_images(struct app *app, const struct down_flags *flags, bool remove_orphans, struct strv *names,
                          struct error *err)
{
    CLEANUP_JSON struct json *list = NULL;
    const struct json *services = json_get(app->project.model, "services");
    bool all = strcmp(flags->rmi, "all") == 0;
    int r = list_labelled(app, "/images/json", "dangling=false", &list, err);
    for (size_t i = 0; r == 0 && i < json_count(list); i++) {
        const struct json *tags = json_get(json_at(list, i), "RepoTags");
        const char *service = json_get_string(json_get(json_at(list, i), "Labels"), COMPOSE_LABEL_SERVICE);
        if (json_string(json_at(tags, 0)) && (remove_orphans || (service && compose_service(&app->project, service))))
            add_image_name(names, json_string(json_at(tags, 0)));
    }
    for (size_t i = 0; r == 0 && i < model_members(services); i++) {
        const struct compose_image *image;
        CLEANUP_FREE char *name = model_image(&app->project, services->object.keys[i]);
        if (!all && json_get_string(&services->object.values[i], "image"))
            continue;
        r = compose_images_get(app->cli, &app->images, name, NULL, &image, err);
        if (r == 0 && image->id)
            add_image_name(names, name);
    }
    strv_sort(names);
    return r;
}

static int add_images(struct app *app, struct work *work, const struct down_flags *flags, bool remove_orphans,
                      struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    if (!flags->rmi)
        return 0;
    int r = collect_images(app, flags, remove_orphans, &names, err);
    for (size_t i = 0; r == 0 && i < names.count; i++)
        add_removal(app, work, REMOVE_IMAGE, names.items[i], NULL);
    return r;
}

/* ---- the command ---- */

static int remove_objects(struct app *app, const struct down_flags *flags, bool has_file, bool remove_orphans,
                          bool removed, struct error *err)
{
    struct work *work = work_new(app->cli, &app->board, app->options->parallel);
    int r = add_networks(app, work, has_file, err);
    if (r == 0)
        r = add_images(app, work, flags, remove_orphans, err);
    if (r == 0 && flags->volumes)
        r = add_volumes(app, work, has_file, err);
    if (r == 0 && work_count(work) == 0 && !removed) {
        CLEANUP_FREE char *sentence =
            xasprintf("Warning: No resource found to remove for project \"%s\".", app->project.name);
        board_warn(&app->board, sentence);
    }
    if (r == 0)
        r = work_run(work, err);
    work_free(work);
    return r;
}

static int run_down(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct down_flags *flags = data;
    CLEANUP_APP struct app app = {0};
    CLEANUP_STRV struct strv services = STRV_INIT;
    if (flags->rmi && strcmp(flags->rmi, "all") != 0 && strcmp(flags->rmi, "local") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid value for --rmi: \"%s\"", flags->rmi);
    app_init(&app, cli, "Running");
    app.timeout = flags->timeout_given ? flags->timeout : TIMEOUT_OWN;
    strv_add_all(&services, arguments);
    int r = app_find(&app, &services, err);
    if (r < 0)
        return r;
    bool has_file = app.project.directory != NULL, named = arguments->count > 0;
    bool orphans =
        flags->remove_orphans_given ? flags->remove_orphans : app_environment_flag(&app, "COMPOSE_REMOVE_ORPHANS");
    if (named && services.count == 0)
        return 0;
    app_take_dependents(&app, &services);
    r = reverse_containers(&app, &(struct reverse_options){.remove = true, .remove_volumes = flags->volumes}, err);
    if (r == 0 && orphans)
        r = app_orphans(&app, true, err);
    if (r == 0)
        r = remove_objects(&app, flags, has_file, orphans, app.existing.count > 0, err);
    board_finish(&app.board);
    return r;
}

const struct command command_compose_down = {
    .name = "compose down",
    .usage = "[OPTIONS] [SERVICES]",
    .summary = "Stop and remove containers, networks",
    .options = down_options,
    .flags_size = sizeof(struct down_flags),
    .max_arguments = -1,
    .run = run_down,
};
