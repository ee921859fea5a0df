#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/log_query.h"
#include "cmd/dory/session.h"

struct logs_flags {
    bool details, follow, timestamps;
    char *since, *until, *tail;
};

#define AT(member) offsetof(struct logs_flags, member)
static const struct option logs_options[] = {
    {"details", 0, OPTION_BOOL, AT(details), NULL, "Show extra details provided to logs", 0, 0, NULL},
    {"follow", 'f', OPTION_BOOL, AT(follow), NULL, "Follow log output", 0, 0, NULL},
    {"since", 0, OPTION_STRING, AT(since), "string",
     "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)", 0, 0, NULL},
    {"tail", 'n', OPTION_STRING, AT(tail), "string",
     "Number of lines to show from the end of the logs (default \"all\")", 0, 0, NULL},
    {"timestamps", 't', OPTION_BOOL, AT(timestamps), NULL, "Show timestamps", 0, 0, NULL},
    {"until", 0, OPTION_STRING, AT(until), "string",
     "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)", 0, 0,
     NULL},
    {0},
};

static int run_logs(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct logs_flags *flags = data;
    const struct log_query query = {.details = flags->details,
                                    .follow = flags->follow,
                                    .timestamps = flags->timestamps,
                                    .since = flags->since,
                                    .until = flags->until,
                                    .tail = flags->tail};
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT, logs = STRBUF_INIT;
    CLEANUP_JSON struct json *container = NULL;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    int r = log_query_check(&query, err);
    if (r < 0)
        return r;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, arguments->items[0]);
    strbuf_adds(&path, "/json");
    r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &container, err);
    if (r < 0)
        return r;
    log_query_path(&query, arguments->items[0], &logs);
    r = client_send(cli_client(cli), &(struct client_request){.path = strbuf_str(&logs)}, &response, err);
    if (r < 0)
        return r;
    return session_copy_frames(response, json_get_bool(json_get(container, "Config"), "Tty", false), err);
}

const struct command command_logs = {
    .name = "logs",
    .aliases = "container logs",
    .usage = "[OPTIONS] CONTAINER",
    .summary = "Fetch the logs of a container",
    .options = logs_options,
    .flags_size = sizeof(struct logs_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_logs,
};
