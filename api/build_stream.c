#include "api/build_stream.h"

#include <string.h>

#include "api/progress.h"

/* Of a quiet build that fails at least so much is shown. */
#define HELD_MAX ((size_t)1 << 20)

void build_stream_release(struct build_stream *stream)
{
    strbuf_release(&stream->held);
}

void build_stream_send(struct build_stream *stream, const struct strbuf *line)
{
    if (!stream->client_gone && images_stream_send(&stream->out, line) < 0)
        stream->client_gone = true; /* the builder sees it at its cancel descriptor */
}

/* A line that a quiet build does not show. */
static void send(struct build_stream *stream, const struct strbuf *line)
{
    if (!stream->quiet)
        build_stream_send(stream, line);
    else if (stream->held.size < HELD_MAX)
        strbuf_add(&stream->held, line->data, line->size);
}

static void send_text(struct build_stream *stream, const char *text)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    progress_stream_line(&line, text);
    send(stream, &line);
}

static void send_format(struct build_stream *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void send_format(struct build_stream *stream, const char *format, ...)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    va_list args;
    va_start(args, format);
    strbuf_vaddf(&text, format, args);
    va_end(args);
    send_text(stream, strbuf_str(&text));
}

/* ---- events ---- */

static void on_started(const struct build_step_info *step, void *data)
{
    send_format(data, "Step %d/%d : %s", step->number, step->total, step->text);
    send_text(data, "\n");
}

static void on_cached(const struct build_step_info *step, void *data)
{
    if (!step->is_from)
        send_text(data, " ---> Using cache\n");
}

static void on_container(const struct build_step_info *step, const char *id, bool removed, void *data)
{
    (void)step;
    send_format(data, removed ? "Removing intermediate container %.12s\n" : " ---> Running in %.12s\n", id);
}

static void on_progress(const struct build_step_info *step, const char *id, const char *status, int64_t current,
                        int64_t total, void *data)
{
    struct build_stream *stream = data;
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    (void)step;
    progress_line(&line, id, status, current, total);
    send(stream, &line);
}

/* Docker shows what a step writes to its standard error in red. */
static void on_log(const struct build_step_info *step, int stream_number, const char *bytes, size_t size, void *data)
{
    struct build_stream *stream = data;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, line = STRBUF_INIT;
    struct json_writer w;
    (void)step;
    if (stream_number == 2)
        strbuf_adds(&text, "\x1b[91m");
    strbuf_add(&text, bytes, size);
    if (stream_number == 2)
        strbuf_adds(&text, "\x1b[0m");
    json_writer_init(&w, &line);
    json_begin_object(&w);
    json_key(&w, "stream");
    json_put_string_n(&w, text.data, text.size);
    json_end_object(&w);
    strbuf_adds(&line, "\r\n");
    send(stream, &line);
}

static void on_done(const struct build_step_info *step, const char *id, const struct error *error, void *data)
{
    (void)step;
    if (!error && id)
        send_format(data, " ---> %.12s\n", id);
}

static void on_warning(const struct build_step_info *step, const char *text, void *data)
{
    if (step && step->first_line > 0)
        send_format(data, "[Warning] %s:%d: %s\n", step->file, step->first_line, text);
    else
        send_format(data, "%s\n", text);
}

const struct build_events build_stream_events = {
    .started = on_started,
    .cached = on_cached,
    .container = on_container,
    .progress = on_progress,
    .log = on_log,
    .done = on_done,
    .warning = on_warning,
};

/* ---- the end ---- */

static void send_id(struct build_stream *stream, const char *image_id)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &line);
    json_begin_object(&w);
    json_key(&w, "aux");
    json_begin_object(&w);
    json_member_string(&w, "ID", image_id);
    json_end_object(&w);
    json_end_object(&w);
    strbuf_adds(&line, "\r\n");
    send(stream, &line);
}

void build_stream_success(struct build_stream *stream, const char *image_id, const struct strv *tags)
{
    const char *hex = strchr(image_id, ':');
    if (stream->quiet) {
        CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
        CLEANUP_FREE char *text = xasprintf("%s\n", image_id);
        progress_stream_line(&line, text);
        build_stream_send(stream, &line);
        return;
    }
    send_id(stream, image_id);
    send_format(stream, "Successfully built %.12s\n", hex ? hex + 1 : image_id);
    for (size_t i = 0; i < tags->count; i++)
        send_format(stream, "Successfully tagged %s\n", tags->items[i]);
}

int build_stream_failure(struct build_stream *stream, int result, int exit_code, const struct error *error)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    struct json_writer w;
    if (stream->held.size > 0)
        build_stream_send(stream, &stream->held);
    if (!stream->out.begun)
        return result;
    json_writer_init(&w, &line);
    json_begin_object(&w);
    json_key(&w, "errorDetail");
    json_begin_object(&w);
    if (exit_code != 0)
        json_member_int(&w, "code", exit_code);
    json_member_string(&w, "message", error->message);
    json_end_object(&w);
    json_member_string(&w, "error", error->message);
    json_end_object(&w);
    strbuf_adds(&line, "\r\n");
    build_stream_send(stream, &line);
    return 0;
}
