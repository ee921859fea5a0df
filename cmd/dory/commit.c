#include <stdio.h>

#include "api/client.h"
#include "cmd/dory/commit.h"
#include "image/reference.h"

#define AT(member) offsetof(struct commit_flags, member)
static const struct option commit_options[] = {
    {"author", 'a', OPTION_STRING, AT(author), "string", "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")",
     0, 0, NULL},
    {"change", 'c', OPTION_LIST, AT(changes), "list", "Apply Dockerfile instruction to the created image", 0, 0, NULL},
    {"message", 'm', OPTION_STRING, AT(message), "string", "Commit message", 0, 0, NULL},
    {"no-pause", 0, OPTION_BOOL, AT(no_pause), NULL, "Disable pausing container during commit", 0, 0, NULL},
    {"pause", 'p', OPTION_BOOL, AT(pause), NULL, "Pause container during commit (default true)", OPTION_HIDDEN, 0,
     NULL},
    {0},
};

static void defaults(void *data)
{
    struct commit_flags *flags = data;
    flags->pause = true;
}

/* NAME[:TAG] in two parameters. */
static void add_name(struct strbuf *path, const char *reference)
{
    const char *colon = strrchr(reference, ':');
    bool tag = colon != NULL && strchr(colon, '/') == NULL && strchr(reference, '@') == NULL;
    CLEANUP_FREE char *name = tag ? xstrndup(reference, (size_t)(colon - reference)) : xstrdup(reference);
    client_query_add(path, "repo", name);
    client_query_add(path, "tag", tag ? colon + 1 : NULL);
}

int commit_container(struct cli *cli, const struct commit_flags *flags, const char *container, const char *reference,
                     char **ret_id, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    if (reference && reference_check(reference, err) < 0)
        return -err->errnum;
    strbuf_adds(&path, "/commit");
    client_query_add(&path, "container", container);
    if (reference)
        add_name(&path, reference);
    client_query_add(&path, "author", flags->author);
    client_query_add(&path, "comment", flags->message);
    if (!flags->pause || flags->no_pause)
        client_query_add(&path, "pause", "0");
    for (size_t i = 0; i < flags->changes.count; i++)
        client_query_add(&path, "changes", flags->changes.items[i]);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    int r = client_json(cli_client(cli), &request, &answer, err);
    const char *id = json_get_string(answer, "Id");
    if (r == 0)
        *ret_id = xstrdup(id ? id : "");
    return r;
}

static int run_commit(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    CLEANUP_FREE char *id = NULL;
    const char *reference = arguments->count > 1 ? arguments->items[1] : NULL;
    int r = commit_container(cli, flags, arguments->items[0], reference, &id, err);
    if (r == 0)
        printf("%s\n", id);
    return r;
}

const struct command command_commit = {
    .name = "commit",
    .aliases = "container commit",
    .usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    .summary = "Create a new image from a container's changes",
    .options = commit_options,
    .flags_size = sizeof(struct commit_flags),
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_commit,
    .defaults = defaults,
};
