/*
 * A client's session: the connection on which the client serves and the daemon calls (moby/buildkit session/). It is
 * known by an id of the client's, and lives as long as the connection. What the daemon may read and write is what the
 * client offers there; nothing else of the client's machine can be asked for. Private to api/buildkit/.
 */
#ifndef DORY_API_BUILDKIT_SESSION_H
#define DORY_API_BUILDKIT_SESSION_H

#include <pthread.h>

#include "api/buildkit/http2.h"
#include "base/strbuf.h"
#include "base/strv.h"
#include "daemon/build/build.h"

#define SESSION_ID_MAX 256
/* A build may come before the session that it names. */
#define SESSION_PATIENCE_S 10

struct session {
    int references; /* under the list's lock */
    char *id, *shared_key;
    struct http2 *connection;
    struct session *next;
    /* Credentials that were asked for, so that they have an owner; under `lock`. */
    pthread_mutex_t lock;
    struct strv registries;
    struct registry_auth **logins; /* as many; NULL: it has none */
};

struct session_list {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct session *first;
};
void session_list_init(struct session_list *list);
void session_list_release(struct session_list *list);

/* Takes connection over; a session of the same id that is there already is no longer found. */
struct session *session_add(struct session_list *list, const char *id, const char *shared_key,
                            struct http2 *connection);
/* It is not found any more; drops the reference of session_add(). */
void session_remove(struct session_list *list, struct session *session);
/* Waits for it, SESSION_PATIENCE_S at most, and not when cancel_fd is readable. session_put() when done with it. */
int session_get(struct session_list *list, const char *id, int cancel_fd, struct session **ret, struct error *err);
void session_put(struct session_list *list, struct session *session);

/* ---- what the client serves ---- */

/* session_supply.c: build_suppliers. What is asked for is not waited for when the build is cancelled. */
struct session_supply { /* their data */
    struct session *session;
    int cancel_fd;
};
int session_secret(const char *id, struct build_secret *ret, void *data, struct error *err);
int session_ssh_agent(const char *id, void *data, struct error *err);
const struct registry_auth *session_credentials(const char *registry, void *data);

/*
 * session_files.c: the client's directory `name` ("context", "dockerfile", a named context) as a directory of the
 * daemon's that nobody changes as long as *ret_sync lives. Only what has changed since the last time travels. Patterns
 * as in .dockerignore; follow: paths that are wanted with what their symlinks lead to, all others stay behind; NULL:
 * everything. *ret_bytes: how much has travelled.
 */
struct context_sync;
struct session_files_options {
    const char *name;
    const struct strv *exclude, *follow;
    /* How much has come; may be NULL. */
    void (*progress)(int64_t bytes, void *data);
    void *data;
    int cancel_fd; /* readable: it is over; -1: none */
};
int session_files(struct session *session, struct engine *engine, const struct session_files_options *options,
                  struct context_sync **ret_sync, int *ret_fd, int64_t *ret_bytes, struct error *err);

/* session_send.c: results to the client's output number `exporter`: bytes as they are, or the tree of a directory. */
struct grpc_call;
int session_send_open(struct session *session, int exporter, int cancel_fd, struct grpc_call *ret, struct error *err);
/* A tar_sink_fn; data is the call. */
int session_send_bytes(void *data, const void *bytes, size_t size, struct error *err);
int session_send_close(struct grpc_call *call, struct error *err);
int session_send_tree(struct session *session, int exporter, int cancel_fd, int dir_fd, struct error *err);

/* session_content.c: a directory of the client's with build caches, as a place of daemon/build/cache_place.h, for as
 * long as the session. manifest: the digest of the one to read; NULL: it is only written to. */
struct cache_place *session_content(struct session *session, const char *directory, const char *manifest,
                                    int cancel_fd);

#endif
