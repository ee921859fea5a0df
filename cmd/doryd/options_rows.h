/* The settings' table: one row per flag and key of daemon.json. Private to options*.c. */
#ifndef DORY_CMD_DORYD_OPTIONS_ROWS_H
#define DORY_CMD_DORYD_OPTIONS_ROWS_H

#include <stddef.h>

#include "cmd/doryd/options.h"

enum row_type { ROW_STRING, ROW_LIST, ROW_BOOL, ROW_INT, ROW_MAP, ROW_ULIMITS, ROW_RUNTIMES };
enum row_flags {
    ROW_RELOAD = 1 << 0,  /* SIGHUP may change it */
    ROW_NO_JSON = 1 << 1, /* a flag only */
    ROW_BOOLS = 1 << 3,   /* a map whose values are true and false */
    ROW_JSON_ONLY = 1 << 4,
    ROW_POOLS = 1 << 2, /* a list of {"base", "size"} in daemon.json, "base=...,size=..." as flags */
};

struct row {
    const char *flag;
    char letter;
    const char *key; /* in daemon.json; NULL: as the flag */
    enum row_type type;
    size_t offset;
    const char *initial; /* default as text; lists get it as their only item when nothing else is given */
    unsigned flags;
    const char *help;
};

/* More rows than there are: room for what is counted per row. */
#define OPTION_ROWS_MAX 128

extern const struct row option_rows[];
extern const size_t option_row_count;

/* The name in daemon.json. */
const char *option_key(const struct row *row);
/* "string", "list", ... for --help; "" for switches. */
const char *option_type_name(const struct row *row);

#endif
