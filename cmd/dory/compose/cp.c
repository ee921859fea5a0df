/* compose cp: files between here and the containers of a service. */
#include <stdio.h>

#include "cmd/dory/command_call.h"
#include "cmd/dory/compose/board.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/project.h"
#include "cmd/dory/cp_plan.h"

struct cp_flags {
    bool all, archive, follow;
    int64_t index;
};

#define AT(member) offsetof(struct cp_flags, member)
static const struct option cp_options[] = {
    {"all", 0, OPTION_BOOL, AT(all), NULL, "Include containers created by the run command", 0, 0, NULL},
    {"archive", 'a', OPTION_BOOL, AT(archive), NULL, "Archive mode (copy all uid/gid information)", 0, 0, NULL},
    {"follow-link", 'L', OPTION_BOOL, AT(follow), NULL, "Always follow symbol link in SRC_PATH", 0, 0, NULL},
    {"index", 0, OPTION_INT, AT(index), "int", "Index of the container if service has multiple replicas", 0, 0, NULL},
    {0},
};

/* The two ends: one of them is in a service. */
struct copy {
    const struct cp_flags *flags;
    const char *service, *inside; /* where it is there */
    const char *outside;          /* the path here */
    bool out;                     /* from the service */
};

static int list(struct cli *cli, const struct copy *copy, struct compose_containers *ret, struct error *err)
{
    CLEANUP_FREE char *project = NULL;
    CLEANUP_STRV struct strv services = STRV_INIT;
    const struct compose_container *container = NULL;
    struct compose_query query = {.all = true, .services = &services};
    int r = compose_project_name(compose_options(cli), &project, err);
    if (r < 0)
        return r;
    if (copy->flags->index > 0) {
        r = compose_container_of(cli_client(cli), project, copy->service, copy->flags->index, &query, ret, &container,
                                 err);
        if (r == 0) {
            ret->items[0] = *container;
            ret->count = 1;
        }
        return r;
    }
    strv_add(&services, copy->service);
    query.oneoff = copy->flags->all ? COMPOSE_ONEOFF_INCLUDE : COMPOSE_ONEOFF_EXCLUDE;
    r = compose_containers_list(cli_client(cli), project, &query, ret, err);
    if (r == 0 && ret->count == 0)
        r = error_set(err, ERROR_NOT_FOUND, 0, "no container found for service \"%s\"", copy->service);
    return r;
}

static int copy_one(struct cli *cli, const struct copy *copy, const struct compose_container *container,
                    struct board *board, struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    CLEANUP_FREE char *there = xasprintf("%s:%s", container->name, copy->inside);
    const char *from = copy->out ? there : copy->outside, *to = copy->out ? copy->outside : there;
    CLEANUP_FREE char *working = xasprintf("copy %s to %s Copying", from, to);
    CLEANUP_FREE char *done = xasprintf("copy %s to %s Copied", from, to);
    strv_add(&words, "--quiet");
    if (copy->flags->archive)
        strv_add(&words, "--archive");
    if (copy->flags->follow)
        strv_add(&words, "--follow-link");
    strv_add(&words, "--");
    strv_add(&words, from);
    strv_add(&words, to);
    board_event(board, container->name, BOARD_WORKING, working);
    int r = board->dry_run ? 0 : command_call(cli, "cp", &words, err);
    if (r == 0)
        board_event(board, container->name, BOARD_DONE, done);
    return r;
}

static int copy_all(struct cli *cli, const struct copy *copy, struct error *err)
{
    CLEANUP(board_release) struct board board = {0};
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    int r = list(cli, copy, &containers, err);
    if (r < 0)
        return r;
    /* Files come from one container, and go into all. */
    if (copy->out)
        containers.count = 1;
    board_init(&board, compose_options(cli), "Copying");
    for (size_t i = 0; i < containers.count && r == 0; i++)
        r = copy_one(cli, copy, &containers.items[i], &board, err);
    board_finish(&board);
    return r;
}

static int run_cp(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const char *from_path = NULL, *to_path = NULL;
    if (!*arguments->items[0])
        return error_set(err, ERROR_INVALID, 0, "source can not be empty");
    if (!*arguments->items[1])
        return error_set(err, ERROR_INVALID, 0, "destination can not be empty");
    CLEANUP_FREE char *from = cp_split_argument(arguments->items[0], &from_path);
    CLEANUP_FREE char *to = cp_split_argument(arguments->items[1], &to_path);
    if (from && to)
        return error_set(err, ERROR_INVALID, 0, "copying between services is not supported");
    if (!from && !to)
        return error_set(err, ERROR_INVALID, 0, "unknown copy direction");
    struct copy copy = {.flags = data,
                        .service = from ? from : to,
                        .inside = from ? from_path : to_path,
                        .outside = from ? arguments->items[1] : arguments->items[0],
                        .out = from != NULL};
    return copy_all(cli, &copy, err);
}

const struct command command_compose_cp = {
    .name = "compose cp",
    .usage = "[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- SERVICE:DEST_PATH",
    .summary = "Copy files/folders between a service container and the local filesystem",
    .options = cp_options,
    .flags_size = sizeof(struct cp_flags),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_cp,
};
