#include "api/client.h"
#include "cmd/dory/command.h"

struct rmi_flags {
    bool force, no_prune;
    struct strv platforms;
};

#define AT(member) offsetof(struct rmi_flags, member)
static const struct option rmi_options[] = {
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Force removal of the image", 0, 0, NULL},
    {"no-prune", 0, OPTION_BOOL, AT(no_prune), NULL, "Do not delete untagged parents", 0, 0, NULL},
    {"platform", 0, OPTION_LIST, AT(platforms), "strings",
     "Remove only the given platform variant. Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")", 0, 0,
     NULL},
    {0},
};

static int remove_one(struct cli *cli, const char *name, const struct rmi_flags *flags, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *rows = NULL;
    strbuf_adds(&path, "/images/");
    client_path_escape(&path, name);
    client_query_add_bool(&path, "force", flags->force);
    client_query_add_bool(&path, "noprune", flags->no_prune);
    client_query_add_listed(&path, "platforms", &flags->platforms);
    struct client_request request = {.method = "DELETE", .path = strbuf_str(&path)};
    int r = client_json(cli_client(cli), &request, &rows, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < json_count(rows); i++) {
        const char *untagged = json_get_string(json_at(rows, i), "Untagged");
        const char *deleted = json_get_string(json_at(rows, i), "Deleted");
        printf("%s: %s\n", deleted ? "Deleted" : "Untagged", deleted ? deleted : untagged ? untagged : "");
    }
    return 0;
}

static int run_rmi(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct rmi_flags *flags = data;
    CLEANUP_STRBUF struct strbuf errors = STRBUF_INIT;
    int status = 0;
    for (size_t i = 0; i < arguments->count; i++) {
        error_clear(err);
        if (remove_one(cli, arguments->items[i], flags, err) < 0) {
            strbuf_addf(&errors, "%s\n", err->message);
            if (!flags->force || err->kind != ERROR_NOT_FOUND)
                status = 1;
        }
    }
    fflush(stdout);
    fputs(strbuf_str(&errors), stderr);
    return status;
}

const struct command command_rmi = {
    .name = "rmi",
    .aliases = "image rm,image remove",
    .usage = "[OPTIONS] IMAGE [IMAGE...]",
    .summary = "Remove one or more images",
    .options = rmi_options,
    .flags_size = sizeof(struct rmi_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_rmi,
};
