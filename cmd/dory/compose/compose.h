/*
 * `dory compose`: applications of several containers from a Compose file, through the REST API alone.
 *
 * A subcommand is a file here with a `const struct command command_compose_NAME` (.name = "compose NAME") and its row
 * in cmd/dory/commands.c; help, man pages, completion and dispatch follow from that. In run() the flags that stand in
 * front of the subcommand are compose_options(cli), and the project is what compose_project_load() makes of them
 * (project.h). Commands that need no daemon set .local.
 */
#ifndef DORY_CMD_DORY_COMPOSE_COMPOSE_H
#define DORY_CMD_DORY_COMPOSE_COMPOSE_H

#include "cmd/dory/command.h"

/* The version of docker's plugin whose behaviour and labels this follows. */
#define COMPOSE_REFERENCE_VERSION "2.40.3"

/* The flags between "compose" and the subcommand, with what the environment says where a flag was not given. */
struct compose_options {
    struct strv files;       /* -f; COMPOSE_FILE is the loader's: .env may set it */
    char *project_name;      /* -p; NULL: not given (COMPOSE_PROJECT_NAME likewise) */
    char *project_directory; /* --project-directory; NULL: not given */
    struct strv profiles;    /* --profile; COMPOSE_PROFILES is the loader's */
    struct strv env_files;   /* --env-file */
    char *ansi;              /* "never", "always", "auto"; COMPOSE_ANSI */
    char *progress;          /* "auto", "tty", "plain", "json", "quiet"; COMPOSE_PROGRESS */
    int64_t parallel;        /* -1: no limit; COMPOSE_PARALLEL_LIMIT */
    bool parallel_given;
    bool dry_run, all_resources;
    bool status_to_output; /* COMPOSE_STATUS_STDOUT: what is being done is told on standard output */
    bool compatibility;    /* --compatibility; COMPOSE_COMPATIBILITY is the loader's */
};

extern const struct option compose_global_options[];
void compose_options_defaults(void *flags);
/* Reads the environment and checks the words. COMPOSE_... variables of --env-file or .env that the environment does not
 * have become part of it: they may set whatever the environment may, except COMPOSE_ENV_FILES, COMPOSE_PROGRESS and
 * COMPOSE_STATUS_STDOUT. */
int compose_options_prepare(void *flags, struct error *err);

/* Those of the running command. */
static inline const struct compose_options *compose_options(const struct cli *cli)
{
    return cli->group_flags;
}

#endif
