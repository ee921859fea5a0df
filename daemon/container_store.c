/* Containers in the database: one row each. What never changes is one JSON text, what changes another. */
#include <errno.h>

#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/engine_internal.h"
#include "daemon/port_ranges.h"

/* ---- the immutable part ---- */

struct stored_config {
    char *path;
    struct strv args;
    struct strv link_ids;
    struct container_config config;
    struct host_config host;
    struct json_array ports; /* host.port_bindings, which it has no others of: ten thousand ports are one entry */
    struct json_array mounts;
};

#define ROW(holder, kind, json, member, ...)                                                                           \
    {                                                                                                                  \
        .name = json, .type = JSON_FIELD_##kind, .offset = offsetof(struct holder, member), ##__VA_ARGS__              \
    }

static const struct json_field stored_binding_rows[] = {
    ROW(port_binding, STRING, "Port", port),
    ROW(port_binding, STRING, "HostIp", host_ip),
    ROW(port_binding, STRING, "HostPort", host_port),
    ROW(port_binding, UINT32, "More", more, .flags = JSON_OMIT_EMPTY),
};
static const struct json_table stored_binding_table = JSON_TABLE(struct port_binding, stored_binding_rows);

static const struct json_field stored_config_rows[] = {
    ROW(stored_config, STRING, "Path", path),
    ROW(stored_config, STRV, "Args", args),
    ROW(stored_config, STRV, "LinkIDs", link_ids, .flags = JSON_OMIT_EMPTY),
    ROW(stored_config, OBJECT, "Config", config, .table = &container_config_table),
    ROW(stored_config, OBJECT, "HostConfig", host, .table = &host_config_table),
    ROW(stored_config, ARRAY, "Ports", ports, .table = &stored_binding_table, .flags = JSON_OMIT_EMPTY),
    ROW(stored_config, ARRAY, "Mounts", mounts, .table = &mount_point_table),
};
static const struct json_table stored_config_table = JSON_TABLE(struct stored_config, stored_config_rows);

/* ---- the changing part ---- */

struct stored_port {
    int64_t container_port, host_port, more;
    char *protocol, *host_address;
};
static const struct json_field stored_port_rows[] = {
    ROW(stored_port, INT, "ContainerPort", container_port),
    ROW(stored_port, INT, "HostPort", host_port),
    ROW(stored_port, INT, "More", more),
    ROW(stored_port, STRING, "Protocol", protocol),
    ROW(stored_port, STRING, "HostAddress", host_address),
};
static const struct json_table stored_port_table = JSON_TABLE(struct stored_port, stored_port_rows);

struct stored_endpoint {
    char *network_id, *endpoint_id, *address, *gateway, *mac, *address6, *gateway6, *interface, *host_interface;
    int64_t prefix, prefix6;
};
static const struct json_field stored_endpoint_rows[] = {
    ROW(stored_endpoint, STRING, "NetworkID", network_id),
    ROW(stored_endpoint, STRING, "EndpointID", endpoint_id),
    ROW(stored_endpoint, STRING, "Address", address),
    ROW(stored_endpoint, STRING, "Gateway", gateway),
    ROW(stored_endpoint, STRING, "Mac", mac),
    ROW(stored_endpoint, INT, "Prefix", prefix),
    ROW(stored_endpoint, STRING, "Address6", address6),
    ROW(stored_endpoint, STRING, "Gateway6", gateway6),
    ROW(stored_endpoint, INT, "Prefix6", prefix6),
    ROW(stored_endpoint, STRING, "Interface", interface),
    ROW(stored_endpoint, STRING, "HostInterface", host_interface),
};
static const struct json_table stored_endpoint_table = JSON_TABLE(struct stored_endpoint, stored_endpoint_rows);

struct stored_sandbox {
    struct json_array endpoints, ports;
    char *gateway_network;
};
static const struct json_field stored_sandbox_rows[] = {
    ROW(stored_sandbox, ARRAY, "Endpoints", endpoints, .table = &stored_endpoint_table),
    ROW(stored_sandbox, ARRAY, "Ports", ports, .table = &stored_port_table),
    ROW(stored_sandbox, STRING, "GatewayNetwork", gateway_network),
};
static const struct json_table stored_sandbox_table = JSON_TABLE(struct stored_sandbox, stored_sandbox_rows);

struct stored_state {
    char *status, *error;
    int64_t exit_code, started, finished, restart_count, restart_failures;
    bool oom_killed, stopped_by_user;
    struct health_state health;
    struct stored_sandbox *sandbox;
    struct json_array networks;
};
static const struct json_field stored_state_rows[] = {
    ROW(stored_state, STRING, "Status", status),
    ROW(stored_state, INT, "ExitCode", exit_code),
    ROW(stored_state, STRING, "Error", error),
    ROW(stored_state, BOOL, "OOMKilled", oom_killed),
    ROW(stored_state, INT, "Started", started),
    ROW(stored_state, INT, "Finished", finished),
    ROW(stored_state, INT, "RestartCount", restart_count),
    ROW(stored_state, INT, "RestartFailures", restart_failures),
    ROW(stored_state, BOOL, "StoppedByUser", stopped_by_user),
    ROW(stored_state, OBJECT, "Health", health, .table = &health_state_table),
    ROW(stored_state, OBJECT_PTR, "Sandbox", sandbox, .table = &stored_sandbox_table),
    ROW(stored_state, ARRAY, "Networks", networks, .table = &endpoint_settings_table),
};
static const struct json_table stored_state_table = JSON_TABLE(struct stored_state, stored_state_rows);

static void write_endpoint(const struct network_endpoint *e, struct json_writer *w)
{
    json_begin_object(w);
    json_member_string(w, "NetworkID", e->network_id);
    json_member_string(w, "EndpointID", e->endpoint_id);
    json_member_string(w, "Address", e->address);
    json_member_string(w, "Gateway", e->gateway);
    json_member_string(w, "Mac", e->mac);
    json_member_int(w, "Prefix", e->prefix);
    json_member_string(w, "Address6", e->address6);
    json_member_string(w, "Gateway6", e->gateway6);
    json_member_int(w, "Prefix6", e->prefix6);
    json_member_string(w, "Interface", e->interface);
    json_member_string(w, "HostInterface", e->host_interface);
    json_end_object(w);
}

static void write_sandbox(const struct network_sandbox *sandbox, struct json_writer *w)
{
    json_key(w, "Sandbox");
    json_begin_object(w);
    json_key(w, "Endpoints");
    json_begin_array(w);
    for (size_t i = 0; i < sandbox->count; i++)
        write_endpoint(&sandbox->endpoints[i], w);
    json_end_array(w);
    json_key(w, "Ports");
    json_begin_array(w);
    for (size_t i = 0; i < sandbox->port_count; i++) {
        json_begin_object(w);
        json_member_int(w, "ContainerPort", sandbox->ports[i].container_port);
        json_member_int(w, "HostPort", sandbox->ports[i].host_port);
        if (sandbox->ports[i].more > 0)
            json_member_int(w, "More", sandbox->ports[i].more);
        json_member_string(w, "Protocol", sandbox->ports[i].protocol);
        json_member_string(w, "HostAddress", sandbox->ports[i].host_address);
        json_end_object(w);
    }
    json_end_array(w);
    json_member_string(w, "GatewayNetwork", sandbox->gateway_network);
    json_end_object(w);
}

static void write_state(const struct container *c, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "Status", container_state_name(c->state));
    json_member_int(&w, "ExitCode", c->exit_code);
    json_member_string(&w, "Error", c->error ? c->error : "");
    json_member_bool(&w, "OOMKilled", c->oom_killed);
    json_member_int(&w, "Started", c->started);
    json_member_int(&w, "Finished", c->finished);
    json_member_int(&w, "RestartCount", c->restart_count);
    json_member_int(&w, "RestartFailures", c->restart_failures);
    json_member_bool(&w, "StoppedByUser", c->stopped_by_user);
    if (c->health.status != HEALTH_NONE) {
        json_key(&w, "Health");
        json_table_encode(&health_state_table, &c->health, &w);
    }
    if (c->sandbox.count > 0)
        write_sandbox(&c->sandbox, &w);
    json_key(&w, "Networks");
    json_begin_array(&w);
    for (size_t i = 0; i < c->network_count; i++)
        json_table_encode(&endpoint_settings_table, &c->networks[i], &w);
    json_end_array(&w);
    json_end_object(&w);
}

#define COPY(to, from) snprintf(to, sizeof(to), "%s", (from) ? (from) : "")

static void read_endpoint(const struct stored_endpoint *s, struct network_endpoint *e)
{
    COPY(e->network_id, s->network_id);
    COPY(e->endpoint_id, s->endpoint_id);
    COPY(e->address, s->address);
    COPY(e->gateway, s->gateway);
    COPY(e->mac, s->mac);
    COPY(e->address6, s->address6);
    COPY(e->gateway6, s->gateway6);
    COPY(e->interface, s->interface);
    COPY(e->host_interface, s->host_interface);
    e->prefix = (int)s->prefix;
    e->prefix6 = (int)s->prefix6;
}

static void read_sandbox(const struct stored_sandbox *s, struct network_sandbox *sandbox)
{
    const struct stored_endpoint *endpoints = s->endpoints.items;
    const struct stored_port *ports = s->ports.items;
    sandbox->endpoints = xcalloc(s->endpoints.count + 1, sizeof(*sandbox->endpoints));
    sandbox->ports = xcalloc(s->ports.count + 1, sizeof(*sandbox->ports));
    sandbox->count = s->endpoints.count;
    sandbox->port_count = s->ports.count;
    COPY(sandbox->gateway_network, s->gateway_network);
    for (size_t i = 0; i < sandbox->count; i++)
        read_endpoint(&endpoints[i], &sandbox->endpoints[i]);
    for (size_t i = 0; i < sandbox->port_count; i++) {
        sandbox->ports[i].container_port = (uint16_t)ports[i].container_port;
        sandbox->ports[i].host_port = (uint16_t)ports[i].host_port;
        sandbox->ports[i].more = (uint16_t)ports[i].more;
        COPY(sandbox->ports[i].protocol, ports[i].protocol);
        COPY(sandbox->ports[i].host_address, ports[i].host_address);
    }
}

static int read_state(struct container *c, const char *text, struct error *err)
{
    struct stored_state s = {0};
    int r = json_table_decode_text(&stored_state_table, text, strlen(text), &s, err);
    if (r == 0 && (s.status == NULL || container_state_parse(s.status, &c->state) < 0))
        r = error_set(err, ERROR_SYSTEM, EINVAL, "unknown state");
    if (r == 0) {
        c->exit_code = (int)s.exit_code;
        c->error = s.error && *s.error ? TAKE_PTR(s.error) : NULL;
        c->oom_killed = s.oom_killed;
        c->started = s.started;
        c->finished = s.finished;
        c->restart_count = s.restart_count;
        c->restart_failures = (int)s.restart_failures;
        c->stopped_by_user = s.stopped_by_user;
        c->health = s.health;
        s.health = (struct health_state){0};
        if (s.sandbox != NULL)
            read_sandbox(s.sandbox, &c->sandbox);
        c->networks = TAKE_PTR(s.networks.items);
        c->network_count = s.networks.count;
        s.networks.count = 0;
    }
    json_table_release(&stored_state_table, &s);
    return r;
}

/* ---- rows ---- */

int store_open(struct engine *engine, struct error *err)
{
    return db_exec(engine->db,
                   "CREATE TABLE IF NOT EXISTS containers(id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
                   "created INTEGER NOT NULL, image TEXT, rootfs TEXT, config TEXT NOT NULL, state TEXT NOT NULL) "
                   "WITHOUT ROWID",
                   err);
}

static int insert_row(struct engine *engine, const struct container *c, const char *config, const char *state,
                      struct error *err)
{
    struct db_statement *s;
    int r = db_query(engine->db,
                     "INSERT INTO containers(id, name, created, image, rootfs, config, state) "
                     "VALUES(?, ?, ?, ?, ?, ?, ?)",
                     &s, err);
    if (r < 0)
        return r;
    db_bind_text(s, 1, c->id);
    db_bind_text(s, 2, c->name);
    db_bind_int(s, 3, c->created);
    db_bind_text(s, 4, c->image_id);
    db_bind_text(s, 5, c->rootfs_id);
    db_bind_text(s, 6, config);
    db_bind_text(s, 7, state);
    return db_run(s, err);
}

static void write_config(const struct container *c, const struct host_config *host, const struct json_array *mounts,
                         struct strbuf *out)
{
    /* Encoding borrows the members: nothing of `stored` is released. */
    struct stored_config stored = {.path = c->path,
                                   .args = c->args,
                                   .link_ids = c->link_ids,
                                   .config = c->config,
                                   .host = *host,
                                   .ports = host->port_bindings,
                                   .mounts = *mounts};
    stored.host.port_bindings = (struct json_array){0};
    struct json_writer w;
    json_writer_init(&w, out);
    json_table_encode(&stored_config_table, &stored, &w);
}

int store_insert(struct engine *engine, struct container *c, struct error *err)
{
    CLEANUP_STRBUF struct strbuf config = STRBUF_INIT;
    CLEANUP_STRBUF struct strbuf state = STRBUF_INIT;
    struct json_array mounts = {c->mounts, c->mount_count};
    write_config(c, &c->host, &mounts, &config);
    write_state(c, &state);
    /* The container and its anonymous volumes come to be together. */
    int r = db_begin(engine->db, err);
    if (r < 0)
        return r;
    r = insert_row(engine, c, strbuf_str(&config), strbuf_str(&state), err);
    for (size_t i = 0; r == 0 && i < c->mount_count; i++)
        if (c->mounts[i].type == MOUNT_VOLUME && c->mounts[i].anonymous)
            r = volume_settle(engine->volumes, c->mounts[i].name, err);
    if (r < 0) {
        db_rollback(engine->db);
        return r;
    }
    return db_commit(engine->db, err);
}

void store_save_state(struct engine *engine, struct container *c)
{
    if (c->removed)
        return;
    CLEANUP_STRBUF struct strbuf state = STRBUF_INIT;
    write_state(c, &state);
    struct error err = {0};
    db_lock(engine->db);
    struct db_statement *s;
    int r = db_query(engine->db, "UPDATE containers SET state = ? WHERE id = ?", &s, &err);
    if (r == 0) {
        db_bind_text(s, 1, strbuf_str(&state));
        db_bind_text(s, 2, c->id);
        r = db_run(s, &err);
    }
    db_unlock(engine->db);
    if (r < 0)
        log_error("container %s: saving its state: %s", c->id, err.message);
}

int store_save_config(struct engine *engine, const struct container *c, const struct host_config *host,
                      const struct json_array *mounts, struct error *err)
{
    CLEANUP_STRBUF struct strbuf config = STRBUF_INIT;
    struct json_array own = {c->mounts, c->mount_count};
    write_config(c, host, mounts != NULL ? mounts : &own, &config);
    db_lock(engine->db);
    struct db_statement *s;
    int r = db_query(engine->db, "UPDATE containers SET config = ? WHERE id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, strbuf_str(&config));
        db_bind_text(s, 2, c->id);
        r = db_run(s, err);
    }
    db_unlock(engine->db);
    return r;
}

int store_rename(struct engine *engine, const struct container *c, const char *name, struct error *err)
{
    db_lock(engine->db);
    struct db_statement *s;
    int r = db_query(engine->db, "UPDATE containers SET name = ? WHERE id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, name);
        db_bind_text(s, 2, c->id);
        r = db_run(s, err);
    }
    db_unlock(engine->db);
    return r;
}

int store_delete(struct engine *engine, const char *id, struct error *err)
{
    db_lock(engine->db);
    struct db_statement *s;
    int r = db_query(engine->db, "DELETE FROM containers WHERE id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, id);
        r = db_run(s, err);
    }
    db_unlock(engine->db);
    return r;
}

/* What the rest of the daemon relies on, whatever the text in the row was. */
static void fill_gaps(struct engine *engine, struct container *c)
{
    host_config_set_defaults(&c->host, engine->options);
    if (c->path == NULL)
        c->path = xstrdup("");
    if (c->config.hostname == NULL)
        c->config.hostname = xstrndup(c->id, ID_SHORT_SIZE);
    if (c->config.image == NULL)
        c->config.image = xstrdup(c->image_id != NULL ? c->image_id : "");
}

static int check_mounts(const struct container *c, struct error *err)
{
    for (size_t i = 0; i < c->mount_count; i++)
        if (c->mounts[i].destination == NULL || (c->mounts[i].type == MOUNT_VOLUME && c->mounts[i].name == NULL))
            return error_set(err, ERROR_SYSTEM, EINVAL, "mount %zu is incomplete", i);
    return 0;
}

/* Its files and its name are kept: it can be looked at and removed, nothing else. */
static void mark_dead(struct container *c, const struct error *why)
{
    log_error("container %s in the database: %s: it can only be removed", c->id, why->message);
    mounts_free(c->mounts, c->mount_count);
    c->mounts = NULL;
    c->mount_count = 0;
    c->state = CONTAINER_DEAD;
    free(c->error);
    c->error = xasprintf("its row in the database cannot be read: %s", why->message);
}

/* Rows of former versions have them in the host's configuration. */
static int take_ports(struct stored_config *stored, struct error *err)
{
    const struct port_binding *items = stored->ports.items;
    for (size_t i = 0; i < stored->ports.count; i++)
        if (items[i].port == NULL || items[i].host_ip == NULL || items[i].host_port == NULL)
            return error_set(err, ERROR_SYSTEM, EINVAL, "port %zu is incomplete", i);
    if (stored->ports.count > 0) {
        port_bindings_release(&stored->host.port_bindings);
        stored->host.port_bindings = stored->ports;
        stored->ports = (struct json_array){0};
    }
    port_names_compact(&stored->config.exposed_ports);
    return 0;
}

static int decode_row(struct db_statement *s, struct container *c, struct error *err)
{
    struct stored_config stored = {0};
    const char *text = db_text(s, 5), *state = db_text(s, 6);
    int r = text == NULL ? error_set(err, ERROR_SYSTEM, EINVAL, "there is no configuration")
                         : json_table_decode_text(&stored_config_table, text, strlen(text), &stored, err);
    if (r == 0)
        r = state == NULL ? error_set(err, ERROR_SYSTEM, EINVAL, "there is no state") : read_state(c, state, err);
    if (r == 0)
        r = take_ports(&stored, err);
    if (r == 0)
        r = ports_collect(&stored.config, &stored.host, &c->ports, &c->port_count, err);
    /* The container takes over what was decoded. */
    c->path = stored.path;
    c->args = stored.args;
    c->link_ids = stored.link_ids;
    c->config = stored.config;
    c->host = stored.host;
    port_bindings_release(&stored.ports); /* of a row that cannot be read */
    c->mounts = stored.mounts.items;
    c->mount_count = stored.mounts.count;
    return r < 0 ? r : check_mounts(c, err);
}

/* NULL: there is not even an id. */
static struct container *from_row(struct engine *engine, struct db_statement *s)
{
    const char *id = db_text(s, 0), *name = db_text(s, 1);
    if (id == NULL || strlen(id) != ID_SIZE || !id_is_hex(id, ID_SIZE) || name == NULL) {
        log_error("a container in the database has no valid id: \"%s\"", id != NULL ? id : "");
        return NULL;
    }
    struct container *c = container_new();
    struct error err = {0};
    snprintf(c->id, sizeof(c->id), "%s", id);
    c->name = xstrdup(name);
    c->created = db_int(s, 2);
    c->image_id = db_text(s, 3) != NULL ? xstrdup(db_text(s, 3)) : NULL;
    c->rootfs_id = db_text(s, 4) != NULL ? xstrdup(db_text(s, 4)) : NULL;
    if (decode_row(s, c, &err) < 0)
        mark_dead(c, &err);
    fill_gaps(engine, c);
    return c;
}

int store_load(struct engine *engine, struct error *err)
{
    db_lock(engine->db);
    pthread_mutex_lock(&engine->index_lock); /* nobody else runs yet: the order does not matter here */
    struct db_statement *s;
    int r = db_query(engine->db,
                     "SELECT id, name, created, image, rootfs, config, state FROM containers ORDER BY created, id", &s,
                     err);
    bool row = false;
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        struct container *c = from_row(engine, s);
        if (c != NULL)
            index_add(engine, c);
        container_unref(c);
    }
    if (r == 0)
        db_reset(s);
    pthread_mutex_unlock(&engine->index_lock);
    db_unlock(engine->db);
    return r;
}
