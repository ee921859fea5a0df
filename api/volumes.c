/* /volumes */
#include <errno.h>

#include "api/server.h"
#include "base/json_table.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/volumes.h"

struct create_body {
    char *name, *driver;
    struct strmap labels, options;
    struct json *cluster;
};

static const struct json_field create_body_rows[] = {
    {.name = "Name", .type = JSON_FIELD_STRING, .offset = offsetof(struct create_body, name)},
    {.name = "Driver", .type = JSON_FIELD_STRING, .offset = offsetof(struct create_body, driver)},
    {.name = "Labels", .type = JSON_FIELD_STRMAP, .offset = offsetof(struct create_body, labels)},
    {.name = "DriverOpts", .type = JSON_FIELD_STRMAP, .offset = offsetof(struct create_body, options)},
    {.name = "ClusterVolumeSpec", .type = JSON_FIELD_RAW, .offset = offsetof(struct create_body, cluster)},
};
static const struct json_table create_body_table = JSON_TABLE(struct create_body, create_body_rows);

static int reply_volume(struct api_request *request, struct engine *engine, int status, const struct volume *volume)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    volume_write_json(engine, volume, &w);
    strbuf_addc(&out, '\n');
    return api_reply_json(request, status, &out);
}

static int create(struct engine *engine, const struct create_body *body, struct volume *ret, struct error *err)
{
    if (body->cluster != NULL && body->cluster->kind != JSON_NULL)
        return error_set(err, ERROR_UNAVAILABLE, 0,
                         "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
                         "connect this node to swarm and try again.");
    struct volume_create request = {
        .name = body->name, .driver = body->driver, .labels = &body->labels, .options = &body->options};
    bool new = false;
    int r = volume_create(engine_volumes(engine), &request, ret, &new, err);
    if (r == 0 && new) {
        CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
        strmap_set(&attributes, "driver", "local");
        events_publish(engine_events(engine), "volume", "create", ret->name, &attributes);
    }
    return r;
}

static int handle_create(struct api_request *request, struct engine *engine, struct error *err)
{
    const struct json *tree = NULL;
    struct create_body body = {0};
    struct volume volume = {0};
    int r = api_body(request, &tree, err);
    if (r == 0 && tree == NULL)
        r = error_set(err, ERROR_INVALID, 0, "got EOF while reading request body");
    if (r == 0)
        r = json_table_decode(&create_body_table, tree, &body, err);
    if (r == 0)
        r = create(engine, &body, &volume, err);
    json_table_release(&create_body_table, &body);
    if (r < 0)
        return r;
    r = reply_volume(request, engine, 201, &volume);
    volume_release(&volume);
    return r;
}

static int handle_inspect(struct api_request *request, struct engine *engine, struct error *err)
{
    struct volume volume = {0};
    int r = volume_get(engine_volumes(engine), api_path(request, 0), &volume, err);
    if (r < 0)
        return r;
    r = reply_volume(request, engine, 200, &volume);
    volume_release(&volume);
    return r;
}

static int handle_list(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = api_filters(request, volume_list_filters, &filters, err);
    if (r == 0)
        r = engine_volume_list(engine, filters, &out, err);
    return r < 0 ? r : api_reply_json(request, 200, &out);
}

static int handle_remove(struct api_request *request, struct engine *engine, struct error *err)
{
    int r = engine_volume_remove(engine, api_path(request, 0), api_query_bool(request, "force", false), err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

/* dory's own: a volume that nobody uses gets another name. */
static int handle_rename(struct api_request *request, struct engine *engine, struct error *err)
{
    const char *name = api_query(request, "name");
    int r = name == NULL || *name == '\0' ? error_set(err, ERROR_INVALID, 0, "Neither old nor new names may be empty")
                                          : engine_volume_rename(engine, api_path(request, 0), name, err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

/* Only cluster volumes can be updated, and there are none without a swarm. */
static int handle_update(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)request;
    (void)engine;
    return error_set(err, ERROR_UNAVAILABLE, 0,
                     "volume update is only valid for cluster volumes: this node is not a swarm manager");
}

static int handle_prune(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = api_filters(request, volume_prune_filters, &filters, err);
    if (r == 0)
        r = engine_volume_prune(engine, filters, api_version(request) < 42, &out, err); /* before: named ones, too */
    return r < 0 ? r : api_reply_json(request, 200, &out);
}

const struct api_route api_volume_routes[] = {
    {"GET", "/volumes", handle_list, 0},
    {"POST", "/volumes/create", handle_create, API_BODY_JSON},
    {"POST", "/volumes/prune", handle_prune, 0},
    {"GET", "/volumes/{}", handle_inspect, 0},
    {"DELETE", "/volumes/{}", handle_remove, 0},
    {"POST", "/volumes/{}/rename", handle_rename, 0},
    {"PUT", "/volumes/{}", handle_update, API_BODY_JSON},
    {0},
};
