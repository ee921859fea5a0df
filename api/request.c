/* A request's life and what handlers ask of it. */
#include "api/request.h"

#include <errno.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/authz.h"
#include "api/filters.h"
#include "api/metrics.h"
#include "api/server_private.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/timestamp.h"
#include "daemon/engine.h"
#include "daemon/options.h"

struct api_request *request_new(struct api_server *server, struct engine *engine, const char *target)
{
    struct api_request *request = xcalloc(1, sizeof(*request));

    request->references = 1;
    request->server = server;
    request->engine = engine;
    request->target_text = xstrdup(target);
    request->connection_socket = request->socket = request->body_write = request->body_read = request->hangup_epoll =
        request->hijacked = -1;
    pthread_mutex_init(&request->lock, NULL);
    pthread_cond_init(&request->changed, NULL);
    return request;
}

struct api_request *request_ref(struct api_request *request)
{
    __atomic_add_fetch(&request->references, 1, __ATOMIC_RELAXED);
    return request;
}

void request_unref(struct api_request *request)
{
    if (__atomic_sub_fetch(&request->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    fd_close(request->socket);
    fd_close(request->body_write);
    fd_close(request->body_read);
    fd_close(request->hangup_epoll);
    fd_close(request->hijacked);
    free(request->target_text);
    target_release(&request->target);
    free(request->method);
    strmap_release(&request->headers);
    strbuf_release(&request->body);
    json_free(request->body_json);
    strv_release(&request->path_values);
    free(request->content_type);
    strbuf_release(&request->reply_body);
    strmap_release(&request->reply_headers);
    pthread_mutex_destroy(&request->lock);
    pthread_cond_destroy(&request->changed);
    free(request);
}

static int minor_version(const char *text)
{
    int64_t minor = 0;

    parse_int64(text + strlen("1."), 0, 100000, &minor);
    return (int)minor;
}

static bool is_compose1(const struct api_request *request)
{
    const char *agent = api_header(request, "User-Agent");

    return agent && strncmp(agent, "docker-compose/1.", strlen("docker-compose/1.")) == 0;
}

void request_route(struct api_request *request)
{
    int maximum = minor_version(API_VERSION_MAX);

    if (target_parse(request->target_text, minor_version(API_VERSION_MIN), maximum, &request->target, &request->early) <
        0)
        return;
    if (request->target.version < 0)
        request->target.version = minor_version(API_VERSION_UNNAMED);
    if (is_compose1(request) && request->target.version > minor_version(API_VERSION_COMPOSE1))
        request->target.version = minor_version(API_VERSION_COMPOSE1);
    request->route = api_find_route(request->method, request->target.path, &request->path_values, &request->early);
}

/* Those of this moment; nearly always none. */
static void copy_plugins(const struct api_request *request, struct strv *ret)
{
    struct daemon_options *options = (struct daemon_options *)engine_options(request->engine);

    pthread_rwlock_rdlock(&options->reload);
    strv_copy(ret, &options->authz_plugins);
    pthread_rwlock_unlock(&options->reload);
}

static int run_handler(struct api_request *request, const struct strv *plugins, struct error *err)
{
    int64_t begun = timestamp_monotonic();
    int r = plugins->count > 0 ? authz_request(request, plugins, err) : 0;

    if (r < 0)
        return r;
    if (!request->route)
        return error_propagate(err, &request->early);
    r = request->route->handler(request, request->engine, err);
    if (r >= 0)
        metrics_observe(api_server_metrics(request->server), request->route, timestamp_monotonic() - begun);
    return r;
}

/* The reply goes through libmicrohttpd after this: the connection was not taken, and nothing was sent on it. */
static bool is_held(struct api_request *request)
{
    bool decided;

    pthread_mutex_lock(&request->lock);
    decided = request->phase != REQUEST_HANDLING;
    pthread_mutex_unlock(&request->lock);
    return !decided && !request->streaming;
}

/* What the plugins do not let out is taken back, unless it is out already. */
static void authorize_reply(struct api_request *request, const struct strv *plugins)
{
    struct error error = {0};

    if (authz_response(request, plugins, &error) == 0)
        return;
    if (!is_held(request)) {
        log_warn("%s %s: %s", request->method, request->target_text, error.message);
        return;
    }
    strbuf_release(&request->reply_body);
    strmap_release(&request->reply_headers);
    request->replied = false;
    api_reply_error(request, &error);
}

void request_handle(struct api_request *request)
{
    CLEANUP_STRV struct strv plugins = STRV_INIT;
    struct error error = {0};
    int r;

    copy_plugins(request, &plugins);
    r = run_handler(request, &plugins, &error);
    if (r < 0 && error.kind == ERROR_NONE)
        error_errno(&error, r, "%s %s", request->method, request->target_text);
    if (r < 0 && request->replied && error.kind != ERROR_CANCELLED)
        log_warn("%s %s failed behind its reply: %s", request->method, request->target_text, error.message);
    if (r < 0 && !request->replied)
        api_reply_error(request, &error);
    if (r >= 0 && !request->replied) {
        error_set(&error, ERROR_SYSTEM, 0, "%s %s was not answered", request->method, request->target_text);
        api_reply_error(request, &error);
    }
    if (plugins.count > 0)
        authorize_reply(request, &plugins);
    if (request->streaming && r >= 0) /* after a failure the body has no end, so that nobody takes it for whole */
        request_stream_end(request);
}

int request_socket(const struct api_request *request)
{
    return request->socket >= 0 ? request->socket : request->connection_socket;
}

bool request_wants_upgrade(const struct api_request *request)
{
    /* As docker: without "Connection: Upgrade", too. */
    return !request->http10 && api_header(request, "Upgrade") != NULL;
}

const char *api_path(const struct api_request *request, size_t i)
{
    return i < request->path_values.count ? request->path_values.items[i] : "";
}

const char *api_query(const struct api_request *request, const char *name)
{
    return target_query(&request->target, name);
}

void api_query_all(const struct api_request *request, const char *name, struct strv *ret)
{
    for (size_t i = 0; i < request->target.names.count; i++) {
        if (strcmp(request->target.names.items[i], name) == 0)
            strv_add(ret, request->target.values.items[i]);
    }
}

bool api_query_bool(const struct api_request *request, const char *name, bool fallback)
{
    static const char *const negative[] = {"", "0", "no", "false", "none"};
    const char *value = api_query(request, name);

    if (!value)
        return fallback;
    for (size_t i = 0; i < ARRAY_SIZE(negative); i++) {
        if (strcasecmp(value, negative[i]) == 0)
            return false;
    }
    return true;
}

int api_query_int(const struct api_request *request, const char *name, int64_t fallback, int64_t *ret,
                  struct error *err)
{
    const char *value = api_query(request, name);

    if (!value || !*value) {
        *ret = fallback;
        return 0;
    }
    if (parse_int64(value, INT64_MIN, INT64_MAX, ret) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid value for '%s': %.100s is not an integer", name, value);
    return 0;
}

/* Whether the text is a whole number, however large. */
static bool is_integer(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    return *digits != '\0' && strspn(digits, "0123456789") == strlen(digits);
}

/* A missing h or w is no number either. */
int api_query_size(const struct api_request *request, uint16_t *ret_rows, uint16_t *ret_columns, struct error *err)
{
    const struct {
        const char *name, *what;
        uint16_t *ret;
    } rows[] = {{"h", "height", ret_rows}, {"w", "width", ret_columns}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *value = api_query(request, rows[i].name);
        int64_t n;
        if (value == NULL)
            value = "";
        if (parse_int64(value, 0, UINT16_MAX, &n) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid resize %s \"%.100s\": %s", rows[i].what, value,
                             is_integer(value) ? "value out of range" : "invalid syntax");
        *rows[i].ret = (uint16_t)n;
    }
    return 0;
}

int api_filters(const struct api_request *request, const char *const *known_names, struct json **ret, struct error *err)
{
    return filters_normalise(api_query(request, "filters"), known_names, ret, err);
}

const char *api_header(const struct api_request *request, const char *name)
{
    for (size_t i = 0; i < request->headers.count; i++) {
        if (strcasecmp(request->headers.items[i].key, name) == 0)
            return request->headers.items[i].value;
    }
    return NULL;
}

int api_version(const struct api_request *request)
{
    return request->target.version;
}

/* As docker: no Content-Type is fine without a body, else it has to be JSON. */
static int check_content_type(const struct api_request *request, struct error *err)
{
    const char *type = api_header(request, "Content-Type");
    size_t length;

    if (!type && !request->has_body)
        return 0;
    if (!type)
        return error_set(err, ERROR_INVALID, 0, "malformed Content-Type header (): mime: no media type");
    length = strcspn(type, "; \t");
    if (length == 0)
        return error_set(err, ERROR_INVALID, 0, "malformed Content-Type header (%.100s): mime: no media type", type);
    if (length != strlen("application/json") || strncasecmp(type, "application/json", length) != 0)
        return error_set(err, ERROR_INVALID, 0, "unsupported Content-Type header (%.100s): must be 'application/json'",
                         type);
    return 0;
}

int api_body(struct api_request *request, const struct json **ret, struct error *err)
{
    int r;

    if (request->body_too_large)
        return error_set(err, ERROR_INVALID, EFBIG, "the request's body is larger than %zu bytes", API_BODY_MAX);
    if (!request->body_parsed) {
        r = check_content_type(request, err);
        if (r < 0)
            return r;
        if (request->body.size > 0) {
            r = json_parse(request->body.data, request->body.size, &request->body_json, err);
            if (r < 0) {
                if (err)
                    err->kind = ERROR_INVALID; /* the message begins with docker's "invalid JSON" already */
                return r;
            }
        }
        request->body_parsed = true;
    }
    *ret = request->body_json;
    return 0;
}

int api_body_fd(struct api_request *request)
{
    return request->body_read;
}

/* The socket itself may become readable for another reason (the next request), so the one condition is watched through
 * an epoll descriptor of its own. */
int api_client_fd(struct api_request *request)
{
    struct epoll_event event = {.events = EPOLLRDHUP};

    if (request->hangup_epoll >= 0)
        return request->hangup_epoll;
    request->hangup_epoll = epoll_create1(EPOLL_CLOEXEC);
    if (request->hangup_epoll < 0 ||
        epoll_ctl(request->hangup_epoll, EPOLL_CTL_ADD, request_socket(request), &event) < 0)
        log_warn("cannot watch for the client's end: %m");
    return request->hangup_epoll;
}
