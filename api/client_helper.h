/* dory-connect, the program that has a resolver and TLS where the static CLI has neither. Private to the client. */
#ifndef DORY_API_CLIENT_HELPER_H
#define DORY_API_CLIENT_HELPER_H

#include "api/client_connection.h"

/*
 * A stream to the address, made by a helper process: with address->tls one that the helper goes on to relay, else the
 * socket that it connected. dory-connect is looked for beside this program, then in libexec/dory of the same prefix.
 * Returns the descriptor (the caller's) or a negative errno with err in the words of docker's client.
 */
int client_helper_connect(const struct client_address *address, struct error *err);

#endif
