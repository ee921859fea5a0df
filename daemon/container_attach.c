/* Clients' streams: handed to the shim, which owns them from then on. */
#include <errno.h>

#include "base/fd.h"
#include "daemon/engine_internal.h"

#define PENDING_MAX 32

int container_attach_begin(struct container *c, struct error *err)
{
    enum container_state next;
    pthread_mutex_lock(&c->lock);
    int r = container_state_next(c->state, CONTAINER_ATTACH, c->id, &next, err);
    if (r == 0)
        c->attaching++;
    pthread_mutex_unlock(&c->lock);
    return r;
}

/* lock held */
static void arrived(struct container *c)
{
    if (--c->attaching == 0)
        pthread_cond_broadcast(&c->turn_free);
}

void container_attach_cancel(struct container *c)
{
    pthread_mutex_lock(&c->lock);
    arrived(c);
    pthread_mutex_unlock(&c->lock);
}

/* Lock held. Consumes attach->fd. */
static int keep_pending(struct container *c, const struct shim_attach *attach, struct error *err)
{
    struct pending_attach **at = &c->pending;
    size_t count = 0;
    for (; *at != NULL; at = &(*at)->next)
        count++;
    if (count >= PENDING_MAX) {
        fd_close(attach->fd);
        return error_set(err, ERROR_CONFLICT, 0, "container %s: too many clients wait for its start", c->id);
    }
    struct pending_attach *p = xcalloc(1, sizeof(*p));
    p->attach = *attach;
    p->attach.detach_keys = xstrdup(attach->detach_keys);
    *at = p;
    return 0;
}

int container_attach(struct engine *engine, struct container *c, const struct shim_attach *attach, struct error *err)
{
    enum container_state next;
    pthread_mutex_lock(&c->lock);
    int r = c->removed ? error_set(err, ERROR_NOT_FOUND, 0, "No such container: %s", c->id)
                       : container_state_next(c->state, CONTAINER_ATTACH, c->id, &next, err);
    struct shim *shim = NULL;
    if (r < 0)
        fd_close(attach->fd);
    else if (c->pid != 0 && c->shim != NULL)
        shim = shim_ref(c->shim);
    else
        r = keep_pending(c, attach, err);
    arrived(c);
    pthread_mutex_unlock(&c->lock);
    if (shim != NULL) {
        r = shim_add_client(shim, attach, err);
        shim_unref(shim);
    }
    if (r == 0)
        container_event(engine, c, "attach", NULL, NULL);
    return r;
}

int container_resize(struct engine *engine, struct container *c, uint16_t rows, uint16_t columns, struct error *err)
{
    enum container_state next;
    pthread_mutex_lock(&c->lock);
    while (c->starting) /* clients send their size as soon as they have asked for the start */
        pthread_cond_wait(&c->turn_free, &c->lock);
    int r = container_state_next(c->state, CONTAINER_RESIZE, c->id, &next, err);
    struct shim *shim = r == 0 && c->shim != NULL ? shim_ref(c->shim) : NULL;
    pthread_mutex_unlock(&c->lock);
    if (r < 0)
        return r;
    if (shim == NULL)
        return error_set(err, ERROR_CONFLICT, 0, "container %s is not running", c->id);
    r = shim_resize(shim, rows, columns, err);
    shim_unref(shim);
    if (r < 0)
        return r;
    CLEANUP_STRMAP struct strmap size = STRMAP_INIT;
    CLEANUP_FREE char *height = xasprintf("%u", rows);
    CLEANUP_FREE char *width = xasprintf("%u", columns);
    strmap_set(&size, "height", height);
    strmap_set(&size, "width", width);
    container_event_with(engine, c, "resize", &size);
    return 0;
}
