#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "api/client.h"
#include "base/error_words.h"
#include "base/fd.h"
#include "cmd/dory/container_create.h"
#include "cmd/dory/global_flags.h"
#include "image/reference.h"

struct import_flags {
    struct strv changes;
    char *message, *platform;
};

#define AT(member) offsetof(struct import_flags, member)
static const struct option import_options[] = {
    {"change", 'c', OPTION_LIST, AT(changes), "list", "Apply Dockerfile instruction to the created image", 0, 0, NULL},
    {"message", 'm', OPTION_STRING, AT(message), "string", "Set commit message for imported image", 0, 0, NULL},
    {"platform", 0, OPTION_STRING, AT(platform), "string", "Set platform if server is multi-platform capable", 0, 0,
     NULL},
    {0},
};

static int open_source(const char *source, int *ret, struct error *err)
{
    if (strcmp(source, "-") == 0) {
        *ret = fd_dup(STDIN_FILENO);
        return *ret < 0 ? error_errno(err, *ret, "dup") : 0;
    }
    *ret = open(source, O_RDONLY | O_CLOEXEC);
    return *ret < 0 ? error_set(err, ERROR_SYSTEM, errno, "open %s: %s", source, error_words(errno)) : 0;
}

static int run_import(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct import_flags *flags = data;
    const char *source = arguments->items[0];
    bool url = strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0;
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    if (arguments->count > 1 && reference_check(arguments->items[1], err) < 0)
        return -err->errnum;
    strbuf_adds(&path, "/images/create");
    client_query_add(&path, "fromSrc", url ? source : "-");
    client_query_add(&path, "repo", arguments->count > 1 ? arguments->items[1] : NULL);
    client_query_add(&path, "message", flags->message);
    client_query_add(&path, "platform", flags->platform);
    for (size_t i = 0; i < flags->changes.count; i++)
        client_query_add(&path, "changes", flags->changes.items[i]);
    if (!url) {
        int r = open_source(source, &fd, err);
        if (r < 0)
            return r;
    }
    struct client_request request = {.method = "POST", .path = strbuf_str(&path), .stream_body = !url, .body_fd = fd};
    int r = client_send(cli_client(cli), &request, &response, err);
    return r < 0 ? r : progress_show(response, STDOUT_FILENO, false, err);
}

static void import_defaults(void *flags)
{
    ((struct import_flags *)flags)->platform = default_platform();
}

const struct command command_import = {
    .defaults = import_defaults,
    .name = "import",
    .aliases = "image import",
    .usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    .summary = "Import the contents from a tarball to create a filesystem image",
    .options = import_options,
    .flags_size = sizeof(struct import_flags),
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_import,
};

struct load_flags {
    char *input;
    struct strv platforms;
    bool quiet;
};

#undef AT
#define AT(member) offsetof(struct load_flags, member)
static const struct option load_options[] = {
    {"input", 'i', OPTION_STRING, AT(input), "string", "Read from tar archive file, instead of STDIN", 0, 0, NULL},
    {"platform", 0, OPTION_LIST, AT(platforms), "strings",
     "Load only the given platform(s). Formatted as a comma-separated list of \"os[/arch[/variant]]\" (e.g., "
     "\"linux/amd64,linux/arm64/v8\")",
     0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Suppress the load output", 0, 0, NULL},
    {0},
};

static int run_load(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct load_flags *flags = data;
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    if (!flags->input && isatty(STDIN_FILENO))
        return error_set(err, ERROR_INVALID, 0, "requested load from stdin, but stdin is empty");
    int r = open_source(flags->input ? flags->input : "-", &fd, err);
    if (r < 0)
        return r;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/images/load");
    client_query_add_bool(&path, "quiet", flags->quiet || !isatty(STDOUT_FILENO));
    client_query_add_listed(&path, "platform", &flags->platforms);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path), .stream_body = true, .body_fd = fd};
    r = client_send(cli_client(cli), &request, &response, err);
    return r < 0 ? r : progress_show(response, STDOUT_FILENO, false, err);
}

const struct command command_load = {
    .name = "load",
    .aliases = "image load",
    .usage = "[OPTIONS]",
    .summary = "Load an image from a tar archive or STDIN",
    .options = load_options,
    .flags_size = sizeof(struct load_flags),
    .run = run_load,
};
