/* The members PortBindingsAdd and PortBindingsRemove of an update: published ports of a container that exists or runs.
 */
#include "base/groups.h"
#include "base/log.h"
#include "daemon/container_update.h"
#include "daemon/engine_internal.h"
#include "daemon/port_ranges.h"

/* "80" is "80/tcp"; the caller frees. */
static char *full_port(const char *text)
{
    return strchr(text, '/') != NULL ? xstrdup(text) : xasprintf("%s/tcp", text);
}

static int invalid_list(struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "PortBindingsRemove: a list of ports is expected");
}

/* Of bindings that are one port each. */
static int remove_ports(struct json_array *bindings, const struct json *list, struct error *err)
{
    struct port_binding *items = bindings->items;
    CLEANUP_GROUPS struct groups removed = GROUPS_INIT, present = GROUPS_INIT; /* there may be ten thousand */
    if (list != NULL && list->kind != JSON_ARRAY)
        return invalid_list(err);
    for (size_t i = 0; i < bindings->count; i++) {
        CLEANUP_FREE char *own = full_port(items[i].port);
        groups_add(&present, own);
    }
    for (size_t i = 0; i < json_count(list); i++) {
        const char *text = json_string(json_at(list, i));
        CLEANUP_FREE char *port = text != NULL ? full_port(text) : NULL;
        if (port == NULL)
            return invalid_list(err);
        if (!groups_has(&present, port) || !groups_add(&removed, port))
            return error_set(err, ERROR_INVALID, 0, "PortBindingsRemove: port %s is not published", port);
    }
    struct json_array kept = {.items = xcalloc(bindings->count + 1, sizeof(*items))}, gone = kept;
    gone.items = xcalloc(bindings->count + 1, sizeof(*items));
    for (size_t i = 0; i < bindings->count; i++) {
        CLEANUP_FREE char *own = full_port(items[i].port);
        struct json_array *to = groups_has(&removed, own) ? &gone : &kept;
        ((struct port_binding *)to->items)[to->count++] = items[i];
    }
    port_bindings_release(&gone);
    free(items);
    *bindings = kept;
    return 0;
}

/* Behind the others of its port: JSON has one list per port. */
static void insert(struct json_array *bindings, const struct port_binding *b)
{
    struct port_binding *items = xreallocarray(bindings->items, bindings->count + 1, sizeof(*items));
    size_t at = bindings->count;
    while (at > 0 && strcmp(items[at - 1].port, b->port) != 0)
        at--;
    if (at == 0)
        at = bindings->count;
    memmove(&items[at + 1], &items[at], (bindings->count - at) * sizeof(*items));
    items[at] = *b;
    bindings->items = items;
    bindings->count++;
}

/* Takes the added ones over. */
static void append(struct json_array *bindings, struct json_array *added)
{
    struct port_binding *from = added->items;
    for (size_t i = 0; i < added->count; i++) {
        CLEANUP_FREE char *port = from[i].port;
        from[i].port = full_port(port);
        insert(bindings, &from[i]);
    }
    free(added->items);
    *added = (struct json_array){0};
}

static int merge(struct json_array *bindings, const struct json *body, struct error *err)
{
    const struct json *add = json_get(body, "PortBindingsAdd");
    const struct json_custom *custom = json_table_find(&host_config_table, "PortBindings")->custom;
    struct json_array added = {0};
    port_bindings_expand(bindings);
    int r = remove_ports(bindings, json_get(body, "PortBindingsRemove"), err);
    if (r == 0 && add != NULL && custom->decode(add, &added, err) < 0)
        r = error_context(err, "PortBindingsAdd");
    port_bindings_expand(&added);
    if (r == 0)
        append(bindings, &added);
    port_bindings_compact(bindings);
    custom->release(&added);
    return r;
}

static int check_mode(const struct container *c, struct error *err)
{
    const char *mode = c->host.network_mode;
    if (strcmp(mode, "host") != 0 && strcmp(mode, "none") != 0 && strncmp(mode, "container:", 10) != 0)
        return 0;
    return error_set(err, ERROR_INVALID, 0, "Cannot update container %s: its network mode is %s: it publishes no ports",
                     c->id, mode);
}

/* The running container's rules; all stays as it was when a port is taken. */
static int publish(struct engine *engine, struct container *c, const struct network_port *ports, size_t count,
                   struct error *err)
{
    struct network_sandbox sandbox;
    pthread_mutex_lock(&c->lock);
    bool running = container_state_is_running(c->state) && c->sandbox.gateway_network[0] != '\0';
    if (running)
        network_sandbox_copy(&sandbox, &c->sandbox);
    pthread_mutex_unlock(&c->lock);
    if (!running)
        return 0;
    int r = network_set_ports(engine->networks, c->id, ports, count, &sandbox, err);
    container_keep_sandbox(engine, c, &sandbox);
    return r;
}

/* ---- the step ---- */

static int plan(struct container_update *u, struct error *err)
{
    struct container *c = u->container;
    u->ports_changed = json_get(u->body, "PortBindingsAdd") != NULL || json_get(u->body, "PortBindingsRemove") != NULL;
    if (!u->ports_changed)
        return 0;
    int r = check_mode(c, err);
    if (r == 0)
        r = merge(&u->next.port_bindings, u->body, err);
    if (r == 0)
        r = ports_collect(&c->config, &u->next, &u->ports, &u->port_count, err);
    return r < 0 ? r : container_networks_check_bridge(u->engine, c, u->port_count, err);
}

static int apply(struct container_update *u, struct error *err)
{
    if (!u->ports_changed)
        return 0;
    int r = publish(u->engine, u->container, u->ports, u->port_count, err);
    u->ports_applied = r == 0;
    return r;
}

static void undo(struct container_update *u)
{
    struct container *c = u->container;
    struct error err = {0};
    if (u->ports_applied && publish(u->engine, c, c->ports, c->port_count, &err) < 0)
        log_error("container %s: its ports after a refused update: %s", c->id, err.message);
}

static void adopt(struct container_update *u)
{
    struct container *c = u->container;
    if (!u->ports_changed)
        return;
    pthread_mutex_lock(&c->lock);
    struct json_array former = c->host.port_bindings;
    c->host.port_bindings = u->next.port_bindings;
    u->next.port_bindings = former;
    container_retire(c, c->ports);
    /* Who reads without the lock looks at the count first: it must not be larger than what the pointer leads to. */
    if (u->port_count < c->port_count)
        __atomic_store_n(&c->port_count, u->port_count, __ATOMIC_RELEASE);
    __atomic_store_n(&c->ports, TAKE_PTR(u->ports), __ATOMIC_RELEASE);
    __atomic_store_n(&c->port_count, u->port_count, __ATOMIC_RELEASE);
    store_save_state(u->engine, c);
    pthread_mutex_unlock(&c->lock);
}

const struct update_step update_ports = {plan, apply, undo, adopt};
