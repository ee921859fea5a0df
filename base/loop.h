/*
 * A single-threaded event loop over epoll(7): readable/writable descriptors, timers, signals. Callbacks may add and
 * remove sources, also the one being dispatched.
 */
#ifndef DORY_BASE_LOOP_H
#define DORY_BASE_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct loop;
struct loop_source;

/* events: EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR as epoll reports them */
typedef void (*loop_io_fn)(struct loop_source *source, int fd, uint32_t events, void *data);
typedef void (*loop_timer_fn)(struct loop_source *source, void *data);
typedef void (*loop_signal_fn)(struct loop_source *source, int signal, void *data);

int loop_new(struct loop **ret, struct error *err);
void loop_free(struct loop *loop);

/* The loop does not own fd; remove the source before closing it. One source per descriptor (-EEXIST). Regular files
 * (epoll's EPERM) are reported always ready. */
int loop_add_io(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *data, struct loop_source **ret);
int loop_source_set_events(struct loop_source *source, uint32_t events);
/* One shot, after `ms` milliseconds. Removed by the loop when it fires: the callback is the last to see the source. */
int loop_add_timer(struct loop *loop, int64_t ms, loop_timer_fn fn, void *data, struct loop_source **ret);
/* Blocks the signals in the set and delivers them through a signalfd, one callback per signal. They stay
 * blocked after the removal. */
int loop_add_signals(struct loop *loop, const sigset_t *set, loop_signal_fn fn, void *data, struct loop_source **ret);
void loop_remove(struct loop_source *source); /* NULL is fine */

/* Runs until loop_quit (which may have been called before). Returns the code given to loop_quit, or -errno. */
int loop_run(struct loop *loop);
void loop_quit(struct loop *loop, int code);

#endif
