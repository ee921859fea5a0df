/* GET /containers/{id}/json: the members, order and empty values of docker 27. */
#include <errno.h>

#include "base/timestamp.h"
#include "daemon/engine_internal.h"
#include "daemon/links.h"
#include "daemon/port_ranges.h"

static const char *text(const char *s)
{
    return s != NULL ? s : "";
}

static void member_time(struct json_writer *w, const char *key, int64_t ns)
{
    char buffer[TIMESTAMP_MAX];
    timestamp_format(buffer, ns);
    json_member_string(w, key, buffer);
}

/* lock held */
static void put_state(struct json_writer *w, const struct container *c)
{
    bool running = container_state_is_running(c->state) || c->state == CONTAINER_RESTARTING;
    json_key(w, "State");
    json_begin_object(w);
    json_member_string(w, "Status", container_state_name(c->state));
    json_member_bool(w, "Running", running);
    json_member_bool(w, "Paused", c->state == CONTAINER_PAUSED);
    json_member_bool(w, "Restarting", c->state == CONTAINER_RESTARTING);
    json_member_bool(w, "OOMKilled", c->oom_killed);
    json_member_bool(w, "Dead", c->state == CONTAINER_DEAD);
    json_member_int(w, "Pid", c->pid);
    json_member_int(w, "ExitCode", c->exit_code);
    json_member_string(w, "Error", text(c->error));
    member_time(w, "StartedAt", c->started);
    member_time(w, "FinishedAt", c->finished);
    if (c->health.status != HEALTH_NONE) {
        json_key(w, "Health");
        json_table_encode(&health_state_table, &c->health, w);
    }
    json_end_object(w);
}

static void put_graph_driver(struct json_writer *w, struct engine *engine, const struct container *c)
{
    json_key(w, "GraphDriver");
    json_begin_object(w);
    json_key(w, "Data");
    json_begin_object(w);
    if (c->rootfs_id != NULL) {
        const char *root = engine->options->data_root;
        CLEANUP_FREE char *upper = xasprintf("%s/overlay/%s/diff", root, c->rootfs_id);
        CLEANUP_FREE char *work = xasprintf("%s/overlay/%s/work", root, c->rootfs_id);
        CLEANUP_STRBUF struct strbuf lower = STRBUF_INIT;
        CLEANUP_IMAGE struct image *image = NULL;
        if (c->image_id != NULL && image_lookup(engine->images, c->image_id, &image, NULL) == 0)
            for (size_t i = image->layer_dirs.count; i-- > 0;)
                strbuf_addf(&lower, "%s%s/%s", lower.size ? ":" : "", root, image->layer_dirs.items[i]);
        json_member_string(w, "ID", c->id);
        json_member_string(w, "LowerDir", strbuf_str(&lower));
        json_member_string(w, "UpperDir", upper);
        json_member_string(w, "WorkDir", work);
    }
    json_end_object(w);
    json_member_string(w, "Name", "overlay2");
    json_end_object(w);
}

static void put_mounts(struct json_writer *w, const struct container *c)
{
    json_key(w, "Mounts");
    json_begin_array(w);
    for (size_t i = 0; i < c->mount_count; i++) {
        const struct mount_point *m = &c->mounts[i];
        if (m->type == MOUNT_TMPFS && !m->from_mounts)
            continue; /* --tmpfs is shown in HostConfig.Tmpfs only */
        json_begin_object(w);
        json_member_string(w, "Type", mount_type_names[m->type]);
        if (m->type == MOUNT_VOLUME)
            json_member_string(w, "Name", text(m->name));
        json_member_string(w, "Source", text(m->source));
        json_member_string(w, "Destination", m->destination);
        if (m->type == MOUNT_VOLUME)
            json_member_string(w, "Driver", "local");
        json_member_string(w, "Mode", text(m->mode));
        json_member_bool(w, "RW", !m->read_only);
        json_member_string(w, "Propagation", text(m->propagation));
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_binding(struct json_writer *w, const struct network_port *port, unsigned n)
{
    char number[8];
    snprintf(number, sizeof(number), "%.0u", port->host_port ? port->host_port + n : 0); /* "" on a routed network */
    json_begin_object(w);
    json_member_string(w, "HostIp", port->host_address[0] ? port->host_address : "0.0.0.0");
    json_member_string(w, "HostPort", number);
    json_end_object(w);
}

/* One container port's key, and the bindings of it from entry `i` on. */
static void put_port(struct json_writer *w, const struct network_sandbox *sandbox, size_t i, unsigned port)
{
    char key[PORT_NAME_SIZE];
    snprintf(key, sizeof(key), "%u/%s", port, sandbox->ports[i].protocol);
    json_key(w, key);
    json_begin_array(w);
    for (size_t j = i; j < sandbox->port_count; j++) {
        const struct network_port *p = &sandbox->ports[j];
        if (port >= p->container_port && port - p->container_port <= p->more &&
            strcmp(p->protocol, sandbox->ports[i].protocol) == 0)
            put_binding(w, p, port - p->container_port);
    }
    json_end_array(w);
}

/* "80/tcp": [{...}] of published ports, null for exposed ones. */
static void put_ports(struct json_writer *w, const struct container *c)
{
    json_key(w, "Ports");
    json_begin_object(w);
    const struct network_sandbox *e = &c->sandbox;
    bool shown = container_state_is_running(c->state) && e->count > 0;
    CLEANUP_FREE struct port_set *done = shown ? xcalloc(1, sizeof(*done)) : NULL;
    for (size_t i = 0; shown && i < e->port_count; i++) {
        const struct network_port *p = &e->ports[i];
        for (unsigned port = p->container_port; port <= p->container_port + (unsigned)p->more; port++) {
            if (!port_set_has(done, port, p->protocol))
                put_port(w, e, i, port);
            port_set_add(done, port, p->protocol);
        }
    }
    for (size_t i = 0; shown && i < c->config.exposed_ports.count; i++) {
        struct port_range range;
        if (port_range_parse(c->config.exposed_ports.items[i], &range, NULL) < 0)
            continue;
        for (unsigned port = range.first; port <= range.last; port++) {
            char key[PORT_NAME_SIZE];
            snprintf(key, sizeof(key), "%u/%s", port, range.protocol);
            if (!port_set_has(done, port, range.protocol))
                json_member_null(w, key);
        }
    }
    json_end_object(w);
}

/* What there was of the default bridge before a container had several networks: left out since 1.52. lock held */
static void put_bridge_settings(struct json_writer *w, const struct container *c)
{
    static const struct network_endpoint nothing;
    const struct network_endpoint *e = container_bridge_endpoint(c);
    if (e == NULL)
        e = &nothing;
    json_member_string(w, "Bridge", "");
    json_member_bool(w, "HairpinMode", false);
    json_member_string(w, "LinkLocalIPv6Address", "");
    json_member_int(w, "LinkLocalIPv6PrefixLen", 0);
    json_member_null(w, "SecondaryIPAddresses");
    json_member_null(w, "SecondaryIPv6Addresses");
    json_member_string(w, "EndpointID", e->endpoint_id);
    json_member_string(w, "Gateway", e->gateway);
    json_member_string(w, "GlobalIPv6Address", e->address6);
    json_member_int(w, "GlobalIPv6PrefixLen", e->prefix6);
    json_member_string(w, "IPAddress", e->address);
    json_member_int(w, "IPPrefixLen", e->prefix);
    json_member_string(w, "IPv6Gateway", e->gateway6);
    json_member_string(w, "MacAddress", e->mac);
}

/* lock held */
static void put_network_settings(struct json_writer *w, const struct container *c, const char *name, int api_version)
{
    bool running = container_state_is_running(c->state);
    json_key(w, "NetworkSettings");
    json_begin_object(w);
    json_member_string(w, "SandboxID", running ? c->id : "");
    json_member_string(w, "SandboxKey", running ? text(c->sandbox_key) : "");
    put_ports(w, c);
    if (api_is_before(api_version, 52))
        put_bridge_settings(w, c);
    /* Before 1.45 the short id is among the aliases. */
    container_networks_write(c, name, api_is_before(api_version, 45), w);
    json_end_object(w);
}

static void put_paths(struct json_writer *w, struct engine *engine, const struct container *c)
{
    bool started = c->started != 0;
    CLEANUP_FREE char *dir = container_etc_directory(engine, c);
    static const struct {
        const char *member, *file;
    } rows[] = {{"ResolvConfPath", "resolv.conf"}, {"HostnamePath", "hostname"}, {"HostsPath", "hosts"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *path = xasprintf("%s/%s", dir, rows[i].file);
        json_member_string(w, rows[i].member, started ? path : "");
    }
    CLEANUP_FREE char *log = container_log_path(engine, c);
    bool json_file = strcmp(c->host.log_config.type, "json-file") == 0; /* others keep their files to themselves */
    json_member_string(w, "LogPath", started && json_file ? log : "");
}

int container_inspect(struct engine *engine, struct container *c, const struct container_inspect *how,
                      struct strbuf *out, struct error *err)
{
    int64_t rw = 0, root = 0;
    int r = how->size ? container_size(engine, c, &rw, &root, err) : 0;
    if (r < 0)
        return r;
    CLEANUP_FREE char *name = container_slash_name(engine, c);
    CLEANUP_STRV struct strv links = STRV_INIT;
    links_show(engine, c, &links);
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "Id", c->id);
    member_time(&w, "Created", c->created);
    json_member_string(&w, "Path", c->path);
    json_key(&w, "Args");
    json_begin_array(&w);
    for (size_t i = 0; i < c->args.count; i++)
        json_put_string(&w, c->args.items[i]);
    json_end_array(&w);
    pthread_mutex_lock(&c->lock);
    put_state(&w, c);
    json_member_string(&w, "Image", text(c->image_id));
    put_paths(&w, engine, c);
    json_member_string(&w, "Name", name);
    json_member_int(&w, "RestartCount", c->restart_count);
    json_member_string(&w, "Driver", "overlay2");
    json_member_string(&w, "Platform", "linux");
    json_member_string(&w, "MountLabel", "");
    json_member_string(&w, "ProcessLabel", "");
    json_member_string(&w, "AppArmorProfile", "");
    json_key(&w, "ExecIDs");
    container_put_exec_ids(engine, c, &w);
    json_key(&w, "HostConfig");
    struct host_config shown = c->host; /* borrows everything but the links */
    shown.links = links;
    json_table_encode(&host_config_table, &shown, &w);
    put_graph_driver(&w, engine, c);
    if (how->size) {
        json_member_int(&w, "SizeRw", rw);
        json_member_int(&w, "SizeRootFs", root);
    }
    put_mounts(&w, c);
    json_key(&w, "Config");
    CLEANUP_STRV struct strv exposed = STRV_INIT;
    struct container_config config = c->config; /* borrows everything but the ports */
    port_names_expand(&c->config.exposed_ports, &exposed);
    config.exposed_ports = exposed;
    container_config_show(&config, how->api_version, &w);
    put_network_settings(&w, c, name + 1, how->api_version);
    pthread_mutex_unlock(&c->lock);
    json_end_object(&w);
    strbuf_addc(out, '\n');
    return 0;
}
