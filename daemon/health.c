#include "daemon/health.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/timestamp.h"
#include "base/units.h"
#include "daemon/engine_internal.h"
#include "daemon/exec.h"

#define CANNOT_RUN (-1)
#define DEFAULT_STOP_TIMEOUT 10
/* Read at once of a check whose time is over; more than a socket holds, and an end for one that never ceases. */
#define LATE_BLOCKS_MAX 256

/* One run of one container. Belongs to the monitor's thread. */
struct watch {
    struct health_monitor *monitor;
    struct container *container;
    int64_t started; /* of the run */
    struct loop_source *timer;

    /* while a check runs */
    struct exec *exec;
    int fd;
    struct loop_source *source, *timeout;
    int64_t begun;
    struct strbuf output;
    bool truncated;
    bool given_up; /* has its result, or is to have none: only its end is awaited */
};

struct health_monitor {
    struct engine *engine;
    struct loop *loop;
    int wake_fd;
    struct map watches; /* by the container's id */

    pthread_mutex_t lock;
    pthread_t thread;
    bool thread_runs, ending;
    struct container **arrived; /* references */
    size_t count, capacity;
};

static void arm(struct watch *w);

/* ---- results ---- */

/* The restart policy on-unhealthy: the container is asked to end, later made to; the rest is that of every end. */
struct stop_job {
    struct container *container;
    int64_t started;
};

static void stop_job_free(void *data)
{
    struct stop_job *job = data;
    container_unref(job->container);
    free(job);
}

static struct shim *shim_of_run(struct container *c, int64_t started)
{
    pthread_mutex_lock(&c->lock);
    struct shim *shim = c->pid != 0 && c->started == started && c->shim != NULL ? shim_ref(c->shim) : NULL;
    pthread_mutex_unlock(&c->lock);
    return shim;
}

static void run_stop(void *data)
{
    struct stop_job *job = data;
    struct shim *shim = shim_of_run(job->container, job->started);
    if (shim != NULL) {
        shim_signal(shim, SIGKILL, NULL); /* it may have ended just now */
        shim_unref(shim);
    }
    stop_job_free(job);
}

static void end_unhealthy(struct engine *engine, struct container *c, int64_t started)
{
    pthread_mutex_lock(&c->lock);
    c->unhealthy_end = true;
    int64_t patience = c->config.stop_timeout != NULL ? *c->config.stop_timeout : DEFAULT_STOP_TIMEOUT;
    pthread_mutex_unlock(&c->lock);
    struct shim *shim = shim_of_run(c, started);
    if (shim == NULL)
        return;
    int signal =
        c->config.stop_signal != NULL && *c->config.stop_signal ? signal_parse(c->config.stop_signal) : SIGTERM;
    log_info("container %s is unhealthy: restarting it", c->id);
    shim_signal(shim, signal, NULL);
    shim_unref(shim);
    struct stop_job *job = xcalloc(1, sizeof(*job));
    *job = (struct stop_job){container_ref(c), started};
    if (patience >= 0)
        worker_add(engine->timer, patience * 1000, run_stop, stop_job_free, job);
    else
        stop_job_free(job);
}

static void record(struct watch *w, int exit_code, const char *output)
{
    struct container *c = w->container;
    struct engine *engine = w->monitor->engine;
    struct health_result result = {
        .start = w->begun, .end = timestamp_now(), .exit_code = exit_code, .output = xstrdup(output)};
    bool changed = false, restart = false;
    engine->health_checks++;
    engine->failed_health_checks += exit_code != 0;
    pthread_mutex_lock(&c->lock);
    if (c->pid != 0 && c->started == w->started && c->health.status != HEALTH_NONE) {
        changed = health_state_add(&c->health, c->config.healthcheck, w->begun - c->started, &result);
        store_save_state(engine, c);
        container_wake_healthy(c);
        restart =
            changed && c->health.status == HEALTH_UNHEALTHY && restart_policy_wants_healthy(&c->host.restart_policy);
    } else {
        free(result.output);
    }
    enum health_status status = c->health.status;
    pthread_mutex_unlock(&c->lock);
    if (changed) {
        CLEANUP_FREE char *action = xasprintf("health_status: %s", health_status_name(status));
        container_event(engine, c, action, NULL, NULL);
    }
    if (restart)
        end_unhealthy(engine, c, w->started);
}

/* ---- one check ---- */

static void drop_check(struct watch *w)
{
    loop_remove(w->source);
    loop_remove(w->timeout);
    w->source = w->timeout = NULL;
    w->fd = fd_close(w->fd);
    exec_end(w->monitor->engine, w->exec);
    w->exec = NULL;
    strbuf_clear(&w->output);
}

static void watch_free(struct watch *w)
{
    map_unset(&w->monitor->watches, w->container->id);
    loop_remove(w->timer);
    if (w->exec != NULL)
        drop_check(w);
    strbuf_release(&w->output);
    container_unref(w->container);
    free(w);
}

static void on_end(struct watch *w)
{
    int exit_code;
    bool known = exec_result(w->monitor->engine, w->exec, &exit_code);
    if (known && !w->given_up) {
        if (w->truncated)
            strbuf_adds(&w->output, "...");
        record(w, exit_code, strbuf_str(&w->output));
    }
    drop_check(w);
    arm(w);
}

/* One block of what there is. False when there is nothing now, or *ret_end: never again. */
static bool take_output(struct watch *w, bool *ret_end)
{
    char block[4096];
    ssize_t n = recv(w->fd, block, sizeof(block), MSG_DONTWAIT);
    *ret_end = n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    size_t room = HEALTH_OUTPUT_MAX - w->output.size;
    w->truncated = w->truncated || (size_t)n > room;
    strbuf_add(&w->output, block, (size_t)n < room ? (size_t)n : room);
    return true;
}

static void on_output(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct watch *w = data;
    bool end;
    (void)source;
    (void)fd;
    (void)events;
    take_output(w, &end);
    if (end)
        on_end(w);
}

/* The thread may have been kept by another container while this check ended: timers come before what is to be read. */
static bool has_ended(struct watch *w)
{
    bool end = false;
    for (int blocks = 0; blocks < LATE_BLOCKS_MAX && take_output(w, &end); blocks++)
        ;
    return end;
}

static bool is_paused(struct container *c)
{
    pthread_mutex_lock(&c->lock);
    bool paused = c->state == CONTAINER_PAUSED || c->freezing;
    pthread_mutex_unlock(&c->lock);
    return paused;
}

static void record_timeout(struct watch *w)
{
    char limit[UNITS_GO_DURATION_MAX];
    units_go_duration(limit, sizeof(limit), health_config_timeout(w->container->config.healthcheck));
    CLEANUP_FREE char *text = w->output.size > 0
                                  ? xasprintf("Health check exceeded timeout (%s): %s", limit, strbuf_str(&w->output))
                                  : xasprintf("Health check exceeded timeout (%s)", limit);
    record(w, CANNOT_RUN, text);
}

static void on_timeout(struct loop_source *source, void *data)
{
    struct watch *w = data;
    (void)source;
    w->timeout = NULL;
    if (has_ended(w)) {
        on_end(w);
        return;
    }
    /* What stands still cannot answer: that says nothing of its health. It ends when it goes on. */
    if (!is_paused(w->container))
        record_timeout(w);
    w->given_up = true;
    /* The next check comes after the end of this one, so that those that hang do not pile up. */
    exec_kill(w->monitor->engine, w->exec, SIGKILL, NULL);
}

static void begin_check(struct watch *w)
{
    struct container *c = w->container;
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    struct exec_command command = {.arguments = &arguments};
    struct error err = {0};
    health_config_command(&c->config, &arguments);
    w->begun = timestamp_now();
    w->given_up = w->truncated = false;
    int r = exec_begin(w->monitor->engine, c, &command, &w->exec, &w->fd, &err);
    if (r < 0) {
        if (err.kind != ERROR_CONFLICT) /* that it does not run, or is paused, says nothing of its health */
            record(w, CANNOT_RUN, err.message);
        arm(w);
        return;
    }
    r = loop_add_io(w->monitor->loop, w->fd, EPOLLIN, on_output, w, &w->source);
    if (r == 0)
        r = loop_add_timer(w->monitor->loop, health_config_timeout(c->config.healthcheck) / 1000000, on_timeout, w,
                           &w->timeout);
    if (r < 0) {
        log_error("container %s: its health check cannot be watched: %s", c->id, strerror(-r));
        drop_check(w);
        arm(w);
    }
}

/* ---- the times of checks ---- */

static void on_due(struct loop_source *source, void *data)
{
    struct watch *w = data;
    struct container *c = w->container;
    (void)source;
    w->timer = NULL;
    pthread_mutex_lock(&c->lock);
    bool over = c->pid == 0 || c->started != w->started;
    bool paused = c->state == CONTAINER_PAUSED;
    pthread_mutex_unlock(&c->lock);
    if (over)
        watch_free(w);
    else if (paused)
        arm(w);
    else
        begin_check(w);
}

static void arm(struct watch *w)
{
    struct container *c = w->container;
    pthread_mutex_lock(&c->lock);
    int64_t pause = health_state_pause(&c->health, c->config.healthcheck, timestamp_now() - c->started);
    pthread_mutex_unlock(&c->lock);
    if (loop_add_timer(w->monitor->loop, pause / 1000000, on_due, w, &w->timer) < 0)
        watch_free(w);
}

/* ---- the thread ---- */

static void begin_watch(struct health_monitor *m, struct container *c)
{
    struct watch *w = map_get(&m->watches, c->id);
    if (w != NULL)
        watch_free(w);
    w = xcalloc(1, sizeof(*w));
    *w = (struct watch){.monitor = m, .container = c, .fd = -1};
    pthread_mutex_lock(&c->lock);
    w->started = c->started;
    pthread_mutex_unlock(&c->lock);
    map_set(&m->watches, c->id, w);
    arm(w);
}

static void on_wake(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct health_monitor *m = data;
    eventfd_t count;
    (void)source;
    (void)events;
    eventfd_read(fd, &count);
    pthread_mutex_lock(&m->lock);
    struct container **arrived = TAKE_PTR(m->arrived);
    size_t arrivals = m->count;
    m->count = m->capacity = 0;
    bool ending = m->ending;
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < arrivals; i++)
        begin_watch(m, arrived[i]);
    free(arrived);
    if (ending)
        loop_quit(m->loop, 0);
}

static void *monitor_main(void *data)
{
    struct health_monitor *m = data;
    pthread_setname_np(pthread_self(), "health");
    if (loop_run(m->loop) < 0)
        log_error("the monitor of health checks has ended: no check runs any more");
    return NULL;
}

/* lock held */
static int start_thread(struct health_monitor *m, struct error *err)
{
    pthread_attr_t attributes;
    int r = 0;
    if (m->loop == NULL && (r = loop_new(&m->loop, err)) < 0)
        return r;
    if (m->wake_fd < 0) {
        m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (m->wake_fd < 0)
            return error_errno(err, errno, "eventfd");
        r = loop_add_io(m->loop, m->wake_fd, EPOLLIN, on_wake, m, NULL);
        if (r < 0)
            return error_errno(err, r, "watch an eventfd");
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, DAEMON_STACK_SIZE);
    r = pthread_create(&m->thread, &attributes, monitor_main, m);
    pthread_attr_destroy(&attributes);
    if (r != 0)
        return error_errno(err, r, "start a thread");
    m->thread_runs = true;
    return 0;
}

void health_watch(struct health_monitor *m, struct container *c)
{
    struct error err = {0};
    if (!health_config_has_check(&c->config))
        return;
    pthread_mutex_lock(&m->lock);
    int r = m->thread_runs ? 0 : start_thread(m, &err);
    if (r == 0) {
        xgrow((void **)&m->arrived, m->count, &m->capacity, sizeof(*m->arrived));
        m->arrived[m->count++] = container_ref(c);
        eventfd_write(m->wake_fd, 1);
    }
    pthread_mutex_unlock(&m->lock);
    if (r < 0)
        log_error("container %s: its health check cannot run: %s", c->id, err.message);
}

struct health_monitor *health_monitor_new(struct engine *engine)
{
    struct health_monitor *m = xcalloc(1, sizeof(*m));
    m->engine = engine;
    m->wake_fd = -1;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static struct watch *any_watch(struct health_monitor *m)
{
    size_t position = 0;
    const char *key;
    void *value;
    return map_next(&m->watches, &position, &key, &value) ? value : NULL;
}

void health_monitor_free(struct health_monitor *m)
{
    struct watch *w;
    if (m == NULL)
        return;
    if (m->thread_runs) {
        pthread_mutex_lock(&m->lock);
        m->ending = true;
        eventfd_write(m->wake_fd, 1);
        pthread_mutex_unlock(&m->lock);
        pthread_join(m->thread, NULL);
    }
    while ((w = any_watch(m)) != NULL)
        watch_free(w);
    map_release(&m->watches);
    for (size_t i = 0; i < m->count; i++)
        container_unref(m->arrived[i]);
    free(m->arrived);
    if (m->loop != NULL)
        loop_free(m->loop);
    fd_close(m->wake_fd);
    pthread_mutex_destroy(&m->lock);
    free(m);
}
