/* What the files of the server share. Private to api/. */
#ifndef DORY_API_SERVER_PRIVATE_H
#define DORY_API_SERVER_PRIVATE_H

#include <stddef.h>

#include "base/error.h"

/* Stack of every thread of the server. */
#define API_THREAD_STACK ((size_t)256 * 1024)

/* Starts a detached thread. 0 or -errno. */
int api_thread_start(void *(*run)(void *), void *data);

/* A listening socket for a host text as api_server_listen() takes it: descriptor or -errno. */
int api_listen_socket(const char *host, struct error *err);

#endif
