/*
 * The commands as a table: name, flags, arguments, what runs. Dispatch, --help, man pages and completion read the same
 * rows. One file per command; each defines one or more `const struct command`, listed in commands.c.
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

/* A template (--format) that cannot be parsed. */
#define EXIT_TEMPLATE 64

/* What every command gets. */
struct cli {
    const char *program; /* "dory", or "docker" when called so */
    const char *called;  /* argv[0] */
    char **arguments;    /* the words behind it, as they came; ends with NULL */
    const char *host;    /* where the daemon is, decided from flags, environment and context; NULL for local commands */
    const char *config;  /* directory of config.json */
    const char *host_flag;        /* -H as given, or NULL */
    const char *context;          /* name of the context in use; "default" when none is */
    const struct client_tls *tls; /* for tcp://; NULL for local commands */
    bool debug;                   /* -D */
    void *group_flags;            /* of the group that the command was called in (its flags_size); NULL without */
    struct client *client;        /* see cli_client() */
};

/* The connection; connected on first use. Not for commands with `local`. */
struct client *cli_client(struct cli *cli);

/* The groups of `dory --help`, in their order there. */
enum command_place { PLACE_COMMANDS, PLACE_COMMON };

struct command {
    const char *name;    /* "ps"; for subcommands "container ls" */
    const char *aliases; /* other full names, comma separated: "container ps,container list" */
    const char *usage;   /* "[OPTIONS] CONTAINER [CONTAINER...]"; more forms after newlines. The words tell completion
                          * what the arguments are names of. */
    const char *summary; /* one line */
    const char *description;          /* --help's text where it says more than the summary; NULL: the summary */
    const struct option *options;     /* ends with a row without a name; NULL: none */
    size_t flags_size;                /* of the struct the options point into */
    int min_arguments, max_arguments; /* max -1: any number */
    bool stop_at_argument;
    bool hidden; /* not in --help of its group */
    bool local;  /* needs no daemon: no host is looked for */
    enum command_place place;
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

/* "container", "image", ...: the first word of the names of subcommands. */
struct command_group {
    const char *name, *summary;
    const struct option *options; /* between the group's word and the command's; NULL: none */
    size_t flags_size;            /* of the struct they point into */
    int usage_status;             /* exit status of a wrong command line; 0: EXIT_CLI */
    void (*defaults)(void *flags);
    /* Takes what the environment says and checks values, once the flags are read. May be NULL. */
    int (*prepare)(void *flags, struct error *err);
};
extern const struct command_group command_groups[];
extern const size_t command_group_count;

/* The flags in front of the command. */
extern const struct option global_options[];

#endif
