/*
 * Bringing the rows in line with what is really there, when the daemon starts: after an orderly stop, after kill -9 and
 * after a reboot of the machine alike. Runs before anybody is served.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/beneath.h"
#include "base/directory.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/engine_internal.h"
#include "daemon/host_mounts.h"
#include "daemon/start_order.h"

/* docker's status of a container that was lost with its machine */
#define EXIT_LOST 255

/* Its process runs: it is ours again. */
static void adopt(struct engine *engine, struct container *c, struct shim *shim, pid_t pid)
{
    struct error err = {0};
    if (container_networks_restore(engine, c, pid, &err) < 0)
        log_error("container %s: restoring its network: %s", c->id, err.message);
    for (size_t i = 0; i < c->mount_count; i++)
        if (c->mounts[i].type == MOUNT_VOLUME && volume_mount(engine->volumes, c->mounts[i].name, &err) < 0)
            log_error("container %s: %s", c->id, err.message);
    pthread_mutex_lock(&c->lock);
    c->has_volumes = true;
    c->shim = shim;
    c->pid = pid;
    if (!container_state_is_running(c->state) && c->state != CONTAINER_REMOVING)
        c->state = CONTAINER_RUNNING;
    if (strcmp(c->host.network_mode, "host") != 0) {
        free(c->sandbox_key);
        c->sandbox_key = xasprintf("/proc/%d/ns/net", pid);
    }
    c->starting = false;
    bool ended = c->early_exit;
    struct shim_exit exit = c->early;
    pthread_mutex_unlock(&c->lock);
    container_execs_recover(engine, c);
    if (!ended)
        health_watch(engine->health, c);
    if (ended)
        container_process_exit(engine, c, &exit, true);
}

/* It ended while nobody looked. The network's manager has not heard of its address: nothing is to be given back. */
static void record_end(struct engine *engine, struct container *c, const struct shim_exit *exit)
{
    pthread_mutex_lock(&c->lock);
    c->starting = false;
    network_sandbox_release(&c->sandbox);
    pthread_mutex_unlock(&c->lock);
    container_process_exit(engine, c, exit, true);
}

static void find_process(struct engine *engine, struct container *c)
{
    struct error err = {0};
    enum shim_found found = SHIM_NONE;
    struct shim *shim = NULL;
    pid_t pid = 0;
    struct shim_exit exit = {0};
    c->starting = true; /* an end that is reported meanwhile waits for us */
    if (supervisor_find(engine->supervisor, c->id, &found, &shim, &pid, &exit, &err) < 0) {
        log_error("container %s: looking for its process: %s", c->id, err.message);
        found = SHIM_NONE;
    }
    bool expected = container_state_is_running(c->state) || c->state == CONTAINER_REMOVING;
    if (found == SHIM_RUNNING) {
        adopt(engine, c, shim, pid);
    } else if (expected && c->state != CONTAINER_REMOVING) {
        if (found == SHIM_NONE)
            exit = (struct shim_exit){.status = EXIT_LOST, .finished = timestamp_now()};
        record_end(engine, c, &exit);
    } else {
        c->starting = false;
        /* Also when nothing is found: a daemon that was killed between the note and the removal left the directory. */
        supervisor_forget(engine->supervisor, c->id);
    }
}

/* Removals that were cut short, --rm containers that nobody will end, and restart policies. */
static void settle(struct engine *engine, struct container *c)
{
    pthread_mutex_lock(&c->lock);
    bool up = c->pid != 0;
    bool remove = !up && !c->removed &&
                  (c->state == CONTAINER_REMOVING ||
                   (c->host.auto_remove && (c->state == CONTAINER_CREATED || c->state == CONTAINER_EXITED)));
    if (remove)
        c->state = CONTAINER_REMOVING;
    struct restart_facts facts = {.exit_code = c->exit_code,
                                  .restart_count = c->restart_count,
                                  .stopped_by_user = c->stopped_by_user,
                                  .daemon_start = true};
    bool waiting = c->state == CONTAINER_RESTARTING && c->restart_ticket == 0;
    bool restart = !up && !remove && c->started != 0 && c->state == CONTAINER_EXITED &&
                   restart_policy_applies(&c->host.restart_policy, &facts);
    if (restart)
        c->state = CONTAINER_RESTARTING;
    if (restart || waiting)
        container_schedule_restart(engine, c, 0);
    pthread_mutex_unlock(&c->lock);
    struct error err = {0};
    if (remove && container_forget(engine, c, true, &err) < 0)
        log_error("container %s: removing it: %s", c->id, err.message);
}

/* ---- what belongs to nobody ---- */

static bool known_container(const char *id, void *data)
{
    struct engine *engine = data;
    pthread_mutex_lock(&engine->index_lock);
    bool known = map_get(&engine->by_id, id) != NULL;
    pthread_mutex_unlock(&engine->index_lock);
    return known;
}

static int sweep_rootfs(struct engine *engine, struct error *err)
{
    CLEANUP_STRV struct strv ids = STRV_INIT;
    int r = image_rootfs_list(engine->images, &ids, err);
    if (r < 0)
        return r;
    struct map used = MAP_INIT;
    for (size_t i = 0; i < engine->count; i++) {
        if (engine->list[i]->rootfs_id != NULL)
            map_set(&used, engine->list[i]->rootfs_id, engine);
        for (size_t k = 0; k < engine->list[i]->mount_count; k++)
            if (engine->list[i]->mounts[k].rootfs_id != NULL)
                map_set(&used, engine->list[i]->mounts[k].rootfs_id, engine);
    }
    for (size_t i = 0; r == 0 && i < ids.count; i++)
        if (map_get(&used, ids.items[i]) == NULL)
            r = image_rootfs_remove(engine->images, ids.items[i], err);
    map_release(&used);
    return r;
}

static int sweep_directories(struct engine *engine, int parent_fd, const char *path, struct error *err)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = directory_open(parent_fd, ".", &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0) {
        int removed = name[0] == '.' || known_container(name, engine) ? 0 : beneath_remove_tree(parent_fd, name);
        if (removed < 0)
            log_warn("%s/%s: %s", path, name, strerror(-removed));
    }
    return r < 0 ? error_errno(err, r, "%s", path) : 0;
}

static bool is_running(const char *id, void *data)
{
    struct engine *engine = data;
    CLEANUP_CONTAINER struct container *c = NULL;
    if (container_find(engine, id, &c, NULL) < 0)
        return false;
    pthread_mutex_lock(&c->lock);
    bool running = c->pid != 0;
    pthread_mutex_unlock(&c->lock);
    return running;
}

int engine_recover(struct engine *engine, struct error *err)
{
    int r = store_load(engine, err);
    if (r < 0)
        return r;
    size_t count;
    struct container **list = engine_snapshot(engine, &count);
    start_order_sort(list, count); /* what is restarted is so in this order: the timer runs one job after the other */
    for (size_t i = 0; i < count; i++)
        find_process(engine, list[i]);
    r = network_restore_done(engine->networks, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        settle(engine, list[i]);
    engine_snapshot_free(list, count);
    worker_drain(engine->cleaner);
    if (r == 0)
        r = supervisor_sweep(engine->supervisor, known_container, engine, err);
    if (r == 0)
        r = sweep_rootfs(engine, err);
    if (r == 0)
        r = sweep_directories(engine, engine->containers_fd, engine->containers_dir, err);
    if (r == 0)
        r = sweep_directories(engine, engine->etc_fd, engine->etc_dir, err);
    if (r == 0)
        host_mounts_sweep(engine, is_running, engine);
    if (r == 0)
        r = volumes_sweep(engine->volumes, err);
    return r;
}
