/*
 * Completion for shells. `dory completion bash|zsh|fish` prints the script for one; it asks `dory __complete WORD...`
 * for the candidates of the last word: one a line, "VALUE" or "VALUE<tab>DESCRIPTION", and as the last line ":4", or
 * ":0" when file names are wanted too (the protocol of cobra, so that scripts made for docker work as well). Candidates
 * come from the tables of commands and flags, names of objects from the daemon; a daemon that does not answer has none.
 */
#ifndef DORY_CMD_DORY_COMPLETION_H
#define DORY_CMD_DORY_COMPLETION_H

#include "cmd/dory/endpoint.h"

/* words[0] is "__complete". Returns the exit status. */
int completion_answer(struct cli *cli, const struct endpoint_choice *choice, const struct strv *words);

/* What a word may be. */
enum complete {
    COMPLETE_NOTHING,
    COMPLETE_FILES,
    COMPLETE_CONTAINERS,
    COMPLETE_RUNNING, /* containers that run */
    COMPLETE_IMAGES,
    COMPLETE_VOLUMES,
    COMPLETE_NETWORKS,
    COMPLETE_CONTEXTS,
    COMPLETE_OBJECTS,  /* of any kind */
    COMPLETE_SERVICES, /* of the project that the flags in front of the subcommand name */
    COMPLETE_WORDS,    /* of a list */
};

/* What argument number `index` of a command is the name of, from the words of its usage. Pure. */
enum complete completion_of_argument(const struct command *command, size_t index);
/* What the value of a flag is; *ret_words gets the list for COMPLETE_WORDS (blank separated). Pure. */
enum complete completion_of_option(const struct option *option, const char **ret_words);
/* Prints the names of objects that begin with `prefix`. */
void completion_objects(struct cli *cli, enum complete what, const char *prefix);

#endif
