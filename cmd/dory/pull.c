#include "api/client.h"
#include "cmd/dory/container_create.h"
#include "cmd/dory/global_flags.h"
#include "image/reference.h"

struct pull_flags {
    bool all_tags, quiet, content_trust;
    char *platform;
};

#define AT(member) offsetof(struct pull_flags, member)
static const struct option pull_options_table[] = {
    {"all-tags", 'a', OPTION_BOOL, AT(all_tags), NULL, "Download all tagged images in the repository", 0, 0, NULL},
    {"disable-content-trust", 0, OPTION_BOOL, AT(content_trust), NULL, "Skip image verification (default true)",
     OPTION_HIDDEN, 0, NULL},
    {"platform", 0, OPTION_STRING, AT(platform), "string", "Set platform if server is multi-platform capable", 0, 0,
     NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Suppress verbose output", 0, 0, NULL},
    {0},
};

/* Splits NAME[:TAG|@DIGEST]; the daemon judges whether the parts are well formed. *ret_tag points into name. */
static const char *split_tag(char *name)
{
    char *at = strchr(name, '@');
    if (at) {
        *at = '\0';
        return at + 1;
    }
    char *colon = strrchr(name, ':');
    if (!colon || strchr(colon, '/'))
        return "latest";
    *colon = '\0';
    return colon + 1;
}

int image_pull_command(struct cli *cli, const struct pull_options *options, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    CLEANUP_FREE char *name = xstrdup(options->reference);
    CLEANUP_FREE char *auth = registry_auth_header(cli, options->reference);
    const char *tag = options->all_tags ? NULL : split_tag(name);
    strbuf_adds(&path, "/images/create");
    client_query_add(&path, "fromImage", name);
    client_query_add(&path, "tag", tag);
    client_query_add(&path, "platform", options->platform);
    const char *const headers[] = {auth, NULL};
    struct client_request request = {.method = "POST", .path = strbuf_str(&path), .headers = headers};
    int r = client_send(cli_client(cli), &request, &response, err);
    return r < 0 ? r : progress_show(response, options->output_fd, options->quiet, err);
}

static void print_full_name(const char *reference)
{
    CLEANUP_FREE char *name = xstrdup(reference);
    const char *tag = split_tag(name);
    const char *slash = strchr(name, '/');
    bool has_domain = slash && (memchr(name, '.', (size_t)(slash - name)) ||
                                memchr(name, ':', (size_t)(slash - name)) || strncmp(name, "localhost/", 10) == 0);
    printf("%s%s%c%s\n",
           has_domain ? ""
           : slash    ? "docker.io/"
                      : "docker.io/library/",
           name, strchr(reference, '@') ? '@' : ':', tag);
}

static int run_pull(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct pull_flags *flags = data;
    const char *reference = arguments->items[0];
    CLEANUP(reference_release) struct reference parsed = {0};
    int r = reference_parse(reference, &parsed, err);
    if (r < 0)
        return r;
    bool has_tag = strchr(reference, '@') || (strrchr(reference, ':') && !strchr(strrchr(reference, ':'), '/'));
    if (has_tag && flags->all_tags)
        return error_set(err, ERROR_INVALID, 0, "tag can't be used with --all-tags/-a");
    if (!has_tag && !flags->all_tags && !flags->quiet)
        printf("Using default tag: latest\n");
    fflush(stdout);
    struct pull_options options = {.reference = reference,
                                   .platform = flags->platform,
                                   .all_tags = flags->all_tags,
                                   .quiet = flags->quiet,
                                   .output_fd = STDOUT_FILENO};
    r = image_pull_command(cli, &options, err);
    if (r < 0)
        return r;
    if (flags->all_tags)
        printf("%s\n", reference);
    else
        print_full_name(reference);
    return 0;
}

static void pull_defaults(void *flags)
{
    ((struct pull_flags *)flags)->platform = default_platform();
}

const struct command command_pull = {
    .defaults = pull_defaults,
    .name = "pull",
    .place = PLACE_COMMON,
    .aliases = "image pull",
    .usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
    .summary = "Download an image from a registry",
    .options = pull_options_table,
    .flags_size = sizeof(struct pull_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_pull,
};
