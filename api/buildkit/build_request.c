/*
 * POST /build?version=2: its parameters become a SolveRequest, which is run as that of Control/Solve is, and what the
 * build tells goes out as JSON lines: {"id":"moby.buildkit.trace","aux":"..."}, a StatusResponse in base64, and in the
 * end {"id":"moby.image.id","aux":{"ID":"sha256:..."}} or an error. Of a quiet build that fails all is told, else its
 * image alone.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "api/build_parameters.h"
#include "api/build_stream.h"
#include "api/buildkit/service.h"
#include "api/request.h"
#include "api/server_private.h"
#include "base/base64.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/memory.h"

#define UPLOAD "upload-request"
#define CLIENT_PATIENCE_MS 150000

/* ---- the request ---- */

static void put_text(struct strmap *attrs, const char *name, const char *value)
{
    if (value && *value)
        strmap_set(attrs, name, value);
}

static void put_number(struct strmap *attrs, const char *name, int64_t value)
{
    CLEANUP_FREE char *text = xasprintf("%lld", (long long)value);
    if (value != 0)
        strmap_set(attrs, name, text);
}

static void put_list(struct strmap *attrs, const char *name, const struct strv *values)
{
    CLEANUP_FREE char *text = strv_join(values, ",");
    put_text(attrs, name, text);
}

/* Each under its name behind the prefix. */
static void put_map(struct strmap *attrs, const char *prefix, const struct strmap *values)
{
    for (size_t i = 0; i < values->count; i++) {
        CLEANUP_FREE char *name = xasprintf("%s%s", prefix, values->items[i].key);
        strmap_set(attrs, name, values->items[i].value);
    }
}

/* "name:address" as "name=address". */
static void put_hosts(struct strmap *attrs, const struct strv *hosts)
{
    CLEANUP_STRV struct strv list = STRV_INIT;
    for (size_t i = 0; i < hosts->count; i++) {
        size_t size = strcspn(hosts->items[i], ":=");
        const char *address = hosts->items[i] + size;
        strv_addf(&list, "%.*s=%s", (int)size, hosts->items[i], *address ? address + 1 : "");
    }
    put_list(attrs, "add-hosts", &list);
}

static void put_ulimits(struct strmap *attrs, const struct json_array *ulimits)
{
    CLEANUP_STRV struct strv list = STRV_INIT;
    const struct ulimit *items = ulimits->items;
    for (size_t i = 0; i < ulimits->count; i++)
        strv_addf(&list, "%s=%lld:%lld", items[i].name, (long long)items[i].soft, (long long)items[i].hard);
    put_list(attrs, "ulimit", &list);
}

static void put_host(struct strmap *attrs, const struct host_config *host)
{
    const char *network = host->network_mode;
    put_text(attrs, "force-network-mode", network && strcmp(network, "default") != 0 ? network : NULL);
    put_hosts(attrs, &host->extra_hosts);
    put_ulimits(attrs, &host->ulimits);
    put_number(attrs, "shm-size", host->shm_size);
    put_number(attrs, "memory", host->memory);
    put_number(attrs, "memswap", host->memory_swap);
    put_number(attrs, "cpushares", host->cpu_shares);
    put_number(attrs, "cpuperiod", host->cpu_period);
    put_number(attrs, "cpuquota", host->cpu_quota);
    put_text(attrs, "cpusetcpus", host->cpuset_cpus);
    put_text(attrs, "cpusetmems", host->cpuset_mems);
    put_text(attrs, "cgroup-parent", host->cgroup_parent);
}

/* The frontend's options; context: URL, or NULL for the client's directory. */
static void put_options(struct strmap *attrs, const struct build_parameters *parameters, const char *context)
{
    const struct build_options *o = &parameters->options;
    put_text(attrs, "target", o->target);
    put_text(attrs, "platform", o->platform);
    put_text(attrs, "filename", parameters->dockerfile_name);
    put_text(attrs, "context", context);
    put_list(attrs, "cache-from", &o->cache_from);
    if (o->no_cache)
        strmap_set(attrs, "no-cache", "");
    strmap_set(attrs, "image-resolve-mode", o->pull ? "pull" : "default");
    put_map(attrs, "build-arg:", &o->build_args);
    put_map(attrs, "label:", &o->labels);
    put_host(attrs, &o->host);
}

/* [{"Type":"local","Attrs":{...}}], one at most; none is an image of the store, "cacheonly" nothing at all. *ret_type
 * is the caller's, "" where there is no exporter. */
static int read_output(const char *text, char **ret_type, struct strmap *attrs, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    int r = text && *text ? json_parse(text, strlen(text), &tree, err) : 0;
    if (r < 0)
        return error_context(err, "error reading outputs");
    if (tree && tree->kind != JSON_ARRAY && tree->kind != JSON_NULL)
        return error_set(err, ERROR_INVALID, 0, "error reading outputs: a list is expected");
    if (json_count(tree) > 1)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "multiple outputs are not supported");
    const struct json *output = json_count(tree) > 0 ? json_at(tree, 0) : NULL;
    const char *type = output ? json_get_string(output, "Type") : "moby";
    const struct json *values = output ? json_get(output, "Attrs") : NULL;
    if (!type)
        return error_set(err, ERROR_INVALID, 0, "error reading outputs: an output has no type");
    *ret_type = xstrdup(strcmp(type, "cacheonly") == 0 ? "" : type);
    for (size_t i = 0; values && values->kind == JSON_OBJECT && i < values->object.count; i++) {
        const char *value = json_string(&values->object.values[i]);
        if (!value)
            return error_set(err, ERROR_INVALID, 0, "error reading outputs: %s is no string", values->object.keys[i]);
        strmap_set(attrs, values->object.keys[i], value);
    }
    if (strcmp(type, "tar") == 0)
        strmap_unset(attrs, "dest"); /* docker's CLI tells where it puts the file itself */
    return 0;
}

static void put_names(struct strmap *attrs, const struct build_options *options)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    for (size_t i = 0; i < options->tag_count; i++)
        strv_add_take(&names, reference_full(&options->tags[i]));
    put_list(attrs, "name", &names);
}

/* bk__solve_request__free_unpacked() frees it. */
static int make_request(const struct api_request *request, const struct build_parameters *parameters,
                        const char *context, Bk__SolveRequest **ret, struct error *err)
{
    CLEANUP_STRMAP struct strmap options = STRMAP_INIT, output = STRMAP_INIT;
    CLEANUP_FREE char *type = NULL;
    char ref[ID_SIZE + 1], host_network[] = "network.host", *entitlements[] = {host_network};
    const char *session = api_query(request, "session");
    Bk__SolveRequest solve = BK__SOLVE_REQUEST__INIT;
    int r = read_output(api_query(request, "outputs"), &type, &output, err);
    if (r < 0)
        return r;
    id_generate(ref);
    put_options(&options, parameters, context);
    if (strcmp(type, "moby") == 0 || strcmp(type, "image") == 0)
        put_names(&output, &parameters->options);
    CLEANUP_FREE Bk__Entry **option_list = solve_entries(&options), **output_list = solve_entries(&output);
    solve.ref = ref;
    solve.session = (char *)(session ? session : "");
    solve.frontend = (char *)"dockerfile.v0";
    solve.frontend_attrs = option_list;
    solve.n_frontend_attrs = options.count;
    solve.exporter = type;
    solve.exporter_attrs = output_list;
    solve.n_exporter_attrs = output.count;
    solve.entitlements = entitlements;
    solve.n_entitlements = parameters->options.allow_network_host ? 1 : 0;
    size_t size = bk__solve_request__get_packed_size(&solve);
    CLEANUP_FREE uint8_t *packed = xmalloc(size + 1);
    *ret = bk__solve_request__unpack(NULL, bk__solve_request__pack(&solve, packed), packed);
    return *ret ? 0 : error_set(err, ERROR_INVALID, 0, "a parameter cannot be passed on");
}

/* ---- what it tells ---- */

static int send_trace(const void *message, size_t size, void *data, struct error *err)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    (void)err;
    strbuf_adds(&line, "{\"id\":\"moby.buildkit.trace\",\"aux\":\"");
    base64_encode(message, size, false, &line);
    strbuf_adds(&line, "\"}\r\n");
    build_stream_send(data, &line);
    return 0;
}

static void send_image(struct build_stream *stream, const char *id)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    strbuf_addf(&line, "{\"id\":\"moby.image.id\",\"aux\":{\"ID\":\"%s\"}}\r\n", id);
    build_stream_send(stream, &line);
}

/* ---- while it is built ---- */

struct watch {
    struct solve *solve;
    struct build_stream *stream;
    int client_fd, end_fd;
};

static void *listen_main(void *data)
{
    struct watch *watch = data;
    solve_listen(watch->solve, send_trace, watch->stream, NULL);
    return NULL;
}

/* A client that goes cancels its build. */
static void *watch_main(void *data)
{
    const struct watch *watch = data;
    struct pollfd fds[] = {{.fd = watch->end_fd, .events = POLLIN}, {.fd = watch->client_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    if (fds[0].revents == 0)
        solve_give_up(watch->solve);
    return NULL;
}

/* Runs what was added; blocks up to the last message. */
static int run(struct solve_list *list, struct solve *solve, struct watch *watch, struct error *err)
{
    pthread_t listener, watcher;
    bool quiet = watch->stream->quiet;
    int started = pthread_create(&watcher, NULL, watch_main, watch);
    bool watching = started == 0, listening = false;
    if (watching && !quiet) {
        started = pthread_create(&listener, NULL, listen_main, watch);
        listening = started == 0;
    }
    if (started != 0)
        solve_close(solve); /* nothing begins */
    int r = control_run(list, solve, err);
    if (started != 0)
        r = error_errno(err, started, "start a thread");
    if (listening)
        pthread_join(listener, NULL);
    if (watching) {
        eventfd_write(watch->end_fd, 1);
        pthread_join(watcher, NULL);
    }
    if (quiet && r < 0)
        listen_main(watch);
    return r;
}

/* ---- the context ---- */

struct body {
    const char *build_id, *context; /* NULL: none; the client's directory */
    struct upload *upload;
    int fd; /* what the context is read from; -1 */
};

static int find_body(struct api_request *request, const struct build_parameters *parameters, struct upload_list *list,
                     struct body *ret, struct error *err)
{
    const char *remote = parameters->remote;
    *ret = (struct body){.build_id = api_query(request, "buildid"), .fd = -1};
    if (remote && strcmp(remote, "client-session") == 0)
        return 0;
    ret->context = remote ? remote : "http://build-context";
    if (remote && strcmp(remote, UPLOAD) != 0)
        return 0;
    if (!remote)
        ret->fd = api_body_fd(request);
    else if (!ret->build_id || !*ret->build_id)
        return error_set(err, ERROR_INVALID, 0, "remote=" UPLOAD " needs an id (buildid)");
    return remote ? upload_take(list, ret->build_id, &ret->upload, &ret->fd, err) : 0;
}

static int check_parameters(const struct build_parameters *parameters, struct error *err)
{
    if (parameters->options.host.security_opt.count > 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "securityopt is not supported by BuildKit (version=2)");
    return 0;
}

/* ---- all ---- */

/* Waits for the session also where nothing is asked of it: docker's CLI opens it at the same time, and closes it when
 * the build is answered. What it opens after that it would never close; nor does it close one that it is just opening,
 * so that the session of a build that is refused at once ends here. */
static int find_session(struct api_request *request, struct session_list *list, struct session **ret, struct error *err)
{
    const char *id = api_query(request, "session");
    return id && *id ? session_get(list, id, api_client_fd(request), ret, err) : 0;
}

static int offer(struct api_request *request, struct upload_list *list, const char *build_id, struct error *err)
{
    int r = upload_offer(list, build_id, api_body_fd(request), err);
    return r < 0 ? r : api_reply_empty(request, 200);
}

static int start(struct api_request *request, struct engine *engine, struct build_parameters *parameters,
                 const struct body *body, struct solve **ret, struct error *err)
{
    struct buildkit *buildkit = api_server_buildkit(request->server);
    Bk__SolveRequest *solve_request = NULL;
    int r = make_request(request, parameters, body->context, &solve_request, err);
    if (r == 0)
        r = solve_add(&buildkit->solves, engine, &buildkit->sessions, solve_request, body->build_id, ret, err);
    if (r < 0)
        return r;
    (*ret)->body_fd = body->fd;
    (*ret)->squash = parameters->options.squash;
    (*ret)->suppliers = parameters->options.suppliers;
    return 0;
}

/* The last lines, or the error. */
static int finish(struct build_stream *stream, const struct solve *solve, const struct strv *tags, int result,
                  struct error *error)
{
    if (result == 0 && stream->quiet)
        build_stream_success(stream, solve->result.image_id, tags);
    else if (result == 0 && *solve->result.image_id)
        send_image(stream, solve->result.image_id);
    if (result == 0)
        return 0;
    CLEANUP_FREE char *text = solve_explain_text(error->message);
    error_set(error, error->kind, 0, "%s", text);
    return build_stream_failure(stream, result, 0, error);
}

static int build(struct api_request *request, struct engine *engine, struct build_parameters *parameters,
                 struct error *err)
{
    CLEANUP_BUILD_STREAM struct build_stream stream = {.out = {.request = request}, .quiet = parameters->quiet};
    struct buildkit *buildkit = api_server_buildkit(request->server);
    struct watch watch = {.stream = &stream, .client_fd = api_client_fd(request), .end_fd = -1};
    struct body body = {.fd = -1};
    struct error error = {0};
    int r = check_parameters(parameters, &error);
    if (r == 0)
        r = find_body(request, parameters, &buildkit->uploads, &body, &error);
    if (r == 0 && (watch.end_fd = eventfd(0, EFD_CLOEXEC)) < 0)
        r = error_errno(&error, errno, "eventfd");
    if (r == 0)
        r = start(request, engine, parameters, &body, &watch.solve, &error);
    if (r == 0)
        r = run(&buildkit->solves, watch.solve, &watch, &error);
    upload_done(&buildkit->uploads, body.upload);
    r = finish(&stream, watch.solve, &parameters->tag_names, r, &error);
    solve_put(&buildkit->solves, watch.solve);
    fd_close(watch.end_fd);
    error_propagate(err, &error);
    return r;
}

int buildkit_handle_build(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_BUILD_PARAMETERS struct build_parameters parameters = {0};
    struct buildkit *buildkit = api_server_buildkit(request->server);
    const char *build_id = api_query(request, "buildid");
    if (build_id && strncmp(build_id, UPLOAD ":", strlen(UPLOAD ":")) == 0)
        return offer(request, &buildkit->uploads, build_id + strlen(UPLOAD ":"), err);
    struct session *session = NULL;
    int r = find_session(request, &buildkit->sessions, &session, err);
    if (r == 0)
        r = build_parameters_read(request, engine, &parameters, err);
    if (r == 0) {
        request->patience_ms = CLIENT_PATIENCE_MS;
        r = build(request, engine, &parameters, err);
    }
    if (r < 0 && session)
        http2_close(session->connection);
    session_put(&buildkit->sessions, session);
    return r;
}

void buildkit_cancel(struct buildkit *buildkit, const char *build_id)
{
    solve_cancel(&buildkit->solves, build_id);
}
