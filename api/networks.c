/* /networks. */
#include "api/server.h"
#include "daemon/container.h"
#include "daemon/network_api.h"

static int list(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = api_filters(request, network_list_filters, &filters, err);

    if (r == 0)
        r = engine_network_list(engine, filters, &out, err);
    return r < 0 ? r : api_reply_json(request, 200, &out);
}

static int inspect(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    const char *scope = api_query(request, "scope");

    if (scope && *scope && strcmp(scope, "local") != 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "network %s not found", api_path(request, 0));
    int r = engine_network_inspect(engine, api_path(request, 0), api_version(request) >= 52, &out, err);
    return r < 0 ? r : api_reply_json(request, 200, &out);
}

static int create(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    const struct json *body = NULL;
    struct json_writer w;
    char id[65];
    int r = api_body(request, &body, err);

    if (r == 0)
        r = engine_network_create(engine, body, id, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_member_string(&w, "Id", id);
    json_member_string(&w, "Warning", "");
    json_end_object(&w);
    return api_reply_json(request, 201, &out);
}

static int remove_network(struct api_request *request, struct engine *engine, struct error *err)
{
    int r = engine_network_remove(engine, api_path(request, 0), err);

    return r < 0 ? r : api_reply_empty(request, 204);
}

/* The container that the body names; the caller unrefs. */
static int body_container(struct api_request *request, struct engine *engine, const struct json **ret_body,
                          struct container **ret, struct error *err)
{
    int r = api_body(request, ret_body, err);

    if (r < 0)
        return r;
    const char *name = json_get_string(*ret_body, "Container");
    if (!name || !*name)
        return error_set(err, ERROR_INVALID, 0, "invalid name or ID supplied: \"\"");
    return container_find(engine, name, ret, err);
}

static int connect_container(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *container = NULL;
    const struct json *body = NULL;
    int r = body_container(request, engine, &body, &container, err);

    if (r == 0)
        r = container_connect(engine, container, api_path(request, 0), json_get(body, "EndpointConfig"), err);
    return r < 0 ? r : api_reply_text(request, 200, "text/plain", "");
}

static int disconnect_container(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *container = NULL;
    const struct json *body = NULL;
    int r = body_container(request, engine, &body, &container, err);

    if (r == 0)
        r = container_disconnect(engine, container, api_path(request, 0), json_get_bool(body, "Force", false), err);
    return r < 0 ? r : api_reply_text(request, 200, "text/plain", "");
}

static int prune(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP_STRV struct strv names = STRV_INIT;
    struct json_writer w;
    int r = api_filters(request, network_prune_filters, &filters, err);

    if (r == 0)
        r = engine_network_prune(engine, filters, &names, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "NetworksDeleted");
    if (names.count == 0) {
        json_put_null(&w);
    } else {
        json_begin_array(&w);
        for (size_t i = 0; i < names.count; i++)
            json_put_string(&w, names.items[i]);
        json_end_array(&w);
    }
    json_end_object(&w);
    return api_reply_json(request, 200, &out);
}

const struct api_route api_network_routes[] = {
    {"GET", "/networks", list, 0},
    {"GET", "/networks/", list, 0}, /* as docker, here alone */
    {"GET", "/networks/{}", inspect, 0},
    {"POST", "/networks/create", create, API_BODY_JSON},
    {"POST", "/networks/prune", prune, 0},
    {"POST", "/networks/{}/connect", connect_container, API_BODY_JSON},
    {"POST", "/networks/{}/disconnect", disconnect_container, API_BODY_JSON},
    {"DELETE", "/networks/{}", remove_network, 0},
    {0},
};
