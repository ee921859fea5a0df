#include "api/client.h"
#include "cmd/dory/each.h"

struct rm_flags {
    bool force, link, volumes;
};

#define AT(member) offsetof(struct rm_flags, member)
static const struct option rm_options[] = {
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Force the removal of a running container (uses SIGKILL)", 0, 0, NULL},
    {"link", 'l', OPTION_BOOL, AT(link), NULL, "Remove the specified link", 0, 0, NULL},
    {"volumes", 'v', OPTION_BOOL, AT(volumes), NULL, "Remove anonymous volumes associated with the container", 0, 0,
     NULL},
    {0},
};

static int rm_one(struct cli *cli, const char *name, void *data, struct error *err)
{
    const struct rm_flags *flags = data;
    if (name[strspn(name, "/")] == '\0')
        return error_set(err, ERROR_INVALID, 0, "container name cannot be empty");
    CLEANUP_STRBUF struct strbuf suffix = STRBUF_INIT;
    client_query_add_bool(&suffix, "force", flags->force);
    client_query_add_bool(&suffix, "link", flags->link);
    client_query_add_bool(&suffix, "v", flags->volumes);
    int r = container_request(cli, "DELETE", name, strbuf_str(&suffix), err);
    /* With -f an unknown container is mentioned and is no failure. */
    if (r < 0 && flags->force && err->kind == ERROR_NOT_FOUND) {
        fprintf(stderr, "%s\n", err->message);
        error_clear(err);
        return 1;
    }
    return r;
}

static int run_rm(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)err;
    return for_each_parallel(cli, arguments, rm_one, flags);
}

const struct command command_rm = {
    .name = "rm",
    .aliases = "container rm,container remove",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Remove one or more containers",
    .options = rm_options,
    .flags_size = sizeof(struct rm_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_rm,
};
