/* stats: what containers use, once or as a live table. */
#ifndef DORY_CMD_DORY_STATS_H
#define DORY_CMD_DORY_STATS_H

#include "cmd/dory/command.h"

struct stats_flags {
    bool all, no_stream, no_trunc;
    char *format;        /* NULL: config.json's statsFormat, or the default table */
    struct strv filters; /* "label=x": which containers, where none are named */
};

/* Of the containers that are named, or with no name of all that the filters leave, as they come and go. */
int stats_show(struct cli *cli, const struct stats_flags *flags, const struct strv *names, struct error *err);

#endif
