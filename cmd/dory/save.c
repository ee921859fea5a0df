#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/output_file.h"

struct save_flags {
    char *output;
    struct strv platforms;
};

#define AT(member) offsetof(struct save_flags, member)
static const struct option save_options[] = {
    {"output", 'o', OPTION_STRING, AT(output), "string", "Write to a file, instead of STDOUT", 0, 0, NULL},
    {"platform", 0, OPTION_LIST, AT(platforms), "strings",
     "Save only the given platform(s). Formatted as a comma-separated list of \"os[/arch[/variant]]\" (e.g., "
     "\"linux/amd64,linux/arm64/v8\")",
     0, 0, NULL},
    {0},
};

static int run_save(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct save_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    int r = output_check(flags->output, "failed to save image", err);
    if (r < 0)
        return r;
    strbuf_adds(&path, "/images/get");
    for (size_t i = 0; i < arguments->count; i++)
        client_query_add(&path, "names", arguments->items[i]);
    client_query_add_listed(&path, "platform", &flags->platforms);
    struct client_request request = {.path = strbuf_str(&path)};
    r = client_send(cli_client(cli), &request, &response, err);
    return r < 0 ? r : output_copy(response, flags->output, err);
}

const struct command command_save = {
    .name = "save",
    .aliases = "image save",
    .usage = "[OPTIONS] IMAGE [IMAGE...]",
    .summary = "Save one or more images to a tar archive (streamed to STDOUT by default)",
    .options = save_options,
    .flags_size = sizeof(struct save_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_save,
};
