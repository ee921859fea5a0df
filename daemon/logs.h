/* Reading container logs (json-file): across rotated files, with follow. */
#ifndef DORY_DAEMON_LOGS_H
#define DORY_DAEMON_LOGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strmap.h"

struct logs_options {
    bool use_stdout, use_stderr, follow, timestamps, details;
    int64_t since, until; /* ns since the epoch; 0: unlimited */
    int64_t tail;         /* last so many lines; -1: all */
};
/* One record: line with its newline as the program wrote it (a partial line has none). Non-zero return ends the read.
 */
typedef int (*logs_record_fn)(int64_t time, bool is_stderr, const char *line, size_t size, void *data);
/*
 * Delivers the records of the log at `path` (and path.1, ...). With follow it goes on (inotify) until `ended(data)`
 * says that no more will come (asked when the end of the file is reached) and the rest is read, or until cancel_fd (may
 * be -1) becomes readable or hangs up. A missing file is an empty log.
 */
int logs_read(const char *path, const struct logs_options *options, logs_record_fn record, bool (*ended)(void *data),
              int cancel_fd, void *data, struct error *err);

#endif
