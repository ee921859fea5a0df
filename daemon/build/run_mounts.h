/*
 * What RUN --mount adds to a step's container. Everything is attached at a place of the daemon's for the time of the
 * step (host_mounts.h) and bound from there; sources are opened beneath their root and mounted by descriptor. The
 * places in the container that a mount needs are made in a directory of their own beneath the step's layer, so that
 * nothing of them is ever in a layer.
 */
#ifndef DORY_DAEMON_BUILD_RUN_MOUNTS_H
#define DORY_DAEMON_BUILD_RUN_MOUNTS_H

#include "daemon/build/execute.h"
#include "daemon/build/key.h"

struct cache_lease;
struct ssh_relay;

struct run_mounts {
    struct engine *engine;
    const char *id;              /* of the container */
    struct strbuf json;          /* HostConfig.Mounts: members of the array, commas between */
    struct strv env;             /* NAME=value, which the container's config shows */
    struct strv hidden;          /* which is written nowhere */
    struct strv targets;         /* paths in the container by turns with "d" or "f" */
    struct build_layer *stubs;   /* the directory with the places; NULL: none is needed */
    struct build_layer **drafts; /* upper directories of what is thrown away */
    size_t draft_count, draft_capacity;
    struct cache_lease **leases;
    size_t lease_count, lease_capacity;
    char **cache_paths; /* of mount i of the step, where it is a cache; several may have the same one */
    size_t mount_count;
    struct build_source *sources; /* images that mounts are of stay */
    size_t source_count, source_capacity;
    struct ssh_relay **relays;
    size_t relay_count, relay_capacity;
    char *private_path; /* a tmpfs on the host: secrets and sockets; NULL: none */
    unsigned names;     /* of attached mounts so far */
};

/* What the result of the step depends on. Of a secret only its name: contents change without a new result. */
int run_mounts_key(const struct step_context *step, struct key *key, struct error *err);
/* id (borrowed): the container's. On failure the caller still releases. */
int run_mounts_prepare(const struct step_context *step, const char *id, struct run_mounts *ret, struct error *err);
/* The container has ended. */
void run_mounts_release(struct run_mounts *mounts);
#define CLEANUP_RUN_MOUNTS CLEANUP(run_mounts_release)

/* ---- Cache mounts (cache_mounts.c) ---- */

/* Waits for its turn where somebody is in it alone, or it is to be had alone. A step that needs several takes them in
 * the order of their names (cache_mount_name), so that steps do not wait for each other in a circle; sharing=private
 * never waits. The directory's path is in *ret_path (the caller frees). */
int cache_lease_take(const struct step_context *step, const struct run_mount *mount, bool alone,
                     struct cache_lease **ret, char **ret_path, struct error *err);
void cache_lease_give_back(struct cache_lease *lease);

/* ---- ssh agents (ssh_relay.c) ---- */

/* A socket at `path`; each connection is one more to the agent, by the build's supplier. */
int ssh_relay_start(struct build *build, const char *path, const struct run_mount *mount, struct ssh_relay **ret,
                    struct error *err);
void ssh_relay_stop(struct ssh_relay *relay);

#endif
