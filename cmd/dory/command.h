/*
 * The commands as a table: name, flags, arguments, what runs. Dispatch, --help and completion read the same rows. One
 * file per command; each defines one `const struct command`.
 */
#ifndef DORY_CMD_DORY_COMMAND_H
#define DORY_CMD_DORY_COMMAND_H

#include "cmd/dory/options.h"

struct client;     /* api/client.h */
struct client_tls; /* api/client.h */

/* Exit status of the CLI's own failures, before anything ran in a container (docker's). */
#define EXIT_CLI 125
/* A command returns this when a failure was already reported to the user. */
#define EXIT_REPORTED 1

/* What every command gets. */
struct cli {
    const char *program; /* "dory", or "docker" when called so */
    const char *host;    /* -H, else DORY_HOST, DOCKER_HOST, the default */
    const char *config;  /* directory of config.json */
    const struct client_tls *tls;
    struct client *client; /* connected lazily by cli_client() */
};

/* The connection, made on first use. */
struct client *cli_client(struct cli *cli);

struct command {
    const char *name;    /* "ps"; for subcommands "container ls" */
    const char *aliases; /* other full names, comma separated: "container ps,container list" */
    const char *usage;   /* "[OPTIONS] CONTAINER [CONTAINER...]" */
    const char *summary;
    const struct option *options;     /* ends with a row without a name; NULL: none */
    size_t flags_size;                /* of the struct the options point into */
    int min_arguments, max_arguments; /* max -1: any number */
    bool stop_at_argument;
    int failure_status; /* exit status when run() fails with an error: 1 (default 0 means 1), 125 for run and create */
    /*
     * Does it. `flags` was filled from the options after `defaults` (may be NULL) put the defaults in. Returns the exit
     * status of the program (>= 0), or negative with err filled: reported by main as docker does.
     */
    int (*run)(struct cli *cli, void *flags, const struct strv *arguments, struct error *err);
    void (*defaults)(void *flags);
};

extern const struct command *const commands[];
extern const size_t command_count;

#endif
