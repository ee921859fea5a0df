#include "cmd/dory/command.h"
#include "cmd/dory/container_wait.h"

static int wait_one(struct cli *cli, const char *name, struct error *err)
{
    struct container_wait wait = {0};
    int status, r = container_wait_begin(cli_client(cli), name, "not-running", &wait, err);
    if (r == 0)
        r = container_wait_end(&wait, &status, err);
    container_wait_release(&wait);
    if (r == 0) {
        printf("%d\n", status);
        fflush(stdout);
    }
    return r;
}

static int run_wait(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    int status = 0;
    for (size_t i = 0; i < arguments->count; i++) {
        if (wait_one(cli, arguments->items[i], err) < 0) {
            fprintf(stderr, "%s\n", err->message);
            status = 1;
        }
    }
    return status;
}

const struct command command_wait = {
    .name = "wait",
    .aliases = "container wait",
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Block until one or more containers stop, then print their exit codes",
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_wait,
};
