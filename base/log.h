/* The daemon's log: one line per event on standard error, logfmt (time level msg). Libraries do not use it; daemon/,
 * api/ and cmd/doryd do. Thread-safe. */
#ifndef DORY_BASE_LOG_H
#define DORY_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL };

void log_set_level(enum log_level level);
/* Lines are logfmt, or, with `json`, objects with the same three members. */
void log_set_json(bool json);
/* "debug" "info" "warn" "error" "fatal"; -EINVAL otherwise. */
int log_parse_level(const char *name, enum log_level *ret);
/* Whether lines of this level are written: for callers whose text costs something to make. */
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
