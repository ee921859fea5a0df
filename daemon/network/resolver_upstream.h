/* The servers that names are asked for which are no container's. */
#ifndef DORY_DAEMON_NETWORK_RESOLVER_UPSTREAM_H
#define DORY_DAEMON_NETWORK_RESOLVER_UPSTREAM_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/strv.h"

#define UPSTREAMS_MAX 4

/* "nameserver" lines of a resolv.conf, in their order; pure. Returns how many. */
size_t upstream_parse(const char *text, struct sockaddr_storage ret[UPSTREAMS_MAX]);
/* Those of the list; of the host's /etc/resolv.conf as it is now when the list is empty; docker's defaults when it
 * names none. Servers on the host's loopback are fine: they are asked from there. */
size_t upstream_list(const struct strv *dns, struct sockaddr_storage ret[UPSTREAMS_MAX]);

#endif
