/* compose commit: an image of what the container of a service changed. */
#include "cmd/dory/commit.h"

#include "cmd/dory/compose/board.h"
#include "cmd/dory/compose/lookup.h"

struct compose_commit_flags {
    struct commit_flags commit;
    int64_t index;
};

#define AT(member) offsetof(struct compose_commit_flags, member)
static const struct option commit_options[] = {
    {"author", 'a', OPTION_STRING, AT(commit.author), "string",
     "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")", 0, 0, NULL},
    {"change", 'c', OPTION_LIST, AT(commit.changes), "list", "Apply Dockerfile instruction to the created image", 0, 0,
     NULL},
    {"index", 0, OPTION_INT, AT(index), "int", "index of the container if service has multiple replicas.", 0, 0, NULL},
    {"message", 'm', OPTION_STRING, AT(commit.message), "string", "Commit message", 0, 0, NULL},
    {"pause", 'p', OPTION_BOOL, AT(commit.pause), NULL, "Pause container during commit (default true)", 0, 0, NULL},
    {0},
};

static void commit_defaults(void *flags)
{
    ((struct compose_commit_flags *)flags)->commit.pause = true;
}

static int commit(struct cli *cli, const struct commit_flags *flags, const struct compose_container *container,
                  const char *reference, struct error *err)
{
    CLEANUP(board_release) struct board board = {0};
    CLEANUP_FREE char *id = NULL;
    board_init(&board, compose_options(cli), "Committing");
    CLEANUP_FREE char *working = xasprintf("Commit %s Committing", container->name);
    board_event(&board, container->name, BOARD_WORKING, working);
    int r = board.dry_run ? 0 : commit_container(cli, flags, container->id, reference, &id, err);
    CLEANUP_FREE char *text = r < 0 ? xasprintf("Commit %s Error", container->name)
                              : id  ? xasprintf("Commit %s Committed as %s", container->name, id)
                                    : xasprintf("Commit %s Committed", container->name);
    board_event(&board, container->name, r < 0 ? BOARD_ERROR : BOARD_DONE, text);
    board_finish(&board);
    return r;
}

static int run_commit(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct compose_commit_flags *flags = data;
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    const struct compose_container *container = NULL;
    int r = compose_lookup_container(cli, arguments->items[0], flags->index, &containers, &container, err);
    if (r < 0)
        return r;
    return commit(cli, &flags->commit, container, arguments->count > 1 ? arguments->items[1] : NULL, err);
}

const struct command command_compose_commit = {
    .name = "compose commit",
    .usage = "[OPTIONS] SERVICE [REPOSITORY[:TAG]]",
    .summary = "Create a new image from a service container's changes",
    .options = commit_options,
    .flags_size = sizeof(struct compose_commit_flags),
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_commit,
    .defaults = commit_defaults,
};
