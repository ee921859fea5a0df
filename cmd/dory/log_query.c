#include "cmd/dory/log_query.h"

#include "api/client.h"
#include "base/timestamp.h"

static int check_time(const char *name, const char *value, struct error *err)
{
    int64_t ns;
    if (value && *value && timestamp_parse_human(value, timestamp_now(), &ns) < 0)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid value for \"%s\": failed to parse value as time or duration: \"%s\"", name, value);
    return 0;
}

int log_query_check(const struct log_query *query, struct error *err)
{
    int r = check_time("since", query->since, err);
    return r < 0 ? r : check_time("until", query->until, err);
}

void log_query_path(const struct log_query *query, const char *container, struct strbuf *path)
{
    strbuf_adds(path, "/containers/");
    client_path_escape(path, container);
    strbuf_adds(path, "/logs?stdout=1&stderr=1");
    client_query_add_bool(path, "details", query->details);
    client_query_add_bool(path, "follow", query->follow);
    client_query_add_bool(path, "timestamps", query->timestamps);
    client_query_add(path, "since", query->since);
    client_query_add(path, "until", query->until);
    client_query_add(path, "tail", query->tail ? query->tail : "all");
}
