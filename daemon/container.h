/*
 * One container: what it was made from (immutable), what it is doing (under its lock) and everything that can be done
 * to it. Operations that take long have a "turn" (busy): one at a time per container; reading its state never waits for
 * one.
 */
#ifndef DORY_DAEMON_CONTAINER_H
#define DORY_DAEMON_CONTAINER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/id.h"
#include "base/json.h"
#include "daemon/container_state.h"
#include "daemon/endpoint_settings.h"
#include "daemon/health_state.h"
#include "daemon/host_config.h"
#include "daemon/mounts.h"
#include "daemon/network/network.h"
#include "daemon/supervisor.h"
#include "image/container_config.h"

struct engine;
struct container_waiter;

/* A client that waits to be attached when the container starts. */
struct pending_attach {
    struct shim_attach attach; /* owns fd and detach_keys */
    struct pending_attach *next;
};

struct retired {
    void *memory;
    struct retired *next;
};

struct container {
    int references; /* atomic */

    /* immutable once it is in the index */
    char id[ID_SIZE + 1];
    int64_t created;
    char *image_id;
    char *path; /* entrypoint + cmd, split as docker prints it */
    struct strv args;
    struct container_config config;
    struct host_config host; /* container_update() changes some members: with the turn and under lock */
    struct mount_point *mounts;
    size_t mount_count;
    struct strv link_ids;    /* parallel to host.links, when they are the default bridge's */
    struct retired *retired; /* former arrays of mounts and ports, which readers without the lock may still hold */
    char *rootfs_id;
    bool borrowed_root;     /* rootfs_id is not removed with the container */
    struct strv hidden_env; /* neither in the row nor in inspect */

    /* under the engine's index lock */
    char *name; /* without the slash */

    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t turn_free;
    bool busy; /* somebody has the turn */
    enum container_state state;
    pid_t pid;
    int exit_code;
    char *error;
    bool oom_killed;
    int64_t started, finished;
    int64_t restart_count;
    struct health_state health;
    bool unhealthy_end;      /* it is being ended because of its health */
    bool stopped_by_user;    /* the restart policy does not apply until the next start */
    bool kept;               /* a restart by the user is on: the end of the process does not remove a --rm container */
    int restart_failures;    /* ends in a row, for the back-off */
    uint64_t restart_ticket; /* makes a waiting restart void when it changes */
    struct endpoint_settings *networks; /* what it is to be on: the first is eth0. None with another's namespace */
    size_t network_count;
    struct network_port *ports; /* to be published */
    size_t port_count;
    struct network_sandbox sandbox; /* what it has while it runs */
    char *sandbox_key;
    struct shim *shim;
    /* The root's mount, held while the container runs: its last close makes the kernel write the whole filesystem's
     * dirty data back, which is not to happen in the exit of the container's init. -1: none. */
    int rootfs_fd;
    bool has_volumes; /* volume_mount() was called for each of its volumes */
    bool starting;    /* a start is under way */
    bool cleaning;    /* the cleaner still takes down what the last run left; a start waits for it */
    bool removed;     /* the row is gone */
    bool early_exit;  /* ended before start was through */
    struct shim_exit early;
    struct pending_attach *pending;
    unsigned attaching; /* clients between container_attach_begin and container_attach */
    /* A process that enters a frozen container is frozen, and its shim with it: the two wait for each other. */
    unsigned execs_starting;
    bool freezing; /* is about to be paused */
    struct container_waiter *waiters;
};

struct container *container_ref(struct container *container);
void container_unref(struct container *container); /* NULL is fine */
/* After work on a container with a thousand ports or more: what that took goes back to the system. */
void container_memory_trim(const struct container *container);
void container_unref_ptr(struct container **container);
#define CLEANUP_CONTAINER CLEANUP(container_unref_ptr)

/* By full id, name (with or without the slash) or unique id prefix. "No such container: X". The caller unrefs. */
int container_find(struct engine *engine, const char *name_or_id, struct container **ret, struct error *err);

/* ---- life cycle ---- */

/* The container of a build's step: its root is a draft (image/draft.h) that somebody else owns and that outlives it,
 * and its configuration is complete: nothing of the image's is added. */
struct container_root {
    const char *id;         /* that the container gets */
    const char *rootfs_id;  /* of the draft */
    const char *image_id;   /* what is beneath; NULL: nothing */
    const struct strv *env; /* further variables of the process, which are written nowhere (secrets); may be NULL */
};
/* Whether a request's version of the API (its minor number; 0: the newest) is older than `minor`. */
static inline bool api_is_before(int version, int minor)
{
    return version > 0 && version < minor;
}

struct container_create {
    const char *name;                  /* NULL or "": a name is made up */
    const struct json *body;           /* of POST /containers/create */
    const char *platform;              /* NULL: any */
    const struct container_root *root; /* NULL: a new one over the image that the body names */
    int api_version;                   /* that the body is written in; as api_is_before() takes it */
};
/* Validates, makes root filesystem, volumes and row. *ret is a reference; warnings receives docker's. */
int container_create(struct engine *engine, const struct container_create *request, struct container **ret,
                     struct strv *warnings, struct error *err);

/* Returns when the process has exec'ed. After a failure the state keeps the error and docker's exit code. */
int container_start(struct engine *engine, struct container *container, struct error *err);
struct container_stop {
    const char *signal;     /* NULL: the container's own */
    const int64_t *timeout; /* seconds, negative: for ever; NULL: the container's own */
};
int container_stop(struct engine *engine, struct container *container, const struct container_stop *how,
                   struct error *err);
int container_restart(struct engine *engine, struct container *container, const struct container_stop *how,
                      struct error *err);
/* signal: NULL or "" is KILL; a name with or without SIG, or a number. */
int container_kill(struct engine *engine, struct container *container, const char *signal, struct error *err);
int container_pause(struct engine *engine, struct container *container, struct error *err);
int container_unpause(struct engine *engine, struct container *container, struct error *err);
int container_rename(struct engine *engine, struct container *container, const char *name, struct error *err);
/* Changes limits, restart policy, published ports and mounts, at once when it runs: the members of HostConfig that
 * `body` has (others are refused by name), and PortBindingsAdd, PortBindingsRemove and MountsAdd. All of it or nothing.
 * Since 1.55 (api_version as api_is_before() takes it) an empty list of devices' limits lifts those there are.
 * warnings receives docker's. */
int container_update(struct engine *engine, struct container *container, const struct json *body, int api_version,
                     struct strv *warnings, struct error *err);
struct container_remove {
    bool force, volumes;
};
int container_remove(struct engine *engine, struct container *container, const struct container_remove *how,
                     struct error *err);
/* Removes every stopped container that matches (filters: until, label, label!). Ids are added to ret. */
int container_prune(struct engine *engine, const struct json *filters, struct strv *ret_ids, int64_t *ret_bytes,
                    struct error *err);

/* ---- networks ---- */

/* settings: EndpointSettings of the API, or NULL. By name or id. */
int container_connect(struct engine *engine, struct container *container, const char *network,
                      const struct json *settings, struct error *err);
/* force: also one that cannot be taken out of the container's namespace any more. */
int container_disconnect(struct engine *engine, struct container *container, const char *network, bool force,
                         struct error *err);

/* ---- waiting ---- */

enum container_wait_condition {
    CONTAINER_WAIT_NOT_RUNNING,
    CONTAINER_WAIT_NEXT_EXIT,
    CONTAINER_WAIT_REMOVED,
    CONTAINER_WAIT_HEALTHY, /* the end comes as an error, unless the container is started again */
};
/* "" "not-running" "next-exit" "removed" "healthy" */
int container_wait_parse(const char *text, enum container_wait_condition *ret, struct error *err);
/* A condition that cannot come true is an error: health without a check. */
int container_wait_check(const struct container *container, enum container_wait_condition condition, struct error *err);
struct container_wait_result {
    int exit_code;
    char *error; /* caller frees */
};
/* A registered waiter hears of what happens after this call. Ended with container_wait_end. */
struct container_waiter *container_wait_begin(struct container *container, enum container_wait_condition condition);
/* 0, -ECANCELED when cancel_fd (may be -1) became readable or hung up, -ETIMEDOUT (timeout_ms < 0: none). */
int container_wait_for(struct container_waiter *waiter, int cancel_fd, int timeout_ms,
                       struct container_wait_result *ret);
void container_wait_end(struct container_waiter *waiter);

/* ---- looking ---- */

/* GET /containers/{id}/json */
struct container_inspect {
    bool size;       /* SizeRw and SizeRootFs, too */
    int api_version; /* whose members are shown; as api_is_before() takes it */
};
int container_inspect(struct engine *engine, struct container *container, const struct container_inspect *how,
                      struct strbuf *out, struct error *err);
struct container_list {
    bool all, size;
    int64_t limit;              /* 0: none */
    const struct json *filters; /* normalised, may be NULL */
    int api_version;            /* as in struct container_inspect */
};
extern const char *const container_list_filters[]; /* names that are known; NULL-terminated */
int container_list(struct engine *engine, const struct container_list *request, struct strbuf *out, struct error *err);
/* Bytes in the upper layer and in the whole root. */
int container_size(struct engine *engine, struct container *container, int64_t *ret_rw, int64_t *ret_root,
                   struct error *err);
/* One sample of GET /containers/{id}/stats. `previous` (may be NULL) fills precpu_stats; the new one is stored to it,
 * for the caller to release. */
struct stats_sample {
    int64_t read;
    uint64_t cpu_total, cpu_user, cpu_system, host_cpu, periods, throttled_periods, throttled_ns;
    uint64_t *per_cpu_ns; /* of each processor, with cgroup v1; NULL */
    size_t per_cpu_count;
};
void stats_sample_release(struct stats_sample *sample);
int container_stats(struct engine *engine, struct container *container, struct stats_sample *previous,
                    struct strbuf *out, struct error *err);
/* GET /containers/{id}/top. ps_args: NULL, "-ef", "aux" or "-o a,b,c", and "--sort -rss,pid"; others are
 * ERROR_NOT_IMPLEMENTED. */
int container_top(struct engine *engine, struct container *container, const char *ps_args, struct strbuf *out,
                  struct error *err);
/* Path of the log that can be read back (json-file's, or the copy that other drivers keep); the caller frees. */
char *container_log_path(struct engine *engine, const struct container *container);
/* "configured logging driver does not support reading" */
int container_log_check_readable(const struct container *container, struct error *err);
/* For logs_read(): no more will be written. data is the container. */
bool container_log_ended(void *container);

/* ---- streams ---- */

/*
 * Attaching is in two calls, because a client that has its answer (the connection taken over) starts the container
 * next: from container_attach_begin() on, a start waits until the client is handed over with container_attach() or
 * given up with container_attach_cancel(). Exactly one of them must follow a success.
 */
int container_attach_begin(struct container *container, struct error *err);
void container_attach_cancel(struct container *container);
/* Gives the client to the shim, or keeps it until the start. Consumes attach->fd in every case. */
int container_attach(struct engine *engine, struct container *container, const struct shim_attach *attach,
                     struct error *err);
int container_resize(struct engine *engine, struct container *container, uint16_t rows, uint16_t columns,
                     struct error *err);

#endif
