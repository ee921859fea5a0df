/* builder export, import: a cache mount's files (RUN --mount=type=cache,id=...) as a tar and back, to take them to
 * another machine. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/client.h"
#include "base/fd.h"
#include "cmd/dory/command.h"
#include "cmd/dory/output_file.h"

struct cache_flags {
    char *output;
};

#define AT(member) offsetof(struct cache_flags, member)
static const struct option export_options[] = {
    {"output", 'o', OPTION_STRING, AT(output), "string", "Write to a file, instead of STDOUT", 0, 0, NULL},
    {0},
};

static void cache_path(struct strbuf *path, const char *id)
{
    strbuf_adds(path, "/dory/build/cache");
    client_query_add(path, "id", id);
}

static int run_export(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct cache_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    int r = output_check(flags->output, "failed to export cache mount", err);
    cache_path(&path, arguments->items[0]);
    if (r == 0)
        r = client_send(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &response, err);
    return r < 0 ? r : output_copy(response, flags->output, err);
}

static int run_import(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const char *file = arguments->items[1];
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    (void)data;
    CLEANUP_CLOSE int fd = strcmp(file, "-") == 0 ? fd_dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "open %s", file);
    cache_path(&path, arguments->items[0]);
    struct client_request request = {.method = "PUT", .path = strbuf_str(&path), .stream_body = true, .body_fd = fd};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}

const struct command command_builder_export = {
    .name = "builder export",
    .usage = "[OPTIONS] ID",
    .summary = "Export the contents of a cache mount as a tar archive",
    .options = export_options,
    .flags_size = sizeof(struct cache_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_export,
};
const struct command command_builder_import = {
    .name = "builder import",
    .usage = "ID FILE|-",
    .summary = "Replace the contents of a cache mount by those of a tar archive",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_import,
};
