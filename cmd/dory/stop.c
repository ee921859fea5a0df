/* stop and restart: the same flags, two verbs. */
#include "api/client.h"
#include "cmd/dory/each.h"

struct stop_flags {
    int64_t timeout;
    bool timeout_given;
    char *signal;
};

#define AT(member) offsetof(struct stop_flags, member)
static const struct option stop_options[] = {
    {"signal", 's', OPTION_STRING, AT(signal), "string", "Signal to send to the container", 0, 0, NULL},
    {"time", 0, OPTION_INT, AT(timeout), "int", "Seconds to wait before killing the container", OPTION_HIDDEN,
     AT(timeout_given), NULL},
    {"timeout", 't', OPTION_INT, AT(timeout), "int", "Seconds to wait before killing the container", 0,
     AT(timeout_given), NULL},
    {0},
};

static int request_stop(struct cli *cli, const char *name, const char *verb, const struct stop_flags *flags,
                        struct error *err)
{
    CLEANUP_STRBUF struct strbuf suffix = STRBUF_INIT;
    strbuf_addf(&suffix, "/%s", verb);
    if (flags->timeout_given)
        client_query_add_int(&suffix, "t", flags->timeout);
    client_query_add(&suffix, "signal", flags->signal);
    return container_request(cli, "POST", name, strbuf_str(&suffix), err);
}

static int stop_one(struct cli *cli, const char *name, void *data, struct error *err)
{
    return request_stop(cli, name, "stop", data, err);
}

static int restart_one(struct cli *cli, const char *name, void *data, struct error *err)
{
    return request_stop(cli, name, "restart", data, err);
}

static int run_stop(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)err;
    return for_each_parallel(cli, arguments, stop_one, flags);
}

static int run_restart(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)err;
    return for_each_parallel(cli, arguments, restart_one, flags);
}

const struct command command_stop = {
    .name = "stop",
    .aliases = "container stop",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Stop one or more running containers",
    .options = stop_options,
    .flags_size = sizeof(struct stop_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_stop,
};

const struct command command_restart = {
    .name = "restart",
    .aliases = "container restart",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Restart one or more containers",
    .options = stop_options,
    .flags_size = sizeof(struct stop_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_restart,
};
