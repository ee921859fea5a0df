/*
 * From the steps, which run at the same time, to the one who listens: calls come one at a time and, when asked for, in
 * the order of the steps. What a step has to say before its turn waits in a file without a name, not in memory.
 */
#ifndef DORY_DAEMON_BUILD_PROGRESS_H
#define DORY_DAEMON_BUILD_PROGRESS_H

#include <pthread.h>

#include "daemon/build/build.h"

struct build_progress_step {
    int spool_fd; /* -1: nothing waits */
};

struct build_progress {
    const struct build_events *events;
    bool in_order;
    int tmp_fd; /* a directory for the files */
    pthread_mutex_t lock;
    int turn; /* number of the step that may speak; those before it are done */
    int total;
    struct build_progress_step *steps; /* of number i + 1 */
    size_t warnings;
};

/* events and tmp_fd stay the caller's. The infos that are given later have to live as long as the progress. */
void build_progress_init(struct build_progress *p, const struct build_events *events, int total, bool in_order,
                         int tmp_fd);
/* What waits still is told now (after a failure, steps before it may never have ended). */
void build_progress_release(struct build_progress *p);

void build_progress_started(struct build_progress *p, const struct build_step_info *step);
void build_progress_cached(struct build_progress *p, const struct build_step_info *step);
void build_progress_container(struct build_progress *p, const struct build_step_info *step, const char *id,
                              bool removed);
void build_progress_line(struct build_progress *p, const struct build_step_info *step, const char *id,
                         const char *status, int64_t current, int64_t total);
void build_progress_log(struct build_progress *p, const struct build_step_info *step, int stream, const char *bytes,
                        size_t size);
void build_progress_done(struct build_progress *p, const struct build_step_info *step, const char *id,
                         const struct error *error);
void build_progress_warning(struct build_progress *p, const struct build_step_info *step, const char *text);

#endif
