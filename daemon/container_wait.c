#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "daemon/engine_internal.h"

struct container_waiter {
    struct container *container;
    struct container_waiter *next;
    enum container_wait_condition condition;
    int wake_fd;
    bool done;
    struct container_wait_result result; /* under the container's lock until done */
};

int container_wait_parse(const char *text, enum container_wait_condition *ret, struct error *err)
{
    if (text == NULL || *text == '\0' || strcmp(text, "not-running") == 0)
        *ret = CONTAINER_WAIT_NOT_RUNNING;
    else if (strcmp(text, "next-exit") == 0)
        *ret = CONTAINER_WAIT_NEXT_EXIT;
    else if (strcmp(text, "removed") == 0)
        *ret = CONTAINER_WAIT_REMOVED;
    else if (strcmp(text, "healthy") == 0)
        *ret = CONTAINER_WAIT_HEALTHY;
    else
        return error_set(err, ERROR_INVALID, 0, "invalid condition: \"%s\"", text);
    return 0;
}

int container_wait_check(const struct container *c, enum container_wait_condition condition, struct error *err)
{
    if (condition == CONTAINER_WAIT_HEALTHY && !health_config_has_check(&c->config))
        return error_set(err, ERROR_INVALID, 0, "container %s has no health check to wait for", c->id);
    return 0;
}

static void finish(struct container_waiter *waiter)
{
    if (waiter->done)
        return;
    struct container *c = waiter->container;
    waiter->done = true;
    waiter->result =
        (struct container_wait_result){.exit_code = c->exit_code, .error = c->error ? xstrdup(c->error) : NULL};
    /* Ended, or removed, before it was healthy: an answer as well, but not the one that was asked for. */
    if (waiter->condition == CONTAINER_WAIT_HEALTHY && c->health.status != HEALTH_HEALTHY &&
        waiter->result.error == NULL)
        waiter->result.error = xasprintf("container %s ended before it was healthy", c->id);
    eventfd_write(waiter->wake_fd, 1);
}

struct container_waiter *container_wait_begin(struct container *c, enum container_wait_condition condition)
{
    struct container_waiter *waiter = xcalloc(1, sizeof(*waiter));
    *waiter = (struct container_waiter){
        .container = container_ref(c), .condition = condition, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_mutex_lock(&c->lock);
    bool up = c->pid != 0 || container_state_is_running(c->state) || c->state == CONTAINER_RESTARTING;
    waiter->next = c->waiters;
    c->waiters = waiter;
    if (c->removed || (condition == CONTAINER_WAIT_NOT_RUNNING && !up) ||
        (condition == CONTAINER_WAIT_HEALTHY && c->health.status == HEALTH_HEALTHY))
        finish(waiter);
    pthread_mutex_unlock(&c->lock);
    return waiter;
}

int container_wait_for(struct container_waiter *waiter, int cancel_fd, int timeout_ms,
                       struct container_wait_result *ret)
{
    struct pollfd fds[2] = {{.fd = waiter->wake_fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN | POLLRDHUP}};
    int r;
    do {
        r = poll(fds, 2, timeout_ms);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    if (r == 0)
        return -ETIMEDOUT;
    if (!(fds[0].revents & POLLIN))
        return -ECANCELED;
    pthread_mutex_lock(&waiter->container->lock);
    if (ret != NULL)
        *ret = (struct container_wait_result){.exit_code = waiter->result.exit_code,
                                              .error = TAKE_PTR(waiter->result.error)};
    pthread_mutex_unlock(&waiter->container->lock);
    return 0;
}

void container_wait_end(struct container_waiter *waiter)
{
    struct container *c = waiter->container;
    pthread_mutex_lock(&c->lock);
    struct container_waiter **at = &c->waiters;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    pthread_mutex_unlock(&c->lock);
    fd_close(waiter->wake_fd);
    free(waiter->result.error);
    free(waiter);
    container_unref(c);
}

void container_wake_exit(struct container *c)
{
    for (struct container_waiter *w = c->waiters; w != NULL; w = w->next)
        /* docker tells who waits for a container that is started again, too. */
        if (w->condition == CONTAINER_WAIT_NEXT_EXIT || w->condition == CONTAINER_WAIT_NOT_RUNNING ||
            (w->condition == CONTAINER_WAIT_HEALTHY && c->state != CONTAINER_RESTARTING))
            finish(w);
}

void container_wake_healthy(struct container *c)
{
    for (struct container_waiter *w = c->waiters; w != NULL; w = w->next)
        if (w->condition == CONTAINER_WAIT_HEALTHY && c->health.status == HEALTH_HEALTHY)
            finish(w);
}

void container_wake_removed(struct container *c)
{
    for (struct container_waiter *w = c->waiters; w != NULL; w = w->next)
        finish(w);
}
