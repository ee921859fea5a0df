#include "cmd/dory/container_create.h"

static int run_create(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    CLEANUP_FREE char *id = NULL;
    int r = container_create(cli, data, arguments, &id, err);
    if (r < 0 && !container_create_is_usage_error(err)) {
        /* docker says this without its usual prefix and with status 1. */
        fprintf(stderr, "%s\n", err->message);
        return 1;
    }
    if (r < 0)
        return r;
    printf("%s\n", id);
    return 0;
}

const struct command command_create = {
    .name = "create",
    .aliases = "container create",
    .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    .summary = "Create a new container",
    .options = create_options,
    .flags_size = sizeof(struct container_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .stop_at_argument = true,
    .failure_status = EXIT_CLI,
    .run = run_create,
    .defaults = container_flags_defaults,
};
