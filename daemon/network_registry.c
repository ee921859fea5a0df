#include "daemon/network_registry.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/timestamp.h"

/* The column "state". */
enum { ROW_CHANGING, ROW_READY };

struct network_registry {
    struct db *db;
    struct network_manager *manager;
    pthread_mutex_t change; /* one creation or removal at a time: names and subnets are chosen */
    pthread_mutex_t lock;   /* the list */
    struct network_config **items;
    size_t count, capacity;
};

void network_identity_release(struct network_identity *identity)
{
    free(identity->name);
    free(identity->driver);
    free(identity->subnet);
    strv_release(&identity->further);
    strv_release(&identity->further6);
    free(identity->subnet6);
    *identity = (struct network_identity){0};
}

static void config_free(struct network_config *config)
{
    network_config_release(config);
    free(config);
}

/* ---- rows ---- */

static int insert_row(struct network_registry *registry, const struct network_config *config, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_table_encode(&network_config_table, config, &w);
    db_lock(registry->db);
    struct db_statement *s;
    int r =
        db_query(registry->db, "INSERT INTO networks(id, name, created, config, state) VALUES(?, ?, ?, ?, ?)", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, config->id);
        db_bind_text(s, 2, config->name);
        db_bind_int(s, 3, config->created);
        db_bind_text(s, 4, strbuf_str(&text));
        db_bind_int(s, 5, ROW_CHANGING);
        r = db_run(s, err);
    }
    db_unlock(registry->db);
    return r;
}

static int set_row_state(struct network_registry *registry, const char *id, int state, struct error *err)
{
    db_lock(registry->db);
    struct db_statement *s;
    int r = db_query(registry->db, "UPDATE networks SET state = ? WHERE id = ?", &s, err);
    if (r == 0) {
        db_bind_int(s, 1, state);
        db_bind_text(s, 2, id);
        r = db_run(s, err);
    }
    db_unlock(registry->db);
    return r;
}

static int delete_row(struct network_registry *registry, const char *id, struct error *err)
{
    db_lock(registry->db);
    struct db_statement *s;
    int r = db_query(registry->db, "DELETE FROM networks WHERE id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, id);
        r = db_run(s, err);
    }
    db_unlock(registry->db);
    return r;
}

/* ---- opening ---- */

static void list_add(struct network_registry *registry, struct network_config *config)
{
    xgrow((void **)&registry->items, registry->count, &registry->capacity, sizeof(struct network_config *));
    registry->items[registry->count++] = config;
}

struct loaded {
    struct network_config *config;
    int state;
};

static int load_rows(struct network_registry *registry, struct loaded **ret, size_t *ret_count, struct error *err)
{
    size_t capacity = 0;
    db_lock(registry->db);
    struct db_statement *s;
    bool row = false;
    int r = db_query(registry->db, "SELECT config, state FROM networks ORDER BY created, id", &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        struct network_config *config = xcalloc(1, sizeof(*config));
        const char *text = db_text(s, 0);
        xgrow((void **)ret, *ret_count, &capacity, sizeof(**ret));
        (*ret)[*ret_count] = (struct loaded){config, (int)db_int(s, 1)};
        (*ret_count)++;
        r = json_table_decode_text(&network_config_table, text, strlen(text), config, err);
    }
    if (r == 0) {
        db_reset(s);
    }
    db_unlock(registry->db);
    return r;
}

/* Nobody was told of it, or everybody that it goes. It is made first, so that it can be removed as ever. */
static int undo(struct network_registry *registry, struct network_config *config, struct error *err)
{
    struct error failed = {0};
    int r = config->config_only ? 0 : network_create(registry->manager, config, true, &failed);
    if (r == 0 && !config->config_only) {
        r = network_remove(registry->manager, config->id, NULL, NULL, &failed);
    }
    if (r < 0) {
        log_warn("network %s: removing what is left of it: %s", config->name, failed.message);
    }
    r = delete_row(registry, config->id, err);
    config_free(config);
    return r;
}

static int restore(struct network_registry *registry, struct error *err)
{
    struct loaded *rows = NULL;
    size_t count = 0;
    int r = load_rows(registry, &rows, &count, err);
    for (size_t i = 0; i < count; i++) {
        struct network_config *config = rows[i].config;
        struct error failed = {0};
        if (r < 0) {
            config_free(config);
        } else if (rows[i].state == ROW_CHANGING) {
            r = undo(registry, config, err);
        } else {
            if (!config->config_only && network_create(registry->manager, config, true, &failed) < 0) {
                log_error("network %s: %s", config->name, failed.message);
            }
            list_add(registry, config);
        }
    }
    free(rows);
    return r;
}

int network_registry_open(struct db *db, struct network_manager *manager, struct network_registry **ret,
                          struct error *err)
{
    int r = db_exec(db,
                    "CREATE TABLE IF NOT EXISTS networks(id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
                    "created INTEGER NOT NULL, config TEXT NOT NULL, state INTEGER NOT NULL) WITHOUT ROWID",
                    err);
    if (r < 0) {
        return r;
    }
    struct network_registry *registry = xcalloc(1, sizeof(*registry));
    registry->db = db;
    registry->manager = manager;
    pthread_mutex_init(&registry->change, NULL);
    pthread_mutex_init(&registry->lock, NULL);
    r = restore(registry, err);
    if (r < 0) {
        network_registry_close(registry);
        return r;
    }
    *ret = registry;
    return 0;
}

void network_registry_close(struct network_registry *registry)
{
    if (!registry) {
        return;
    }
    for (size_t i = 0; i < registry->count; i++) {
        config_free(registry->items[i]);
    }
    free(registry->items);
    pthread_mutex_destroy(&registry->change);
    pthread_mutex_destroy(&registry->lock);
    free(registry);
}

/* ---- finding ---- */

static void identify(const struct network_config *config, struct network_identity *ret)
{
    *ret = (struct network_identity){
        .name = xstrdup(config->name), .driver = xstrdup(config->driver), .config_only = config->config_only};
    bool ipv4 = !config->no_ipv4, ipv6 = config->ipv6;
    if (ipv4 && config->v4.subnet && !config->v4.chosen) {
        ret->subnet = xstrdup(config->v4.subnet);
    }
    for (size_t i = 0; ipv4 && i < config->further.count; i++) {
        strv_add(&ret->further, ((const struct network_subnet *)config->further.items)[i].subnet);
    }
    if (ipv6 && config->v6.subnet && !config->v6.chosen) {
        ret->subnet6 = xstrdup(config->v6.subnet);
    }
    for (size_t i = 0; ipv6 && i < config->further6.count; i++) {
        strv_add(&ret->further6, ((const struct network_subnet *)config->further6.items)[i].subnet);
    }
    snprintf(ret->id, sizeof(ret->id), "%s", config->id);
}

struct predefined {
    struct network_info items[NETWORK_PREDEFINED_MAX];
    size_t count;
};

/* A row of either kind. Lock held. */
static bool candidate(struct network_registry *registry, const struct predefined *predefined, size_t i,
                      const char **ret_id, const char **ret_name)
{
    if (i >= predefined->count + registry->count) {
        return false;
    }
    bool own = i >= predefined->count;
    *ret_id = own ? registry->items[i - predefined->count]->id : predefined->items[i].id;
    *ret_name = own ? registry->items[i - predefined->count]->name : predefined->items[i].name;
    return true;
}

/* Exact names before exact ids before prefixes, as docker. */
static int search(struct network_registry *registry, const struct predefined *predefined, const char *name, size_t *ret,
                  struct error *err)
{
    const char *id = NULL, *known = NULL;
    size_t matches = 0, length = strlen(name);
    for (size_t i = 0; candidate(registry, predefined, i, &id, &known); i++) {
        if (strcmp(known, name) == 0 || strcmp(id, name) == 0) {
            *ret = i;
            return 0;
        }
        if (length > 0 && strncmp(id, name, length) == 0) {
            *ret = i;
            matches++;
        }
    }
    if (matches > 1) {
        return error_set(err, ERROR_INVALID, 0, "network %s is ambiguous (%zu matches found based on ID prefix)", name,
                         matches);
    }
    return matches == 1 ? 0 : error_set(err, ERROR_NOT_FOUND, 0, "network %s not found", name);
}

int network_registry_find(struct network_registry *registry, const char *name, struct network_identity *ret,
                          struct error *err)
{
    struct predefined predefined;
    size_t i = 0;
    predefined.count = network_list(registry->manager, predefined.items);
    pthread_mutex_lock(&registry->lock);
    int r = search(registry, &predefined, name, &i, err);
    if (r == 0 && i >= predefined.count) {
        identify(registry->items[i - predefined.count], ret);
    } else if (r == 0) {
        *ret = (struct network_identity){.name = xstrdup(predefined.items[i].name),
                                         .driver = xstrdup(predefined.items[i].driver),
                                         .predefined = true};
        memcpy(ret->id, predefined.items[i].id, sizeof(ret->id));
    }
    pthread_mutex_unlock(&registry->lock);
    return r;
}

void network_registry_each(struct network_registry *registry,
                           void (*fn)(const struct network_config *config, void *data), void *data)
{
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->count; i++) {
        fn(registry->items[i], data);
    }
    pthread_mutex_unlock(&registry->lock);
}

/* ---- changing ---- */

static bool name_is_taken(struct network_registry *registry, const char *name)
{
    bool taken = false;
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->count; i++) {
        taken = taken || strcmp(registry->items[i]->name, name) == 0;
    }
    pthread_mutex_unlock(&registry->lock);
    return taken;
}

static void copy_subnet(struct network_subnet *to, const struct network_subnet *from)
{
    xstrset(&to->subnet, from->subnet);
    xstrset(&to->range, from->range);
    xstrset(&to->gateway, from->gateway);
    strmap_copy(&to->auxiliary, &from->auxiliary);
}

static void copy_further(struct json_array *to, const struct json_array *from)
{
    for (size_t i = 0; i < from->count; i++) {
        copy_subnet(network_config_add_subnet(to), &((const struct network_subnet *)from->items)[i]);
    }
}

/* Takes over what the network of settings says; `config` says nothing of that itself. */
static int apply_settings(struct network_registry *registry, struct network_config *config, struct error *err)
{
    const struct network_config *from = NULL;
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->count; i++) {
        if (registry->items[i]->config_only && strcmp(registry->items[i]->name, config->config_from) == 0) {
            from = registry->items[i];
        }
    }
    if (from) {
        config->ipv6 = from->ipv6;
        config->no_ipv4 = from->no_ipv4;
        config->v6_first = from->v6_first;
        copy_subnet(&config->v4, &from->v4);
        copy_further(&config->further, &from->further);
        copy_subnet(&config->v6, &from->v6);
        copy_further(&config->further6, &from->further6);
        strmap_copy(&config->options, &from->options);
        strmap_copy(&config->labels, &from->labels);
    }
    pthread_mutex_unlock(&registry->lock);
    return from
               ? 0
               : error_set(err, ERROR_NOT_FOUND, 0, "configuration network \"%s\" does not exist", config->config_from);
}

/* Nobody depends on it. */
static int check_settings_unused(struct network_registry *registry, const char *id, struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&registry->lock);
    const char *name = NULL;
    for (size_t i = 0; i < registry->count; i++) {
        if (registry->items[i]->config_only && strcmp(registry->items[i]->id, id) == 0) {
            name = registry->items[i]->name;
        }
    }
    for (size_t i = 0; name && i < registry->count; i++) {
        if (registry->items[i]->config_from && strcmp(registry->items[i]->config_from, name) == 0) {
            r = error_set(err, ERROR_FORBIDDEN, EBUSY, "configuration network \"%s\" is in use", name);
        }
    }
    pthread_mutex_unlock(&registry->lock);
    return r;
}

static int create(struct network_registry *registry, struct network_config *config, struct error *err)
{
    char id[ID_SIZE + 1];
    if (name_is_taken(registry, config->name)) {
        return error_set(err, ERROR_CONFLICT, 0, "network with name %s already exists", config->name);
    }
    id_generate(id);
    xstrset(&config->id, id);
    config->created = timestamp_now();
    int r = config->config_from ? apply_settings(registry, config, err) : 0;
    if (r == 0 && !config->config_only) {
        r = network_complete(registry->manager, config, err);
    }
    if (r == 0) {
        r = insert_row(registry, config, err);
    }
    if (r < 0) {
        return r;
    }
    r = config->config_only ? 0 : network_create(registry->manager, config, false, err);
    if (r < 0) {
        (void)delete_row(registry, config->id, NULL);
        return r;
    }
    r = set_row_state(registry, config->id, ROW_READY, err);
    if (r < 0) {
        (void)network_remove(registry->manager, config->id, NULL, NULL, NULL);
        (void)delete_row(registry, config->id, NULL);
        return r;
    }
    struct network_config *kept = xcalloc(1, sizeof(*kept));
    json_table_copy(&network_config_table, kept, config);
    pthread_mutex_lock(&registry->lock);
    list_add(registry, kept);
    pthread_mutex_unlock(&registry->lock);
    return 0;
}

int network_registry_create(struct network_registry *registry, struct network_config *config, struct error *err)
{
    pthread_mutex_lock(&registry->change);
    int r = create(registry, config, err);
    pthread_mutex_unlock(&registry->change);
    return r;
}

static void list_remove(struct network_registry *registry, const char *id)
{
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->items[i]->id, id) == 0) {
            config_free(registry->items[i]);
            memmove(&registry->items[i], &registry->items[i + 1],
                    (registry->count - i - 1) * sizeof(struct network_config *));
            registry->count--;
            break;
        }
    }
    pthread_mutex_unlock(&registry->lock);
}

struct removal {
    struct network_registry *registry;
    const char *id;
    bool noted;
};

/* From here on a daemon that starts goes on with it. */
static int note_removal(void *data, struct error *err)
{
    struct removal *removal = data;
    int r = set_row_state(removal->registry, removal->id, ROW_CHANGING, err);
    removal->noted = r == 0;
    return r;
}

int network_registry_remove(struct network_registry *registry, const char *id, struct error *err)
{
    struct error failed = {0};
    struct removal removal = {.registry = registry, .id = id};
    pthread_mutex_lock(&registry->change);
    int r = check_settings_unused(registry, id, err);
    if (r < 0) {
        pthread_mutex_unlock(&registry->change);
        return r;
    }
    r = network_remove(registry->manager, id, note_removal, &removal, &failed);
    /* One of settings, and one that the kernel refused at the daemon's start, is not the manager's: its row is all
     * there is. */
    if (r == 0 || r == -ENOENT) {
        r = delete_row(registry, id, err);
        list_remove(registry, id);
    } else {
        if (removal.noted) {
            (void)set_row_state(registry, id, ROW_READY, NULL);
        }
        r = error_propagate(err, &failed);
    }
    pthread_mutex_unlock(&registry->change);
    return r;
}
