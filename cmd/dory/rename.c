#include "api/client.h"
#include "cmd/dory/each.h"

static int run_rename(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    CLEANUP_STRBUF struct strbuf suffix = STRBUF_INIT;
    strbuf_adds(&suffix, "/rename");
    client_query_add(&suffix, "name", arguments->items[1]);
    if (!*arguments->items[0] || !*arguments->items[1])
        return error_set(err, ERROR_INVALID, 0, "Error: Neither old nor new names may be empty");
    int r = container_request(cli, "POST", arguments->items[0], strbuf_str(&suffix), err);
    if (r < 0) {
        fprintf(stderr, "%s\n", err->message);
        return error_set(err, ERROR_SYSTEM, -r, "Error: failed to rename container named %s", arguments->items[0]);
    }
    return 0;
}

const struct command command_rename = {
    .name = "rename",
    .aliases = "container rename",
    .usage = "CONTAINER NEW_NAME",
    .summary = "Rename a container",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_rename,
};
