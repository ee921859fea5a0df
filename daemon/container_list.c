/* GET /containers/json and the state in words that `docker ps` shows. */
#include <errno.h>

#include "base/parse.h"
#include "base/timestamp.h"
#include "base/units.h"
#include "daemon/container_filters.h"
#include "daemon/engine_internal.h"
#include "daemon/links.h"
#include "daemon/port_ranges.h"

const char *const container_list_filters[] = {"ancestor",  "before",  "exited", "expose", "health",  "id",
                                              "isolation", "is-task", "label",  "name",   "network", "publish",
                                              "since",     "status",  "volume", NULL};

/* "Up 5 minutes", "Exited (0) 2 hours ago", "Created"... lock held. */
static void status_text(const struct container *c, int64_t now, char *buffer, size_t size)
{
    char since[64];
    units_duration(since, sizeof(since),
                   (now - (container_state_is_running(c->state) ? c->started : c->finished)) / 1000000000);
    switch (c->state) {
    case CONTAINER_RUNNING:
        if (c->health.status == HEALTH_NONE)
            snprintf(buffer, size, "Up %s", since);
        else
            snprintf(buffer, size, "Up %s (%s%s)", since, c->health.status == HEALTH_STARTING ? "health: " : "",
                     health_status_name(c->health.status));
        break;
    case CONTAINER_PAUSED:
        snprintf(buffer, size, "Up %s (Paused)", since);
        break;
    case CONTAINER_RESTARTING:
        snprintf(buffer, size, "Restarting (%d) %s ago", c->exit_code, since);
        break;
    case CONTAINER_REMOVING:
        snprintf(buffer, size, "Removal In Progress");
        break;
    case CONTAINER_DEAD:
        snprintf(buffer, size, "Dead");
        break;
    case CONTAINER_EXITED:
        snprintf(buffer, size, "Exited (%d) %s ago", c->exit_code, since);
        break;
    default:
        snprintf(buffer, size, "Created");
    }
}

/* Path and arguments; those with blanks are put in quotes, as docker does. */
static void command_text(const struct container *c, struct strbuf *out)
{
    strbuf_adds(out, c->path);
    for (size_t i = 0; i < c->args.count; i++)
        strbuf_addf(out, strchr(c->args.items[i], ' ') != NULL ? " '%s'" : " %s", c->args.items[i]);
}

/* ---- image names ---- */

/* The image of a container, as long as it is there. Each is looked up once for a list: a look-up reads the database. */
static const struct image *image_of(struct engine *engine, const struct container *c, struct map *images)
{
    if (c->image_id == NULL)
        return NULL;
    struct image *image = map_get(images, c->image_id);
    if (image == NULL && image_lookup(engine->images, c->image_id, &image, NULL) == 0)
        map_set(images, c->image_id, image);
    return image;
}

static void images_release(struct map *images)
{
    const char *id;
    void *image;
    for (size_t at = 0; map_next(images, &at, &id, &image);)
        image_unref(image);
    map_release(images);
}

/* The name the container was made with, as long as it still stands for that image; else the image's id. */
static const char *image_text(const struct container *c, const struct image *image)
{
    const char *asked = c->config.image ? c->config.image : "";
    if (image == NULL)
        return asked;
    CLEANUP_FREE char *latest = xasprintf("%s:latest", asked);
    if (strv_contains(&image->repo_tags, asked) || strv_contains(&image->repo_tags, latest) ||
        strv_contains(&image->repo_digests, asked))
        return asked;
    /* Made from an id, or from a name that has moved on. */
    if (strncmp(asked, "sha256:", 7) == 0 || id_is_hex(asked, strlen(asked)))
        return asked;
    return c->image_id;
}

static void add_ancestors(const struct container *c, const struct image *image, struct strv *out)
{
    if (c->image_id != NULL) {
        strv_add(out, c->image_id);
        if (strlen(c->image_id) > 7) {
            strv_add(out, c->image_id + 7);
            strv_add_take(out, xstrndup(c->image_id + 7, ID_SHORT_SIZE));
        }
    }
    if (c->config.image != NULL)
        strv_add(out, c->config.image);
    for (size_t i = 0; image != NULL && i < image->repo_tags.count; i++) {
        strv_add(out, image->repo_tags.items[i]);
        const char *colon = strrchr(image->repo_tags.items[i], ':');
        if (colon != NULL && strcmp(colon, ":latest") == 0)
            strv_add_take(out, xstrndup(image->repo_tags.items[i], (size_t)(colon - image->repo_tags.items[i])));
    }
}

/* ---- one entry ---- */

static void put_port(struct json_writer *w, const char *ip, unsigned container_port, unsigned host_port,
                     const char *protocol)
{
    json_begin_object(w);
    if (ip != NULL)
        json_member_string(w, "IP", ip);
    json_member_int(w, "PrivatePort", container_port);
    if (host_port != 0)
        json_member_int(w, "PublicPort", host_port);
    json_member_string(w, "Type", protocol);
    json_end_object(w);
}

/* lock held */
static void put_ports(struct json_writer *w, const struct container *c)
{
    json_key(w, "Ports");
    json_begin_array(w);
    const struct network_sandbox *e = &c->sandbox;
    bool shown = container_state_is_running(c->state) && e->count > 0;
    bool exposes = shown && c->config.exposed_ports.count > 0;
    CLEANUP_FREE struct port_set *published = exposes ? xcalloc(1, sizeof(*published)) : NULL;
    for (size_t i = 0; shown && i < e->port_count; i++) {
        const struct network_port *p = &e->ports[i];
        for (unsigned n = 0; n <= p->more; n++) {
            if (p->host_port)
                put_port(w, p->host_address[0] ? p->host_address : "0.0.0.0", p->container_port + n, p->host_port + n,
                         p->protocol);
            else /* at the container's own address */
                put_port(w, NULL, p->container_port + n, 0, p->protocol);
            if (exposes)
                port_set_add(published, p->container_port + n, p->protocol);
        }
    }
    for (size_t i = 0; exposes && i < c->config.exposed_ports.count; i++) {
        struct port_range range;
        if (port_range_parse(c->config.exposed_ports.items[i], &range, NULL) < 0)
            continue;
        for (unsigned port = range.first; port <= range.last; port++)
            if (!port_set_has(published, port, range.protocol))
                put_port(w, NULL, port, 0, range.protocol);
    }
    json_end_array(w);
}

/* lock held */
static void put_network(struct json_writer *w, const struct container *c, const char *name)
{
    json_key(w, "NetworkSettings");
    json_begin_object(w);
    container_networks_write(c, name, false, w);
    json_end_object(w);
}

static void put_mounts(struct json_writer *w, const struct container *c)
{
    json_key(w, "Mounts");
    json_begin_array(w);
    for (size_t i = 0; i < c->mount_count; i++) {
        const struct mount_point *m = &c->mounts[i];
        if (m->type == MOUNT_TMPFS && !m->from_mounts)
            continue;
        json_begin_object(w);
        json_member_string(w, "Type", mount_type_names[m->type]);
        if (m->type == MOUNT_VOLUME)
            json_member_string(w, "Name", m->name ? m->name : "");
        json_member_string(w, "Source", m->source ? m->source : "");
        json_member_string(w, "Destination", m->destination);
        if (m->type == MOUNT_VOLUME)
            json_member_string(w, "Driver", "local");
        json_member_string(w, "Mode", m->mode ? m->mode : "");
        json_member_bool(w, "RW", !m->read_only);
        json_member_string(w, "Propagation", m->propagation ? m->propagation : "");
        json_end_object(w);
    }
    json_end_array(w);
}

struct list_entry {
    struct container *c;
    const struct image *image;
    const char *name;
    struct strv link_names;
    bool size;
    int64_t rw, root, now;
    int api_version;
};

static void put_host_config(struct json_writer *w, const struct container *c, int api_version)
{
    const struct strmap *annotations = &c->host.annotations;
    json_key(w, "HostConfig");
    json_begin_object(w);
    json_member_string(w, "NetworkMode", c->host.network_mode);
    if (!api_is_before(api_version, 46) && annotations->count > 0) {
        json_key(w, "Annotations");
        json_begin_object(w);
        for (size_t i = 0; i < annotations->count; i++)
            json_member_string(w, annotations->items[i].key, annotations->items[i].value);
        json_end_object(w);
    }
    json_end_object(w);
}

/* lock held */
static void put_health(struct json_writer *w, const struct container *c)
{
    bool checked = c->health.status != HEALTH_NONE;
    json_key(w, "Health");
    json_begin_object(w);
    json_member_string(w, "Status", checked ? health_status_name(c->health.status) : "none");
    json_member_int(w, "FailingStreak", checked ? c->health.failing_streak : 0);
    json_end_object(w);
}

/* lock held */
static void put_entry(struct json_writer *w, const struct list_entry *e)
{
    const struct container *c = e->c;
    char status[128];
    status_text(c, e->now, status, sizeof(status));
    CLEANUP_STRBUF struct strbuf command = STRBUF_INIT;
    command_text(c, &command);
    CLEANUP_FREE char *slashed = xasprintf("/%s", e->name);
    json_begin_object(w);
    json_member_string(w, "Id", c->id);
    json_key(w, "Names");
    json_begin_array(w);
    json_put_string(w, slashed);
    for (size_t i = 0; i < e->link_names.count; i++)
        json_put_string(w, e->link_names.items[i]);
    json_end_array(w);
    json_member_string(w, "Image", image_text(c, e->image));
    json_member_string(w, "ImageID", c->image_id ? c->image_id : "");
    json_member_string(w, "Command", strbuf_str(&command));
    json_member_int(w, "Created", c->created / 1000000000);
    put_ports(w, c);
    if (e->size) {
        json_member_int(w, "SizeRw", e->rw);
        json_member_int(w, "SizeRootFs", e->root);
    }
    json_key(w, "Labels");
    json_begin_object(w);
    for (size_t i = 0; i < c->config.labels.count; i++)
        json_member_string(w, c->config.labels.items[i].key, c->config.labels.items[i].value);
    json_end_object(w);
    json_member_string(w, "State", container_state_name(c->state));
    json_member_string(w, "Status", status);
    put_host_config(w, c, e->api_version);
    if (!api_is_before(e->api_version, 52))
        put_health(w, c);
    put_network(w, c, e->name);
    put_mounts(w, c);
    json_end_object(w);
}

/* ---- the list ---- */

/* Creation time of the container that a "before" or "since" filter names. */
static int anchor(struct engine *engine, const struct json *filters, const char *name, int64_t *ret, struct error *err)
{
    const struct json *values = json_get(filters, name);
    for (size_t i = 0; i < json_count(values); i++) {
        CLEANUP_CONTAINER struct container *c = NULL;
        int r = container_find(engine, json_string(json_at(values, i)), &c, err);
        if (r < 0)
            return r;
        *ret = c->created;
    }
    return 0;
}

/* lock held */
static bool matches(const struct container_list *request, const struct container *c, const char *name,
                    const struct image *image, int64_t before, int64_t since)
{
    if (request->filters == NULL)
        return true;
    CLEANUP_STRV struct strv ancestors = STRV_INIT;
    CLEANUP_STRV struct strv ports = STRV_INIT;
    CLEANUP_STRV struct strv published = STRV_INIT;
    add_ancestors(c, image, &ancestors);
    for (size_t i = 0; i < c->port_count; i++) {
        const struct network_port *p = &c->ports[i];
        strv_addf(&ports, "%u-%u/%s", p->container_port, p->container_port + p->more, p->protocol);
    }
    for (size_t i = 0; container_state_is_running(c->state) && i < c->sandbox.port_count; i++) {
        const struct network_port *p = &c->sandbox.ports[i];
        if (p->host_port)
            strv_addf(&published, "%u-%u/%s", p->host_port, p->host_port + p->more, p->protocol);
    }
    struct container_facts facts = {.id = c->id,
                                    .health = health_status_name(c->health.status),
                                    .name = name,
                                    .labels = &c->config.labels,
                                    .state = c->state,
                                    .exit_code = c->exit_code,
                                    .created = c->created,
                                    .ancestors = &ancestors,
                                    .mounts = c->mounts,
                                    .mount_count = c->mount_count,
                                    .networks = c->networks,
                                    .network_count = c->network_count,
                                    .ports = &ports,
                                    .published = &published,
                                    .exposed = &c->config.exposed_ports,
                                    .before = before,
                                    .since = since};
    return container_filters_match(request->filters, &facts);
}

/* Without `all` docker shows what runs, unless a filter asks for other states. */
static bool only_running(const struct container_list *request)
{
    return !request->all && request->limit <= 0 && json_get(request->filters, "status") == NULL &&
           json_get(request->filters, "exited") == NULL && json_get(request->filters, "before") == NULL &&
           json_get(request->filters, "since") == NULL;
}

int container_list(struct engine *engine, const struct container_list *request, struct strbuf *out, struct error *err)
{
    int64_t before = 0, since = 0;
    int r = container_filters_check(request->filters, err);
    if (r == 0)
        r = anchor(engine, request->filters, "before", &before, err);
    if (r == 0)
        r = anchor(engine, request->filters, "since", &since, err);
    if (r < 0)
        return r;
    size_t count;
    struct container **list = engine_snapshot(engine, &count);
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_array(&w);
    struct map images = MAP_INIT;
    int64_t written = 0;
    for (size_t i = count; r == 0 && i-- > 0;) {
        struct container *c = list[i];
        if (request->limit > 0 && written >= request->limit)
            break;
        struct list_entry entry = {
            .c = c, .size = request->size, .now = timestamp_now(), .api_version = request->api_version};
        CLEANUP_FREE char *name = container_slash_name(engine, c);
        entry.image = image_of(engine, c, &images);
        entry.name = name + 1;
        links_names(engine, list, count, c, &entry.link_names);
        if (request->size && container_size(engine, c, &entry.rw, &entry.root, NULL) < 0)
            entry.rw = entry.root = 0; /* it is being removed */
        pthread_mutex_lock(&c->lock);
        bool shown = !only_running(request) || container_state_is_running(c->state) || c->state == CONTAINER_RESTARTING;
        if (shown && matches(request, c, entry.name, entry.image, before, since)) {
            put_entry(&w, &entry);
            written++;
        }
        pthread_mutex_unlock(&c->lock);
        strv_release(&entry.link_names);
    }
    json_end_array(&w);
    strbuf_addc(out, '\n');
    images_release(&images);
    engine_snapshot_free(list, count);
    return r;
}
