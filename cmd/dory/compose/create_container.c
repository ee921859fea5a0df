/* Making the container of a service, and putting one in another's place. */
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/json_edit.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/converge.h"
#include "cmd/dory/compose/create_body.h"
#include "cmd/dory/compose/model.h"
#include "cmd/dory/each.h"

/* A container of another service. */
struct other {
    const char *id, *name; /* id NULL: not made yet */
};

/* The next one from *at on, which begins at 0. Of a service that was not selected (--no-deps) those count that there
 * are. */
static bool next_of(const struct app *app, const char *service, size_t *at, struct other *ret)
{
    const struct app_service *selected = app_service(app, service);
    size_t count = selected ? selected->count : app->existing.count;
    while (*at < count) {
        size_t i = (*at)++;
        const struct app_container *own = selected ? selected->containers[i] : NULL;
        const struct compose_container *there = selected ? NULL : &app->existing.items[i];
        if (own ? own->remove : there->oneoff || strcmp(there->service, service) != 0)
            continue;
        *ret = own ? (struct other){own->id, own->name} : (struct other){there->id, there->name};
        return true;
    }
    return false;
}

/* The id of the first one, or NULL while there is none. */
static const char *first_of(const struct app *app, const char *service)
{
    struct other first;
    size_t at = 0;
    return next_of(app, service, &at, &first) ? first.id : NULL;
}

/* "container:ID" for "service:NAME"; NULL where nothing is to be changed. */
static char *shared_namespace(const struct app_service *service, const char *key)
{
    const char *other = model_shared_service(service->config, key);
    const char *id = other ? first_of(service->app, other) : NULL;
    return id ? xasprintf("container:%s", id) : NULL;
}

/* "db:ro" -> "ID:ro"; "container:NAME:ro" -> "NAME:ro". modes: false leaves ":ro" out, as docker's plugin does (in the
 * hash that must be the same). false: the service has no container. */
static bool resolve_volumes_from(const struct app_service *service, bool modes, struct strv *out,
                                 const char **ret_missing)
{
    const struct json *list = json_get(service->config, "volumes_from");
    for (size_t i = 0; i < json_count(list); i++) {
        const char *entry = json_string(json_at(list, i));
        if (entry && strncmp(entry, "container:", 10) == 0) {
            CLEANUP_FREE char *plain = xstrndup(entry + 10, strcspn(entry + 10, ":"));
            strv_add(out, modes ? entry + 10 : plain);
            continue;
        }
        CLEANUP_FREE char *name = xstrndup(entry ? entry : "", strcspn(entry ? entry : "", ":"));
        const char *id = first_of(service->app, name);
        *ret_missing = entry;
        if (!id)
            return false;
        strv_addf(out, "%s%s", id, modes ? entry + strlen(name) : "");
    }
    return true;
}

/* Sets a member where it is, so that the order of the members (and with it the hash) stays. */
static void replace_member(struct json *object, const char *key, struct json *value)
{
    struct json *there = (struct json *)json_get(object, key);
    if (!there) {
        json_free(value);
        return;
    }
    struct json old = *there;
    *there = *value;
    *value = old;
    json_free(value);
}

void creation_hash(const struct app_service *service, char ret[DIGEST_HEX_MAX])
{
    static const char *const modes[] = {"network_mode", "ipc", "pid"};
    CLEANUP_JSON struct json *config = json_copy(service->config);
    CLEANUP_STRV struct strv volumes = STRV_INIT;
    const char *missing;
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        CLEANUP_FREE char *shared = shared_namespace(service, modes[i]);
        if (shared)
            replace_member(config, modes[i], json_new_string(shared));
    }
    if (resolve_volumes_from(service, false, &volumes, &missing) && volumes.count > 0)
        replace_member(config, "volumes_from", model_list(&volumes));
    compose_service_hash(config, ret);
}

/* ---- labels ---- */

/* Those that the project has: what may be missing and is (a profile is not active, --no-deps) is left out. */
static void add_depends_label(const struct compose_project *project, const struct json *service, struct strmap *labels)
{
    const struct json *depends = json_get(service, "depends_on");
    CLEANUP_STRV struct strv entries = STRV_INIT;
    for (size_t i = 0; i < model_members(depends); i++) {
        const char *condition = json_get_string(&depends->object.values[i], "condition");
        if (compose_service(project, depends->object.keys[i]))
            strv_addf(&entries, "%s:%s:%s", depends->object.keys[i], condition ? condition : "service_started",
                      json_get_bool(&depends->object.values[i], "restart", false) ? "true" : "false");
    }
    CLEANUP_FREE char *text = entries.count ? strv_join(&entries, ",") : xstrdup("");
    strmap_set(labels, COMPOSE_LABEL_DEPENDS_ON, text);
}

static void add_model_labels(const struct json *labels, struct strmap *out)
{
    CLEANUP_STRV struct strv entries = STRV_INIT;
    model_entries(labels, &entries);
    for (size_t i = 0; i < entries.count; i++) {
        CLEANUP_FREE char *key = xstrndup(entries.items[i], strcspn(entries.items[i], "="));
        const char *value = strchr(entries.items[i], '=');
        strmap_set(out, key, value ? value + 1 : "");
    }
}

static void fill_labels(const struct creation *creation, struct strmap *labels)
{
    const struct app_service *service = creation->container->service;
    const struct compose_project *project = &creation->app->project;
    char hash[DIGEST_HEX_MAX];
    CLEANUP_FREE char *files = strv_join(&project->files, ",");
    add_model_labels(json_get(service->config, "labels"), labels);
    for (size_t i = 0; creation->extra_labels && i < creation->extra_labels->count; i++)
        strmap_set(labels, creation->extra_labels->items[i].key, creation->extra_labels->items[i].value);
    creation_hash(service, hash);
    strmap_set(labels, COMPOSE_LABEL_CONFIG_HASH, hash);
    if (!creation->oneoff) {
        CLEANUP_FREE char *number = xasprintf("%d", creation->container->number);
        strmap_set(labels, COMPOSE_LABEL_NUMBER, number);
    }
    add_depends_label(project, service->config, labels);
    if (service->image && service->image->id)
        strmap_set(labels, COMPOSE_LABEL_IMAGE, service->image->id);
    strmap_set(labels, COMPOSE_LABEL_ONEOFF, creation->oneoff ? "True" : "False");
    strmap_set(labels, COMPOSE_LABEL_PROJECT, project->name);
    strmap_set(labels, COMPOSE_LABEL_CONFIG_FILES, files ? files : "");
    strmap_set(labels, COMPOSE_LABEL_WORKING_DIR, project->directory);
    strmap_set(labels, COMPOSE_LABEL_SERVICE, service->name);
    strmap_set(labels, COMPOSE_LABEL_VERSION, COMPOSE_REFERENCE_VERSION);
    if (creation->slug)
        strmap_set(labels, COMPOSE_LABEL_SLUG, creation->slug);
    if (creation->container->replaced) {
        const char *own = json_get_string(service->config, "container_name");
        CLEANUP_FREE char *name = own ? xstrdup(own) : xasprintf("%s-%d", service->name, creation->container->number);
        strmap_set(labels, COMPOSE_LABEL_REPLACE, name);
    }
}

/* ---- links ---- */

/* Each container of the other service under the names that docker-compose always gave it. */
static void add_service_links(const struct creation *creation, const char *link, struct strv *out)
{
    CLEANUP_FREE char *service = xstrndup(link, strcspn(link, ":"));
    const char *alias = strchr(link, ':') ? strchr(link, ':') + 1 : service;
    int number = creation->container->number;
    char c = compose_separator(&creation->app->project);
    struct other other;
    size_t at = 0;
    while (next_of(creation->app, service, &at, &other)) {
        strv_addf(out, "%s:%s", other.name, alias);
        strv_addf(out, "%s:%s%c%d", other.name, service, c, number);
        strv_addf(out, "%s:%s%c%s%c%d", other.name, creation->app->project.name, c, service, c, number);
    }
}

static void fill_links(const struct creation *creation, struct strv *out)
{
    const struct json *config = creation->container->service->config;
    const struct json *links = json_get(config, "links"), *external = json_get(config, "external_links");
    for (size_t i = 0; i < json_count(links); i++) {
        if (json_string(json_at(links, i)))
            add_service_links(creation, json_string(json_at(links, i)), out);
    }
    for (size_t i = 0; i < json_count(external); i++) {
        const char *link = json_string(json_at(external, i));
        if (link && strchr(link, ':'))
            strv_add(out, link);
        else if (link)
            strv_addf(out, "%s:%s", link, link);
    }
}

/* ---- the request ---- */

/* Namespaces of services that have no container cannot be shared. */
static int check_namespaces(const struct app_service *service, struct error *err)
{
    static const char *const rows[][2] = {{"network_mode", "network"}, {"ipc", "IPC"}, {"pid", "PID"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *other = model_shared_service(service->config, rows[i][0]);
        if (other && !first_of(service->app, other))
            return error_set(err, ERROR_INVALID, 0, "cannot share %s namespace with service %s: container missing",
                             rows[i][1], other);
    }
    return 0;
}

static int write_body(const struct creation *creation, const char *name, struct work_report *report,
                      struct strbuf *body, struct error *err)
{
    const struct app_service *service = creation->container->service;
    CLEANUP_STRMAP struct strmap labels = STRMAP_INIT;
    CLEANUP_STRV struct strv warnings = STRV_INIT;
    CLEANUP_FREE char *network = shared_namespace(service, "network_mode"), *ipc = shared_namespace(service, "ipc"),
                      *pid = shared_namespace(service, "pid");
    const char *missing = NULL;
    struct create_input input = {.project = &creation->app->project,
                                 .service = service->name,
                                 .config = service->config,
                                 .container_name = name,
                                 .labels = &labels,
                                 .network_mode = network,
                                 .ipc = ipc,
                                 .pid = pid,
                                 .replaced = creation->keep_volumes ? creation->container->replaced : NULL,
                                 .image_config = service->image ? json_get(service->image->inspect, "Config") : NULL,
                                 .auto_remove = creation->auto_remove,
                                 .attach_stdin = creation->attach_stdin,
                                 .use_aliases = !creation->no_aliases};
    int r = check_namespaces(service, err);
    fill_labels(creation, &labels);
    fill_links(creation, &input.links);
    if (r == 0 && !resolve_volumes_from(service, true, &input.volumes_from, &missing))
        r = error_set(err, ERROR_INVALID, 0, "cannot share volume with service %s: container missing", missing);
    if (r == 0)
        r = create_body_write(&input, body, &warnings, err);
    for (size_t i = 0; i < warnings.count; i++)
        work_warn(report, warnings.items[i]);
    strv_release(&input.links);
    strv_release(&input.volumes_from);
    return r;
}

static int post_create(struct cli *cli, const struct creation *creation, const char *name, const struct strbuf *body,
                       struct json **ret, struct error *err)
{
    const struct app_service *service = creation->container->service;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/containers/create");
    client_query_add(&path, "name", name);
    client_query_add(&path, "platform", compose_platform(&creation->app->project, service->config));
    struct client_request request = {
        .method = "POST", .path = strbuf_str(&path), .body = body->data, .body_size = body->size};
    return client_json(cli_client(cli), &request, ret, err);
}

int creation_request(struct cli *cli, const struct creation *creation, const char *name, struct work_report *report,
                     char **ret_id, struct error *err)
{
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    const struct app_service *service = creation->container->service;
    int r = write_body(creation, creation->container->name, report, &body, err);
    if (r == 0)
        r = post_create(cli, creation, name, &body, &answer, err);
    if (r < 0)
        return error_context(err, "service %s", service->name);
    const struct json *warnings = json_get(answer, "Warnings");
    for (size_t i = 0; i < json_count(warnings); i++)
        work_event(report, service->name, BOARD_WARNING, json_string(json_at(warnings, i)));
    *ret_id = xstrdup(json_get_string(answer, "Id"));
    return *ret_id ? 0 : error_set(err, ERROR_SYSTEM, 0, "the daemon answered without an Id");
}

static int fail_event(struct work_report *report, const char *id, int r, const struct error *err)
{
    CLEANUP_FREE char *text = xasprintf("Error %s", err->message);
    work_event(report, id, BOARD_ERROR, text);
    return r;
}

/* Of a one-off nothing is told but its warnings: what its command says is what one wants to read. */
int creation_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct creation *creation = data;
    bool dry_run = creation->app->options->dry_run, told = dry_run || !creation->oneoff;
    CLEANUP_FREE char *event = app_event_id(creation->container->name), *id = NULL;
    if (told)
        work_event(report, event, BOARD_WORKING, "Creating");
    int r = dry_run ? 0 : creation_request(cli, creation, creation->container->name, report, &id, err);
    if (r < 0)
        return told ? fail_event(report, event, r, err) : r;
    work_result(report, dry_run ? creation->container->name : id);
    if (told)
        work_event(report, event, BOARD_DONE, "Created");
    return 0;
}

static int rename_container(struct cli *cli, const char *id, const char *name, struct error *err)
{
    CLEANUP_STRBUF struct strbuf suffix = STRBUF_INIT;
    strbuf_adds(&suffix, "/rename");
    client_query_add(&suffix, "name", name);
    return container_op_post(cli, id, strbuf_str(&suffix), err);
}

/* The new one is there under a name of its own before the old one is stopped: if that fails, nothing has changed. */
static int replace(struct cli *cli, const struct creation *creation, struct work_report *report, char **ret_id,
                   struct error *err)
{
    const char *old = json_get_string(creation->container->replaced, "Id"), *name = creation->container->name;
    CLEANUP_FREE char *temporary = xasprintf("%.12s_%s", old, name);
    CLEANUP_STRBUF struct strbuf suffix = STRBUF_INIT;
    int r = creation_request(cli, creation, temporary, report, ret_id, err);
    if (r < 0)
        return r;
    strbuf_adds(&suffix, "/stop");
    if (creation->app->timeout != TIMEOUT_OWN)
        client_query_add_int(&suffix, "t", creation->app->timeout);
    r = container_op_post(cli, old, strbuf_str(&suffix), err);
    if (r == 0)
        r = container_request(cli, "DELETE", old, "", err);
    if (r < 0 && err->kind == ERROR_NOT_FOUND) {
        error_clear(err); /* it has gone by itself */
        r = 0;
    }
    if (r < 0)
        container_request(cli, "DELETE", *ret_id, "?v=0", NULL);
    return r < 0 ? r : rename_container(cli, *ret_id, name, err);
}

int creation_task_replace(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct creation *creation = data;
    CLEANUP_FREE char *event = app_event_id(creation->container->name), *id = NULL;
    work_event(report, event, BOARD_WORKING, "Recreate");
    if (creation->app->options->dry_run) {
        work_result(report, creation->container->name);
        work_event(report, event, BOARD_DONE, "Recreated");
        return 0;
    }
    int r = replace(cli, creation, report, &id, err);
    if (r < 0)
        return fail_event(report, event, r, err);
    work_result(report, id);
    work_event(report, event, BOARD_DONE, "Recreated");
    return 0;
}

void creation_done(void *data, const char *result)
{
    const struct creation *creation = data;
    xstrset(&creation->container->id, result);
    creation->container->running = false;
}
