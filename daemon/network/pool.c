#include "daemon/network/pool.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/condition.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/network/link.h"

enum {
    MILLISECOND = 1000000,
    /* After one was taken, before the next is made: the container that took it starts meanwhile. (No lower priority
     * instead: on a busy machine the worker would be starved in the middle of what somebody waits for by then.) */
    REFILL_DELAY = 3 * MILLISECOND,
    /* Namespaces the kernel has not torn down yet; above this none is made in advance (a bridge has 1023 ports). */
    DYING_MAX = 128,
    DYING_RECHECK = 20 * MILLISECOND,
    RETRY_AFTER_FAILURE = 1000 * MILLISECOND,
    WORKER_STACK = 256 * 1024,
};
#define FULL_BRIDGE_WAIT (10000LL * MILLISECOND)

struct shelf {
    struct namespace *items; /* oldest first */
    size_t count, capacity, target;
    size_t waiting;        /* takers that found it empty */
    unsigned int failures; /* grows with every failed attempt for a taker */
    struct error error;    /* of the last one */
};

struct pool {
    struct pool_options options;
    pthread_mutex_t lock;
    pthread_cond_t work, done; /* for the worker; for those who wait for it */
    bool started, stopping, worker_runs, busy;
    struct shelf shelves[POOL_KINDS];
    int64_t not_before; /* background work, monotonic */
    int64_t full_since; /* the bridge has no port left since; 0: it has */
    struct pool_job *jobs;
    size_t job_count, job_capacity;
    unsigned int *dying; /* interface indexes of veths whose containers have ended */
    size_t dying_count, dying_capacity;
};

/* How many retired veths are still there. */
static size_t count_dying(struct pool *pool)
{
    char name[IF_NAMESIZE];
    size_t kept = 0;
    for (size_t i = 0; i < pool->dying_count; i++) {
        if (if_indextoname(pool->dying[i], name)) {
            pool->dying[kept++] = pool->dying[i];
        }
    }
    pool->dying_count = kept;
    return kept;
}

static void run_job(struct pool *pool, const struct pool_job *job)
{
    struct error err = {0};
    if (job->host_index) {
        /* The namespace lives on until the kernel gets round to it, and would answer for an address that has a new
         * owner by then. -ENODEV and -EOPNOTSUPP (no longer a port): it is gone or going. */
        struct link_port_settings settings = {.disabled = true};
        int r = link_set_port(pool->options.maker.host, job->host_index, &settings, &err);
        if (r < 0 && r != -ENODEV && r != -EOPNOTSUPP && r != -EINVAL) {
            log_warn("%s", err.message);
        }
    }
    if (job->owner) {
        pool->options.free(NULL, job->owner, pool->options.data);
    }
    if (job->flows.container_address || !IN6_IS_ADDR_UNSPECIFIED(&job->flows.container_address6) ||
        job->flows.host_port) {
        error_clear(&err);
        if (conntrack_purge_udp(&job->flows, &err) < 0) {
            log_warn("%s", err.message);
        }
    }
}

/* Takes the first job off the queue and does it. Called and returns locked. */
static void do_job(struct pool *pool)
{
    struct pool_job job = pool->jobs[0];
    pool->job_count--;
    memmove(pool->jobs, pool->jobs + 1, pool->job_count * sizeof(*pool->jobs));
    pool->busy = true;
    pthread_mutex_unlock(&pool->lock);
    run_job(pool, &job);
    pthread_mutex_lock(&pool->lock);
    pool->busy = false;
    if (job.host_index) {
        if (pool->dying_count == pool->dying_capacity) {
            count_dying(pool);
        }
        xgrow((void **)&pool->dying, pool->dying_count, &pool->dying_capacity, sizeof(*pool->dying));
        pool->dying[pool->dying_count++] = job.host_index;
    }
    pthread_cond_broadcast(&pool->done);
}

static int make(struct pool *pool, enum pool_kind kind, struct namespace *ret, bool *ret_astray, struct error *err)
{
    struct namespace_address address = {0};
    if (kind == POOL_BRIDGE) {
        int r = pool->options.allocate(&address, pool->options.data, err);
        if (r < 0) {
            return r;
        }
    }
    int r = namespace_make(&pool->options.maker, &address, ret, ret_astray, err);
    if (r < 0 && address.v4) {
        pool->options.free(&address, NULL, pool->options.data);
    }
    return r;
}

static void add_to_shelf(struct shelf *shelf, struct namespace *ns)
{
    xgrow((void **)&shelf->items, shelf->count, &shelf->capacity, sizeof(*shelf->items));
    shelf->items[shelf->count++] = *ns;
}

/* A full bridge is no failure while ports of ended containers are still to be removed. */
static bool may_clear_up(struct pool *pool, int r)
{
    if (r != -EXFULL || (pool->job_count == 0 && count_dying(pool) == 0)) {
        return false;
    }
    int64_t now = timestamp_monotonic();
    if (pool->full_since == 0) {
        pool->full_since = now;
    }
    return now - pool->full_since < FULL_BRIDGE_WAIT;
}

/* Makes one namespace for the shelf. Called and returns locked; false: the thread has to end. */
static bool restock(struct pool *pool, enum pool_kind kind)
{
    struct shelf *shelf = &pool->shelves[kind];
    struct namespace ns;
    struct error err = {0};
    bool astray = false;
    pool->busy = true;
    pthread_mutex_unlock(&pool->lock);
    int r = make(pool, kind, &ns, &astray, &err);
    pthread_mutex_lock(&pool->lock);
    pool->busy = false;
    if (r == 0) {
        add_to_shelf(shelf, &ns);
        pool->full_since = 0;
    } else if (r == -ENOSPC && pool->job_count > 0) {
        do_job(pool); /* gives an address back, maybe */
    } else if (may_clear_up(pool, r)) {
        pool->not_before = timestamp_monotonic() + DYING_RECHECK;
    } else {
        pool->full_since = 0;
        pool->not_before = timestamp_monotonic() + RETRY_AFTER_FAILURE;
        /* A full subnet or bridge is the user's limit, and nobody has asked for more yet. */
        if (shelf->waiting == 0 && r != -ENOSPC && r != -EXFULL) {
            log_warn("network: %s", err.message);
        }
        shelf->error = err;
        shelf->failures++;
    }
    pthread_cond_broadcast(&pool->done);
    return !astray;
}

/* Does one piece of work or waits for some. Called and returns locked; false: the thread has to end. */
static bool worker_step(struct pool *pool)
{
    int64_t now = timestamp_monotonic();
    bool full = pool->full_since != 0 && now < pool->not_before;
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        struct shelf *shelf = &pool->shelves[kind];
        if (shelf->waiting > shelf->count && !full) {
            return restock(pool, kind);
        }
    }
    if (pool->job_count > 0) {
        do_job(pool);
        return true;
    }
    bool wanted = full;
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        struct shelf *shelf = &pool->shelves[kind];
        if (!pool->started || shelf->count >= shelf->target) {
            continue;
        }
        wanted = true;
        if (now < pool->not_before) {
            continue;
        }
        if (pool->dying_count > DYING_MAX && count_dying(pool) > DYING_MAX) {
            pool->not_before = now + DYING_RECHECK;
            continue;
        }
        return restock(pool, kind);
    }
    if (wanted) {
        condition_wait_until(&pool->work, &pool->lock, pool->not_before);
    } else {
        pthread_cond_wait(&pool->work, &pool->lock);
    }
    return true;
}

static void *worker(void *data)
{
    struct pool *pool = data;
    pthread_mutex_lock(&pool->lock);
    bool home = true;
    while (home && !pool->stopping) {
        home = worker_step(pool);
    }
    if (!home) {
        log_error("network: the worker could not return from a new namespace and is replaced");
    }
    pool->worker_runs = false;
    pthread_cond_broadcast(&pool->done);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* A new thread is in the namespace of the thread that starts it: never the worker's own business. */
static int ensure_worker(struct pool *pool, struct error *err)
{
    if (pool->worker_runs) {
        return 0;
    }
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int r = pthread_create(&thread, &attr, worker, pool);
    pthread_attr_destroy(&attr);
    if (r != 0) {
        return error_errno(err, r, "start the network worker");
    }
    pool->worker_runs = true;
    return 0;
}

int pool_open(const struct pool_options *options, struct pool **ret, struct error *err)
{
    struct pool *pool = xcalloc(1, sizeof(*pool));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->options = *options;
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        pool->shelves[kind].target = options->sizes[kind];
    }
    int r = ensure_worker(pool, err);
    if (r < 0) {
        free(pool);
        return r;
    }
    *ret = pool;
    return 0;
}

void pool_start(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->started = true;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

void pool_close(struct pool *pool)
{
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_signal(&pool->work);
    while (pool->worker_runs) {
        pthread_cond_wait(&pool->done, &pool->lock);
    }
    while (pool->job_count > 0) {
        do_job(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        struct shelf *shelf = &pool->shelves[kind];
        for (size_t i = 0; i < shelf->count; i++) {
            if (shelf->items[i].address.v4) {
                pool->options.free(&shelf->items[i].address, NULL, pool->options.data);
            }
            namespace_release(&shelf->items[i]);
        }
        free(shelf->items);
    }
    netlink_close(pool->options.maker.host);
    fd_close(pool->options.maker.host_netns);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool->jobs);
    free(pool->dying);
    free(pool);
}

/* Waits, locked, until something is on the shelf or an attempt has failed. */
static int wait_for_stock(struct pool *pool, struct shelf *shelf, struct error *err)
{
    unsigned int failures = shelf->failures;
    int r = 0;
    shelf->waiting++;
    while (r == 0 && shelf->count == 0) {
        r = ensure_worker(pool, err);
        if (r < 0) {
            break;
        }
        pthread_cond_signal(&pool->work);
        pthread_cond_wait(&pool->done, &pool->lock);
        if (shelf->count == 0 && shelf->failures != failures) {
            r = error_propagate(err, &shelf->error);
        }
    }
    shelf->waiting--;
    return r;
}

int pool_take(struct pool *pool, enum pool_kind kind, struct namespace *ret, struct error *err)
{
    struct shelf *shelf = &pool->shelves[kind];
    pthread_mutex_lock(&pool->lock);
    int r = wait_for_stock(pool, shelf, err);
    if (r == 0) {
        int64_t now = timestamp_monotonic();
        /* Once refilling is due it is not put off by those who come meanwhile. */
        if (shelf->count >= shelf->target && pool->not_before < now) {
            pool->not_before = now + REFILL_DELAY;
        }
        *ret = shelf->items[0];
        shelf->count--;
        memmove(shelf->items, shelf->items + 1, shelf->count * sizeof(*shelf->items));
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return r;
}

void pool_add_job(struct pool *pool, const struct pool_job *job)
{
    struct error err = {0};
    pthread_mutex_lock(&pool->lock);
    xgrow((void **)&pool->jobs, pool->job_count, &pool->job_capacity, sizeof(*pool->jobs));
    pool->jobs[pool->job_count++] = *job;
    if (ensure_worker(pool, &err) < 0) {
        log_error("network: %s", err.message); /* the next request tries again */
    }
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

void pool_settle(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while ((pool->job_count > 0 || pool->busy) && pool->worker_runs) {
        pthread_cond_wait(&pool->done, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}
