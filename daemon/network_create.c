/* POST /networks/create: the request's members become a network's configuration, or are refused by name. */
#include <string.h>

#include "daemon/engine_internal.h"
#include "daemon/network_api.h"
#include "daemon/network_ipam_request.h"

#define ROW(holder, kind, json, member, ...)                                                                           \
    {                                                                                                                  \
        .name = json, .type = JSON_FIELD_##kind, .offset = offsetof(struct holder, member), ##__VA_ARGS__              \
    }

struct create_request {
    char *name, *driver, *scope;
    bool ipv6, internal, attachable, ingress, config_only;
    bool *ipv4;
    struct json *config_from;
    struct ipam_request ipam;
    struct strmap options, labels;
};
static const struct json_field create_rows[] = {
    ROW(create_request, STRING, "Name", name),
    ROW(create_request, STRING, "Driver", driver),
    ROW(create_request, STRING, "Scope", scope),
    ROW(create_request, OPT_BOOL, "EnableIPv4", ipv4),
    ROW(create_request, BOOL, "EnableIPv6", ipv6),
    ROW(create_request, BOOL, "Internal", internal),
    ROW(create_request, BOOL, "Attachable", attachable),
    ROW(create_request, BOOL, "Ingress", ingress),
    ROW(create_request, BOOL, "ConfigOnly", config_only),
    ROW(create_request, RAW, "ConfigFrom", config_from),
    ROW(create_request, OBJECT, "IPAM", ipam, .table = &ipam_request_table),
    ROW(create_request, STRMAP, "Options", options),
    ROW(create_request, STRMAP, "Labels", labels),
};
static const struct json_table create_table = JSON_TABLE(struct create_request, create_rows);

static bool is_set(const char *s)
{
    return s != NULL && *s != '\0';
}

static int check_name(struct engine *engine, const char *name, struct error *err)
{
    CLEANUP_NETWORK_IDENTITY struct network_identity existing = {0};
    if (!is_set(name) || strspn(name, " \t\r\n") == strlen(name))
        return error_set(err, ERROR_INVALID, 0, "invalid name: name is empty");
    if (strlen(name) > 255 || strpbrk(name, "/\n\t") != NULL)
        return error_set(err, ERROR_INVALID, 0, "invalid network name: %.255s", name);
    if (network_registry_find(engine->registry, name, &existing, NULL) == 0 && existing.predefined &&
        strcmp(existing.name, name) == 0)
        return error_set(err, ERROR_FORBIDDEN, 0, "operation is not permitted on predefined %s network ", name);
    return strcmp(name, "default") == 0 || strcmp(name, "bridge") == 0 /* also where there is none */ ||
                   strncmp(name, "container:", 10) == 0
               ? error_set(err, ERROR_FORBIDDEN, 0, "operation is not permitted on predefined %s network ", name)
               : 0;
}

static int check_request(const struct create_request *q, struct error *err)
{
    if (q->ingress)
        return error_set(err, ERROR_FORBIDDEN, 0,
                         "network %s: Ingress (the routing mesh) needs a swarm; this node is not part of one", q->name);
    if (is_set(q->scope) && strcmp(q->scope, "swarm") == 0)
        return error_set(err, ERROR_FORBIDDEN, 0, "cannot create a swarm scoped network when swarm is not active");
    if (is_set(q->scope) && strcmp(q->scope, "local") != 0)
        return error_set(err, ERROR_INVALID, 0, "network %s: scope %s needs a swarm; this node is not part of one",
                         q->name, q->scope);
    if (is_set(q->driver) && strcmp(q->driver, "overlay") == 0)
        return error_set(err, ERROR_FORBIDDEN, 0,
                         "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
                         "connect this node to swarm and try again.");
    if (is_set(q->ipam.driver) && strcmp(q->ipam.driver, "default") != 0)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "could not find plugin %s in v1 plugin registry: plugin \"%s\" not found", q->ipam.driver,
                         q->ipam.driver);
    return 0;
}

static int settings_error(struct error *err, const char *what)
{
    return error_set(err, ERROR_FORBIDDEN, 0, "%s", what);
}

/* A network of settings has nothing but settings, and one that takes its settings from there has none of its own. */
static int check_settings(const struct create_request *q, struct error *err)
{
    bool from = is_set(json_get_string(q->config_from, "Network"));
    bool own = q->ipv6 || q->labels.count > 0 || q->ipam.pools.count > 0;
    if (q->config_only && (q->internal || q->attachable || is_set(q->scope)))
        return settings_error(err, "configuration network can only contain network specific fields. Network operator "
                                   "fields like [ ingress | internal | attachable | scope ] are not supported.");
    if (q->config_only && from)
        return settings_error(err, "a configuration network cannot depend on another configuration network");
    if (from && own)
        return settings_error(err, "user specified configurations are not supported if the network depends on a "
                                   "configuration network");
    if (from && q->options.count > 0)
        return settings_error(err, "network driver options are not supported if the network depends on a configuration "
                                   "network");
    return 0;
}

static int decode(struct engine *engine, const struct json *body, struct network_config *config, struct error *err)
{
    struct create_request q = {0};
    int r = body != NULL ? json_table_decode(&create_table, body, &q, err)
                         : error_set(err, ERROR_INVALID, 0, "invalid name: name is empty");
    if (r == 0)
        r = check_name(engine, q.name, err);
    if (r == 0)
        r = check_request(&q, err);
    if (r == 0)
        r = check_settings(&q, err);
    if (r == 0)
        r = ipam_request_check(&q.ipam, q.ipv6, err);
    if (r == 0)
        r = ipam_request_take(&q.ipam, config, err);
    if (r == 0) {
        config->name = TAKE_PTR(q.name);
        config->driver = q.config_only ? xstrdup("null") : TAKE_PTR(q.driver);
        config->config_only = q.config_only;
        if (is_set(json_get_string(q.config_from, "Network")))
            config->config_from = xstrdup(json_get_string(q.config_from, "Network"));
        config->ipv6 = q.ipv6;
        config->no_ipv4 = q.ipv4 != NULL && !*q.ipv4;
        config->internal = q.internal;
        config->attachable = q.attachable;
        const struct json *ipam_options = json_get(json_get(body, "IPAM"), "Options");
        config->ipam_options_asked = ipam_options != NULL && ipam_options->kind == JSON_OBJECT;
        strmap_copy(&config->ipam_options, &q.ipam.options);
        strmap_copy(&config->options, &q.options);
        strmap_copy(&config->labels, &q.labels);
    }
    json_table_release(&create_table, &q);
    return r;
}

static void publish(struct engine *engine, const char *action, const char *id, const char *name, const char *driver)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    strmap_set(&attributes, "name", name);
    strmap_set(&attributes, "type", driver);
    events_publish(engine->events, "network", action, id, &attributes);
}

int engine_network_create(struct engine *engine, const struct json *body, char ret_id[65], struct error *err)
{
    struct network_config config = {0};
    int r = decode(engine, body, &config, err);
    if (r == 0)
        r = network_registry_create(engine->registry, &config, err);
    if (r == 0) {
        snprintf(ret_id, 65, "%s", config.id);
        publish(engine, "create", config.id, config.name, config.driver);
    }
    network_config_release(&config);
    return r;
}

int engine_network_remove(struct engine *engine, const char *name, struct error *err)
{
    CLEANUP_NETWORK_IDENTITY struct network_identity network = {0};
    int r = network_registry_find(engine->registry, name, &network, err);
    if (r == 0 && network.predefined)
        r = error_set(err, ERROR_FORBIDDEN, 0, "%s is a pre-defined network and cannot be removed", network.name);
    if (r == 0)
        r = network_registry_remove(engine->registry, network.id, err);
    if (r == 0)
        publish(engine, "destroy", network.id, network.name, network.driver);
    return r;
}
