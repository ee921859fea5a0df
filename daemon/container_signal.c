/* Stopping, killing, restarting, pausing. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "daemon/engine_internal.h"
#include "runtime/container.h"

#define DEFAULT_STOP_TIMEOUT 10
#define FAILED_SIGNAL_PATIENCE_S 2
#define KILL_PATIENCE_MS 10000

static int freeze(struct engine *engine, struct container *c, bool frozen, struct error *err)
{
    CLEANUP_FREE char *path = container_cgroup_path(engine, c);
    struct runtime_cgroup *cgroup = NULL;
    int r = runtime_cgroup_open(path, &cgroup, err);
    if (r < 0)
        return r;
    r = runtime_cgroup_freeze(cgroup, frozen, err);
    runtime_cgroup_free(cgroup);
    return r;
}

int container_thaw(struct engine *engine, struct container *c, struct error *err)
{
    return freeze(engine, c, false, err);
}

/* The shim of a running container (to unref), or NULL. */
static struct shim *running_shim(struct container *c)
{
    pthread_mutex_lock(&c->lock);
    struct shim *shim = c->pid != 0 && c->shim != NULL ? shim_ref(c->shim) : NULL;
    pthread_mutex_unlock(&c->lock);
    return shim;
}

/* A restart that waits for its time will not happen. Lock held; the state is RESTARTING. */
static void cancel_restart(struct engine *engine, struct container *c)
{
    c->restart_ticket++;
    c->stopped_by_user = true;
    c->state = CONTAINER_EXITED;
    store_save_state(engine, c);
    container_wake_exit(c);
}

static int send_signal(struct engine *engine, struct container *c, int signal, struct error *err)
{
    struct shim *shim = running_shim(c);
    if (shim == NULL)
        return -ESRCH;
    /* Told before it is done: what it ends may be told by another thread at once, and "kill" comes before "die". */
    char number[12];
    snprintf(number, sizeof(number), "%d", signal);
    container_event(engine, c, "kill", "signal", number);
    int r = shim_signal(shim, signal, err);
    shim_unref(shim);
    return r;
}

/* A frozen process does not see signals: it goes on so that it can end. */
static void thaw_if_paused(struct engine *engine, struct container *c)
{
    pthread_mutex_lock(&c->lock);
    bool paused = c->state == CONTAINER_PAUSED;
    if (paused)
        c->state = CONTAINER_RUNNING;
    pthread_mutex_unlock(&c->lock);
    if (paused && container_thaw(engine, c, NULL) == 0)
        container_event(engine, c, "unpause", NULL, NULL);
}

static int stop_signal(const struct container *c, const char *asked, struct error *err)
{
    const char *text = asked != NULL && *asked != '\0' ? asked : c->config.stop_signal;
    if (text == NULL || *text == '\0')
        return SIGTERM;
    int number = signal_parse(text);
    return number < 0 ? error_set(err, ERROR_INVALID, 0, "invalid signal: %s", text) : number;
}

static int64_t stop_timeout(const struct container *c, const int64_t *asked)
{
    if (asked != NULL)
        return *asked;
    return c->config.stop_timeout != NULL ? *c->config.stop_timeout : DEFAULT_STOP_TIMEOUT;
}

/* Signal, patience, SIGKILL. The waiter was registered before. A signal that cannot be sent (a shim that hangs) is no
 * reason to leave the container running: it gets FAILED_SIGNAL_PATIENCE_S to be gone, then SIGKILL, which needs no
 * shim. */
static int end_process(struct engine *engine, struct container *c, struct container_waiter *waiter, int signal,
                       int64_t timeout, struct error *err)
{
    struct error failed = {0};
    int r = send_signal(engine, c, signal, &failed);
    if (r < 0 && r != -ESRCH) {
        log_warn("container %s: %s: it is killed", c->id, failed.message);
        timeout = FAILED_SIGNAL_PATIENCE_S;
    }
    thaw_if_paused(engine, c);
    int wait_ms = timeout < 0 ? -1 : timeout > INT32_MAX / 1000 ? INT32_MAX : (int)timeout * 1000;
    r = container_wait_for(waiter, -1, wait_ms, NULL);
    if (r != -ETIMEDOUT)
        return r;
    r = send_signal(engine, c, SIGKILL, err);
    if (r < 0 && r != -ESRCH)
        return r;
    r = container_wait_for(waiter, -1, KILL_PATIENCE_MS, NULL);
    if (r < 0)
        return error_set(err, ERROR_SYSTEM, -r,
                         "cannot stop container: %s: tried to kill container, but did not receive an exit event",
                         c->id);
    return 0;
}

int container_stop(struct engine *engine, struct container *c, const struct container_stop *how, struct error *err)
{
    int signal = stop_signal(c, how->signal, err);
    if (signal < 0)
        return signal;
    enum container_state next;
    pthread_mutex_lock(&c->lock);
    while (c->starting) /* a start in flight is let through, then stopped */
        pthread_cond_wait(&c->turn_free, &c->lock);
    int r = container_state_next(c->state, CONTAINER_STOP, c->id, &next, err);
    bool waiting = r == 0 && c->state == CONTAINER_RESTARTING;
    if (waiting)
        cancel_restart(engine, c);
    else if (r == 0)
        c->stopped_by_user = true;
    if (r == 0 && !waiting && strcmp(c->host.restart_policy.name ? c->host.restart_policy.name : "no", "no") != 0)
        store_save_state(engine, c); /* a kill of the daemon between here and the exit must not bring it back */
    pthread_mutex_unlock(&c->lock);
    if (r < 0)
        return r;
    if (!waiting) {
        struct container_waiter *waiter = container_wait_begin(c, CONTAINER_WAIT_NOT_RUNNING);
        r = end_process(engine, c, waiter, signal, stop_timeout(c, how->timeout), err);
        container_wait_end(waiter);
    }
    if (r == 0)
        container_event(engine, c, "stop", NULL, NULL);
    return r;
}

static void set_kept(struct container *c, bool kept)
{
    pthread_mutex_lock(&c->lock);
    c->kept = kept;
    pthread_mutex_unlock(&c->lock);
}

int container_restart(struct engine *engine, struct container *c, const struct container_stop *how, struct error *err)
{
    struct error stopped = {0};
    set_kept(c, true);
    int r = container_stop(engine, c, how, &stopped);
    if (r == 0 || stopped.kind == ERROR_NOT_MODIFIED)
        r = container_start(engine, c, err);
    else
        error_propagate(err, &stopped);
    set_kept(c, false);
    if (r < 0 && (err == NULL || err->kind != ERROR_NOT_MODIFIED))
        return r;
    container_event(engine, c, "restart", NULL, NULL);
    return 0;
}

int container_kill(struct engine *engine, struct container *c, const char *text, struct error *err)
{
    int signal = text == NULL || *text == '\0' ? SIGKILL : signal_parse(text);
    if (signal < 0) {
        CLEANUP_FREE char *name = container_slash_name(engine, c);
        return error_set(err, ERROR_INVALID, 0, "cannot kill container: %s: invalid signal: %s", name + 1, text);
    }
    int own = stop_signal(c, NULL, NULL);
    enum container_state next;
    pthread_mutex_lock(&c->lock);
    while (c->starting)
        pthread_cond_wait(&c->turn_free, &c->lock);
    int r = container_state_next(c->state, CONTAINER_KILL, c->id, &next, err);
    bool waiting = r == 0 && c->state == CONTAINER_RESTARTING;
    if (waiting)
        cancel_restart(engine, c);
    else if (r == 0 && (signal == SIGKILL || signal == own) && !engine->closing)
        c->stopped_by_user = true; /* the daemon's own end is no user: the policy brings the container back with it */
    pthread_mutex_unlock(&c->lock);
    if (r < 0) {
        CLEANUP_FREE char *name = container_slash_name(engine, c);
        return error_context(err, "cannot kill container: %s", name + 1);
    }
    if (waiting)
        return 0;
    struct container_waiter *waiter = container_wait_begin(c, CONTAINER_WAIT_NOT_RUNNING);
    r = send_signal(engine, c, signal, err);
    if (r == -ESRCH)
        r = 0; /* ended just now */
    if (r == 0 && (signal == SIGKILL || signal == own))
        thaw_if_paused(engine, c);
    if (r == 0 && signal == SIGKILL) {
        r = container_wait_for(waiter, -1, KILL_PATIENCE_MS, NULL);
        if (r < 0)
            error_set(err, ERROR_SYSTEM, -r,
                      "cannot kill container: %s: tried to kill container, but did not receive an exit event", c->id);
    }
    container_wait_end(waiter);
    return r;
}

/* A cgroup that has gone is that of a container that has ended, which is about to be recorded. */
static int explain_freeze(struct container *c, int failed, struct error *err)
{
    if (failed != -ENOENT && failed != -ENODEV)
        return failed;
    struct container_waiter *waiter = container_wait_begin(c, CONTAINER_WAIT_NOT_RUNNING);
    int r = container_wait_for(waiter, -1, KILL_PATIENCE_MS, NULL);
    container_wait_end(waiter);
    return r < 0 ? failed : error_set(err, ERROR_CONFLICT, 0, "container %s is not running", c->id);
}

static int set_paused(struct engine *engine, struct container *c, enum container_event event, struct error *err)
{
    int r = container_turn_begin(c, event, c->id, err);
    if (r < 0)
        return r;
    bool pause = event == CONTAINER_PAUSE;
    pthread_mutex_lock(&c->lock);
    while (pause && c->execs_starting > 0)
        pthread_cond_wait(&c->turn_free, &c->lock);
    c->freezing = pause;
    pthread_mutex_unlock(&c->lock);
    r = freeze(engine, c, pause, err);
    if (r < 0)
        r = explain_freeze(c, r, err);
    pthread_mutex_lock(&c->lock);
    c->freezing = false;
    enum container_state next;
    if (r == 0)
        r = container_state_next(c->state, event, c->id, &next, err); /* it may have ended meanwhile */
    if (r == 0) {
        c->state = next;
        store_save_state(engine, c);
    }
    pthread_mutex_unlock(&c->lock);
    container_turn_end(c);
    if (r == 0)
        container_event(engine, c, pause ? "pause" : "unpause", NULL, NULL);
    return r;
}

int container_pause(struct engine *engine, struct container *c, struct error *err)
{
    return set_paused(engine, c, CONTAINER_PAUSE, err);
}

int container_unpause(struct engine *engine, struct container *c, struct error *err)
{
    return set_paused(engine, c, CONTAINER_UNPAUSE, err);
}
