/* `dory compose config`: the canonical model. */
#include <stdio.h>

#include "base/json_edit.h"
#include "cmd/dory/compose/project.h"

struct config_flags {
    char *format;
};

static const struct option config_options[] = {
    {"format", 0, OPTION_STRING, offsetof(struct config_flags, format), "string",
     "Format the output. Values: [yaml | json]", 0, 0, NULL},
    {0},
};

static int run_config(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments, (void)data;
    CLEANUP_COMPOSE_PROJECT struct compose_project project = {0};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = compose_project_load(compose_options(cli), &project, err);
    if (r < 0)
        return r;
    compose_project_warn(&project);
    json_print(project.model, "  ", 0, &out);
    puts(strbuf_str(&out));
    return 0;
}

const struct command command_compose_config = {
    .name = "compose config",
    .aliases = "compose convert",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Parse, resolve and render compose file in canonical format",
    .options = config_options,
    .flags_size = sizeof(struct config_flags),
    .max_arguments = -1,
    .local = true,
    .run = run_config,
};
