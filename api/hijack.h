/* Taking a connection away from libmicrohttpd. Private to api/. */
#ifndef DORY_API_HIJACK_H
#define DORY_API_HIJACK_H

#include "api/request.h"

/* Moves the connection to a new descriptor, blocking, and leaves a dead socket under the old number. Returns the new
 * one (the caller's) or -errno. */
int hijack_take_socket(int socket_fd);

/* For bytes that were read from the socket too early: returns a socket that yields them and then whatever comes from
 * socket_fd, relayed by a thread of its own. socket_fd is consumed in every case. */
int hijack_push_back(int socket_fd, const void *data, size_t size);

/* Sends the head and takes the connection: its descriptor (the caller's) or negative. What came behind the request's
 * own head is in front of what the descriptor yields. The caller has seen to it that nothing else was replied. */
int hijack_with_head(struct api_request *request, const struct strbuf *head, struct error *err);

#endif
