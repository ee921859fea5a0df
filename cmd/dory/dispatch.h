/* From the words of the command line to a command's run(): flags read, arguments counted, failures reported once, in
 * docker's words and with docker's exit status. */
#ifndef DORY_CMD_DORY_DISPATCH_H
#define DORY_CMD_DORY_DISPATCH_H

#include "cmd/dory/endpoint.h"

/*
 * `words` is what follows the global flags; at least one. The daemon's address is decided from `choice` only for
 * commands that need one. Returns the exit status of the program.
 */
int dispatch(struct cli *cli, const struct endpoint_choice *choice, const struct strv *words);
/* Nobody reads the output any more: ends the program as a pipe ends those that write into it (SIGPIPE). */
void dispatch_end_unread(void);

#endif
