/*
 * The resolver's sockets in a container's network namespace. Clients ask 127.0.0.11:53; the sockets have another port,
 * so that a name server in the container may have 53 for itself, and four rules in the namespace exchange the two ports
 * in packets on their way. The rules keep no state: the namespace needs no connection tracking for them.
 */
#ifndef DORY_DAEMON_NETWORK_RESOLVER_SOCKET_H
#define DORY_DAEMON_NETWORK_RESOLVER_SOCKET_H

#include <stdint.h>

#include "base/error.h"

#define RESOLVER_ADDRESS 0x7f00000b /* 127.0.0.11 */

struct resolver_sockets {
    int udp, tcp; /* nonblocking; the TCP one listens */
};

/* Makes both, and the rules (anew, when an earlier daemon made some). In a thread of its own; blocks for about a
 * millisecond. */
int resolver_sockets_open(int netns_fd, struct resolver_sockets *ret, struct error *err);

#endif
