/* Starting helper programs with posix_spawn(3): safe in a process with threads. */
#ifndef DORY_BASE_PROCESS_H
#define DORY_BASE_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct process_options {
    const char *path;      /* program; /proc/self/fd/N works; looked up in PATH when it has no slash */
    char *const *argv;     /* NULL-terminated */
    char *const *env;      /* NULL: an empty environment, never ours */
    const int *fds;        /* descriptors that the child gets, as 0, 1, 2, ... in this order; -1 is /dev/null */
    size_t fd_count;       /* everything else is close-on-exec by house rule; at least 0-2 are always set */
    const char *directory; /* where it starts, after the descriptors; NULL: where we are */
    int new_session;       /* setsid */
    int close_others;      /* also what we inherited without close-on-exec; `path` is not one of our descriptors then */
};

/* The child has default signal dispositions and an empty mask. *ret_pid on success. */
int process_spawn(const struct process_options *options, pid_t *ret_pid, struct error *err);
/* waitpid with EINTR retried: *ret_status is the exit code, or 128 + signal. */
int process_wait(pid_t pid, int *ret_status);
/* Runs argv to its end, in our environment, with stdin from `input` (may be NULL) and captures stdout (at most limit
 * bytes; the caller frees). A non-zero exit is an error that carries the program's stderr; so is output beyond the
 * limit (EFBIG), at which the program is killed. ret_output may be NULL. */
int process_run(char *const *argv, const char *input, size_t limit, char **ret_output, struct error *err);

#endif
