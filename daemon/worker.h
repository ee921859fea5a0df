/* A thread that runs jobs, each at its time, one after the other. */
#ifndef DORY_DAEMON_WORKER_H
#define DORY_DAEMON_WORKER_H

#include <stdint.h>

#include "base/error.h"

/* Stacks of all of the daemon's own threads. */
#define DAEMON_STACK_SIZE (256 * 1024)

struct worker;
typedef void (*worker_fn)(void *data);

/* name: at most 15 characters, for ps. */
int worker_new(const char *name, struct worker **ret, struct error *err);
/* Runs what is due, drops the rest (their data is the caller's loss: `drop`, when given, frees it), ends the thread. */
void worker_free(struct worker *worker);
/* fn(data) after delay_ms. drop(data) instead if the worker ends before; may be NULL. */
void worker_add(struct worker *worker, int64_t delay_ms, worker_fn fn, worker_fn drop, void *data);
/* fn(data) now, on a thread of its own, for what may last: the worker's jobs do not wait for it, worker_free() does.
 * -errno when there is no thread to be had; then nothing was run. */
int worker_run_beside(struct worker *worker, worker_fn fn, void *data);
/* Returns when every job that was due at the call has run. Not from a job. */
void worker_drain(struct worker *worker);

#endif
