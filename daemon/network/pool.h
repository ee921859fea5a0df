/*
 * The warm pool: namespaces made before they are needed, complete with their addresses, so that a container's start
 * takes one from a list and asks the kernel for nothing. One worker thread (256 KiB of stack) makes them, a moment
 * after one was taken so as not to compete with the container that starts, and does whatever else can wait: closing the
 * bridge ports of containers that ended, forgetting their flows. Only descriptors hold the namespaces: they vanish with
 * the process. Thread-safe.
 */
#ifndef DORY_DAEMON_NETWORK_POOL_H
#define DORY_DAEMON_NETWORK_POOL_H

#include <stddef.h>

#include "base/error.h"
#include "daemon/network/conntrack.h"
#include "daemon/network/namespace.h"

struct pool;

enum pool_kind { POOL_BRIDGE, POOL_BARE, POOL_KINDS };

struct pool_options {
    struct namespace_maker maker; /* host_netns and host become the pool's */
    size_t sizes[POOL_KINDS];
    /* Where addresses come from and go back to; called without locks held. */
    int (*allocate)(struct namespace_address *ret, void *data, struct error *err);
    void (*free)(const struct namespace_address *address, void *owner, void *data);
    void *data;
};

/* Nothing is made before pool_start (addresses of running containers have to be known first), except on demand. */
int pool_open(const struct pool_options *options, struct pool **ret, struct error *err);
void pool_start(struct pool *pool);
/* Waits for the worker, gives the addresses of unused namespaces back. */
void pool_close(struct pool *pool);

/* A ready namespace; when none is left, waits for the worker to make one (1-2 ms). When the bridge is full only with
 * ports of containers that are gone already, waits until the kernel has removed some (10 s at most). */
int pool_take(struct pool *pool, enum pool_kind kind, struct namespace *ret, struct error *err);

/* Work for later. All parts are optional (0). */
struct pool_job {
    unsigned int host_index;       /* veth of a container that ended: closed at once, watched until it is gone */
    void *owner;                   /* whoever has its addresses: they are given back after that */
    struct conntrack_filter flows; /* flows to forget */
};
void pool_add_job(struct pool *pool, const struct pool_job *job);
/* Waits until all jobs given so far are done (tests, shutdown). */
void pool_settle(struct pool *pool);

#endif
