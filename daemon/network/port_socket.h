/* The reservation of a published port: a socket that is bound and never used, so that no other program of the host can
 * take the port, and a port that another program has is found before anything starts. */
#ifndef DORY_DAEMON_NETWORK_PORT_SOCKET_H
#define DORY_DAEMON_NETWORK_PORT_SOCKET_H

#include <stdint.h>

#include "daemon/network/ports.h"

/*
 * A port_reserve_fn (data is unused). Never listens: were the rules flushed, a client is refused instead of hanging.
 * *ret_socket is -1 when the kernel does not know the protocol (sctp without its module): nobody can be in the way
 * then. Returns 0 or -errno of bind(2).
 */
int port_socket_reserve(const struct port_request *request, uint16_t port, int *ret_socket, void *data);

#endif
