/* /exec, and POST /containers/{id}/exec. */
#include "daemon/exec.h"

#include "api/server.h"
#include "base/fd.h"

static int find(struct api_request *request, struct engine *engine, struct exec **ret, struct error *err)
{
    return exec_find(engine, api_path(request, 0), ret, err);
}

static int handle_create(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    CLEANUP_EXEC struct exec *exec = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    const struct json *body;
    int r = api_body(request, &body, err);
    if (r == 0)
        r = container_find(engine, api_path(request, 0), &c, err);
    if (r == 0)
        r = exec_create(engine, c, api_path(request, 0), body, &exec, err);
    if (r < 0)
        return r;
    strbuf_addf(&out, "{\"Id\":\"%s\"}\n", exec_id(exec));
    return api_reply_json(request, 201, &out);
}

/* ConsoleSize: [rows, columns], since API 1.42. */
static int read_size(const struct json *body, struct exec_start *how, struct error *err)
{
    const struct json *size = json_get(body, "ConsoleSize");
    int64_t values[2] = {0};
    if (size == NULL || size->kind == JSON_NULL)
        return 0;
    bool ok = size->kind == JSON_ARRAY && size->array.count == 2;
    for (size_t i = 0; ok && i < 2; i++) {
        const struct json *n = &size->array.items[i];
        ok = n->kind == JSON_INTEGER && n->integer >= 0 && n->integer <= UINT16_MAX;
        values[i] = ok ? n->integer : 0;
    }
    if (!ok)
        return error_set(err, ERROR_INVALID, 0, "ConsoleSize: expected a list of two numbers");
    how->rows = (uint16_t)values[0];
    how->columns = (uint16_t)values[1];
    return 0;
}

static int read_start(struct api_request *request, struct exec_start *how, bool *ret_detach, struct error *err)
{
    const struct json *body;
    *how = (struct exec_start){.fd = -1};
    int r = api_body(request, &body, err);
    if (r < 0)
        return r;
    if (body != NULL && body->kind != JSON_OBJECT && body->kind != JSON_NULL)
        return error_set(err, ERROR_INVALID, 0, "the body of an exec's start is an object");
    how->raw = json_get_bool(body, "Tty", false);
    *ret_detach = json_get_bool(body, "Detach", false);
    return read_size(body, how, err);
}

/* Clients from API 1.42 on are told by the content type whether the stream has frames. */
static const char *stream_type(const struct api_request *request, const struct exec_start *how)
{
    if (!how->raw && api_version(request) >= 42)
        return "application/vnd.docker.multiplexed-stream";
    return "application/vnd.docker.raw-stream";
}

static int handle_start(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_EXEC struct exec *exec = NULL;
    struct exec_start how;
    bool detach = false;
    int r = find(request, engine, &exec, err);
    if (r == 0)
        r = read_start(request, &how, &detach, err);
    if (r == 0)
        r = exec_claim(engine, exec, err);
    if (r < 0)
        return r;
    if (detach) {
        r = exec_start(engine, exec, &how, err);
        return r < 0 ? r : api_reply_empty(request, 200);
    }
    r = api_hijack(request, stream_type(request, &how), &how.fd, err);
    if (r < 0) {
        exec_unclaim(engine, exec);
        return r;
    }
    exec_start(engine, exec, &how, NULL); /* the answer is out: the client reads of a failure in its stream */
    return 0;
}

static int handle_resize(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_EXEC struct exec *exec = NULL;
    uint16_t rows, columns;
    int r = api_query_size(request, &rows, &columns, err);
    if (r == 0)
        r = find(request, engine, &exec, err);
    if (r == 0)
        r = exec_resize(engine, exec, rows, columns, err);
    return r < 0 ? r : api_reply_empty(request, 200);
}

static int handle_inspect(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_EXEC struct exec *exec = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = find(request, engine, &exec, err);
    if (r < 0)
        return r;
    exec_inspect(engine, exec, &out);
    return api_reply_json(request, 200, &out);
}

const struct api_route api_exec_routes[] = {
    {"POST", "/containers/{}/exec", handle_create, API_BODY_JSON},
    {"POST", "/exec/{}/start", handle_start, API_BODY_JSON | API_HIJACK},
    {"POST", "/exec/{}/resize", handle_resize, 0},
    {"GET", "/exec/{}/json", handle_inspect, 0},
    {0},
};
