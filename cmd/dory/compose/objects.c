/* The networks and volumes of an application. */
#include <string.h>

#include "api/client.h"
#include "base/json_edit.h"
#include "cmd/dory/body_members.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/converge.h"
#include "cmd/dory/compose/model.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/prompt.h"

/* GET PATH with filters of names. */
static int list_named(struct cli *cli, const char *path, const struct strv *names, struct json **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf full = STRBUF_INIT;
    CLEANUP_STRV struct strv filters = STRV_INIT;
    for (size_t i = 0; i < names->count; i++)
        strv_addf(&filters, "name=%s", names->items[i]);
    strbuf_adds(&full, path);
    int r = filters_query_add(&full, &filters, err);
    return r < 0 ? r : client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&full)}, ret, err);
}

/* The one of exactly that name; the daemon also lists what merely contains it. */
static const struct json *find_named(const struct json *list, const char *name, size_t *ret_count)
{
    const struct json *found = NULL;
    *ret_count = 0;
    for (size_t i = 0; i < json_count(list); i++) {
        const char *other = json_get_string(json_at(list, i), "Name"), *id = json_get_string(json_at(list, i), "Id");
        if (!(other && strcmp(other, name) == 0) && !(id && strcmp(id, name) == 0))
            continue;
        if (!found)
            found = json_at(list, i);
        (*ret_count)++;
    }
    return found;
}

static void put_labels(struct json_writer *w, const struct app *app, const struct json *object, const char *kind_label,
                       const char *key, const char *hash)
{
    CLEANUP_STRV struct strv labels = STRV_INIT;
    model_entries(json_get(object, "labels"), &labels);
    strv_addf(&labels, "%s=%s", COMPOSE_LABEL_CONFIG_HASH, hash);
    strv_addf(&labels, "%s=%s", kind_label, key);
    strv_addf(&labels, "%s=%s", COMPOSE_LABEL_PROJECT, app->project.name);
    strv_addf(&labels, "%s=%s", COMPOSE_LABEL_VERSION, COMPOSE_REFERENCE_VERSION);
    put_entries(w, "Labels", &labels, NULL, NULL);
}

static void put_options(struct json_writer *w, const char *name, const struct json *options)
{
    CLEANUP_STRV struct strv entries = STRV_INIT;
    model_entries(options, &entries);
    put_entries(w, name, &entries, NULL, NULL);
}

static int post(struct cli *cli, const char *path, const struct strbuf *body, struct json **ret, struct error *err)
{
    struct client_request request = {.method = "POST", .path = path, .body = body->data, .body_size = body->size};
    return client_json(cli_client(cli), &request, ret, err);
}

/* ---- networks ---- */

static void put_ipam(struct json_writer *w, const struct json *ipam)
{
    const struct json *config = json_get(ipam, "config");
    const char *driver = json_get_string(ipam, "driver");
    if (!driver && json_count(config) == 0)
        return;
    json_key(w, "IPAM");
    json_begin_object(w);
    put_text(w, "Driver", driver);
    put_options(w, "Options", json_get(ipam, "options"));
    json_key(w, "Config");
    json_begin_array(w);
    for (size_t i = 0; i < json_count(config); i++) {
        const struct json *pool = json_at(config, i);
        json_begin_object(w);
        put_text(w, "Subnet", json_get_string(pool, "subnet"));
        put_text(w, "IPRange", json_get_string(pool, "ip_range"));
        put_text(w, "Gateway", json_get_string(pool, "gateway"));
        put_options(w, "AuxiliaryAddresses", json_get(pool, "aux_addresses"));
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static int create_network(struct app *app, const char *key, struct json *network, struct error *err)
{
    const char *name = json_get_string(network, "name");
    CLEANUP_FREE char *event = xasprintf("Network %s", name);
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    struct json_writer w;
    char hash[DIGEST_HEX_MAX];
    compose_network_hash(network, hash);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "Name", name);
    json_member_bool(&w, "CheckDuplicate", true);
    put_text(&w, "Driver", json_get_string(network, "driver"));
    put_options(&w, "Options", json_get(network, "driver_opts"));
    put_flag(&w, "Internal", json_get_bool(network, "internal", false));
    put_flag(&w, "Attachable", json_get_bool(network, "attachable", false));
    if (json_get(network, "enable_ipv4"))
        json_member_bool(&w, "EnableIPv4", json_get_bool(network, "enable_ipv4", true));
    if (json_get(network, "enable_ipv6"))
        json_member_bool(&w, "EnableIPv6", json_get_bool(network, "enable_ipv6", false));
    put_ipam(&w, json_get(network, "ipam"));
    put_labels(&w, app, network, COMPOSE_LABEL_NETWORK, key, hash);
    json_end_object(&w);
    board_event(&app->board, event, BOARD_WORKING, "Creating");
    int r = app->board.dry_run ? 0 : post(app->cli, "/networks/create", &body, &answer, err);
    board_event(&app->board, event, r < 0 ? BOARD_ERROR : BOARD_DONE, r < 0 ? "Error" : "Created");
    if (r < 0)
        return error_context(err, "failed to create network %s", name);
    if (answer)
        json_set(network, "x-dory-id", json_new_string(json_get_string(answer, "Id")));
    return 0;
}

/* Is the network among those that a service uses? */
static bool uses_network(const struct app_service *service, const char *key)
{
    const struct json *networks = json_get(service->config, "networks");
    for (size_t i = 0; i < model_members(networks); i++) {
        if (strcmp(networks->object.keys[i], key) == 0)
            return true;
    }
    return false;
}

struct stop_data {
    struct app_container *container;
    bool remove;
};

static int stop_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct stop_data *stop = data;
    struct container_op op = app_container_op(stop->container);
    return stop->remove ? container_op_stop_and_remove(cli, &op, report, err)
                        : container_op_stop(cli, &op, report, err);
}

/* Stops (or removes) all containers of the services that `uses` says. */
static int stop_users(struct app *app, const char *key, bool (*uses)(const struct app_service *, const char *),
                      bool remove, struct error *err)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < app->count; i++)
        total += uses(&app->services[i], key) ? app->services[i].count : 0;
    CLEANUP_FREE struct stop_data *items = xcalloc(total + 1, sizeof(*items));
    struct work *work = work_new(app->cli, &app->board, app->options->parallel);
    for (size_t i = 0; i < app->count; i++) {
        for (size_t j = 0; uses(&app->services[i], key) && j < app->services[i].count; j++) {
            items[n] = (struct stop_data){app->services[i].containers[j], remove};
            work_add(work, &(struct work_item){
                               .name = app->services[i].containers[j]->name, .run = stop_task, .data = &items[n++]});
        }
    }
    int r = work_run(work, err);
    work_free(work);
    return r;
}

static int disconnect(struct app *app, const char *network, const struct app_container *container, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_FREE char *body = xasprintf("{\"Container\":\"%s\",\"Force\":true}", container->id);
    struct error failure = {0};
    strbuf_adds(&path, "/networks/");
    client_path_escape(&path, network);
    strbuf_adds(&path, "/disconnect");
    struct client_request request = {
        .method = "POST", .path = strbuf_str(&path), .body = body, .body_size = strlen(body)};
    int r = client_call(cli_client(app->cli), &request, NULL, NULL, NULL, &failure);
    /* Not every container of the service need be on it. */
    return r < 0 && failure.kind != ERROR_NOT_FOUND && failure.kind != ERROR_FORBIDDEN &&
                   failure.kind != ERROR_CONFLICT && failure.kind != ERROR_INVALID
               ? error_propagate(err, &failure)
               : 0;
}

/* A network cannot be changed: those on it are stopped and taken from it, it is removed and made anew. Its containers
 * are made anew, too, as they are found not to be on the new one. */
static int replace_network(struct app *app, const char *key, struct json *network, const char *id, struct error *err)
{
    const char *name = json_get_string(network, "name");
    CLEANUP_FREE char *event = xasprintf("Network %s", name), *path = xasprintf("/networks/%s", id);
    int r = stop_users(app, key, uses_network, false, err);
    for (size_t i = 0; r == 0 && !app->board.dry_run && i < app->count; i++) {
        for (size_t j = 0; uses_network(&app->services[i], key) && r == 0 && j < app->services[i].count; j++) {
            r = disconnect(app, id, app->services[i].containers[j], err);
            app->services[i].recreates = true;
        }
    }
    if (r == 0 && !app->board.dry_run)
        r = client_call(cli_client(app->cli), &(struct client_request){.method = "DELETE", .path = path}, NULL, NULL,
                        NULL, err);
    if (r < 0)
        return error_context(err, "network %s has changed and cannot be made anew", name);
    board_event(&app->board, event, BOARD_DONE, "Removed");
    return create_network(app, key, network, err);
}

static void warn_foreign(struct app *app, const char *kind, const char *name, const char *project)
{
    CLEANUP_FREE char *text =
        !project
            ? xasprintf("a %s with name %s exists but was not created by compose.\nSet `external: true` to use an "
                        "existing %s",
                        kind, name, kind)
            : xasprintf("a %s with name %s exists but was not created for project \"%s\".\nSet `external: true` to "
                        "use an existing %s",
                        kind, name, app->project.name, kind);
    if (!project || strcmp(project, app->project.name) != 0)
        board_warn(&app->board, text);
}

static int check_network(struct app *app, const char *key, struct json *network, const struct json *there,
                         struct error *err)
{
    const struct json *labels = json_get(there, "Labels");
    const char *name = json_get_string(network, "name"), *label = json_get_string(labels, COMPOSE_LABEL_NETWORK),
               *hash = json_get_string(labels, COMPOSE_LABEL_CONFIG_HASH);
    char expected[DIGEST_HEX_MAX];
    warn_foreign(app, "network", name, json_get_string(labels, COMPOSE_LABEL_PROJECT));
    if (!label || strcmp(label, key) != 0)
        return error_set(err, ERROR_CONFLICT, 0,
                         "network %s was found but has incorrect label %s set to \"%s\" (expected: \"%s\")", name,
                         COMPOSE_LABEL_NETWORK, label ? label : "", key);
    compose_network_hash(network, expected);
    if (hash && *hash && strcmp(hash, expected) != 0)
        return replace_network(app, key, network, json_get_string(there, "Id"), err);
    json_set(network, "x-dory-id", json_new_string(json_get_string(there, "Id")));
    return 0;
}

static int ensure_network(struct app *app, const char *key, struct json *network, const struct json *list,
                          struct error *err)
{
    const char *name = json_get_string(network, "name");
    size_t count;
    const struct json *there = find_named(list, name, &count);
    if (!json_get_bool(network, "external", false))
        return there ? check_network(app, key, network, there, err) : create_network(app, key, network, err);
    if (!there)
        return error_set(err, ERROR_NOT_FOUND, 0, "network %s declared as external, but could not be found", name);
    if (count > 1)
        return error_set(err, ERROR_CONFLICT, 0,
                         "multiple networks with name \"%s\" were found. Use network ID as `name` to avoid ambiguity",
                         name);
    json_set(network, "x-dory-id", json_new_string(json_get_string(there, "Id")));
    return 0;
}

const char *converge_network_id(const struct app *app, const char *key)
{
    return json_get_string(json_get(json_get(app->project.model, "networks"), key), "x-dory-id");
}

/* The daemon's networks of the names that the project gives. An external one may be named by its id, which is no name
 * to look for. */
static int list_networks(struct app *app, const struct json *networks, struct json **ret, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    bool external = false;
    for (size_t i = 0; i < model_members(networks); i++) {
        external = external || json_get_bool(&networks->object.values[i], "external", false);
        strv_add(&names, json_get_string(&networks->object.values[i], "name"));
    }
    if (external)
        strv_clear(&names);
    return list_named(app->cli, "/networks", &names, ret, err);
}

int converge_networks(struct app *app, const struct converge_options *options, struct error *err)
{
    (void)options;
    const struct json *there = json_get(app->project.model, "networks");
    CLEANUP_JSON struct json *list = NULL;
    if (model_members(there) == 0)
        return 0;
    int r = list_networks(app, there, &list, err);
    struct json *networks = json_object_of(app->project.model, "networks");
    for (size_t i = 0; r == 0 && i < networks->object.count; i++)
        r = ensure_network(app, networks->object.keys[i], &networks->object.values[i], list, err);
    return r;
}

/* ---- volumes ---- */

static int create_volume(struct app *app, const char *key, const struct json *volume, struct error *err)
{
    const char *name = json_get_string(volume, "name");
    CLEANUP_FREE char *event = xasprintf("Volume %s", name);
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    struct json_writer w;
    char hash[DIGEST_HEX_MAX];
    compose_volume_hash(volume, hash);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "Name", name);
    put_text(&w, "Driver", json_get_string(volume, "driver"));
    put_options(&w, "DriverOpts", json_get(volume, "driver_opts"));
    put_labels(&w, app, volume, COMPOSE_LABEL_VOLUME, key, hash);
    json_end_object(&w);
    board_event(&app->board, event, BOARD_WORKING, "Creating");
    int r = app->board.dry_run ? 0 : post(app->cli, "/volumes/create", &body, &answer, err);
    board_event(&app->board, event, r < 0 ? BOARD_ERROR : BOARD_DONE, r < 0 ? "Error" : "Created");
    return r < 0 ? error_context(err, "volume %s", name) : 0;
}

static bool uses_volume(const struct app_service *service, const char *key)
{
    const struct json *volumes = json_get(service->config, "volumes");
    for (size_t i = 0; i < json_count(volumes); i++) {
        const char *source = json_get_string(json_at(volumes, i), "source"),
                   *type = json_get_string(json_at(volumes, i), "type");
        if (source && type && strcmp(type, "volume") == 0 && strcmp(source, key) == 0)
            return true;
    }
    return false;
}

static bool ask(struct app *app, const char *name, bool assume_yes)
{
    CLEANUP_FREE char *question =
        xasprintf("Volume \"%s\" exists but doesn't match configuration in compose file. Recreate (data will be lost)? "
                  "(y/N) ",
                  name);
    if (assume_yes)
        return true;
    board_finish(&app->board);
    CLEANUP_FREE char *answer = prompt(question, false);
    return answer && (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0);
}

/* Its users are removed with it; they are made anew behind this. */
static int replace_volume(struct app *app, const char *key, const struct json *volume, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/volumes/");
    client_path_escape(&path, json_get_string(volume, "name"));
    strbuf_adds(&path, "?force=1");
    int r = stop_users(app, key, uses_volume, true, err);
    for (size_t i = 0; r == 0 && i < app->count; i++) {
        if (uses_volume(&app->services[i], key))
            app_drop_containers(&app->services[i], false);
    }
    if (r == 0 && !app->board.dry_run)
        r = client_call(cli_client(app->cli), &(struct client_request){.method = "DELETE", .path = strbuf_str(&path)},
                        NULL, NULL, NULL, err);
    return r < 0 ? r : create_volume(app, key, volume, err);
}

static int ensure_volume(struct app *app, const char *key, const struct json *volume, const struct json *list,
                         bool assume_yes, struct error *err)
{
    const char *name = json_get_string(volume, "name");
    size_t count;
    char expected[DIGEST_HEX_MAX];
    const struct json *there = find_named(json_get(list, "Volumes"), name, &count);
    bool external = json_get_bool(volume, "external", false);
    if (!there && external)
        return error_set(err, ERROR_NOT_FOUND, 0, "external volume \"%s\" not found", name);
    if (!there)
        return create_volume(app, key, volume, err);
    if (external)
        return 0;
    const struct json *labels = json_get(there, "Labels");
    const char *project = json_get_string(labels, COMPOSE_LABEL_PROJECT),
               *hash = json_get_string(labels, COMPOSE_LABEL_CONFIG_HASH);
    CLEANUP_FREE char *sentence =
        !project ? xasprintf("volume \"%s\" already exists but was not created by Docker Compose. Use `external: true` "
                             "to use an existing volume",
                             name)
                 : xasprintf("volume \"%s\" already exists but was created for project \"%s\" (expected \"%s\"). Use "
                             "`external: true` to use an existing volume",
                             name, project, app->project.name);
    if (!project || strcmp(project, app->project.name) != 0)
        board_warn(&app->board, sentence);
    compose_volume_hash(volume, expected);
    if (hash && strcmp(hash, expected) != 0 && ask(app, name, assume_yes))
        return replace_volume(app, key, volume, err);
    return 0;
}

int converge_volumes(struct app *app, const struct converge_options *options, struct error *err)
{
    const struct json *volumes = json_get(app->project.model, "volumes");
    CLEANUP_JSON struct json *list = NULL;
    CLEANUP_STRV struct strv names = STRV_INIT;
    if (model_members(volumes) == 0)
        return 0;
    for (size_t i = 0; i < model_members(volumes); i++)
        strv_add(&names, json_get_string(&volumes->object.values[i], "name"));
    int r = list_named(app->cli, "/volumes", &names, &list, err);
    for (size_t i = 0; r == 0 && i < model_members(volumes); i++)
        r = ensure_volume(app, volumes->object.keys[i], &volumes->object.values[i], list, options->assume_yes, err);
    return r;
}
