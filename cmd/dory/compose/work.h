/*
 * Work in parallel: tasks that wait for one another, each in a process of its own with a connection of its own, as the
 * CLI has no threads. What a task reports travels over a pipe to the parent, which alone draws the board.
 *
 * After a failure nothing new is started; what merely waits (work_waiting) is broken off, and what is being done is
 * done to its end. The first failure is that of the work.
 */
#ifndef DORY_CMD_DORY_COMPOSE_WORK_H
#define DORY_CMD_DORY_COMPOSE_WORK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "cmd/dory/command.h"
#include "cmd/dory/compose/board.h"

struct work;
/* A task's way to its parent. */
struct work_report;

/* Does it, in the child. cli->client is a new connection; memory is a copy of the parent's from when the task began, so
 * what earlier tasks left there (done) is seen. 0 or -errno. */
typedef int (*work_fn)(struct cli *cli, void *data, struct work_report *report, struct error *err);
/* In the parent, after success: `result` is the text that the task gave ("" for none). */
typedef void (*work_done_fn)(void *data, const char *result);
/* In the parent: a line that the task's hooks printed. */
typedef void (*work_line_fn)(void *data, const char *source, const char *line, size_t size);

struct work_item {
    const char *name;  /* for messages about the process itself */
    work_fn run;       /* NULL: nothing but a point that others wait for */
    work_done_fn done; /* may be NULL */
    void *data;
    void (*release)(void *data); /* with the work; may be NULL */
};

/* parallel: how many at once; 0 or less: as many as there are, up to a bound that is docker's. board outlives it. */
struct work *work_new(struct cli *cli, struct board *board, int64_t parallel);
void work_free(struct work *work); /* NULL is fine; children that still run are ended */
/* The task's number. */
size_t work_add(struct work *work, const struct work_item *item);
/* `task` begins after `earlier` has succeeded. Cycles would wait for ever: the caller has none. */
void work_after(struct work *work, size_t task, size_t earlier);
void work_on_line(struct work *work, work_line_fn fn, void *data);
size_t work_count(const struct work *work);

/* Blocks until all is done, or one has failed and the others have ended. */
int work_run(struct work *work, struct error *err);
/* The same inside a loop of the caller's: `finished` is called once, from the loop; r and err are the result. */
int work_begin(struct work *work, struct loop *loop, void (*finished)(void *data, int r, const struct error *err),
               void *data, struct error *err);

/* ---- for tasks ---- */
void work_event(struct work_report *report, const char *id, enum board_status status, const char *text);
void work_warn(struct work_report *report, const char *sentence);
void work_result(struct work_report *report, const char *text);
void work_line(struct work_report *report, const char *source, const char *line, size_t size);
/* From here on the task only waits for something: it takes no place from others, and may be killed when one of them
 * fails. false: no more so. */
void work_waiting(struct work_report *report, bool waiting);

#endif
