/* ssh:// daemons: `ssh HOST dory system dial-stdio` relays a connection. Private to the client. */
#ifndef DORY_API_CLIENT_SSH_H
#define DORY_API_CLIENT_SSH_H

#include "base/error.h"
#include "base/strv.h"

/* The command line for what stands behind "ssh://": [USER@]HOST[:PORT][/PATH of the remote socket]. Words that ssh
 * would take for flags, passwords, queries and fragments are refused. Pure. */
int client_ssh_arguments(const char *destination, struct strv *ret, struct error *err);
/* Starts it; returns a stream to the remote daemon (the caller's) or a negative errno. What ssh has to say it says on
 * standard error. */
int client_ssh_connect(const char *destination, struct error *err);

#endif
