/* POST /build, /build/prune, /build/cancel. */
#include <string.h>

#include "api/build_parameters.h"
#include "api/build_session.h"
#include "api/build_stream.h"
#include "api/buildkit/buildkit.h"
#include "api/request.h"
#include "api/server_private.h"
#include "daemon/build/build.h"
#include "daemon/build/context.h"
#include "daemon/build/context_sync.h"
#include "daemon/engine.h"
#include "daemon/events.h"

/* How long a client that reads nothing is awaited when all steps have ended. */
#define CLIENT_PATIENCE_MS 150000

/* The context and the Dockerfile. *ret_name is the caller's. */
static int receive(struct api_request *request, const struct build_parameters *parameters, struct build_files *files,
                   struct strbuf *dockerfile, char **ret_name, struct error *err)
{
    int r = build_files_new(request->engine, files, err);
    const struct build_fetch how = {.cancel_fd = api_client_fd(request), .keep_git_dir = parameters->keep_git_dir};
    if (r == 0 && parameters->remote)
        r = build_files_fetch(files, parameters->remote, &how, err);
    else if (r == 0)
        r = build_files_receive(files, api_body_fd(request), err);
    if (r < 0)
        return r;
    /* A URL of a Dockerfile says all: a name would be one within a context. */
    const char *asked = parameters->remote && files->alone ? NULL : parameters->dockerfile_name;
    return build_files_dockerfile(files, asked, dockerfile, ret_name, err);
}

static int handle_classic(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_BUILD_PARAMETERS struct build_parameters parameters = {0};
    CLEANUP_BUILD_FILES struct build_files files = BUILD_FILES_INIT;
    CLEANUP_STRBUF struct strbuf dockerfile = STRBUF_INIT;
    CLEANUP_FREE char *name = NULL;
    CLEANUP_BUILD_STREAM struct build_stream stream = {.out = {.request = request}};
    struct build_events events = build_stream_events;
    struct build_result result = {0};
    struct error error = {0};
    int r = build_parameters_read(request, engine, &parameters, &error);
    if (r == 0)
        r = receive(request, &parameters, &files, &dockerfile, &name, &error);
    if (r == 0) {
        struct build_options *options = &parameters.options;
        events.data = &stream;
        request->patience_ms = CLIENT_PATIENCE_MS;
        stream.quiet = parameters.quiet;
        options->context_fd = files.fd;
        options->dockerfile = strbuf_str(&dockerfile);
        options->dockerfile_size = dockerfile.size;
        options->dockerfile_name = name;
        options->in_order = true;
        options->cache_from_only = true; /* as docker's classic builder; BuildKit adds to what it has */
        options->cancel_fd = api_client_fd(request);
        r = build_run(engine, options, &events, &result, &error);
    }
    if (r == 0)
        build_stream_success(&stream, result.image_id, &parameters.tag_names);
    else
        r = build_stream_failure(&stream, r, result.exit_code, &error);
    error_propagate(err, &error);
    return r;
}

static int handle_build(struct api_request *request, struct engine *engine, struct error *err)
{
    return build_parameters_is_buildkit(request) ? buildkit_handle_build(request, engine, err)
                                                 : handle_classic(request, engine, err);
}

/* ---- prune ---- */

static int handle_prune(struct api_request *request, struct engine *engine, struct error *err)
{
    /* The builder refuses those it does not know. */
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRV struct strv ids = STRV_INIT;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct build_prune how = {.all = api_query_bool(request, "all", false)};
    struct json_writer w;
    int64_t reserved = 0, bytes = 0;
    int r = api_query_int(request, "keep-storage", 0, &how.keep_storage, err);
    if (r == 0) /* its name since 1.48 */
        r = api_query_int(request, "reserved-space", how.keep_storage, &reserved, err);
    if (r == 0)
        r = api_query_int(request, "max-used-space", 0, &how.max_used, err);
    if (r == 0)
        r = api_query_int(request, "min-free-space", 0, &how.min_free, err);
    if (r == 0)
        r = api_filters(request, NULL, &filters, err);
    if (r < 0)
        return r;
    how.keep_storage = reserved;
    how.filters = filters;
    r = build_prune(engine, &how, &ids, &bytes, err);
    if (r < 0)
        return r;
    events_publish_prune(engine_events(engine), "builder", bytes);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "CachesDeleted");
    if (ids.count == 0) {
        json_put_null(&w);
    } else {
        json_begin_array(&w);
        for (size_t i = 0; i < ids.count; i++)
            json_put_string(&w, ids.items[i]);
        json_end_array(&w);
    }
    json_member_int(&w, "SpaceReclaimed", bytes);
    json_end_object(&w);
    return api_reply_json(request, 200, &out);
}

/* ---- cache mounts ---- */

static int cache_id(struct api_request *request, const char **ret, struct error *err)
{
    *ret = api_query(request, "id");
    return *ret && **ret ? 0 : error_set(err, ERROR_INVALID, 0, "bad parameter: id cannot be empty");
}

struct cache_answer {
    struct api_request *request;
    bool begun;
};

static int write_cache(void *data, const void *bytes, size_t size, struct error *err)
{
    struct cache_answer *answer = data;
    int r = answer->begun ? 0 : api_stream_begin(answer->request, 200, "application/x-tar");
    answer->begun = true;
    if (r == 0)
        r = api_stream_write(answer->request, bytes, size);
    return r < 0 ? error_set(err, ERROR_CANCELLED, -r, "the client has gone") : 0;
}

static int handle_cache_export(struct api_request *request, struct engine *engine, struct error *err)
{
    struct cache_answer answer = {.request = request};
    const char *id;
    int r = cache_id(request, &id, err);
    return r < 0 ? r : build_cache_mount_export(engine, id, write_cache, &answer, err);
}

static int handle_cache_import(struct api_request *request, struct engine *engine, struct error *err)
{
    const char *id;
    int r = cache_id(request, &id, err);
    if (r == 0)
        r = build_cache_mount_import(engine, id, api_body_fd(request), err);
    return r < 0 ? r : api_reply_empty(request, 204);
}

/* Builds by an id of the client's are BuildKit's; others end when their client goes. Any id is fine, as in docker. */
static int handle_cancel(struct api_request *request, struct engine *engine, struct error *err)
{
    const char *id = api_query(request, "id");
    (void)engine;
    if (!id || !*id)
        return error_set(err, ERROR_INVALID, 0, "build ID not provided");
    buildkit_cancel(api_server_buildkit(request->server), id);
    return api_reply_empty(request, 200);
}

const struct api_route api_build_routes[] = {
    {"POST", "/build", handle_build, API_BODY_STREAM | API_STREAM},
    {"POST", "/dory/build", build_session_handle, API_HIJACK},
    {"GET", "/dory/build/cache", handle_cache_export, API_STREAM},
    {"PUT", "/dory/build/cache", handle_cache_import, API_BODY_STREAM | API_STREAM},
    {"POST", "/grpc", buildkit_handle_grpc, API_HIJACK},
    {"POST", "/session", buildkit_handle_session, API_HIJACK},
    {"POST", "/build/prune", handle_prune, 0},
    {"POST", "/build/cancel", handle_cancel, 0},
    {0},
};
