#include "cmd/dory/compose/monitor.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/memory.h"
#include "base/parse.h"
#include "cmd/dory/compose/labels.h"
#include "cmd/dory/compose/lines.h"
#include "cmd/dory/filters_query.h"

#define CHUNK 16384

struct monitor {
    struct client_response *response;
    struct loop_source *watch;
    struct loop_source *first; /* looks once at what came with the answer's header */
    struct lines lines;
    monitor_fn fn;
    void *data;
    bool *gone; /* set when it is freed from within a callback */
};

void monitor_free(struct monitor *monitor)
{
    if (!monitor)
        return;
    if (monitor->gone)
        *monitor->gone = true;
    loop_remove(monitor->first);
    loop_remove(monitor->watch);
    client_response_free(monitor->response);
    lines_release(&monitor->lines);
    free(monitor);
}

static int64_t number_of(const struct json *attributes, const char *key)
{
    const char *text = json_get_string(attributes, key);
    int64_t number = 0;
    return text && parse_int64(text, 0, INT32_MAX, &number) == 0 ? number : 0;
}

static void tell(struct monitor *monitor, const struct json *line)
{
    const struct json *actor = json_get(line, "Actor"), *attributes = json_get(actor, "Attributes");
    const char *type = json_get_string(line, "Type"), *action = json_get_string(line, "Action");
    const char *id = json_get_string(actor, "ID"), *name = json_get_string(attributes, "name");
    const char *service = json_get_string(attributes, COMPOSE_LABEL_SERVICE);
    const char *oneoff = json_get_string(attributes, COMPOSE_LABEL_ONEOFF);
    if (!type || strcmp(type, "container") != 0 || !action || !id)
        return;
    struct monitor_event event = {.action = action,
                                  .id = id,
                                  .name = name ? name : id,
                                  .service = service ? service : "",
                                  .number = number_of(attributes, COMPOSE_LABEL_NUMBER),
                                  .oneoff = oneoff && strcmp(oneoff, "True") == 0,
                                  .exit_code = (int)number_of(attributes, "exitCode"),
                                  .replaces = json_get_string(attributes, COMPOSE_LABEL_REPLACE),
                                  .time = json_get_int(line, "timeNano", 0),
                                  .attributes = attributes};
    monitor->fn(&event, NULL, monitor->data);
}

static void end(struct monitor *monitor, const struct error *err)
{
    loop_remove(TAKE_PTR(monitor->first));
    loop_remove(TAKE_PTR(monitor->watch));
    monitor->fn(NULL, err, monitor->data);
}

/* Tells of every whole line. false: the monitor has ended, or is gone. */
static bool take_lines(struct monitor *monitor, const char *bytes, size_t size)
{
    bool gone = false;
    monitor->gone = &gone;
    while (lines_next(&monitor->lines, &bytes, &size)) {
        const struct strbuf *text = &monitor->lines.line;
        CLEANUP_JSON struct json *line = NULL;
        struct error err = {0};
        if (monitor->lines.cut) {
            monitor->gone = NULL;
            error_set(&err, ERROR_SYSTEM, EMSGSIZE, "the daemon sent an event of more than %zu bytes", LINES_MAX);
            end(monitor, &err);
            return false;
        }
        if (json_parse(text->data, text->size, &line, NULL) == 0)
            tell(monitor, line);
        if (gone)
            return false;
    }
    monitor->gone = NULL;
    return true;
}

static void on_readable(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)source, (void)fd, (void)events;
    struct monitor *monitor = data;
    do {
        char chunk[CHUNK];
        struct error err = {0};
        ssize_t n = client_read(monitor->response, chunk, sizeof(chunk), &err);
        if (n == 0)
            error_set(&err, ERROR_UNAVAILABLE, ECONNRESET, "the daemon has ended the stream of events");
        if (n <= 0) {
            end(monitor, &err);
            return;
        }
        if (!take_lines(monitor, chunk, (size_t)n))
            return;
    } while (client_buffered(monitor->response));
}

static void on_first(struct loop_source *source, void *data)
{
    struct monitor *monitor = data;
    monitor->first = NULL;
    if (client_buffered(monitor->response))
        on_readable(source, -1, EPOLLIN, monitor);
}

int monitor_new(struct client *client, const char *project, struct loop *loop, monitor_fn fn, void *data,
                struct monitor **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_STRV struct strv filters = STRV_INIT;
    struct client_response *response = NULL;
    strv_add(&filters, "type=container");
    strv_addf(&filters, "label=%s=%s", COMPOSE_LABEL_PROJECT, project);
    strbuf_adds(&path, "/events");
    int r = filters_query_add(&path, &filters, err);
    if (r == 0)
        r = client_send(client, &(struct client_request){.path = strbuf_str(&path)}, &response, err);
    if (r < 0)
        return r;
    struct monitor *monitor = xcalloc(1, sizeof(*monitor));
    *monitor = (struct monitor){.response = response, .fn = fn, .data = data};
    r = loop_add_io(loop, client_response_fd(response), EPOLLIN, on_readable, monitor, &monitor->watch);
    if (r == 0)
        r = loop_add_timer(loop, 0, on_first, monitor, &monitor->first);
    if (r < 0) {
        monitor_free(monitor);
        return error_errno(err, r, "watch the daemon's events");
    }
    *ret = monitor;
    return 0;
}
