/* /containers: life cycle, list, inspect. Decodes, calls one function of the engine, answers. */
#include <errno.h>

#include "api/server.h"
#include "daemon/container.h"
#include "daemon/links.h"

/* The container that the path names. */
static int find(struct api_request *request, struct engine *engine, struct container **ret, struct error *err)
{
    return container_find(engine, api_path(request, 0), ret, err);
}

static int handle_list(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_JSON struct json *filters = NULL;
    struct container_list list = {.all = api_query_bool(request, "all", false),
                                  .size = api_query_bool(request, "size", false),
                                  .api_version = api_version(request)};
    int r = api_query_int(request, "limit", 0, &list.limit, err);
    if (r == 0)
        r = api_filters(request, container_list_filters, &filters, err);
    if (r < 0)
        return r;
    list.filters = filters;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    r = container_list(engine, &list, &out, err);
    return r < 0 ? r : api_reply_json(request, 200, &out);
}

static void put_warnings(struct json_writer *w, const struct strv *warnings)
{
    json_key(w, "Warnings");
    json_begin_array(w);
    for (size_t i = 0; i < warnings->count; i++)
        json_put_string(w, warnings->items[i]);
    json_end_array(w);
}

static int handle_create(struct api_request *request, struct engine *engine, struct error *err)
{
    const struct json *body = NULL;
    int r = api_body(request, &body, err);
    if (r < 0)
        return r;
    struct container_create create = {.name = api_query(request, "name"),
                                      .body = body,
                                      .platform = api_query(request, "platform"),
                                      .api_version = api_version(request)};
    CLEANUP_CONTAINER struct container *c = NULL;
    CLEANUP_STRV struct strv warnings = STRV_INIT;
    r = container_create(engine, &create, &c, &warnings, err);
    if (r < 0)
        return r;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_member_string(&w, "Id", c->id);
    put_warnings(&w, &warnings);
    json_end_object(&w);
    strbuf_addc(&out, '\n');
    return api_reply_json(request, 201, &out);
}

static int handle_inspect(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct container_inspect how = {.size = api_query_bool(request, "size", false),
                                    .api_version = api_version(request)};
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_inspect(engine, c, &how, &out, err);
    return r < 0 ? r : api_reply_json(request, 200, &out);
}

static int handle_start(struct api_request *request, struct engine *engine, struct error *err)
{
    if (api_query(request, "checkpoint") != NULL && *api_query(request, "checkpoint") != '\0')
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "checkpoints are not supported by dory yet");
    CLEANUP_CONTAINER struct container *c = NULL;
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_start(engine, c, err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

/* ?signal=...&t=seconds of stop and restart; *timeout is where how->timeout may point to. */
static int stop_options(struct api_request *request, struct container_stop *how, int64_t *timeout, struct error *err)
{
    *how = (struct container_stop){.signal = api_query(request, "signal")};
    const char *text = api_query(request, "t");
    if (text == NULL || *text == '\0')
        return 0;
    how->timeout = timeout;
    return api_query_int(request, "t", 0, timeout, err);
}

static int handle_stop(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    struct container_stop how;
    int64_t timeout;
    int r = stop_options(request, &how, &timeout, err);
    if (r == 0)
        r = find(request, engine, &c, err);
    if (r == 0)
        r = container_stop(engine, c, &how, err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

static int handle_restart(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    struct container_stop how;
    int64_t timeout;
    int r = stop_options(request, &how, &timeout, err);
    if (r == 0)
        r = find(request, engine, &c, err);
    if (r == 0)
        r = container_restart(engine, c, &how, err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

static int handle_kill(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_kill(engine, c, api_query(request, "signal"), err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

static int handle_pause(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_pause(engine, c, err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

static int handle_unpause(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_unpause(engine, c, err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

static int handle_rename(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_rename(engine, c, api_query(request, "name"), err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

/* DELETE /containers/NAME/ALIAS?link=1, also with the slash escaped. */
static int remove_link(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    const char *first = api_path(request, 0), *second = api_path(request, 1);
    CLEANUP_FREE char *path = xasprintf("%s%s%s", first, *second ? "/" : "", second);
    char *name = path + strspn(path, "/"), *slash = strchr(name, '/');
    if (slash == NULL)
        return error_set(err, ERROR_CONFLICT, 0, "Conflict, cannot remove the default link name of the container");
    *slash = '\0';
    int r = container_find(engine, name, &c, err);
    if (r == 0)
        r = links_remove(engine, c, slash + 1, err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

static int handle_remove_link(struct api_request *request, struct engine *engine, struct error *err)
{
    if (!api_query_bool(request, "link", false))
        return error_set(err, ERROR_NOT_FOUND, 0, "No such container: %s/%s", api_path(request, 0),
                         api_path(request, 1));
    return remove_link(request, engine, err);
}

static int handle_remove(struct api_request *request, struct engine *engine, struct error *err)
{
    if (api_query_bool(request, "link", false))
        return remove_link(request, engine, err);
    struct container_remove how = {.force = api_query_bool(request, "force", false),
                                   .volumes = api_query_bool(request, "v", false)};
    CLEANUP_CONTAINER struct container *c = NULL;
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_remove(engine, c, &how, err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

static int handle_prune(struct api_request *request, struct engine *engine, struct error *err)
{
    static const char *const known[] = {"until", "label", "label!", NULL};
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRV struct strv ids = STRV_INIT;
    int64_t bytes = 0;
    int r = api_filters(request, known, &filters, err);
    if (r == 0)
        r = container_prune(engine, filters, &ids, &bytes, err);
    if (r < 0)
        return r;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "ContainersDeleted");
    if (ids.count == 0)
        json_put_null(&w);
    else
        json_begin_array(&w);
    for (size_t i = 0; i < ids.count; i++)
        json_put_string(&w, ids.items[i]);
    if (ids.count > 0)
        json_end_array(&w);
    json_member_int(&w, "SpaceReclaimed", bytes);
    json_end_object(&w);
    strbuf_addc(&out, '\n');
    return api_reply_json(request, 200, &out);
}

/* What exists in the API and not yet in dory; the container is looked up first, so that a wrong name says so. */
static int not_yet(struct api_request *request, struct engine *engine, const char *what, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    int r = find(request, engine, &c, err);
    return r < 0 ? r : error_set(err, ERROR_NOT_IMPLEMENTED, 0, "%s is not supported by dory yet", what);
}

static int handle_update(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    CLEANUP_STRV struct strv warnings = STRV_INIT;
    const struct json *body = NULL;
    int r = api_body(request, &body, err);
    if (r == 0)
        r = find(request, engine, &c, err);
    if (r == 0)
        r = container_update(engine, c, body, api_version(request), &warnings, err);
    if (r < 0)
        return r;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    put_warnings(&w, &warnings);
    json_end_object(&w);
    return api_reply_json(request, 200, &out);
}

static int handle_checkpoints(struct api_request *request, struct engine *engine, struct error *err)
{
    return not_yet(request, engine, "checkpoint", err);
}

const struct api_route api_container_routes[] = {
    {"GET", "/containers/json", handle_list, 0},
    {"POST", "/containers/create", handle_create, API_BODY_JSON},
    {"POST", "/containers/prune", handle_prune, 0},
    {"GET", "/containers/{}/json", handle_inspect, 0},
    {"POST", "/containers/{}/start", handle_start, 0},
    {"POST", "/containers/{}/stop", handle_stop, 0},
    {"POST", "/containers/{}/restart", handle_restart, 0},
    {"POST", "/containers/{}/kill", handle_kill, 0},
    {"POST", "/containers/{}/pause", handle_pause, 0},
    {"POST", "/containers/{}/unpause", handle_unpause, 0},
    {"POST", "/containers/{}/rename", handle_rename, 0},
    {"DELETE", "/containers/{}", handle_remove, 0},
    {"DELETE", "/containers/{}/{}", handle_remove_link, 0},
    {"POST", "/containers/{}/update", handle_update, API_BODY_JSON},
    {"GET", "/containers/{}/checkpoints", handle_checkpoints, 0},
    {"POST", "/containers/{}/checkpoints", handle_checkpoints, API_BODY_JSON},
    {0},
};
