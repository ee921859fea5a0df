/* GET /networks and /networks/{id}, and prune: networks as clients see them. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/timestamp.h"
#include "daemon/container_filters.h"
#include "daemon/engine_internal.h"
#include "daemon/network_api.h"

const char *const network_list_filters[] = {"driver", "type", "name", "id", "label", "scope", "dangling", NULL};
const char *const network_prune_filters[] = {"until", "label", "label!", NULL};

/* ---- all of them in one form ---- */

struct listed {
    struct network_config *items; /* the predefined ones first */
    size_t predefined, count, capacity;
};

static void listed_release(struct listed *listed)
{
    for (size_t i = 0; i < listed->count; i++)
        network_config_release(&listed->items[i]);
    free(listed->items);
}

static struct network_config *add(struct listed *listed)
{
    xgrow((void **)&listed->items, listed->count, &listed->capacity, sizeof(*listed->items));
    listed->items[listed->count] = (struct network_config){0};
    return &listed->items[listed->count++];
}

/* The predefined networks are as old as the data root. */
static int64_t data_root_created(const struct daemon_options *options)
{
    struct statx st = {0};
    if (statx(AT_FDCWD, options->data_root, 0, STATX_BTIME | STATX_CTIME, &st) < 0)
        return 0;
    const struct statx_timestamp *time = st.stx_mask & STATX_BTIME ? &st.stx_btime : &st.stx_ctime;
    return time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

static void add_predefined(struct engine *engine, const struct network_info *info, struct listed *listed)
{
    const struct daemon_options *options = engine->options;
    struct network_config *config = add(listed);
    char mtu[16];
    config->id = xstrdup(info->id);
    config->name = xstrdup(info->name);
    config->driver = xstrdup(info->driver);
    config->created = data_root_created(options);
    if (!info->subnet[0])
        return;
    config->v4.subnet = xstrdup(info->subnet);
    if (info->range[0])
        config->v4.range = xstrdup(info->range);
    config->v4.gateway = xstrdup(info->gateway);
    if (info->route[0])
        strmap_set(&config->v4.auxiliary, "DefaultGatewayIPv4", info->route);
    if (info->subnet6[0]) {
        config->ipv6 = true;
        config->v6.subnet = xstrdup(info->subnet6);
        config->v6.gateway = xstrdup(info->gateway6);
    }
    if (info->range6[0])
        config->v6.range = xstrdup(info->range6);
    if (info->route6[0])
        strmap_set(&config->v6.auxiliary, "DefaultGatewayIPv6", info->route6);
    snprintf(mtu, sizeof(mtu), "%d", info->mtu);
    strmap_set(&config->options, "com.docker.network.bridge.default_bridge", "true");
    strmap_set(&config->options, "com.docker.network.bridge.enable_icc", "true");
    strmap_set(&config->options, "com.docker.network.bridge.enable_ip_masquerade", options->ip_masq ? "true" : "false");
    strmap_set(&config->options, "com.docker.network.bridge.host_binding_ipv4", options->ip);
    strmap_set(&config->options, "com.docker.network.bridge.name", info->bridge);
    strmap_set(&config->options, "com.docker.network.driver.mtu", mtu);
}

static void add_copy(const struct network_config *config, void *data)
{
    json_table_copy(&network_config_table, add(data), config);
}

static void list_all(struct engine *engine, struct listed *ret)
{
    struct network_info predefined[NETWORK_PREDEFINED_MAX];
    ret->predefined = network_list(engine->networks, predefined);
    for (size_t i = 0; i < ret->predefined; i++)
        add_predefined(engine, &predefined[i], ret);
    network_registry_each(engine->registry, add_copy, ret);
}

/* ---- who is on it ---- */

static void write_member(struct json_writer *w, const struct container *c, const char *name,
                         const struct network_endpoint *e)
{
    CLEANUP_FREE char *ipv4 = e->address[0] ? xasprintf("%s/%d", e->address, e->prefix) : NULL;
    CLEANUP_FREE char *ipv6 = e->address6[0] ? xasprintf("%s/%d", e->address6, e->prefix6) : NULL;
    json_key(w, c->id);
    json_begin_object(w);
    json_member_string(w, "Name", name);
    json_member_string(w, "EndpointID", e->endpoint_id);
    json_member_string(w, "MacAddress", e->mac);
    json_member_string(w, "IPv4Address", ipv4);
    json_member_string(w, "IPv6Address", ipv6);
    json_end_object(w);
}

static void write_members(struct json_writer *w, struct engine *engine, const char *network_id)
{
    size_t count;
    struct container **list = engine_snapshot(engine, &count);
    for (size_t i = 0; i < count; i++) {
        CLEANUP_FREE char *name = container_slash_name(engine, list[i]);
        pthread_mutex_lock(&list[i]->lock);
        const struct network_endpoint *e = network_sandbox_find(&list[i]->sandbox, network_id);
        if (e != NULL && container_state_is_running(list[i]->state))
            write_member(w, list[i], name + 1, e);
        pthread_mutex_unlock(&list[i]->lock);
    }
    engine_snapshot_free(list, count);
}

/* Also of stopped containers: docker's prune and "dangling" look at those that run, which are all that it knows. */
static bool has_members(struct engine *engine, const char *network_id)
{
    bool found = false;
    size_t count;
    struct container **list = engine_snapshot(engine, &count);
    for (size_t i = 0; i < count && !found; i++) {
        pthread_mutex_lock(&list[i]->lock);
        found = network_sandbox_find(&list[i]->sandbox, network_id) != NULL;
        pthread_mutex_unlock(&list[i]->lock);
    }
    engine_snapshot_free(list, count);
    return found;
}

/* ---- JSON ---- */

static void write_map(struct json_writer *w, const char *key, const struct strmap *map)
{
    json_key(w, key);
    json_begin_object(w);
    for (size_t i = 0; i < map->count; i++)
        json_member_string(w, map->items[i].key, map->items[i].value);
    json_end_object(w);
}

/* Those of one family: that clients named, or that were chosen. */
static void write_pool(struct json_writer *w, const struct network_subnet *subnet, bool chosen)
{
    if (subnet->subnet == NULL || subnet->chosen != chosen)
        return;
    json_begin_object(w);
    json_member_string(w, "Subnet", subnet->subnet);
    if (subnet->range != NULL)
        json_member_string(w, "IPRange", subnet->range);
    if (subnet->gateway != NULL && !subnet->gateway_chosen)
        json_member_string(w, "Gateway", subnet->gateway);
    if (subnet->auxiliary.count > 0)
        write_map(w, "AuxiliaryAddresses", &subnet->auxiliary);
    json_end_object(w);
}

static void write_family(struct json_writer *w, const struct network_subnet *first, const struct json_array *further,
                         bool chosen)
{
    write_pool(w, first, chosen);
    for (size_t i = 0; i < further->count; i++)
        write_pool(w, &((const struct network_subnet *)further->items)[i], chosen);
}

static void write_ipam(struct json_writer *w, const struct network_config *config)
{
    json_key(w, "IPAM");
    json_begin_object(w);
    json_member_string(w, "Driver", "default");
    if (config->ipam_options_asked)
        write_map(w, "Options", &config->ipam_options);
    else
        json_member_null(w, "Options");
    json_key(w, "Config");
    if (config->v4.subnet == NULL && config->v6.subnet == NULL) {
        json_put_null(w);
    } else {
        json_begin_array(w);
        write_family(w, config->v6_first ? &config->v6 : &config->v4,
                     config->v6_first ? &config->further6 : &config->further, false);
        write_family(w, config->v6_first ? &config->v4 : &config->v6,
                     config->v6_first ? &config->further : &config->further6, false);
        write_family(w, &config->v4, &config->further, true);
        write_family(w, &config->v6, &config->further6, true);
        json_end_array(w);
    }
    json_end_object(w);
}

static void write_status(struct json_writer *w, struct engine *engine, const char *network_id)
{
    CLEANUP(network_subnets_release) struct network_subnets subnets;
    network_subnets(engine->networks, network_id, &subnets);
    json_key(w, "Status");
    json_begin_object(w);
    json_key(w, "IPAM");
    json_begin_object(w);
    json_key(w, "Subnets");
    json_begin_object(w);
    for (size_t i = 0; i < subnets.count; i++) {
        json_key(w, subnets.items[i].subnet);
        json_begin_object(w);
        json_key(w, "IPsInUse");
        json_put_uint(w, subnets.items[i].count.in_use);
        json_key(w, "DynamicIPsAvailable");
        json_put_uint(w, subnets.items[i].count.available);
        json_end_object(w);
    }
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

static void write_network(struct json_writer *w, struct engine *engine, const struct network_config *config,
                          bool members, bool status)
{
    char created[TIMESTAMP_MAX];
    timestamp_format(created, config->created);
    json_begin_object(w);
    json_member_string(w, "Name", config->name);
    json_member_string(w, "Id", config->id);
    json_member_string(w, "Created", created);
    json_member_string(w, "Scope", "local");
    json_member_string(w, "Driver", config->driver);
    json_member_bool(w, "EnableIPv4", !config->no_ipv4);
    json_member_bool(w, "EnableIPv6", config->ipv6);
    write_ipam(w, config);
    json_member_bool(w, "Internal", config->internal);
    json_member_bool(w, "Attachable", config->attachable);
    json_member_bool(w, "Ingress", false);
    json_key(w, "ConfigFrom");
    json_begin_object(w);
    json_member_string(w, "Network", config->config_from ? config->config_from : "");
    json_end_object(w);
    json_member_bool(w, "ConfigOnly", config->config_only);
    json_key(w, "Containers");
    json_begin_object(w);
    if (members)
        write_members(w, engine, config->id);
    json_end_object(w);
    write_map(w, "Options", &config->options);
    write_map(w, "Labels", &config->labels);
    if (status)
        write_status(w, engine, config->id);
    json_end_object(w);
}

int engine_network_inspect(struct engine *engine, const char *name, bool status, struct strbuf *out, struct error *err)
{
    CLEANUP_NETWORK_IDENTITY struct network_identity network = {0};
    int r = network_registry_find(engine->registry, name, &network, err);
    if (r < 0)
        return r;
    struct listed listed = {0};
    struct json_writer w;
    bool found = false;
    list_all(engine, &listed);
    json_writer_init(&w, out);
    for (size_t i = 0; i < listed.count && !found; i++) {
        found = strcmp(listed.items[i].id, network.id) == 0;
        if (found)
            write_network(&w, engine, &listed.items[i], true, status);
    }
    listed_release(&listed);
    return found ? 0 : error_set(err, ERROR_NOT_FOUND, 0, "network %s not found", name); /* removed meanwhile */
}

/* ---- filters ---- */

/* Any of the values; `pattern`: a part of the text or a regular expression, as docker has it for names and ids. */
static bool any_matches(const struct json *values, const char *text, bool pattern)
{
    for (size_t i = 0; i < json_count(values); i++) {
        const char *value = json_string(json_at(values, i));
        if (pattern ? filter_text_matches(text, value) : strcmp(text, value) == 0)
            return true;
    }
    return json_count(values) == 0;
}

static int check_filters(const struct json *filters, bool *ret_dangling, struct error *err)
{
    const struct json *types = json_get(filters, "type"), *dangling = json_get(filters, "dangling");
    for (size_t i = 0; i < json_count(types); i++) {
        const char *type = json_string(json_at(types, i));
        if (strcmp(type, "builtin") != 0 && strcmp(type, "custom") != 0)
            return error_set(err, ERROR_INVALID, 0, "invalid filter: 'type'='%s'", type);
    }
    if (json_count(dangling) > 1)
        return error_set(err, ERROR_INVALID, 0, "got more than one value for filter key \"dangling\"");
    if (json_count(dangling) == 1) {
        const char *value = json_string(json_at(dangling, 0));
        *ret_dangling = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
        if (!*ret_dangling && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
            return error_set(
                err, ERROR_INVALID, 0,
                "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")");
    }
    return 0;
}

static bool matches(struct engine *engine, const struct network_config *config, bool predefined,
                    const struct json *filters, bool dangling)
{
    bool fits = any_matches(json_get(filters, "driver"), config->driver, false) &&
                any_matches(json_get(filters, "name"), config->name, true) &&
                any_matches(json_get(filters, "id"), config->id, true) &&
                any_matches(json_get(filters, "scope"), "local", false) &&
                any_matches(json_get(filters, "type"), predefined ? "builtin" : "custom", false) &&
                filter_labels_match(json_get(filters, "label"), &config->labels);
    if (!fits || json_count(json_get(filters, "dangling")) == 0)
        return fits;
    return (!predefined && !has_members(engine, config->id)) == dangling;
}

int engine_network_list(struct engine *engine, const struct json *filters, struct strbuf *out, struct error *err)
{
    struct listed listed = {0};
    struct json_writer w;
    bool dangling = false;
    int r = check_filters(filters, &dangling, err);
    if (r < 0)
        return r;
    list_all(engine, &listed);
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (size_t i = 0; i < listed.count; i++)
        if (matches(engine, &listed.items[i], i < listed.predefined, filters, dangling))
            write_network(&w, engine, &listed.items[i], false, false);
    json_end_array(&w);
    listed_release(&listed);
    return 0;
}

/* ---- prune ---- */

int engine_network_prune(struct engine *engine, const struct json *filters, struct strv *ret_names, struct error *err)
{
    const struct json *until_values = json_get(filters, "until"), *without = json_get(filters, "label!");
    struct listed listed = {0};
    int64_t until = 0;
    if (json_count(until_values) > 1)
        return error_set(err, ERROR_INVALID, 0, "more than one until filter specified");
    const char *text = json_string(json_at(until_values, 0));
    if (text != NULL && timestamp_parse_human(text, timestamp_now(), &until) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid until filter: %s", text);
    list_all(engine, &listed);
    for (size_t i = listed.predefined; i < listed.count; i++) {
        const struct network_config *config = &listed.items[i];
        if (config->config_only || (until != 0 && config->created > until) || has_members(engine, config->id) ||
            !filter_labels_match(json_get(filters, "label"), &config->labels) ||
            (json_count(without) > 0 && filter_labels_match(without, &config->labels)))
            continue;
        if (engine_network_remove(engine, config->id, NULL) == 0) /* else a container came meanwhile */
            strv_add(ret_names, config->name);
    }
    listed_release(&listed);
    return 0;
}
