/* Forgetting connections that were tracked before a port was published, or lead to a container that has gone. Only
 * UDP needs it: its "connections" live on as long as a client goes on sending from the same port. */
#ifndef DORY_DAEMON_NETWORK_CONNTRACK_H
#define DORY_DAEMON_NETWORK_CONNTRACK_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/error.h"

struct conntrack_filter {
    uint32_t container_address;         /* flows that are translated to this address; 0: not asked */
    struct in6_addr container_address6; /* likewise; :: */
    uint16_t host_port, more;           /* flows to this port of any address, or to `more` after it; 0: not asked */
};

/* Deletes the UDP flows that match any part of the filter, in the calling thread's network namespace. Walks the whole
 * table: not for the hot path. */
int conntrack_purge_udp(const struct conntrack_filter *filter, struct error *err);

#endif
