#include "api/client.h"
#include "cmd/dory/command.h"

static int run_volume_rename(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/volumes/");
    client_path_escape(&path, arguments->items[0]);
    strbuf_adds(&path, "/rename");
    client_query_add(&path, "name", arguments->items[1]);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}

const struct command command_volume_rename = {
    .name = "volume rename",
    .usage = "VOLUME NEW_NAME",
    .summary = "Rename a volume that no container uses",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_volume_rename,
};
