#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/container_create.h"
#include "image/reference.h"

struct push_flags {
    bool all_tags, quiet, content_trust;
    char *platform;
};

#define AT(member) offsetof(struct push_flags, member)
static const struct option push_options[] = {
    {"all-tags", 'a', OPTION_BOOL, AT(all_tags), NULL, "Push all tags of an image to the repository", 0, 0, NULL},
    {"disable-content-trust", 0, OPTION_BOOL, AT(content_trust), NULL, "Skip image signing (default true)",
     OPTION_HIDDEN, 0, NULL},
    {"platform", 0, OPTION_STRING, AT(platform), "string",
     "Push a platform-specific manifest as a single-platform image to the registry.", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Suppress verbose output", 0, 0, NULL},
    {0},
};

static bool names_tag(const char *reference)
{
    const char *colon = strrchr(reference, ':');
    return colon != NULL && strchr(colon, '/') == NULL;
}

/* One image stands for an index there: docker's command tells it likewise, whatever is quiet. */
static void take_note(const struct json *aux, void *data)
{
    struct strbuf *note = data;
    const char *index = json_get_string(json_get(aux, "originalIndex"), "digest");
    const char *chosen = json_get_string(json_get(aux, "selectedManifest"), "digest");
    if (json_get_bool(aux, "manifestPushedInsteadOfIndex", false) && index && chosen)
        strbuf_addf(note,
                    "Info -> Not all multiplatform-content is present and only the available single-platform image was "
                    "pushed\n        %s -> %s\n",
                    index, chosen);
}

static int push(struct cli *cli, const char *reference, const struct push_flags *flags, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    CLEANUP_FREE char *name = xstrdup(reference);
    CLEANUP_FREE char *auth = registry_auth_header(cli, reference);
    char *colon = names_tag(name) ? strrchr(name, ':') : NULL;
    if (colon)
        *colon = '\0';
    strbuf_adds(&path, "/images/");
    client_path_escape(&path, name);
    strbuf_adds(&path, "/push");
    client_query_add(&path, "tag", flags->all_tags ? NULL : colon ? colon + 1 : "latest");
    client_query_add(&path, "platform", flags->platform);
    const char *const headers[] = {auth ? auth : "X-Registry-Auth: e30=", NULL};
    struct client_request request = {.method = "POST", .path = strbuf_str(&path), .headers = headers};
    CLEANUP_STRBUF struct strbuf note = STRBUF_INIT;
    struct progress_stream stream = {
        .output_fd = STDOUT_FILENO, .quiet = flags->quiet, .aux = take_note, .data = &note};
    int r = client_send(cli_client(cli), &request, &response, err);
    if (r == 0)
        r = progress_follow(response, &stream, err);
    if (note.size > 0)
        fprintf(stderr, "%s", note.data);
    return r;
}

int image_push_command(struct cli *cli, const char *reference, bool quiet, struct error *err)
{
    return push(cli, reference, &(struct push_flags){.quiet = quiet}, err);
}

static int run_push(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct push_flags *flags = data;
    const char *reference = arguments->items[0];
    bool has_tag = names_tag(reference);
    if (flags->all_tags && (has_tag || strchr(reference, '@') != NULL))
        return error_set(err, ERROR_INVALID, 0, "tag can't be used with --all-tags/-a");
    if (reference_check(reference, err) < 0)
        return -err->errnum;
    if (!has_tag && !flags->all_tags && !flags->quiet)
        printf("Using default tag: latest\n");
    fflush(stdout);
    int r = push(cli, reference, flags, err);
    if (r == 0 && flags->quiet)
        printf("%s\n", reference);
    return r;
}

const struct command command_push = {
    .name = "push",
    .place = PLACE_COMMON,
    .aliases = "image push",
    .usage = "[OPTIONS] NAME[:TAG]",
    .summary = "Upload an image to a registry",
    .options = push_options,
    .flags_size = sizeof(struct push_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_push,
};
