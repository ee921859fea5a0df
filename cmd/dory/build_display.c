#include "cmd/dory/build_display.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/digest.h"
#include "base/fd.h"
#include "base/timestamp.h"
#include "base/units.h"

#define LINE_MAX_SIZE 8192
/* Lines around the failing step. */
#define EXCERPT 3

int build_display_init(struct build_display *display, const char *kind, bool quiet, struct error *err)
{
    *display = (struct build_display){.started = timestamp_now()};
    bool terminal = isatty(STDERR_FILENO);
    if (quiet || (kind && (strcmp(kind, "quiet") == 0 || strcmp(kind, "none") == 0)))
        display->kind = DISPLAY_QUIET;
    else if (kind && strcmp(kind, "rawjson") == 0)
        display->kind = DISPLAY_RAW;
    else if (terminal && (!kind || strcmp(kind, "plain") != 0))
        display->kind = DISPLAY_TTY;
    else if (kind && strcmp(kind, "tty") == 0)
        return error_set(err, ERROR_INVALID, ENOTTY, "failed to get console: provided file is not a console");
    else
        display->kind = DISPLAY_PLAIN;
    return 0;
}

void build_display_release(struct build_display *display)
{
    for (size_t i = 0; i < display->count; i++) {
        struct display_step *step = display->steps[i];
        if (!step)
            continue;
        free(step->name);
        free(step->status);
        strbuf_release(&step->tail);
        strbuf_release(&step->line);
        free(step);
    }
    free(display->steps);
    strbuf_release(&display->out);
}

static void flush(struct build_display *display)
{
    if (display->out.size > 0)
        fd_write_all(STDERR_FILENO, display->out.data, display->out.size);
    strbuf_clear(&display->out);
}

static double seconds(int64_t from, int64_t to)
{
    return (double)(to - from) / 1e9;
}

/* ---- steps ---- */

static struct display_step *find_step(const struct build_display *display, int64_t number)
{
    return number >= 1 && number <= (int64_t)display->count ? display->steps[number - 1] : NULL;
}

/* BuildKit names vertices by digests; ours only have to tell steps apart. */
static void name_digest(struct display_step *step)
{
    struct digest digest;
    unsigned char raw[DIGEST_SIZE];
    char hex[DIGEST_HEX_MAX];
    digest_init(&digest);
    digest_update(&digest, &step->number, sizeof(step->number));
    digest_update(&digest, step->name, strlen(step->name));
    digest_final(&digest, raw);
    digest_to_hex(raw, hex);
    snprintf(step->digest, sizeof(step->digest), "sha256:%s", hex);
}

/* An instruction in one line. */
static char *one_line(const char *text)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    for (const char *p = text ? text : ""; *p; p++)
        strbuf_addc(&out, (unsigned char)*p < ' ' ? ' ' : *p);
    return strbuf_take(&out);
}

static struct display_step *add_step(struct build_display *display, int64_t number, const struct json *event)
{
    if (number < 1 || number > 100000)
        return NULL;
    while ((int64_t)display->count < number) {
        display->steps = xrealloc(display->steps, (display->count + 1) * sizeof(*display->steps));
        display->steps[display->count++] = NULL;
    }
    if (display->steps[number - 1])
        return display->steps[number - 1];
    struct display_step *step = display->steps[number - 1] = xcalloc(1, sizeof(*step));
    const char *stage = json_get_string(event, "stage");
    CLEANUP_FREE char *text = one_line(json_get_string(event, "text"));
    bool named = stage && *stage && strspn(stage, "0123456789") != strlen(stage);
    step->number = (int)number;
    step->total = display->total = (int)json_get_int(event, "of", 0);
    step->first_line = (int)json_get_int(event, "line", 0);
    step->last_line = (int)json_get_int(event, "lastLine", 0);
    step->name = xasprintf("[%s%s%d/%d] %s", named ? stage : "", named ? " " : "", step->number, step->total, text);
    step->started = timestamp_now();
    name_digest(step);
    return step;
}

/* ---- plain ---- */

static void plain_line(struct build_display *display, const struct display_step *step, const char *line, size_t size)
{
    strbuf_addf(&display->out, "#%d %.3f ", step->number, seconds(step->started, timestamp_now()));
    strbuf_add(&display->out, line, size);
    strbuf_addc(&display->out, '\n');
}

static void keep_tail(struct display_step *step, const char *line, size_t size)
{
    strbuf_add(&step->tail, line, size);
    strbuf_addc(&step->tail, '\n');
    if (step->tail.size <= STEP_TAIL_MAX)
        return;
    size_t cut = step->tail.size - STEP_TAIL_MAX;
    const char *newline = memchr(step->tail.data + cut, '\n', STEP_TAIL_MAX);
    cut = newline ? (size_t)(newline - step->tail.data) + 1 : cut;
    memmove(step->tail.data, step->tail.data + cut, step->tail.size - cut);
    step->tail.size -= cut;
    strbuf_terminate(&step->tail);
}

static void end_line(struct build_display *display, struct display_step *step)
{
    if (step->line.size == 0)
        return;
    keep_tail(step, step->line.data, step->line.size);
    if (display->kind == DISPLAY_PLAIN)
        plain_line(display, step, step->line.data, step->line.size);
    strbuf_clear(&step->line);
}

static void take_log(struct build_display *display, struct display_step *step, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n' || step->line.size == LINE_MAX_SIZE) {
            if (step->line.size == 0) {
                keep_tail(step, "", 0);
                if (display->kind == DISPLAY_PLAIN)
                    plain_line(display, step, "", 0);
            }
            end_line(display, step);
        }
        if (bytes[i] != '\n' && bytes[i] != '\r')
            strbuf_addc(&step->line, bytes[i]);
    }
}

/* ---- events ---- */

static void on_started(struct build_display *display, struct display_step *step)
{
    if (display->kind == DISPLAY_PLAIN)
        strbuf_addf(&display->out, "#%d %s\n", step->number, step->name);
    else if (display->kind == DISPLAY_RAW)
        display_raw_step(display, step);
}

static void on_done(struct build_display *display, struct display_step *step, const struct json *event)
{
    const char *error = json_get_string(event, "error");
    end_line(display, step);
    step->ended = timestamp_now();
    step->failed = error != NULL;
    if (display->kind == DISPLAY_PLAIN && error)
        strbuf_addf(&display->out, "#%d ERROR: %.*s\n\n", step->number, (int)strcspn(error, "\n"), error);
    else if (display->kind == DISPLAY_PLAIN && step->cached)
        strbuf_addf(&display->out, "#%d CACHED\n\n", step->number);
    else if (display->kind == DISPLAY_PLAIN)
        strbuf_addf(&display->out, "#%d DONE %.1fs\n\n", step->number, seconds(step->started, step->ended));
    else if (display->kind == DISPLAY_RAW)
        display_raw_step(display, step);
    else if (display->kind == DISPLAY_TTY)
        display_tty_step_done(display, step);
}

static void on_log(struct build_display *display, struct display_step *step, const struct json *event)
{
    CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
    const char *data = json_get_string(event, "data");
    if (!data || base64_decode(data, &bytes) < 0)
        return;
    take_log(display, step, strbuf_str(&bytes), bytes.size);
    if (display->kind == DISPLAY_RAW)
        display_raw_log(display, step, json_get_int(event, "stream", 1), data);
}

/* Of a pull: without a terminal the moving parts are left out. */
static void on_progress(struct build_display *display, struct display_step *step, const struct json *event)
{
    const char *id = json_get_string(event, "id"), *status = json_get_string(event, "status");
    bool moving = json_get_int(event, "current", -1) > 0 && json_get_int(event, "total", -1) > 0;
    if (!status)
        return;
    CLEANUP_FREE char *text = id ? xasprintf("%s: %s", id, status) : xstrdup(status);
    if (display->kind == DISPLAY_PLAIN && !moving)
        plain_line(display, step, text, strlen(text));
    xstrset(&step->status, text);
}

static void on_warning(struct build_display *display, struct display_step *step, const struct json *event)
{
    const char *text = json_get_string(event, "text"), *file = json_get_string(event, "file");
    int64_t line = json_get_int(event, "line", 0);
    if (!text)
        return;
    if (display->kind == DISPLAY_RAW) {
        display_raw_warning(display, step, text, file, line);
        return;
    }
    if (display->kind == DISPLAY_QUIET)
        return;
    if (display->kind == DISPLAY_TTY)
        display_tty_clear(display);
    if (file && line > 0)
        strbuf_addf(&display->out, "WARN: %s:%" PRId64 ": %s\n", file, line, text);
    else
        strbuf_addf(&display->out, "%s\n", text);
}

void build_display_event(struct build_display *display, const struct json *event)
{
    const char *type = json_get_string(event, "t");
    int64_t number = json_get_int(event, "n", 0);
    bool started = type && strcmp(type, "started") == 0;
    struct display_step *step = started ? add_step(display, number, event) : find_step(display, number);
    if (!type)
        return;
    if (strcmp(type, "warning") == 0)
        on_warning(display, step, event);
    else if (step && started)
        on_started(display, step);
    else if (step && strcmp(type, "cached") == 0)
        step->cached = true;
    else if (step && strcmp(type, "log") == 0)
        on_log(display, step, event);
    else if (step && strcmp(type, "progress") == 0)
        on_progress(display, step, event);
    else if (step && strcmp(type, "done") == 0)
        on_done(display, step, event);
    flush(display);
}

void build_display_note(struct build_display *display, const char *what, int64_t bytes)
{
    char size[32];
    if (display->kind == DISPLAY_QUIET || display->kind == DISPLAY_RAW)
        return;
    units_size(size, sizeof(size), (double)bytes);
    if (display->kind == DISPLAY_PLAIN)
        strbuf_addf(&display->out, "#0 %s: %s %.1fs done\n\n", what, size, seconds(display->started, timestamp_now()));
    else
        strbuf_addf(&display->out, " => %s: %s\n", what, size);
    flush(display);
}

void build_display_image(struct build_display *display, const char *id, const struct strv *names)
{
    const char *mark = display->kind == DISPLAY_PLAIN ? "#0" : " =>";
    if (display->kind == DISPLAY_QUIET || display->kind == DISPLAY_RAW)
        return;
    if (display->kind == DISPLAY_TTY)
        display_tty_clear(display);
    strbuf_addf(&display->out, "%s writing image %s\n", mark, id);
    for (size_t i = 0; i < names->count; i++)
        strbuf_addf(&display->out, "%s naming to %s\n", mark, names->items[i]);
    flush(display);
}

void build_display_tick(struct build_display *display)
{
    if (display->kind == DISPLAY_TTY) {
        display_tty_draw(display);
        flush(display);
    }
}

/* ---- the end ---- */

/* The lines around the failing step, with a mark in front of its own. */
static void excerpt(struct build_display *display, const struct display_step *step, const char *dockerfile,
                    const char *name)
{
    const char *line = dockerfile;
    strbuf_addf(&display->out, "%s:%d\n--------------------\n", name, step->first_line);
    for (int n = 1; *line && n <= step->last_line + EXCERPT; n++) {
        size_t size = strcspn(line, "\n");
        bool inside = n >= step->first_line && n <= step->last_line;
        if (n >= step->first_line - EXCERPT)
            strbuf_addf(&display->out, "%4d | %s %.*s\n", n, inside ? ">>>" : "   ", (int)size, line);
        line += size + (line[size] == '\n');
    }
    strbuf_adds(&display->out, "--------------------\n");
}

static void show_failure(struct build_display *display, const char *dockerfile, const char *name)
{
    for (size_t i = 0; i < display->count; i++) {
        const struct display_step *step = display->steps[i];
        if (!step || !step->failed)
            continue;
        strbuf_addf(&display->out, "------\n > %s:\n", step->name);
        if (step->tail.size > 0 && display->kind != DISPLAY_PLAIN)
            strbuf_add(&display->out, step->tail.data, step->tail.size);
        strbuf_adds(&display->out, "------\n");
        if (dockerfile && step->first_line > 0)
            excerpt(display, step, dockerfile, name);
        return;
    }
}

void build_display_finish(struct build_display *display, const char *error, const char *dockerfile,
                          const char *dockerfile_name)
{
    if (display->kind == DISPLAY_TTY)
        display_tty_clear(display);
    if (error && display->kind != DISPLAY_RAW) /* a message of several lines shows the step's own */
        show_failure(display, strchr(error, '\n') ? NULL : dockerfile,
                     dockerfile_name ? dockerfile_name : "Dockerfile");
    flush(display);
}
