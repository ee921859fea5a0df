#include "daemon/build/service.h"

#include <unistd.h>

#include "base/condition.h"
#include "base/db.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/build/execute.h"
#include "daemon/engine_internal.h"
#include "daemon/host_mounts.h"

/* How often who waits looks whether it is still wanted. */
#define LOOK_NS 100000000

static int list_containers(struct db *db, struct strv *ret, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    db_lock(db);
    int r = db_query(db, "SELECT id FROM build_container", &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row)
        strv_add(ret, db_text(s, 0));
    db_unlock(db);
    return r;
}

/* Nobody waits for what they do any more. */
static int remove_containers(struct build_service *service, struct error *err)
{
    CLEANUP_STRV struct strv ids = STRV_INIT;
    struct engine *engine = service->engine;
    int r = list_containers(engine->db, &ids, err);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        struct container *c = NULL;
        struct error failed = {0};
        const struct container_remove how = {.force = true, .volumes = true};
        if (container_find(engine, ids.items[i], &c, NULL) == 0 && container_remove(engine, c, &how, &failed) < 0)
            log_error("container %s of a build that was cut off: %s", ids.items[i], failed.message);
        container_unref(c);
        host_mounts_remove(engine, ids.items[i], NULL);
        build_container_forget(service, ids.items[i]);
    }
    return r;
}

int build_service_open(struct engine *engine, struct build_service **ret, struct error *err)
{
    int r = cache_open(engine->db, err);
    if (r < 0)
        return r;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct build_service *service = xcalloc(1, sizeof(*service));
    service->engine = engine;
    service->digesting_max = processors < 1 ? 2 : processors < 16 ? (unsigned)processors : 16;
    pthread_mutex_init(&service->lock, NULL);
    pthread_cond_init(&service->changed, NULL);
    r = remove_containers(service, err);
    if (r < 0) {
        build_service_free(service);
        return r;
    }
    *ret = service;
    return 0;
}

static void build_service_stop(struct build_service *service)
{
    pthread_mutex_lock(&service->lock);
    service->closing = true;
    build_give_up_all(service);
    pthread_mutex_unlock(&service->lock);
}

void build_stop_all(struct engine *engine)
{
    build_service_stop(engine->builds);
}

void build_service_free(struct build_service *service)
{
    if (service == NULL)
        return;
    build_service_stop(service);
    pthread_mutex_lock(&service->lock);
    while (service->builds != NULL || service->threads > 0)
        pthread_cond_wait(&service->changed, &service->lock);
    pthread_mutex_unlock(&service->lock);
    map_release(&service->flights);
    map_release(&service->used);
    map_release(&service->mounts);
    pthread_mutex_destroy(&service->lock);
    pthread_cond_destroy(&service->changed);
    free(service);
}

void build_service_wait(struct build_service *service)
{
    condition_wait_until(&service->changed, &service->lock, timestamp_monotonic() + LOOK_NS);
}

int build_container_note(struct build_service *service, const char *id, struct error *err)
{
    struct db *db = service->engine->db;
    struct db_statement *s;
    db_lock(db);
    int r = db_query(db, "INSERT OR IGNORE INTO build_container(id) VALUES(?)", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, id);
        r = db_run(s, err);
    }
    db_unlock(db);
    return r;
}

void build_container_forget(struct build_service *service, const char *id)
{
    struct db *db = service->engine->db;
    struct error err = {0};
    struct db_statement *s;
    db_lock(db);
    int r = db_query(db, "DELETE FROM build_container WHERE id = ?", &s, &err);
    if (r == 0) {
        db_bind_text(s, 1, id);
        r = db_run(s, &err);
    }
    db_unlock(db);
    if (r < 0)
        log_error("forgetting the container %s of a build: %s", id, err.message);
}

void build_key_hold(struct build_service *service, const char *key)
{
    pthread_mutex_lock(&service->lock);
    uintptr_t count = (uintptr_t)map_get(&service->used, key);
    map_set(&service->used, key, (void *)(count + 1));
    pthread_mutex_unlock(&service->lock);
}

void build_key_unhold(struct build_service *service, const char *key)
{
    pthread_mutex_lock(&service->lock);
    uintptr_t count = (uintptr_t)map_get(&service->used, key);
    if (count > 1)
        map_set(&service->used, key, (void *)(count - 1));
    else
        map_unset(&service->used, key);
    pthread_mutex_unlock(&service->lock);
}

bool build_key_is_held(struct build_service *service, const char *key)
{
    pthread_mutex_lock(&service->lock);
    bool held = map_get(&service->used, key) != NULL || map_get(&service->flights, key) != NULL;
    pthread_mutex_unlock(&service->lock);
    return held;
}
