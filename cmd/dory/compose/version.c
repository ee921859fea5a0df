/* `dory compose version` */
#include <stdio.h>
#include <string.h>

#include "cmd/dory/compose/compose.h"

struct version_flags {
    char *format;
    bool brief;
};

static const struct option version_options[] = {
    {"format", 'f', OPTION_STRING, offsetof(struct version_flags, format), "string",
     "Format the output. Values: [pretty | json]. (Default: pretty)", 0, 0, NULL},
    {"short", 0, OPTION_BOOL, offsetof(struct version_flags, brief), NULL, "Shows only Compose's version number", 0, 0,
     NULL},
    {0},
};

/* Scripts compare the number with versions of docker's plugin, so it is the one that this follows. */
static int run_version(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)cli, (void)arguments, (void)err;
    const struct version_flags *flags = data;
    if (flags->brief)
        printf("%s\n", COMPOSE_REFERENCE_VERSION);
    else if (flags->format && strcmp(flags->format, "json") == 0)
        printf("{\"version\":\"%s\"}\n", COMPOSE_REFERENCE_VERSION);
    else
        printf("Docker Compose version %s (dory %s)\n", COMPOSE_REFERENCE_VERSION, DORY_VERSION);
    return 0;
}

const struct command command_compose_version = {
    .name = "compose version",
    .usage = "[OPTIONS]",
    .summary = "Show the Docker Compose version information",
    .options = version_options,
    .flags_size = sizeof(struct version_flags),
    .local = true,
    .run = run_version,
};
