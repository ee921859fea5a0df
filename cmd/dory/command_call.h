/* A command that is made of another one: `compose exec` is `exec` in the container of a service. */
#ifndef DORY_CMD_DORY_COMMAND_CALL_H
#define DORY_CMD_DORY_COMMAND_CALL_H

#include "cmd/dory/command.h"

/*
 * Runs the command of that full name ("exec", "container ls") with `words` as its flags and arguments, as if they had
 * been typed. Returns what its run() returns: an exit status, or an error that is not reported yet. The name must be in
 * the table and the words must fit the command; that is the caller's business.
 */
int command_call(struct cli *cli, const char *name, const struct strv *words, struct error *err);

#endif
