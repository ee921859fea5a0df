/* What is asked of GET /containers/ID/logs: the flags of `logs` and `compose logs`. */
#ifndef DORY_CMD_DORY_LOG_QUERY_H
#define DORY_CMD_DORY_LOG_QUERY_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"

struct log_query {
    bool details, follow, timestamps;
    const char *since, *until; /* as typed; NULL: no limit */
    const char *tail;          /* number of lines, or NULL: all */
};

/* Refuses times that are none, in docker's words, before the daemon is asked. Events have such times, too. */
int log_query_check(const struct log_query *query, struct error *err);
/* Appends the path of the request. */
void log_query_path(const struct log_query *query, const char *container, struct strbuf *path);

#endif
