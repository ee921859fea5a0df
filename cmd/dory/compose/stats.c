/* compose stats: `stats` of a project's containers. */
#include "cmd/dory/stats.h"

#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/project.h"

#define AT(member) offsetof(struct stats_flags, member)
static const struct option stats_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Show all containers (default shows just running)", 0, 0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"no-stream", 0, OPTION_BOOL, AT(no_stream), NULL, "Disable streaming stats and only pull the first result", 0, 0,
     NULL},
    {"no-trunc", 0, OPTION_BOOL, AT(no_trunc), NULL, "Do not truncate output", 0, 0, NULL},
    {0},
};

static int run_stats(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct stats_flags *flags = data;
    CLEANUP_FREE char *project = NULL;
    int r = compose_project_name(compose_options(cli), &project, err);
    if (r < 0)
        return r;
    strv_addf(&flags->filters, "label=%s=%s", COMPOSE_LABEL_PROJECT, project);
    if (arguments->count > 0)
        strv_addf(&flags->filters, "label=%s=%s", COMPOSE_LABEL_SERVICE, arguments->items[0]);
    r = stats_show(cli, flags, &(struct strv)STRV_INIT, err);
    strv_release(&flags->filters);
    return r;
}

const struct command command_compose_stats = {
    .name = "compose stats",
    .usage = "[OPTIONS] [SERVICE]",
    .summary = "Display a live stream of container(s) resource usage statistics",
    .options = stats_options,
    .flags_size = sizeof(struct stats_flags),
    .max_arguments = 1,
    .run = run_stats,
};
