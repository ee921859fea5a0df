#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/output_file.h"

struct export_flags {
    char *output;
};

static const struct option export_options[] = {
    {"output", 'o', OPTION_STRING, offsetof(struct export_flags, output), "string",
     "Write to a file, instead of STDOUT", 0, 0, NULL},
    {0},
};

static int run_export(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct export_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    int r = output_check(flags->output, "failed to export container", err);
    if (r < 0)
        return r;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, arguments->items[0]);
    strbuf_adds(&path, "/export");
    struct client_request request = {.path = strbuf_str(&path)};
    r = client_send(cli_client(cli), &request, &response, err);
    return r < 0 ? r : output_copy(response, flags->output, err);
}

const struct command command_export = {
    .name = "export",
    .aliases = "container export",
    .usage = "[OPTIONS] CONTAINER",
    .summary = "Export a container's filesystem as a tar archive",
    .options = export_options,
    .flags_size = sizeof(struct export_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_export,
};
