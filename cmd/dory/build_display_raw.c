/* --progress rawjson: the lines that buildx prints, BuildKit's SolveStatus as JSON. */
#include <string.h>

#include "base/base64.h"
#include "base/timestamp.h"
#include "cmd/dory/build_display.h"

static void begin(struct json_writer *w, struct build_display *display, const char *list)
{
    json_writer_init(w, &display->out);
    json_begin_object(w);
    json_key(w, list);
    json_begin_array(w);
    json_begin_object(w);
}

static void end(struct json_writer *w, struct build_display *display)
{
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
    strbuf_addc(&display->out, '\n');
}

static void member_time(struct json_writer *w, const char *name, int64_t ns)
{
    char text[TIMESTAMP_MAX];
    timestamp_format(text, ns);
    json_member_string(w, name, text);
}

static void member_base64(struct json_writer *w, const char *name, const char *text)
{
    CLEANUP_STRBUF struct strbuf encoded = STRBUF_INIT;
    base64_encode(text, strlen(text), false, &encoded);
    json_member_string(w, name, strbuf_str(&encoded));
}

void display_raw_step(struct build_display *display, const struct display_step *step)
{
    struct json_writer w;
    begin(&w, display, "vertexes");
    json_member_string(&w, "digest", step->digest);
    json_member_string(&w, "name", step->name);
    member_time(&w, "started", step->started);
    if (step->ended)
        member_time(&w, "completed", step->ended);
    if (step->cached)
        json_member_bool(&w, "cached", true);
    if (step->failed)
        json_member_string(&w, "error", "failed");
    end(&w, display);
}

void display_raw_log(struct build_display *display, const struct display_step *step, int64_t stream, const char *base64)
{
    struct json_writer w;
    begin(&w, display, "logs");
    json_member_string(&w, "vertex", step->digest);
    json_member_int(&w, "stream", stream);
    json_member_string(&w, "data", base64);
    member_time(&w, "timestamp", timestamp_now());
    end(&w, display);
}

void display_raw_warning(struct build_display *display, const struct display_step *step, const char *text,
                         const char *file, int64_t line)
{
    struct json_writer w;
    begin(&w, display, "warnings");
    if (step)
        json_member_string(&w, "vertex", step->digest);
    json_member_int(&w, "level", 1);
    member_base64(&w, "short", text);
    if (file && line > 0) {
        json_key(&w, "sourceInfo");
        json_begin_object(&w);
        json_member_string(&w, "filename", file);
        json_end_object(&w);
        json_key(&w, "range");
        json_begin_array(&w);
        json_begin_object(&w);
        json_key(&w, "start");
        json_begin_object(&w);
        json_member_int(&w, "line", line);
        json_end_object(&w);
        json_end_object(&w);
        json_end_array(&w);
    }
    end(&w, display);
}
