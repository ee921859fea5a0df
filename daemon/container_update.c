/*
 * POST /containers/{id}/update: limits, restart policy, published ports and mounts of an existing container. All that
 * is asked is checked first; then the kernel is told and the row is written; where one of these says no, everything is
 * as before.
 */
#include "daemon/container_update.h"
#include "base/log.h"
#include "daemon/engine_internal.h"

static int save_row(struct container_update *u, struct error *err)
{
    return store_save_config(u->engine, u->container, &u->next, u->mounts.count > 0 ? &u->mounts.all : NULL, err);
}

static void restore_row(struct container_update *u)
{
    struct error err = {0};
    if (store_save_config(u->engine, u->container, &u->container->host, NULL, &err) < 0)
        log_error("container %s: its row after a refused update: %s", u->container->id, err.message);
}

static const struct update_step update_row = {NULL, save_row, restore_row, NULL};

/* In the order of their application. The last one undoes itself. */
static const struct update_step *const steps[] = {
    &update_limits, &update_ports, &update_volumes, &update_row, &update_mounts,
};

static int plan(struct container_update *u, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
        if (steps[i]->plan != NULL)
            r = steps[i]->plan(u, err);
    return r;
}

static int apply(struct container_update *u, struct error *err)
{
    size_t done = 0;
    int r = 0;
    while (r == 0 && done < ARRAY_SIZE(steps))
        r = steps[done++]->apply(u, err);
    for (size_t i = done; r < 0 && i-- > 0;)
        if (steps[i]->undo != NULL)
            steps[i]->undo(u);
    return r < 0 ? error_context(err, "Cannot update container %s", u->container->id) : 0;
}

static void adopt(struct container_update *u)
{
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (steps[i]->adopt != NULL)
            steps[i]->adopt(u);
}

/* Only whoever has the turn changes HostConfig, so that it may be read here without the lock. */
static int update(struct container_update *u, struct error *err)
{
    struct container *c = u->container;
    json_table_copy(&host_config_table, &u->next, &c->host);
    pthread_mutex_lock(&c->lock);
    u->pid = c->pid;
    pthread_mutex_unlock(&c->lock);
    int r = plan(u, err);
    if (r == 0)
        r = apply(u, err);
    if (r == 0)
        adopt(u);
    return r;
}

int container_update(struct engine *engine, struct container *c, const struct json *body, int api_version,
                     struct strv *warnings, struct error *err)
{
    struct container_update u = {
        .engine = engine, .container = c, .body = body, .api_version = api_version, .warnings = warnings};
    int r = body == NULL || body->kind != JSON_OBJECT
                ? error_set(err, ERROR_INVALID, 0, "the body must be an object of what is to be updated")
                : json_table_decode(&host_config_table, body, &u.asked, err);
    if (r == 0)
        r = container_turn_begin(c, CONTAINER_UPDATE, c->id, err);
    if (r == 0) {
        r = update(&u, err);
        container_turn_end(c);
    }
    update_mounts_release(&u.mounts);
    free(u.ports);
    host_config_release(&u.next);
    host_config_release(&u.asked);
    if (r == 0)
        container_event(engine, c, "update", NULL, NULL);
    return r;
}
