/* A connection taken over as a WebSocket (RFC 6455), for attach. */
#ifndef DORY_API_WEBSOCKET_H
#define DORY_API_WEBSOCKET_H

#include "api/server.h"

/*
 * Answers the opening handshake (400 when it is none) and returns a stream socket (the caller's): what is written to it
 * goes to the client as binary frames (text before API 1.28), what the client sends comes out of it. multiplexed: what
 * is written has docker's frame headers, which are taken off. A thread of its own relays until one side ends.
 */
int websocket_take(struct api_request *request, bool multiplexed, int *ret_fd, struct error *err);

#endif
