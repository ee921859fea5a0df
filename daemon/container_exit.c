/* The end of a container's process: its status, the restart policy, --rm, and taking down what it used. */
#include <errno.h>
#include <inttypes.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/engine_internal.h"
#include "daemon/ipc_share.h"
#include "daemon/mount_sources.h"
#include "daemon/runtimes.h"

/* What an ended run leaves for the cleaner. */
struct leftovers {
    struct engine *engine;
    struct container *container;
    struct shim *shim;
    int rootfs_fd;
    bool attached; /* it has a place on networks */
    struct network_sandbox sandbox;
};

static void leftovers_free(struct leftovers *l)
{
    fd_close(l->rootfs_fd);
    if (l->shim != NULL)
        shim_unref(l->shim);
    network_sandbox_release(&l->sandbox);
    container_unref(l->container);
    free(l);
}

static void clean(void *data)
{
    struct leftovers *l = data;
    struct container *c = l->container;
    l->rootfs_fd = fd_close(l->rootfs_fd);
    ipc_share_end(l->engine, c);
    if (l->attached)
        network_detach(l->engine->networks, c->id);
    supervisor_forget(l->engine->supervisor, c->id);
    pthread_mutex_lock(&c->lock);
    c->cleaning = false;
    pthread_cond_broadcast(&c->turn_free);
    pthread_mutex_unlock(&c->lock);
    leftovers_free(l);
}

static void drop(void *data)
{
    leftovers_free(data);
}

struct restart_job {
    struct engine *engine;
    struct container *container;
    uint64_t ticket;
};

static void restart_job_free(void *data)
{
    struct restart_job *job = data;
    container_unref(job->container);
    free(job);
}

static void give_up_restart(struct engine *engine, struct container *c, const struct error *err)
{
    log_error("container %s: restart: %s", c->id, err->message);
    pthread_mutex_lock(&c->lock);
    if (c->state == CONTAINER_RESTARTING) {
        c->state = CONTAINER_EXITED;
        store_save_state(engine, c);
        container_wake_exit(c);
    }
    pthread_mutex_unlock(&c->lock);
}

static void run_restart(void *data)
{
    struct restart_job *job = data;
    struct container *c = job->container;
    struct error err = {0};
    int r = container_turn_begin(c, CONTAINER_POLICY_START, c->id, &err);
    if (r == 0) {
        pthread_mutex_lock(&c->lock);
        bool wanted = c->restart_ticket == job->ticket && c->state == CONTAINER_RESTARTING;
        if (wanted) {
            c->restart_count++;
            c->starting = true; /* from here on a stop waits for the start and then stops it */
        }
        pthread_mutex_unlock(&c->lock);
        if (wanted && container_launch(job->engine, c, &err) < 0)
            give_up_restart(job->engine, c, &err);
        container_turn_end(c);
    }
    restart_job_free(job);
}

/* Another runtime may take long, or hang: the restarts of all others do not wait for it. */
static void begin_restart(void *data)
{
    struct restart_job *job = data;
    CLEANUP_STRV struct strv command = STRV_INIT;
    bool driven =
        runtimes_find(job->engine->options, job->container->host.runtime, &command, NULL) == 0 && command.count > 0;
    if (!driven || worker_run_beside(job->engine->timer, run_restart, job) < 0)
        run_restart(job);
}

void container_schedule_restart(struct engine *engine, struct container *c, int64_t delay_ms)
{
    struct restart_job *job = xcalloc(1, sizeof(*job));
    *job = (struct restart_job){.engine = engine, .container = container_ref(c), .ticket = ++c->restart_ticket};
    worker_add(engine->timer, delay_ms, begin_restart, restart_job_free, job);
}

/* With the lock held: state and status of the end; true when the policy starts it again. */
static bool record_exit(struct engine *engine, struct container *c, const struct shim_exit *exit, bool daemon_start)
{
    c->exit_code = exit->status;
    c->oom_killed = exit->oom_killed;
    c->finished = exit->finished != 0 ? exit->finished : timestamp_now();
    c->pid = 0;
    health_state_stop(&c->health);
    struct restart_facts facts = {.exit_code = c->exit_code,
                                  .unhealthy = c->unhealthy_end,
                                  .restart_count = c->restart_count,
                                  .stopped_by_user = c->stopped_by_user,
                                  .daemon_start = daemon_start};
    bool restart =
        !engine->closing && c->state != CONTAINER_REMOVING && restart_policy_applies(&c->host.restart_policy, &facts);
    enum container_state next;
    if (container_state_next(c->state, restart ? CONTAINER_EXIT_RESTART : CONTAINER_EXIT, c->id, &next, NULL) == 0)
        c->state = next;
    return restart;
}

static void publish_exit(struct engine *engine, struct container *c, const struct shim_exit *exit, int64_t ran)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    char code[12], seconds[24];
    snprintf(code, sizeof(code), "%d", exit->status);
    snprintf(seconds, sizeof(seconds), "%" PRId64, ran > 0 ? ran / INT64_C(1000000000) : 0);
    strmap_set(&attributes, "execDuration", seconds);
    strmap_set(&attributes, "exitCode", code);
    if (exit->oom_killed)
        container_event(engine, c, "oom", NULL, NULL);
    container_event_with(engine, c, "die", &attributes);
    container_network_event(engine, c, "disconnect");
}

void container_process_exit(struct engine *engine, struct container *c, const struct shim_exit *exit, bool daemon_start)
{
    struct leftovers *l = xcalloc(1, sizeof(*l));
    *l = (struct leftovers){.engine = engine, .container = container_ref(c)};
    pthread_mutex_lock(&c->lock);
    int64_t ran = (exit->finished != 0 ? exit->finished : timestamp_now()) - c->started;
    bool restart = record_exit(engine, c, exit, daemon_start);
    l->shim = TAKE_PTR(c->shim);
    l->rootfs_fd = TAKE_FD(c->rootfs_fd);
    l->attached = true; /* also one that left all its networks: the manager knows it as long as it runs */
    l->sandbox = c->sandbox;
    c->sandbox = (struct network_sandbox){0};
    c->cleaning = true;
    bool has_volumes = c->has_volumes;
    c->has_volumes = false;
    const struct mount_point *mounts = c->mounts; /* with pid 0: an update looks at that and adds to the mounts */
    size_t mount_count = c->mount_count;
    bool auto_remove = c->state == CONTAINER_EXITED && c->host.auto_remove && !c->kept;
    if (auto_remove)
        c->state = CONTAINER_REMOVING;
    /* Whoever waited may publish the same port, or remove the network, at once. */
    if (l->attached && (l->sandbox.port_count > 0 || container_uses_resolver(c))) {
        pthread_mutex_unlock(&c->lock);
        network_detach(engine->networks, c->id);
        l->attached = false;
        pthread_mutex_lock(&c->lock);
    }
    if (!auto_remove)
        store_save_state(engine, c);
    if (restart)
        container_schedule_restart(
            engine, c, daemon_start ? RESTART_DELAY_FIRST_MS : restart_policy_delay(ran, &c->restart_failures));
    pthread_mutex_unlock(&c->lock);

    container_execs_ended(engine, c);
    if (has_volumes) /* before anybody hears that it is gone and removes one */
        mount_sources_unmount(engine, c, mounts, mount_count);
    /* "die" comes before the "stop" of whoever waited. */
    publish_exit(engine, c, exit, ran);
    pthread_mutex_lock(&c->lock);
    container_wake_exit(c);
    pthread_mutex_unlock(&c->lock);
    struct error err = {0};
    if (auto_remove && container_forget(engine, c, true, &err) < 0)
        log_error("container %s: removing it: %s", c->id, err.message);
    worker_add(engine->cleaner, 0, clean, drop, l);
}

void engine_exited(const char *id, const struct shim_exit *exit, void *data)
{
    struct engine *engine = data;
    CLEANUP_CONTAINER struct container *c = NULL;
    if (container_find(engine, id, &c, NULL) < 0) {
        supervisor_forget(engine->supervisor, id);
        return;
    }
    pthread_mutex_lock(&c->lock);
    bool early = c->starting;
    if (early) {
        c->early_exit = true;
        c->early = *exit;
    }
    pthread_mutex_unlock(&c->lock);
    if (!early)
        container_process_exit(engine, c, exit, false);
}

void engine_detached(const char *id, const char *exec_id, void *data)
{
    struct engine *engine = data;
    CLEANUP_CONTAINER struct container *c = NULL;
    if (exec_id != NULL)
        engine_exec_detached(engine, exec_id);
    else if (container_find(engine, id, &c, NULL) == 0)
        container_event(engine, c, "detach", NULL, NULL);
}
