#include "cmd/dory/compose/follow_streams.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"

/* How long the output of a container that has ended is waited for: a process that it left may hold the stream. */
#define DRAIN_MS 3000
#define CHUNK 65536

struct follow_stream {
    struct follow_streams *owner;
    char *id, *name;
    int fd;                           /* attached; -1 */
    struct client_response *response; /* of a log; NULL */
    struct loop_source *source, *timer;
    struct frame_lines frames;
    char *status; /* to be printed at the end */
    bool open;
};

void follow_streams_init(struct follow_streams *streams, struct cli *cli, struct loop *loop, void (*ended)(void *data),
                         void *data)
{
    *streams = (struct follow_streams){.cli = cli, .loop = loop, .ended = ended, .data = data};
}

void follow_print_line(struct log_printer *printer, const char *name, bool is_stderr, const char *line, size_t size)
{
    fflush(stdout); /* what stands there was said before */
    log_printer_line_to(printer, is_stderr ? stderr : stdout, log_printer_source(printer, name), line, size);
}

static void print_text(struct log_printer *printer, const char *name, const char *text)
{
    log_printer_status(printer, log_printer_source(printer, name), text);
    fflush(stdout);
}

static void on_line(void *data, bool is_stderr, const char *line, size_t size)
{
    struct follow_stream *stream = data;
    if (stream->frames.raw && size > 0 && line[size - 1] == '\r')
        size--;
    follow_print_line(stream->owner->printer, stream->name, is_stderr, line, size);
}

static void close_stream(struct follow_stream *stream)
{
    loop_remove(stream->source);
    loop_remove(stream->timer);
    stream->source = stream->timer = NULL;
    stream->fd = fd_close(stream->fd);
    client_response_free(stream->response);
    stream->response = NULL;
    stream->open = false;
}

static void print_status(struct follow_stream *stream)
{
    if (stream->status)
        print_text(stream->owner->printer, stream->name, stream->status);
    free(stream->status);
    stream->status = NULL;
}

static void finish(struct follow_stream *stream)
{
    frame_lines_end(&stream->frames, on_line, stream);
    close_stream(stream);
    print_status(stream);
    stream->owner->ended(stream->owner->data);
}

static void on_input(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)source, (void)events;
    struct follow_stream *stream = data;
    static char buffer[CHUNK];
    bool more = true;
    while (more) {
        ssize_t n = stream->response ? client_read(stream->response, buffer, CHUNK, NULL) : read(fd, buffer, CHUNK);
        if (n < 0 && !stream->response && (errno == EINTR || errno == EAGAIN))
            return;
        if (n <= 0) {
            finish(stream);
            return;
        }
        frame_lines_feed(&stream->frames, buffer, (size_t)n, on_line, stream);
        more = stream->response && client_buffered(stream->response);
    }
}

static struct follow_stream *find(const struct follow_streams *streams, const char *id)
{
    for (size_t i = 0; i < streams->count; i++) {
        if (strcmp(streams->items[i]->id, id) == 0)
            return streams->items[i];
    }
    return NULL;
}

static struct follow_stream *add_stream(struct follow_streams *streams, const char *id, const char *name)
{
    struct follow_stream *stream = xcalloc(1, sizeof(*stream));
    *stream = (struct follow_stream){.owner = streams, .id = xstrdup(id), .name = xstrdup(name), .fd = -1};
    xgrow((void **)&streams->items, streams->count, &streams->capacity, sizeof(struct follow_stream *));
    streams->items[streams->count++] = stream;
    return stream;
}

int follow_streams_attach(struct follow_streams *streams, const char *id, const char *name, bool tty, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/containers/%s/attach?stream=1&stdout=1&stderr=1", id);
    struct client_request request = {.method = "POST", .path = path};
    struct client_stream connection = {.fd = -1};
    int r = client_hijack(cli_client(streams->cli), &request, &connection, err);
    if (r < 0)
        return r;
    struct follow_stream *stream = add_stream(streams, id, name);
    stream->fd = connection.fd;
    stream->frames.raw = connection.has_type ? !connection.multiplexed : tty;
    stream->open = true;
    frame_lines_feed(&stream->frames, connection.leftover, connection.leftover_size, on_line, stream);
    free(connection.leftover);
    r = loop_add_io(streams->loop, stream->fd, EPOLLIN, on_input, stream, &stream->source);
    return r < 0 ? error_errno(err, r, "%s", name) : 0;
}

static int open_log(struct follow_streams *streams, struct follow_stream *stream, struct error *err)
{
    CLEANUP_JSON struct json *inspect = NULL;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_addf(&path, "/containers/%s/json", stream->id);
    int r = client_json(cli_client(streams->cli), &(struct client_request){.path = strbuf_str(&path)}, &inspect, err);
    if (r < 0)
        return r;
    stream->frames.raw = json_get_bool(json_get(inspect, "Config"), "Tty", false);
    strbuf_clear(&path);
    strbuf_addf(&path, "/containers/%s/logs?follow=1&stdout=1&stderr=1", stream->id);
    client_query_add(&path, "since", json_get_string(json_get(inspect, "State"), "StartedAt"));
    r = client_send(cli_client(streams->cli), &(struct client_request){.path = strbuf_str(&path)}, &stream->response,
                    err);
    if (r < 0)
        return r;
    stream->open = true;
    return loop_add_io(streams->loop, client_response_fd(stream->response), EPOLLIN, on_input, stream, &stream->source);
}

void follow_streams_logs(struct follow_streams *streams, const char *id, const char *name)
{
    struct error err = {0};
    struct follow_stream *stream = find(streams, id);
    if (stream && stream->open) /* the former run's: nothing comes there any more */
        finish(stream);
    if (!stream)
        stream = add_stream(streams, id, name);
    frame_lines_release(&stream->frames);
    stream->frames = (struct frame_lines){0};
    if (open_log(streams, stream, &err) < 0) {
        follow_print_line(streams->printer, name, true, err.message, strlen(err.message));
        close_stream(stream);
    } else if (client_buffered(stream->response)) {
        on_input(NULL, -1, 0, stream);
    }
}

bool follow_streams_knows(const struct follow_streams *streams, const char *id)
{
    return find(streams, id) != NULL;
}

size_t follow_streams_open(const struct follow_streams *streams)
{
    size_t n = 0;
    for (size_t i = 0; i < streams->count; i++)
        n += streams->items[i]->open;
    return n;
}

static void on_drain_timeout(struct loop_source *source, void *data)
{
    (void)source;
    struct follow_stream *stream = data;
    stream->timer = NULL;
    finish(stream);
}

void follow_streams_end(struct follow_streams *streams, const char *id, const char *name, const char *status)
{
    struct follow_stream *stream = find(streams, id);
    if (!stream || !stream->open) {
        if (stream) /* services whose output is not shown end silently */
            print_text(streams->printer, name, status);
        return;
    }
    xstrset(&stream->status, status);
    if (!stream->timer)
        loop_add_timer(streams->loop, DRAIN_MS, on_drain_timeout, stream, &stream->timer);
}

void follow_streams_release(struct follow_streams *streams)
{
    for (size_t i = 0; i < streams->count; i++) {
        struct follow_stream *stream = streams->items[i];
        close_stream(stream);
        frame_lines_release(&stream->frames);
        free(stream->status);
        free(stream->id);
        free(stream->name);
        free(stream);
    }
    free(streams->items);
    log_printer_free(streams->printer);
}
