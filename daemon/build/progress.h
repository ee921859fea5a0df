/*
 * From the steps, which run at the same time, to the one who listens: calls come one at a time and, when asked for, in
 * the order of the steps. No step waits for the listener: a thread tells, and what it has not told yet waits in a file
 * without a name, not in memory. Of a listener who takes nothing for some seconds while much waits, the output of
 * commands is clipped, with a line that says so.
 */
#ifndef DORY_DAEMON_BUILD_PROGRESS_H
#define DORY_DAEMON_BUILD_PROGRESS_H

#include <pthread.h>

#include "daemon/build/build.h"
#include "daemon/build/progress_record.h"

struct build_progress_step {
    struct event_spool spool; /* until it is its turn */
    bool clipped;
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
    struct event_spool waiting; /* what is to be told */
    pthread_t teller;
    bool threaded;          /* there is a teller; else each call is told at once */
    bool ending;            /* nothing is added any more */
    int64_t heard;          /* monotonic ns: when the listener has taken something last */
    pthread_cond_t changed; /* something is to be told, or was */
};

/* events and tmp_fd stay the caller's. The infos that are given later have to live as long as the progress. */
void build_progress_init(struct build_progress *p, const struct build_events *events, int total, bool in_order,
                         int tmp_fd);
/* What waits still is told now (after a failure, steps before it may never have ended). Blocks until all is told. */
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
