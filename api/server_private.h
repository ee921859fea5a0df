/* What the files of the server share. Private to api/. */
#ifndef DORY_API_SERVER_PRIVATE_H
#define DORY_API_SERVER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Stack of every thread of the server. */
#define API_THREAD_STACK ((size_t)256 * 1024)

/* Starts a detached thread. 0 or -errno. */
int api_thread_start(void *(*run)(void *), void *data);

/* What the connections of BuildKit's clients share. */
struct api_server;
struct buildkit;
struct buildkit *api_server_buildkit(struct api_server *server);

struct metrics;
struct metrics *api_server_metrics(struct api_server *server);

#define LISTEN_SOCKETS_MAX 16

/* Listening sockets for a host text as api_server_listen() takes it; "fd://" may stand for several. group: who may use
 * a Unix socket besides root; NULL: dory, else docker, when there are such. encrypted: no warning about plain tcp://.
 * 0 with ret_fds (the caller's) and *ret_count, or a negative errno. */
int api_listen_sockets(const char *host, const char *group, bool encrypted, int ret_fds[LISTEN_SOCKETS_MAX],
                       size_t *ret_count, struct error *err);

#endif
