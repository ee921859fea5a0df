#include "api/client.h"
#include "cmd/dory/each.h"

struct kill_flags {
    char *signal;
};

static const struct option kill_options[] = {
    {"signal", 's', OPTION_STRING, offsetof(struct kill_flags, signal), "string", "Signal to send to the container", 0,
     0, NULL},
    {0},
};

static int kill_one(struct cli *cli, const char *name, void *data, struct error *err)
{
    const struct kill_flags *flags = data;
    CLEANUP_STRBUF struct strbuf suffix = STRBUF_INIT;
    strbuf_adds(&suffix, "/kill");
    client_query_add(&suffix, "signal", flags->signal ? flags->signal : "KILL");
    return container_request(cli, "POST", name, strbuf_str(&suffix), err);
}

static int run_kill(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)err;
    return for_each_parallel(cli, arguments, kill_one, flags);
}

const struct command command_kill = {
    .name = "kill",
    .aliases = "container kill",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Kill one or more running containers",
    .options = kill_options,
    .flags_size = sizeof(struct kill_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_kill,
};
