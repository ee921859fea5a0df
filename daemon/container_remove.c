#include <errno.h>
#include <signal.h>

#include "base/beneath.h"
#include "base/log.h"
#include "daemon/admission.h"
#include "daemon/engine_internal.h"

#define KILL_PATIENCE_MS 10000

/* What a removed container leaves on the disk. */
struct remains {
    struct engine *engine;
    char id[ID_SIZE + 1];
    struct strv roots; /* its own, and those of image mounts */
    struct strv volumes;
};

static void remains_free(void *data)
{
    struct remains *r = data;
    strv_release(&r->roots);
    strv_release(&r->volumes);
    free(r);
}

static void delete_remains(void *data)
{
    struct remains *r = data;
    struct error err = {0};
    for (size_t i = 0; i < r->roots.count; i++)
        if (image_rootfs_remove(r->engine->images, r->roots.items[i], &err) < 0)
            log_warn("container %s: removing its root filesystem: %s", r->id, err.message);
    int removed = beneath_remove_tree(r->engine->containers_fd, r->id);
    if (removed < 0)
        log_warn("container %s: removing its directory: %s", r->id, strerror(-removed));
    beneath_remove_tree(r->engine->etc_fd, r->id);
    for (size_t i = 0; i < r->volumes.count; i++)
        volume_delete_data(r->engine->volumes, r->volumes.items[i]);
    remains_free(r);
}

/* Anonymous volumes that this container alone uses. index lock held. */
static void collect_volumes(struct engine *engine, struct container *c, struct strv *ret)
{
    for (size_t i = 0; i < c->mount_count; i++) {
        const struct mount_point *m = &c->mounts[i];
        if (m->type != MOUNT_VOLUME || !m->anonymous || m->name == NULL)
            continue;
        bool shared = false;
        for (size_t j = 0; j < engine->count; j++)
            for (size_t k = 0; engine->list[j] != c && k < engine->list[j]->mount_count; k++) {
                const char *name = engine->list[j]->mounts[k].name;
                shared = shared || (name != NULL && strcmp(name, m->name) == 0);
            }
        if (!shared)
            strv_add(ret, m->name);
    }
}

static int delete_rows(struct engine *engine, struct container *c, const struct strv *volumes, struct error *err)
{
    if (volumes->count == 0)
        return store_delete(engine, c->id, err);
    int r = db_begin(engine->db, err);
    if (r < 0)
        return r;
    r = store_delete(engine, c->id, err);
    for (size_t i = 0; r == 0 && i < volumes->count; i++)
        r = volume_forget(engine->volumes, volumes->items[i], err);
    if (r < 0) {
        db_rollback(engine->db);
        return r;
    }
    return db_commit(engine->db, err);
}

int container_forget(struct engine *engine, struct container *c, bool volumes, struct error *err)
{
    struct remains *remains = xcalloc(1, sizeof(*remains));
    remains->engine = engine;
    memcpy(remains->id, c->id, sizeof(remains->id));
    if (c->rootfs_id != NULL && !c->borrowed_root)
        strv_add(&remains->roots, c->rootfs_id);
    for (size_t i = 0; i < c->mount_count; i++)
        if (c->mounts[i].rootfs_id != NULL)
            strv_add(&remains->roots, c->mounts[i].rootfs_id);
    pthread_mutex_lock(&engine->index_lock);
    if (volumes)
        collect_volumes(engine, c, &remains->volumes);
    int r = delete_rows(engine, c, &remains->volumes, err);
    if (r == 0)
        index_remove(engine, c);
    pthread_mutex_unlock(&engine->index_lock);
    pthread_mutex_lock(&c->lock);
    if (r == 0) {
        c->removed = true;
        c->restart_ticket++;
        container_wake_removed(c);
    } else {
        c->state = CONTAINER_DEAD;
    }
    pthread_mutex_unlock(&c->lock);
    if (r < 0) {
        remains_free(remains);
        return r;
    }
    container_drop_pending(c);
    container_execs_forget(engine, c);
    container_event(engine, c, "destroy", NULL, NULL);
    worker_add(engine->cleaner, 0, delete_remains, remains_free, remains);
    return 0;
}

/* With the turn held and the state REMOVING: ends the process and waits until its end is recorded. */
static int kill_for_removal(struct engine *engine, struct container *c, struct error *err)
{
    pthread_mutex_lock(&c->lock);
    struct shim *shim = c->shim != NULL ? shim_ref(c->shim) : NULL;
    bool running = c->pid != 0;
    pthread_mutex_unlock(&c->lock);
    if (!running || shim == NULL) {
        if (shim != NULL)
            shim_unref(shim);
        return 0;
    }
    struct container_waiter *waiter = container_wait_begin(c, CONTAINER_WAIT_NEXT_EXIT);
    pthread_mutex_lock(&c->lock);
    running = c->pid != 0;
    pthread_mutex_unlock(&c->lock);
    int r = running ? shim_signal(shim, SIGKILL, err) : -ESRCH;
    if (r == 0) {
        container_event(engine, c, "kill", "signal", "9");
        r = container_wait_for(waiter, -1, KILL_PATIENCE_MS, NULL);
        if (r < 0)
            error_set(err, ERROR_SYSTEM, -r,
                      "cannot remove container %s: could not kill: tried to kill container, but did not receive an "
                      "exit event",
                      c->id);
    } else if (r == -ESRCH && running) {
        r = container_wait_for(waiter, -1, KILL_PATIENCE_MS, NULL); /* it has just ended by itself */
    } else if (r == -ESRCH) {
        r = 0;
    }
    container_wait_end(waiter);
    shim_unref(shim);
    return r;
}

int container_remove(struct engine *engine, struct container *c, const struct container_remove *how, struct error *err)
{
    CLEANUP_FREE char *name = container_slash_name(engine, c);
    enum container_event event = how->force ? CONTAINER_REMOVE_FORCE : CONTAINER_REMOVE;
    pthread_mutex_lock(&c->lock);
    enum container_state next;
    /* Answered at once, without waiting for a turn that a removal in progress holds. */
    int r = c->state == CONTAINER_REMOVING ? container_state_next(c->state, event, c->id, &next, err) : 0;
    pthread_mutex_unlock(&c->lock);
    if (r < 0)
        return r;
    r = container_turn_begin(c, event, event == CONTAINER_REMOVE ? name + 1 : c->id, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&c->lock);
    /* It may have ended, with --rm, since. */
    r = container_state_next(c->state, event, event == CONTAINER_REMOVE ? name + 1 : c->id, &next, err);
    bool frozen = c->state == CONTAINER_PAUSED;
    if (r == 0) {
        c->state = next;
        c->stopped_by_user = true;
        c->restart_ticket++;
    }
    pthread_mutex_unlock(&c->lock);
    if (r == 0 && frozen)
        container_thaw(engine, c, NULL); /* SIGKILL reaches a process in a v1 freezer only once it is thawed */
    if (r == 0) {
        r = kill_for_removal(engine, c, err);
        if (r < 0) {
            pthread_mutex_lock(&c->lock);
            c->state = CONTAINER_DEAD;
            pthread_mutex_unlock(&c->lock);
        }
    }
    if (r == 0) {
        uint64_t pass = admission_enter(engine->admission, ADMISSION_REMOVAL);
        r = container_forget(engine, c, how->volumes, err);
        admission_leave(engine->admission, pass);
    }
    container_turn_end(c);
    return r;
}
