/*
 * What the user sees of a command that changes an application: one line for each object ("Container shop-web-1") and
 * what is being done to it ("Creating", "Created"). On a terminal the lines are a list that is drawn again; otherwise
 * each event is a line (--progress plain), a JSON object (json) or nothing (quiet). All of it on standard error.
 */
#ifndef DORY_CMD_DORY_COMPOSE_BOARD_H
#define DORY_CMD_DORY_COMPOSE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "cmd/dory/compose/compose.h"

/* In front of what --dry-run says. */
#define BOARD_DRY_RUN " DRY-RUN MODE - "

enum board_status { BOARD_WORKING, BOARD_DONE, BOARD_WARNING, BOARD_ERROR };

struct board_row {
    char *id, *text;
    enum board_status status;
    int64_t started, ended; /* ns */
};

struct board {
    enum board_mode { BOARD_PLAIN, BOARD_TTY, BOARD_JSON, BOARD_QUIET } mode;
    const char *title; /* "Running", "Stopping": stands above the list */
    bool dry_run, colour;
    bool to_output; /* COMPOSE_STATUS_STDOUT: on standard output and not on standard error */
    struct board_row *rows;
    size_t count, capacity;
    size_t drawn;           /* TTY: lines that stand on the screen */
    unsigned width, height; /* TTY */
    struct strbuf out;
};

/* By --progress, --ansi and --dry-run. */
void board_init(struct board *board, const struct compose_options *options, const char *title);
void board_event(struct board *board, const char *id, enum board_status status, const char *text);
/* Draws the list again (TTY): with the next tick, and before other output. */
void board_draw(struct board *board);
/* A sentence beside the list, "level=warning msg=..." as docker's plugin words it. */
void board_warn(struct board *board, const char *sentence);
/* The last state is drawn and stays; the board is empty again. */
void board_finish(struct board *board);
void board_release(struct board *board);

/* A warning without a board: time="..." level=warning msg="...". */
void compose_warn(const char *sentence);

#endif
