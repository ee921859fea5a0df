/* compose export: the files of a service's container as a tar. */
#include <unistd.h>

#include "cmd/dory/command_call.h"
#include "cmd/dory/compose/board.h"
#include "cmd/dory/compose/lookup.h"
#include "cmd/dory/output_file.h"

struct export_flags {
    int64_t index;
    char *output;
};

#define AT(member) offsetof(struct export_flags, member)
static const struct option export_options[] = {
    {"index", 0, OPTION_INT, AT(index), "int", "index of the container if service has multiple replicas.", 0, 0, NULL},
    {"output", 'o', OPTION_STRING, AT(output), "string", "Write to a file, instead of STDOUT", 0, 0, NULL},
    {0},
};

static int export(struct cli *cli, const struct compose_container *container, const char *output, struct error *err)
{
    CLEANUP(board_release) struct board board = {0};
    CLEANUP_STRV struct strv words = STRV_INIT;
    CLEANUP_FREE char *what = xasprintf("export %s to %s", container->name, output ? output : "");
    CLEANUP_FREE char *working = xasprintf("%s Exporting", what);
    if (output)
        strv_addf(&words, "--output=%s", output);
    strv_add(&words, container->id);
    board_init(&board, compose_options(cli), "Exporting");
    board_event(&board, container->name, BOARD_WORKING, working);
    /* The archive itself may go to the terminal's place. */
    int r = board.dry_run ? 0 : command_call(cli, "export", &words, err);
    CLEANUP_FREE char *text = xasprintf("%s %s", what, r < 0 ? "Error" : "Exported");
    board_event(&board, container->name, r < 0 ? BOARD_ERROR : BOARD_DONE, text);
    board_finish(&board);
    return r;
}

static int run_export(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct export_flags *flags = data;
    const char *output = flags->output && *flags->output ? flags->output : NULL;
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    const struct compose_container *container = NULL;
    int r = compose_lookup_container(cli, arguments->items[0], flags->index, &containers, &container, err);
    if (r == 0 && !output && isatty(STDOUT_FILENO))
        r = error_set(err, ERROR_INVALID, 0, "output option is required when exporting to terminal");
    if (r == 0)
        r = output_check(output, "failed to export container", err);
    return r < 0 ? r : export(cli, container, output, err);
}

const struct command command_compose_export = {
    .name = "compose export",
    .usage = "[OPTIONS] SERVICE",
    .summary = "Export a service container's filesystem as a tar archive",
    .options = export_options,
    .flags_size = sizeof(struct export_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_export,
};
