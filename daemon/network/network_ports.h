/*
 * Lists of published ports in which those that follow each other are one entry, so that a container with ten thousand
 * has one: an entry stands for container_port to container_port + more, and host_port to host_port + more (where that
 * is 0, for as many random ones). Pure.
 */
#ifndef DORY_DAEMON_NETWORK_NETWORK_PORTS_H
#define DORY_DAEMON_NETWORK_NETWORK_PORTS_H

#include <stddef.h>

#include "daemon/network/network.h"

/* Appends a port to a heap array (NULL and 0: empty), or lets it continue one of the last entries. */
void network_ports_add(struct network_port **ports, size_t *count, const struct network_port *port);
/* How many ports these entries are. */
size_t network_ports_total(const struct network_port *ports, size_t count);
/* One entry per port; the caller frees. */
struct network_port *network_ports_expand(const struct network_port *ports, size_t count, size_t *ret_count);

#endif
