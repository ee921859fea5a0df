/*
 * Command-line flags as tables, parsed the way docker's are: --name value, --name=value, -n value, -nvalue, clustered
 * short booleans, repeatable lists. Each row says where in the command's flag struct the value goes.
 */
#ifndef DORY_CMD_DORY_OPTIONS_H
#define DORY_CMD_DORY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/strv.h"

enum option_type {
    OPTION_BOOL,     /* bool; --flag, --flag=false */
    OPTION_STRING,   /* char * */
    OPTION_LIST,     /* struct strv, repeatable */
    OPTION_INT,      /* int64_t */
    OPTION_BYTES,    /* int64_t: "64m"; -1 where OPTION_MINUS_ONE */
    OPTION_DURATION, /* int64_t nanoseconds: "1m30s" */
    OPTION_CPUS,     /* int64_t billionths: "1.5" */
};

enum option_flags {
    OPTION_MINUS_ONE = 1 << 0, /* OPTION_BYTES accepts -1 */
    OPTION_HIDDEN = 1 << 1,    /* not in --help */
    OPTION_REFUSED = 1 << 2,   /* known to docker, not to dory: using it is an error that says so; "=false" of a
                                  OPTION_BOOL is none */
    OPTION_INHERITED = 1 << 3, /* of a group's flags: may stand behind its commands, too */
};

struct option {
    const char *name;
    char letter; /* 0: none */
    enum option_type type;
    size_t offset;
    const char *value_name; /* "string", "list", "bytes", ... as --help shows it; NULL for booleans. The values of a
                             * "filter" are checked to be name=value. */
    const char *help;
    unsigned flags;
    /* Remembers that the flag was given at all: offset of a bool, 0 if nobody asks. */
    size_t given_offset;
    /* Checks one value before it is kept; message as docker's ("invalid ulimit argument: foo"). May be NULL. */
    int (*check)(const char *value, struct error *err);
};

struct option_parse {
    const struct option *options; /* ends with a row without a name; NULL: none */
    bool stop_at_argument;        /* everything from the first positional on is positional (run, create, exec) */
    /* The flags of the command's group, of which OPTION_INHERITED ones are read into inherited_flags; NULL: none. */
    const struct option *inherited;
    void *inherited_flags;
};

/*
 * Parses argv[0..argc) (program and command names already gone). Positionals are added to `arguments`. `flags` is the
 * zero-initialised struct that the rows point into; a value that is there already is the default. --help and -h where
 * it is no flag's letter set *ret_help and end the parse. Errors in pflag's words: "unknown flag: --x".
 */
int options_parse(const struct option_parse *parse, int argc, char **argv, void *flags, struct strv *arguments,
                  bool *ret_help, struct error *err);
/* Frees strings and lists of the struct. */
void options_release(const struct option *options, void *flags);
/* The aligned list of --help by name, wrapped to `width` columns. With the OPTION_INHERITED ones of `inherited`. Both
 * tables may be NULL. */
void options_print(FILE *out, const struct option *options, const struct option *inherited, int width);
/* Is there any that --help shows? options may be NULL. */
bool options_visible(const struct option *options);
/* The OPTION_INHERITED rows from `options` on: the first of them, or NULL; go on behind it. options may be NULL. */
const struct option *options_inherited(const struct option *options);
/* The row of "--name" (size bytes of it) or of a letter; NULL when there is none. */
const struct option *options_find(const struct option *options, const char *name, size_t size);
const struct option *options_find_letter(const struct option *options, char letter);
/* How many of the words at the front are flags and their values, whether known or not; ret_waiting (may be NULL) is the
 * last flag when its value is missing, else NULL. */
size_t options_skip(const struct option *options, char *const *words, size_t count, const struct option **ret_waiting);

#endif
