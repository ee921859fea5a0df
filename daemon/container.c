#include "daemon/container.h"

#include <errno.h>
#include <malloc.h>

#include "base/fd.h"
#include "daemon/engine_internal.h"
#include "daemon/network/network_ports.h"

/* Above that many ports the texts of a request and of a row are megabytes in small pieces. */
#define MANY_PORTS 1000

static bool has_many_ports(const struct container *c)
{
    return network_ports_total(c->ports, c->port_count) >= MANY_PORTS;
}

void container_memory_trim(const struct container *c)
{
    if (has_many_ports(c))
        malloc_trim(0);
}

struct container *container_new(void)
{
    struct container *c = xcalloc(1, sizeof(*c));
    c->references = 1;
    c->rootfs_fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->turn_free, NULL);
    return c;
}

struct container *container_ref(struct container *c)
{
    __atomic_add_fetch(&c->references, 1, __ATOMIC_RELAXED);
    return c;
}

static void pending_free(struct pending_attach *p)
{
    fd_close(p->attach.fd);
    free((char *)p->attach.detach_keys);
    free(p);
}

void container_unref(struct container *c)
{
    if (c == NULL || __atomic_sub_fetch(&c->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    bool large = has_many_ports(c);
    while (c->pending != NULL) {
        struct pending_attach *next = c->pending->next;
        pending_free(c->pending);
        c->pending = next;
    }
    if (c->shim != NULL)
        shim_unref(c->shim);
    fd_close(c->rootfs_fd);
    free(c->image_id);
    strv_release(&c->hidden_env);
    free(c->path);
    strv_release(&c->args);
    strv_release(&c->link_ids);
    container_config_release(&c->config);
    host_config_release(&c->host);
    health_state_release(&c->health);
    mounts_free(c->mounts, c->mount_count);
    free(c->rootfs_id);
    free(c->ports);
    while (c->retired != NULL) {
        struct retired *next = c->retired->next;
        free(c->retired->memory);
        free(c->retired);
        c->retired = next;
    }
    free(c->name);
    free(c->error);
    free(c->sandbox_key);
    network_sandbox_release(&c->sandbox);
    for (size_t i = 0; i < c->network_count; i++)
        endpoint_settings_release(&c->networks[i]);
    free(c->networks);
    pthread_cond_destroy(&c->turn_free);
    pthread_mutex_destroy(&c->lock);
    free(c);
    if (large)
        malloc_trim(0);
}

void container_retire(struct container *c, void *memory)
{
    struct retired *retired = xmalloc(sizeof(*retired));
    *retired = (struct retired){.memory = memory, .next = c->retired};
    c->retired = retired;
}

void container_unref_ptr(struct container **c)
{
    container_unref(*c);
}

void container_drop_pending(struct container *c)
{
    pthread_mutex_lock(&c->lock);
    struct pending_attach *p = c->pending;
    c->pending = NULL;
    pthread_mutex_unlock(&c->lock);
    while (p != NULL) {
        struct pending_attach *next = p->next;
        pending_free(p);
        p = next;
    }
}

int container_turn_begin(struct container *c, enum container_event event, const char *name, struct error *err)
{
    pthread_mutex_lock(&c->lock);
    while (c->busy || c->cleaning)
        pthread_cond_wait(&c->turn_free, &c->lock);
    enum container_state next;
    int r = c->removed ? error_set(err, ERROR_NOT_FOUND, 0, "No such container: %s", c->id)
                       : container_state_next(c->state, event, name, &next, err);
    if (r == 0)
        c->busy = true;
    pthread_mutex_unlock(&c->lock);
    return r;
}

void container_turn_end(struct container *c)
{
    pthread_mutex_lock(&c->lock);
    c->busy = false;
    pthread_cond_broadcast(&c->turn_free);
    pthread_mutex_unlock(&c->lock);
}

char *container_slash_name(struct engine *engine, const struct container *c)
{
    pthread_mutex_lock(&engine->index_lock);
    char *name = xasprintf("/%s", c->name);
    pthread_mutex_unlock(&engine->index_lock);
    return name;
}

void container_event(struct engine *engine, struct container *c, const char *action, const char *key, const char *value)
{
    CLEANUP_STRMAP struct strmap extra = STRMAP_INIT;
    if (key != NULL)
        strmap_set(&extra, key, value);
    container_event_with(engine, c, action, &extra);
}

void container_event_with(struct engine *engine, struct container *c, const char *action, const struct strmap *extra)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    strmap_copy(&attributes, &c->config.labels);
    for (size_t i = 0; i < extra->count; i++)
        strmap_set(&attributes, extra->items[i].key, extra->items[i].value);
    strmap_set(&attributes, "image", c->config.image ? c->config.image : "");
    CLEANUP_FREE char *name = container_slash_name(engine, c);
    strmap_set(&attributes, "name", name + 1);
    events_publish(engine->events, "container", action, c->id, &attributes);
}

/* ---- the index ---- */

void index_add(struct engine *engine, struct container *c)
{
    map_set(&engine->by_id, c->id, c);
    if (c->link_ids.count > 0)
        __atomic_store_n(&engine->any_links, true, __ATOMIC_RELAXED);
    map_set(&engine->by_name, c->name, c);
    xgrow((void **)&engine->list, engine->count, &engine->capacity, sizeof(*engine->list));
    engine->list[engine->count++] = container_ref(c);
}

void index_remove(struct engine *engine, struct container *c)
{
    if (map_get(&engine->by_id, c->id) != c)
        return;
    map_unset(&engine->by_id, c->id);
    if (map_get(&engine->by_name, c->name) == c)
        map_unset(&engine->by_name, c->name);
    for (size_t i = 0; i < engine->count; i++) {
        if (engine->list[i] != c)
            continue;
        memmove(&engine->list[i], &engine->list[i + 1], (engine->count - i - 1) * sizeof(*engine->list));
        engine->count--;
        container_unref(c);
        return;
    }
}

struct container **engine_snapshot(struct engine *engine, size_t *ret_count)
{
    pthread_mutex_lock(&engine->index_lock);
    struct container **list = xcalloc(engine->count + 1, sizeof(*list));
    for (size_t i = 0; i < engine->count; i++)
        list[i] = container_ref(engine->list[i]);
    *ret_count = engine->count;
    pthread_mutex_unlock(&engine->index_lock);
    return list;
}

void engine_snapshot_free(struct container **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        container_unref(list[i]);
    free(list);
}

static struct container *find_prefix(struct engine *engine, const char *prefix, bool *ret_ambiguous)
{
    struct container *found = NULL;
    size_t size = strlen(prefix);
    for (size_t i = 0; i < engine->count; i++) {
        if (strncmp(engine->list[i]->id, prefix, size) != 0)
            continue;
        *ret_ambiguous = found != NULL;
        if (found != NULL)
            return NULL;
        found = engine->list[i];
    }
    return found;
}

int container_find(struct engine *engine, const char *name_or_id, struct container **ret, struct error *err)
{
    const char *key = name_or_id[0] == '/' ? name_or_id + 1 : name_or_id;
    bool ambiguous = false;
    pthread_mutex_lock(&engine->index_lock);
    struct container *c = map_get(&engine->by_id, key);
    if (c == NULL)
        c = map_get(&engine->by_name, key);
    if (c == NULL && *key != '\0' && strlen(key) < ID_SIZE && id_is_hex(key, strlen(key)))
        c = find_prefix(engine, key, &ambiguous);
    if (c != NULL)
        container_ref(c);
    pthread_mutex_unlock(&engine->index_lock);
    if (ambiguous)
        return error_set(err, ERROR_INVALID, 0, "multiple IDs found with provided prefix: %s", key);
    if (c == NULL)
        return error_set(err, ERROR_NOT_FOUND, 0, "No such container: %s", name_or_id);
    *ret = c;
    return 0;
}

int container_find_running(struct engine *engine, const char *name, const char *what, struct container **ret,
                           struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    int r = container_find(engine, name, &c, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&c->lock);
    bool running = container_state_is_running(c->state) && c->pid > 0;
    bool restarting = c->state == CONTAINER_RESTARTING;
    pthread_mutex_unlock(&c->lock);
    if (restarting)
        return error_set(err, ERROR_CONFLICT, 0, "container %s is restarting, wait until the container is running",
                         c->id);
    if (!running)
        return error_set(err, ERROR_SYSTEM, 0, "failed to join %s: container %s is not running", what, c->id);
    *ret = TAKE_PTR(c);
    return 0;
}

char *container_etc_directory(struct engine *engine, const struct container *c)
{
    return xasprintf("%s/%s", engine->etc_dir, c->id);
}

char *container_cgroup_path(struct engine *engine, const struct container *c)
{
    const char *parent = c->host.cgroup_parent;
    if (parent == NULL || *parent == '\0')
        parent = engine->options->cgroup_parent;
    if (parent == NULL || *parent == '\0')
        parent = "/dory";
    return xasprintf("%s%s/%s", *parent == '/' ? "" : "/", parent, c->id);
}

bool container_log_ended(void *data)
{
    struct container *c = data;
    pthread_mutex_lock(&c->lock);
    bool ended =
        !container_state_is_running(c->state) && c->state != CONTAINER_RESTARTING && !c->starting && c->pid == 0;
    pthread_mutex_unlock(&c->lock);
    return ended;
}
