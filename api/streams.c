/* /containers: what goes on while the container runs: attach, logs, wait, stats, top, resize. */
#include <errno.h>
#include <poll.h>

#include "api/server.h"
#include "api/websocket.h"
#include "base/detach_keys.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/stream_frame.h"
#include "base/timestamp.h"
#include "daemon/container.h"
#include "daemon/logs.h"

static int find(struct api_request *request, struct engine *engine, struct container **ret, struct error *err)
{
    return container_find(engine, api_path(request, 0), ret, err);
}

/* Clients from API 1.42 on are told by the content type whether the stream has frames. */
static const char *stream_type(const struct api_request *request, const struct container *c)
{
    if (!c->config.tty && api_version(request) >= 42)
        return "application/vnd.docker.multiplexed-stream";
    return "application/vnd.docker.raw-stream";
}

static void add_header(struct strbuf *out, bool is_stderr, size_t size)
{
    unsigned char header[STREAM_FRAME_HEADER];
    stream_frame_header(header, is_stderr, size);
    strbuf_add(out, header, sizeof(header));
}

/* ---- logs ---- */

struct log_sink {
    struct api_request *request; /* NULL: to fd */
    int fd;
    struct container *container;
    bool timestamps;
    struct strbuf buffer;
};

static int log_record(int64_t time, bool is_stderr, const char *line, size_t size, void *data)
{
    struct log_sink *sink = data;
    char stamp[TIMESTAMP_MAX] = "";
    if (sink->timestamps)
        timestamp_format_fixed(stamp, time);
    size_t prefix = sink->timestamps ? strlen(stamp) + 1 : 0;
    strbuf_clear(&sink->buffer);
    if (!sink->container->config.tty)
        add_header(&sink->buffer, is_stderr, prefix + size);
    if (sink->timestamps)
        strbuf_addf(&sink->buffer, "%s ", stamp);
    strbuf_add(&sink->buffer, line, size);
    if (sink->request != NULL)
        return api_stream_write(sink->request, sink->buffer.data, sink->buffer.size);
    return fd_write_all(sink->fd, sink->buffer.data, sink->buffer.size);
}

static bool log_ended(void *data)
{
    struct log_sink *sink = data;
    return container_log_ended(sink->container);
}

static int query_time(struct api_request *request, const char *name, int64_t *ret, struct error *err)
{
    const char *text = api_query(request, name);
    *ret = 0;
    if (text == NULL || *text == '\0' || strcmp(text, "0") == 0)
        return 0;
    if (timestamp_parse_human(text, timestamp_now(), ret) < 0)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid value for \"%s\": failed to parse value as time or duration: "
                         "\"%s\"",
                         name, text);
    return 0;
}

static int log_options(struct api_request *request, struct logs_options *ret, struct error *err)
{
    *ret = (struct logs_options){.use_stdout = api_query_bool(request, "stdout", false),
                                 .use_stderr = api_query_bool(request, "stderr", false),
                                 .follow = api_query_bool(request, "follow", false),
                                 .timestamps = api_query_bool(request, "timestamps", false),
                                 .details = api_query_bool(request, "details", false),
                                 .tail = -1};
    if (!ret->use_stdout && !ret->use_stderr)
        return error_set(err, ERROR_INVALID, 0, "Bad parameters: you must choose at least one stream");
    const char *tail = api_query(request, "tail");
    if (tail != NULL && parse_int64(tail, 0, INT64_MAX, &ret->tail) < 0)
        ret->tail = -1; /* "all" and, as with docker, whatever is no number */
    int r = query_time(request, "since", &ret->since, err);
    return r < 0 ? r : query_time(request, "until", &ret->until, err);
}

static int handle_logs(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    struct logs_options options;
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = log_options(request, &options, err);
    if (r == 0)
        r = container_log_check_readable(c, err);
    if (r == 0)
        r = api_stream_begin(request, 200, stream_type(request, c));
    if (r < 0)
        return r;
    CLEANUP_FREE char *path = container_log_path(engine, c);
    struct log_sink sink = {.request = request, .container = c, .timestamps = options.timestamps};
    struct error failed = {0};
    r = logs_read(path, &options, log_record, log_ended, options.follow ? api_client_fd(request) : -1, &sink, &failed);
    strbuf_release(&sink.buffer);
    if (r < 0 && r != -EPIPE && r != -ECANCELED && failed.message[0] != '\0') {
        CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
        if (!c->config.tty)
            add_header(&text, true, strlen(failed.message) + 1);
        strbuf_addf(&text, "%s\n", failed.message);
        api_stream_write(request, text.data, text.size);
    }
    return 0;
}

/* ---- attach ---- */

/* Everything that the log has, written to the client before its live stream begins. */
static int replay_log(struct engine *engine, struct container *c, int fd, bool use_stdout, bool use_stderr,
                      struct error *err)
{
    struct logs_options options = {.use_stdout = use_stdout, .use_stderr = use_stderr, .tail = -1};
    CLEANUP_FREE char *path = container_log_path(engine, c);
    struct log_sink sink = {.fd = fd, .container = c};
    int r = logs_read(path, &options, log_record, NULL, -1, &sink, err);
    strbuf_release(&sink.buffer);
    return r;
}

static int attach_options(struct api_request *request, const struct container *c, struct shim_attach *ret,
                          struct error *err)
{
    *ret = (struct shim_attach){.use_stdin = api_query_bool(request, "stdin", false) && c->config.open_stdin,
                                .use_stdout = api_query_bool(request, "stdout", false),
                                .use_stderr = api_query_bool(request, "stderr", false),
                                .detach_keys = api_query(request, "detachKeys")};
    if (ret->detach_keys != NULL && *ret->detach_keys == '\0')
        ret->detach_keys = NULL; /* clients that have none configured send it empty and mean the default */
    return detach_keys_parse(ret->detach_keys, NULL, err);
}

/* With `websocket` the client's connection carries frames, and a relay is between it and the shim. */
static int attach_client(struct api_request *request, struct engine *engine, bool websocket, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    bool stream = api_query_bool(request, "stream", false), logs = api_query_bool(request, "logs", false);
    int r = find(request, engine, &c, err);
    if (r == 0 && logs)
        r = container_log_check_readable(c, err);
    struct shim_attach attach;
    if (r == 0)
        r = attach_options(request, c, &attach, err);
    if (r == 0)
        r = container_attach_begin(c, err);
    if (r < 0)
        return r;
    r = websocket ? websocket_take(request, !c->config.tty, &attach.fd, err)
                  : api_hijack(request, stream_type(request, c), &attach.fd, err);
    if (r < 0) {
        container_attach_cancel(c);
        return r;
    }
    if (logs && replay_log(engine, c, attach.fd, attach.use_stdout, attach.use_stderr, NULL) < 0)
        stream = false; /* the client has gone */
    if (!stream) {
        container_attach_cancel(c);
        fd_close(attach.fd);
        return 0;
    }
    /* The answer is out: a failure shows as the closed connection. */
    container_attach(engine, c, &attach, NULL);
    return 0;
}

static int handle_attach(struct api_request *request, struct engine *engine, struct error *err)
{
    return attach_client(request, engine, false, err);
}

static int handle_attach_ws(struct api_request *request, struct engine *engine, struct error *err)
{
    return attach_client(request, engine, true, err);
}

/* ---- wait ---- */

static int handle_wait(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    enum container_wait_condition condition;
    int r = container_wait_parse(api_query(request, "condition"), &condition, err);
    if (r == 0)
        r = find(request, engine, &c, err);
    if (r == 0)
        r = container_wait_check(c, condition, err);
    if (r < 0)
        return r;
    struct container_waiter *waiter = container_wait_begin(c, condition);
    /* The head goes out now: clients start the container only when they know that somebody waits. */
    r = api_stream_begin(request, 200, "application/json");
    struct container_wait_result result = {0};
    if (r == 0)
        r = container_wait_for(waiter, api_client_fd(request), -1, &result);
    container_wait_end(waiter);
    if (r < 0)
        return 0; /* nobody is there to be told */
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_member_int(&w, "StatusCode", result.exit_code);
    /* Whoever waits for the removal is told of a failed start by the answer to the start. */
    if (result.error != NULL && condition != CONTAINER_WAIT_REMOVED) {
        json_key(&w, "Error");
        json_begin_object(&w);
        json_member_string(&w, "Message", result.error);
        json_end_object(&w);
    }
    json_end_object(&w);
    strbuf_addc(&out, '\n');
    free(result.error);
    api_stream_write(request, out.data, out.size);
    return 0;
}

/* ---- stats ---- */

/* Waits a second; false when the client has gone. */
static bool wait_second(struct api_request *request)
{
    struct pollfd fd = {.fd = api_client_fd(request), .events = POLLIN | POLLRDHUP};
    return poll(&fd, 1, 1000) == 0 || fd.revents == 0;
}

static int handle_stats(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP(stats_sample_release) struct stats_sample previous = {0};
    bool stream = api_query_bool(request, "stream", true), one_shot = api_query_bool(request, "one-shot", false);
    if (stream && one_shot)
        return error_set(err, ERROR_INVALID, 0, "cannot have stream=true and one-shot=true");
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_stats(engine, c, &previous, &out, err);
    /* A rate needs two samples; a container that does not run has none. */
    if (r == 0 && !stream && !one_shot && !container_log_ended(c) && wait_second(request)) {
        strbuf_clear(&out);
        r = container_stats(engine, c, &previous, &out, err);
    }
    if (r < 0)
        return r;
    if (!stream)
        return api_reply_json(request, 200, &out);
    r = api_stream_begin(request, 200, "application/json");
    while (r == 0 && api_stream_write(request, out.data, out.size) == 0 && wait_second(request)) {
        strbuf_clear(&out);
        pthread_mutex_lock(&c->lock);
        bool removed = c->removed;
        pthread_mutex_unlock(&c->lock);
        r = removed ? -ENOENT : container_stats(engine, c, &previous, &out, NULL);
    }
    return 0;
}

/* ---- top, resize ---- */

static int handle_top(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_top(engine, c, api_query(request, "ps_args"), &out, err);
    return r < 0 ? r : api_reply_json(request, 200, &out);
}

static int handle_resize(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    uint16_t rows, columns;
    int r = api_query_size(request, &rows, &columns, err);
    if (r == 0)
        r = find(request, engine, &c, err);
    if (r == 0)
        r = container_resize(engine, c, rows, columns, err);
    return r < 0 ? r : api_reply_empty(request, 200);
}

const struct api_route api_stream_routes[] = {
    {"GET", "/containers/{}/logs", handle_logs, API_STREAM},
    {"POST", "/containers/{}/attach", handle_attach, API_HIJACK},
    {"GET", "/containers/{}/attach/ws", handle_attach_ws, API_HIJACK},
    {"POST", "/containers/{}/wait", handle_wait, API_STREAM},
    {"GET", "/containers/{}/stats", handle_stats, API_STREAM},
    {"GET", "/containers/{}/top", handle_top, 0},
    {"POST", "/containers/{}/resize", handle_resize, 0},
    {0},
};
