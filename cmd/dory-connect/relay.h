/* Copying between a plain stream socket and a TLS session, in both directions at once. */
#ifndef DORY_CMD_DORY_CONNECT_RELAY_H
#define DORY_CMD_DORY_CONNECT_RELAY_H

#include <openssl/ssl.h>

/*
 * Copies until both sides have ended, or one of them is gone. An end of input is passed on as such (close_notify on one
 * side, shutdown(2) on the other), so that a half-closed stream works as it does without TLS. The handshake must be
 * done; both sockets are made non-blocking and stay the caller's. Blocks. 0, or -errno when a side broke off.
 */
int relay_run(SSL *session, int plain_fd);

#endif
