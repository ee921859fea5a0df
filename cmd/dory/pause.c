/* pause and unpause. */
#include "cmd/dory/each.h"

static int pause_one(struct cli *cli, const char *name, void *data, struct error *err)
{
    return container_request(cli, "POST", name, data, err);
}

static int run_pause(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    (void)err;
    return for_each_parallel(cli, arguments, pause_one, (void *)"/pause");
}

static int run_unpause(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    (void)err;
    return for_each_parallel(cli, arguments, pause_one, (void *)"/unpause");
}

const struct command command_pause = {
    .name = "pause",
    .aliases = "container pause",
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Pause all processes within one or more containers",
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_pause,
};

const struct command command_unpause = {
    .name = "unpause",
    .aliases = "container unpause",
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Unpause all processes within one or more containers",
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_unpause,
};
