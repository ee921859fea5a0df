/* Progress of pulls, loads and imports in docker's JSON lines. Private to api/. */
#ifndef DORY_API_PROGRESS_H
#define DORY_API_PROGRESS_H

#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* One line: {"status":...,"progressDetail":{...},"progress":"[=>  ] 1kB/2kB","id":...}. id may be NULL; current and
 * total below 0 mean none. Pure. */
void progress_line(struct strbuf *out, const char *id, const char *status, int64_t current, int64_t total);
/* {"stream":"text"} */
void progress_stream_line(struct strbuf *out, const char *text);
/* {"errorDetail":{"message":...},"error":...}: how a failure ends a stream that has begun. */
void progress_error_line(struct strbuf *out, const struct error *error);

#endif
