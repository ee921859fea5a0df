/* commit: an image of what a container changed. */
#ifndef DORY_CMD_DORY_COMMIT_H
#define DORY_CMD_DORY_COMMIT_H

#include "cmd/dory/command.h"

struct commit_flags {
    char *author, *message; /* NULL: none */
    struct strv changes;    /* instructions of a Dockerfile */
    bool pause, no_pause;   /* the container, while it is read; either says no */
};

/* reference: NAME[:TAG] of the image, or NULL. *ret_id: its id; the caller frees. */
int commit_container(struct cli *cli, const struct commit_flags *flags, const char *container, const char *reference,
                     char **ret_id, struct error *err);

#endif
