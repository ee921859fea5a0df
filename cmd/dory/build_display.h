/*
 * How a build is shown: plain lines, a live list on a terminal, or BuildKit's JSON. All of it goes to standard error,
 * so that standard output is free for what is asked for.
 */
#ifndef DORY_CMD_DORY_BUILD_DISPLAY_H
#define DORY_CMD_DORY_BUILD_DISPLAY_H

#include "base/json.h"
#include "base/strbuf.h"
#include "base/strv.h"

/* Of the log of a step so many bytes are kept for when it fails. */
#define STEP_TAIL_MAX 4096

struct display_step {
    int number, total, first_line, last_line;
    char *name; /* "[build 2/3] RUN make" */
    char digest[80];
    int64_t started, ended; /* ns, 0: not yet */
    bool cached, failed;
    struct strbuf tail; /* the last lines of its log */
    struct strbuf line; /* one that is not complete yet */
    char *status;       /* of a pull, the last one */
};

struct build_display {
    enum display_kind { DISPLAY_PLAIN, DISPLAY_TTY, DISPLAY_RAW, DISPLAY_QUIET } kind;
    struct display_step **steps; /* by number, from 1 */
    size_t count;
    int total;
    int64_t started;
    size_t drawn; /* TTY: lines below which the cursor stands */
    struct strbuf out;
};

/* kind: --progress's value or NULL; quiet: -q. "tty" without a terminal is ERROR_INVALID. */
int build_display_init(struct build_display *display, const char *kind, bool quiet, struct error *err);
/* One event of the daemon (api/build_session_events.c). */
void build_display_event(struct build_display *display, const struct json *event);
/* What the CLI does itself: "transferring context", with the bytes that travelled. */
void build_display_note(struct build_display *display, const char *what, int64_t bytes);
/* The image and its names. */
void build_display_image(struct build_display *display, const char *id, const struct strv *names);
/* Time passes: a live list is drawn again. */
void build_display_tick(struct build_display *display);
/* The end. error NULL: it succeeded. dockerfile (may be NULL) is its text, for the lines around the failing step. */
void build_display_finish(struct build_display *display, const char *error, const char *dockerfile,
                          const char *dockerfile_name);
void build_display_release(struct build_display *display);

/* build_display_tty.c */
void display_tty_draw(struct build_display *display);
void display_tty_step_done(struct build_display *display, const struct display_step *step);
void display_tty_clear(struct build_display *display);
/* build_display_raw.c */
void display_raw_step(struct build_display *display, const struct display_step *step);
void display_raw_log(struct build_display *display, const struct display_step *step, int64_t stream,
                     const char *base64);
void display_raw_warning(struct build_display *display, const struct display_step *step, const char *text,
                         const char *file, int64_t line);

#endif
