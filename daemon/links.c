#include "daemon/links.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/groups.h"
#include "base/log.h"
#include "daemon/engine_internal.h"
#include "daemon/port_ranges.h"

#define HOSTS_MAX (1 << 20)

static bool on_default_bridge(const struct container *c)
{
    return strcmp(c->host.network_mode, "bridge") == 0 || strcmp(c->host.network_mode, "default") == 0;
}

/* Its address on the default bridge, or nothing. Lock held. */
static void copy_address(const struct container *c, char address[64])
{
    const struct network_endpoint *e = container_bridge_endpoint(c);
    if (e != NULL)
        snprintf(address, 64, "%s", e->address);
}

/* What the hosts file and the variables call "app/db": "db". */
static const char *short_alias(const char *alias)
{
    const char *slash = strrchr(alias, '/');
    return slash != NULL ? slash + 1 : alias;
}

/* "name" and "alias" of NAME:ALIAS, /NAME:/OWN/ALIAS or NAME; the caller frees both. Only the second, which is what
 * inspect shows, has a name before its alias: NAME:APP/ALIAS is an alias with a slash. */
static int split(const char *link, char **ret_name, char **ret_alias, struct error *err)
{
    const char *name = *link == '/' ? link + 1 : link, *colon = strchr(name, ':');
    const char *alias = colon != NULL ? colon + 1 : name;
    if (colon != NULL && *link == '/')
        alias = short_alias(alias);
    size_t size = colon != NULL ? (size_t)(colon - name) : strlen(name);
    if (size == 0 || *short_alias(alias) == '\0' || strchr(alias, ':') != NULL || strpbrk(alias, " \t\n=") != NULL)
        return error_set(err, ERROR_INVALID, 0, "bad format for links: %s", link);
    *ret_name = xstrndup(name, size);
    *ret_alias = xstrdup(alias);
    return 0;
}

static int host_conflict(struct error *err)
{
    return error_set(err, ERROR_INVALID, 0,
                     "conflicting options: host type networking can't be used with links. This would result in "
                     "undefined behavior");
}

static int resolve_one(struct engine *engine, struct container *c, size_t i, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    CLEANUP_FREE char *alias = NULL;
    CLEANUP_CONTAINER struct container *peer = NULL;
    int r = split(c->host.links.items[i], &name, &alias, err);
    if (r < 0)
        return r;
    r = container_find(engine, name, &peer, err);
    if (r < 0)
        return error_context(err, "could not get container for %s", name);
    if (strcmp(peer->host.network_mode, "host") == 0)
        return host_conflict(err);
    CLEANUP_FREE char *own = container_slash_name(engine, peer);
    free(c->host.links.items[i]);
    c->host.links.items[i] = xasprintf("%s:%s", own + 1, alias);
    strv_add(&c->link_ids, peer->id);
    return 0;
}

int links_resolve(struct engine *engine, struct container *c, struct error *err)
{
    if (c->host.links.count == 0)
        return 0;
    if (strcmp(c->host.network_mode, "host") == 0)
        return host_conflict(err);
    if (!on_default_bridge(c))
        return 0; /* on networks of users links are names that the resolver knows */
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->host.links.count; i++)
        r = resolve_one(engine, c, i, err);
    return r;
}

/* The name that the linked container has now, or had last; the caller frees. */
static char *peer_name(struct engine *engine, const struct container *c, size_t i)
{
    CLEANUP_CONTAINER struct container *peer = NULL;
    if (container_find(engine, c->link_ids.items[i], &peer, NULL) == 0)
        return container_slash_name(engine, peer);
    const char *link = c->host.links.items[i];
    return xasprintf("/%.*s", (int)strcspn(link, ":"), link);
}

static const char *alias_of(const struct container *c, size_t i)
{
    const char *colon = strchr(c->host.links.items[i], ':');
    return colon != NULL ? colon + 1 : c->host.links.items[i];
}

void links_show(struct engine *engine, const struct container *c, struct strv *ret)
{
    if (c->link_ids.count == 0) {
        strv_add_all(ret, &c->host.links);
        return;
    }
    CLEANUP_FREE char *own = container_slash_name(engine, c);
    for (size_t i = 0; i < c->link_ids.count; i++) {
        CLEANUP_FREE char *name = peer_name(engine, c, i);
        strv_addf(ret, "%s:%s/%s", name, own, alias_of(c, i));
    }
}

void links_names(struct engine *engine, struct container *const *list, size_t count, const struct container *c,
                 struct strv *ret)
{
    if (!__atomic_load_n(&engine->any_links, __ATOMIC_RELAXED))
        return;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < list[i]->link_ids.count; k++) {
            if (strcmp(list[i]->link_ids.items[k], c->id) != 0)
                continue;
            CLEANUP_FREE char *name = container_slash_name(engine, list[i]);
            strv_addf(ret, "%s/%s", name, alias_of(list[i], k));
        }
    }
}

/* The names of a linked container in the hosts file: alias, host name and, where it is another one, its name. */
static char *host_names(struct engine *engine, struct container *peer, const char *link_alias)
{
    CLEANUP_FREE char *name = container_slash_name(engine, peer);
    const char *alias = short_alias(link_alias);
    bool same = strcmp(name + 1, alias) == 0;
    return xasprintf("%s %s%s%s", alias, peer->config.hostname, same ? "" : " ", same ? "" : name + 1);
}

static void exposed(const struct container *peer, struct strv *ret)
{
    CLEANUP_GROUPS struct groups groups = GROUPS_INIT;
    port_names_expand(&peer->config.exposed_ports, ret);
    for (size_t i = 0; i < ret->count; i++)
        groups_add(&groups, ret->items[i]);
    for (size_t i = 0; i < peer->port_count; i++) {
        for (unsigned n = 0; n <= peer->ports[i].more; n++) {
            char port[PORT_NAME_SIZE];
            snprintf(port, sizeof(port), "%u/%s", peer->ports[i].container_port + n, peer->ports[i].protocol);
            if (groups_add(&groups, port))
                strv_add(ret, port);
        }
    }
}

static int start_one(struct engine *engine, const struct container *c, size_t i, struct strv *hosts, struct strv *env,
                     struct error *err)
{
    CLEANUP_CONTAINER struct container *peer = NULL;
    CLEANUP_FREE char *own = container_slash_name(engine, c);
    CLEANUP_FREE char *name = peer_name(engine, c, i);
    const char *alias = alias_of(c, i);
    char address[64] = "";
    if (container_find(engine, c->link_ids.items[i], &peer, NULL) == 0) {
        pthread_mutex_lock(&peer->lock);
        if (container_state_is_running(peer->state))
            copy_address(peer, address);
        pthread_mutex_unlock(&peer->lock);
    }
    if (address[0] == '\0')
        return error_set(err, ERROR_SYSTEM, ESRCH, "Cannot link to a non running container: %s AS %s/%s", name, own,
                         alias);
    CLEANUP_FREE char *names = host_names(engine, peer, alias);
    if (hosts != NULL)
        strv_addf(hosts, "%s:%s", names, address);
    CLEANUP_STRV struct strv ports = STRV_INIT;
    exposed(peer, &ports);
    struct link_facts facts = {
        .alias = alias, .own_name = own + 1, .address = address, .ports = &ports, .env = &peer->config.env};
    if (env != NULL)
        link_environment(&facts, env);
    return 0;
}

int links_start(struct engine *engine, const struct container *c, struct strv *hosts, struct strv *env,
                struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->link_ids.count; i++)
        r = start_one(engine, c, i, hosts, env, err);
    return r;
}

/* ---- another address ---- */

/* The text with the line that names `names` given another address, or (NULL) without it; other lines stay. */
static void replace_line(const char *text, const char *names, const char *address, struct strbuf *out)
{
    bool done = false;
    for (const char *p = text; *p != '\0';) {
        size_t size = strcspn(p, "\n");
        const char *tab = memchr(p, '\t', size);
        size_t rest = tab != NULL ? size - (size_t)(tab + 1 - p) : 0;
        if (tab != NULL && !done && rest == strlen(names) && memcmp(tab + 1, names, rest) == 0) {
            if (address != NULL)
                strbuf_addf(out, "%s\t%s\n", address, names);
            done = true;
        } else {
            strbuf_add(out, p, size);
            strbuf_addc(out, '\n');
        }
        p += size + (p[size] == '\n');
    }
    if (!done && address != NULL)
        strbuf_addf(out, "%s\t%s\n", address, names);
}

/* Rewritten in place: the container has this very file mounted. */
static int rewrite_hosts(struct engine *engine, const struct container *c, const char *names, const char *address,
                         struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/hosts", c->id);
    CLEANUP_FREE char *text = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    size_t size;
    int r = file_read(engine->etc_fd, path, HOSTS_MAX, &text, &size, err);
    if (r < 0)
        return r;
    replace_line(text, names, address, &out);
    CLEANUP_CLOSE int fd = openat(engine->etc_fd, path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
    r = fd < 0 ? -errno : fd_write_all(fd, strbuf_str(&out), out.size);
    return r < 0 ? error_errno(err, r, "%s", path) : 0;
}

/* Of links and of the lines in hosts files that are about them: whoever adds a line looks under it whether the link is
 * still there. The file is rewritten in place, so that two writers would also mix. */
static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;

static void tell(struct engine *engine, struct container *from, struct container *peer, const char *address)
{
    pthread_mutex_lock(&from->lock);
    bool running = container_state_is_running(from->state);
    pthread_mutex_unlock(&from->lock);
    pthread_mutex_lock(&lines_lock);
    for (size_t i = 0; running && i < from->link_ids.count; i++) {
        if (strcmp(from->link_ids.items[i], peer->id) != 0)
            continue;
        CLEANUP_FREE char *names = host_names(engine, peer, alias_of(from, i));
        struct error err = {0};
        if (rewrite_hosts(engine, from, names, address, &err) < 0)
            log_warn("container %s: the new address of %s: %s", from->id, names, err.message);
    }
    pthread_mutex_unlock(&lines_lock);
}

void links_address_changed(struct engine *engine, struct container *c)
{
    if (!__atomic_load_n(&engine->any_links, __ATOMIC_RELAXED))
        return;
    char address[64] = "";
    pthread_mutex_lock(&c->lock);
    copy_address(c, address);
    pthread_mutex_unlock(&c->lock);
    if (address[0] == '\0')
        return;
    size_t count;
    struct container **list = engine_snapshot(engine, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i]->link_ids.count > 0)
            tell(engine, list[i], c, address);
    engine_snapshot_free(list, count);
}

/* ---- no link any more ---- */

/* Readers come without the lock, some with the former count: every slot stays filled with a string that stays. */
static void take_out(struct container *c, struct strv *list, size_t i)
{
    char **items = xcalloc(list->count + 1, sizeof(*items)), **former = list->items;
    char *removed = former[i];
    for (size_t from = 0, to = 0; from < list->count; from++)
        if (from != i)
            items[to++] = former[from];
    items[list->count - 1] = removed;
    list->capacity = list->count + 1;
    __atomic_store_n(&list->items, items, __ATOMIC_RELEASE);
    __atomic_store_n(&list->count, list->count - 1, __ATOMIC_RELEASE);
    container_retire(c, former);
    container_retire(c, removed);
}

static int save_without(struct engine *engine, const struct container *c, size_t i, struct error *err)
{
    struct container changed = *c; /* what the row is written from */
    struct host_config host = {0};
    struct strv ids = STRV_INIT;
    json_table_copy(&host_config_table, &host, &c->host);
    strv_remove(&host.links, i);
    strv_add_all(&ids, &c->link_ids);
    strv_remove(&ids, i);
    changed.link_ids = ids;
    int r = store_save_config(engine, &changed, &host, NULL, err);
    host_config_release(&host);
    strv_release(&ids);
    return r;
}

static int remove_one(struct engine *engine, struct container *c, const char *alias, struct error *err)
{
    size_t i = 0;
    while (i < c->link_ids.count && strcmp(alias_of(c, i), alias) != 0)
        i++;
    if (i == c->link_ids.count)
        return error_set(err, ERROR_NOT_FOUND, 0, "No such container: %s/%s", c->id, alias);
    CLEANUP_CONTAINER struct container *peer = NULL;
    if (container_find(engine, c->link_ids.items[i], &peer, NULL) < 0)
        peer = NULL;
    CLEANUP_FREE char *names = peer != NULL ? host_names(engine, peer, alias) : NULL;
    int r = save_without(engine, c, i, err);
    if (r < 0)
        return r;
    struct error failure = {0};
    pthread_mutex_lock(&lines_lock);
    pthread_mutex_lock(&c->lock);
    bool running = container_state_is_running(c->state);
    take_out(c, &c->host.links, i);
    take_out(c, &c->link_ids, i);
    pthread_mutex_unlock(&c->lock);
    /* The link is gone already: a line that stays is no reason to say otherwise. */
    if (running && names != NULL && rewrite_hosts(engine, c, names, NULL, &failure) < 0)
        log_warn("container %s: the line of %s stays: %s", c->id, names, failure.message);
    pthread_mutex_unlock(&lines_lock);
    return 0;
}

int links_remove(struct engine *engine, struct container *c, const char *alias, struct error *err)
{
    int r = container_turn_begin(c, CONTAINER_UPDATE, c->id, err);
    if (r < 0)
        return r;
    r = remove_one(engine, c, alias, err);
    container_turn_end(c);
    return r;
}
