#include "api/client.h"
#include "cmd/dory/command.h"
#include "image/reference.h"

/* "repo:tag" at its last colon, unless that colon belongs to a port. */
static int run_tag(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    CLEANUP_FREE char *repository = xstrdup(arguments->items[1]);
    CLEANUP(reference_release) struct reference ref = {0};
    char *colon = strrchr(repository, ':');
    if (reference_parse(arguments->items[1], &ref, err) < 0)
        return error_context(err, "Error parsing reference: \"%s\" is not a valid repository/tag", arguments->items[1]);
    if (strchr(repository, '@'))
        return error_set(err, ERROR_INVALID, 0, "refusing to create a tag with a digest reference");
    if (colon && strchr(colon, '/'))
        colon = NULL;
    if (colon)
        *colon++ = '\0';
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/images/");
    client_path_escape(&path, arguments->items[0]);
    strbuf_adds(&path, "/tag");
    client_query_add(&path, "repo", repository);
    client_query_add(&path, "tag", colon ? colon : "latest");
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}

const struct command command_tag = {
    .name = "tag",
    .aliases = "image tag",
    .usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    .summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_tag,
};
