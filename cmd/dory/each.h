/* Commands that do one thing to each of their arguments (start, stop, rm, ...): every argument is tried, its name is
 * printed when it worked; failures are told at the end, and one makes the exit status 1. */
#ifndef DORY_CMD_DORY_EACH_H
#define DORY_CMD_DORY_EACH_H

#include "cmd/dory/command.h"

/* Does it to one object; returns 0, 1 (done, but not to be named) or an error. `data` as given to for_each_argument. */
typedef int (*each_fn)(struct cli *cli, const char *name, void *data, struct error *err);

/* Exit status of the program. */
int for_each_argument(struct cli *cli, const struct strv *arguments, each_fn fn, void *data);
/* The same for what takes its time (stopping): all at once, each in a process of its own; told in the order of the
 * arguments. */
int for_each_parallel(struct cli *cli, const struct strv *arguments, each_fn fn, void *data);

/* An empty name would ask for something else than is meant: "invalid volume name or ID: value is empty". */
int name_check(const char *kind, const char *name, struct error *err);
/* A request with an empty answer: method and path "/containers/" NAME suffix. */
int container_request(struct cli *cli, const char *method, const char *name, const char *suffix, struct error *err);

#endif
