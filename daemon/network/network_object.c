/* Networks as objects of the manager: from a configuration, in the list, and gone again. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "daemon/network/names.h"
#include "daemon/network/network_internal.h"
#include "daemon/network/network_options.h"

struct network *network_find(struct network_manager *manager, const char *id)
{
    for (size_t i = 0; i < manager->count; i++) {
        if (strcmp(manager->networks[i]->id, id) == 0) {
            return manager->networks[i];
        }
    }
    return NULL;
}

void network_add(struct network_manager *manager, struct network *network)
{
    xgrow((void **)&manager->networks, manager->count, &manager->capacity, sizeof(struct network *));
    manager->networks[manager->count++] = network;
}

struct network *network_ref(struct network *network)
{
    network->references++;
    return network;
}

void network_unref(struct network *network)
{
    if (!network || --network->references > 0) {
        return;
    }
    names_release(network);
    segments_free(network->segments);
    ipam_release(&network->ipam);
    for (size_t i = 0; i < network->further_count; i++) {
        ipam_release(&network->further[i]);
    }
    free(network->further);
    ipam6_release(&network->ipam6);
    for (size_t i = 0; i < network->further6_count; i++) {
        ipam6_release(&network->further6[i]);
    }
    free(network->further6);
    free(network->name);
    free(network);
}

/* ---- subnets ---- */

static bool contains(const struct ipam_subnet *subnet, uint32_t address)
{
    return ipam_overlaps(address, 32, subnet->network, subnet->prefix);
}

struct ipam *network_subnet_of(const struct network *network, uint32_t address)
{
    for (size_t i = 0; i < network->further_count; i++) {
        if (contains(&network->further[i].subnet, address)) {
            return &network->further[i];
        }
    }
    return (struct ipam *)&network->ipam;
}

bool network_overlaps(const struct network *network, const struct ipam_subnet *subnet)
{
    const struct ipam_subnet *own = &network->bridge.subnet;
    bool overlaps = own->prefix && ipam_overlaps(subnet->network, subnet->prefix, own->network, own->prefix);
    for (size_t i = 0; i < network->further_count; i++) {
        own = &network->further[i].subnet;
        overlaps = overlaps || ipam_overlaps(subnet->network, subnet->prefix, own->network, own->prefix);
    }
    return overlaps;
}

int network_allocate_address(struct network *network, uint32_t *ret, struct error *err)
{
    int r = ipam_allocate(&network->ipam, ret, err);
    for (size_t i = 0; r == -ENOSPC && i < network->further_count; i++) {
        error_clear(err);
        r = ipam_allocate(&network->further[i], ret, err);
    }
    return r;
}

struct ipam6 *network_subnet6_of(const struct network *network, const struct in6_addr *address)
{
    for (size_t i = 0; i < network->further6_count; i++) {
        if (ipam6_contains(&network->further6[i].subnet, address)) {
            return &network->further6[i];
        }
    }
    return (struct ipam6 *)&network->ipam6;
}

bool network_overlaps6(const struct network *network, const struct ipam6_subnet *subnet)
{
    bool overlaps = network->subnet6.prefix && ipam6_overlaps(subnet, &network->subnet6);
    for (size_t i = 0; i < network->further6_count; i++) {
        overlaps = overlaps || ipam6_overlaps(subnet, &network->further6[i].subnet);
    }
    return overlaps;
}

int network_allocate_address6(struct network *network, struct in6_addr *ret, struct error *err)
{
    int r = ipam6_allocate(&network->ipam6, ret, err);
    for (size_t i = 0; r == -ENOSPC && i < network->further6_count; i++) {
        error_clear(err);
        r = ipam6_allocate(&network->further6[i], ret, err);
    }
    return r;
}

/* ---- from a configuration ---- */

static int parse_prefix4(const char *text, uint32_t *ret_network, int *ret_prefix, struct error *err)
{
    struct ipam_subnet subnet;
    int r = ipam_subnet_parse(text, &subnet, err);
    if (r == 0) {
        *ret_network = subnet.network;
        *ret_prefix = subnet.prefix;
    }
    return r;
}

int network_auxiliary_error(const struct strmap *auxiliary, size_t i, struct error *err)
{
    return error_set(err, ERROR_SYSTEM, EADDRINUSE,
                     "failed to allocate secondary ip address (%s:%s): Address already in use", auxiliary->items[i].key,
                     auxiliary->items[i].value);
}

/* Subnet, range and the addresses that are never given out. */
static int init_ipv4(struct ipam *ipam, const struct network_subnet *config, struct error *err)
{
    struct ipam_subnet subnet;
    int r = ipam_subnet_parse(config->subnet, &subnet, err);
    if (r < 0) {
        return r;
    }
    if (config->gateway && ipam_parse_address(config->gateway, &subnet.gateway) < 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid gateway address: %s", config->gateway);
    }
    ipam_init(ipam, &subnet);
    uint32_t address;
    int prefix;
    if (config->range) {
        r = parse_prefix4(config->range, &address, &prefix, err);
        if (r == 0 && ipam_set_range(ipam, address, prefix) < 0) {
            r = error_set(err, ERROR_INVALID, 0, "invalid ip-range %s: it is not part of subnet %s", config->range,
                          config->subnet);
        }
    }
    for (size_t i = 0; r == 0 && i < config->auxiliary.count; i++) {
        const char *text = config->auxiliary.items[i].value;
        if (ipam_parse_address(text, &address) < 0) {
            r = error_set(err, ERROR_INVALID, 0, "invalid auxiliary address: %s", text);
        } else if (address != subnet.gateway && ipam_take(ipam, address) < 0) { /* the gateway: of older rows */
            r = network_auxiliary_error(&config->auxiliary, i, err);
        }
    }
    return r;
}

static int init_further(struct network *network, const struct network_config *config, struct error *err)
{
    const struct network_subnet *further = config->further.items;
    int r = 0;
    network->further = config->further.count ? xcalloc(config->further.count, sizeof(*network->further)) : NULL;
    for (; r == 0 && network->further_count < config->further.count; network->further_count++) {
        r = init_ipv4(&network->further[network->further_count], &further[network->further_count], err);
    }
    return r;
}

static int init_ipv6(struct ipam6 *ipam, const struct network_subnet *config, struct error *err)
{
    struct ipam6_subnet subnet, range;
    int r = ipam6_subnet_parse(config->subnet, &subnet, err);
    if (r < 0) {
        return r;
    }
    if (config->gateway && inet_pton(AF_INET6, config->gateway, &subnet.gateway) != 1) {
        return error_set(err, ERROR_INVALID, 0, "invalid gateway address: %s", config->gateway);
    }
    if (!ipam6_contains(&subnet, &subnet.gateway)) {
        return error_set(err, ERROR_INVALID, 0, "no matching subnet for gateway %s", config->gateway);
    }
    ipam6_init(ipam, &subnet);
    if (config->range) {
        r = ipam6_subnet_parse(config->range, &range, err);
        if (r == 0 && (range.prefix < subnet.prefix || !ipam6_contains(&subnet, &range.network))) {
            r = error_set(err, ERROR_INVALID, 0, "invalid ip-range %s: it is not part of subnet %s", config->range,
                          config->subnet);
        }
        if (r == 0) {
            ipam->first = range.network;
            ipam->range_prefix = range.prefix;
        }
    }
    for (size_t i = 0; r == 0 && i < config->auxiliary.count; i++) {
        struct in6_addr address;
        const char *text = config->auxiliary.items[i].value;
        if (inet_pton(AF_INET6, text, &address) != 1 || ipam6_take(ipam, &address) < 0) {
            r = network_auxiliary_error(&config->auxiliary, i, err);
        }
    }
    return r;
}

static int init_further6(struct network *network, const struct network_config *config, struct error *err)
{
    const struct network_subnet *further = config->further6.items;
    int r = 0;
    network->further6 = config->further6.count ? xcalloc(config->further6.count, sizeof(*network->further6)) : NULL;
    for (; r == 0 && network->further6_count < config->further6.count; network->further6_count++) {
        r = init_ipv6(&network->further6[network->further6_count], &further[network->further6_count], err);
    }
    return r;
}

static int init_subnets(struct network *network, const struct network_config *config, struct error *err)
{
    int r = 0;
    if (!config->no_ipv4) {
        r = init_ipv4(&network->ipam, &config->v4, err);
        network->bridge.subnet = network->ipam.subnet;
    }
    if (r == 0 && !config->no_ipv4) {
        r = init_further(network, config, err);
    }
    if (r == 0 && config->ipv6) {
        r = init_ipv6(&network->ipam6, &config->v6, err);
        network->subnet6 = network->ipam6.subnet;
    }
    return r < 0 || !config->ipv6 ? r : init_further6(network, config, err);
}

/* The default routes of containers may be told as auxiliary addresses of these names, as for the default bridge. */
static void set_routes(struct network *network, const struct network_config *config)
{
    const char *route = config->no_ipv4 ? NULL : strmap_get(&config->v4.auxiliary, "DefaultGatewayIPv4");
    const char *route6 = config->ipv6 ? strmap_get(&config->v6.auxiliary, "DefaultGatewayIPv6") : NULL;
    if (route) {
        (void)ipam_parse_address(route, &network->gateway); /* checked with the other addresses */
    }
    if (route6) {
        (void)inet_pton(AF_INET6, route6, &network->gateway6);
    }
}

int network_from_config(struct network_manager *manager, const struct network_config *config, struct network **ret,
                        struct error *err)
{
    struct network *network = xcalloc(1, sizeof(*network));
    network->references = 1;
    network->name = xstrdup(config->name);
    network->internal = config->internal;
    network->no_rules6 = manager->no_rules6;
    network->bridge.mtu = manager->bridge->bridge.mtu;
    network->default_address = manager->bridge->default_address;
    snprintf(network->id, sizeof(network->id), "%s", config->id);
    if (config->interface) {
        snprintf(network->bridge.name, sizeof(network->bridge.name), "%s", config->interface);
        snprintf(network->parent_made, sizeof(network->parent_made), "%s",
                 config->interface_made ? config->interface : "");
    }
    int r = network_options_apply(config, network, err);
    if (r == 0) {
        r = init_subnets(network, config, err);
    }
    if (r < 0) {
        network_unref(network);
        return r;
    }
    network->gateway = network->bridge.subnet.gateway;
    network->gateway6 = network->subnet6.gateway;
    if (network->driver == &network_bridge) {
        set_routes(network, config);
    }
    *ret = network;
    return 0;
}

/* ---- making and removing ---- */

static int make_interface(struct network_manager *manager, struct network *network, bool restoring, struct error *err)
{
    struct netlink *host;
    int r = netlink_open(NETLINK_ROUTE, &host, err);
    if (r == 0) {
        r = network->driver->make(network, restoring, host, err);
        netlink_close(host);
    }
    if (r == 0 && network->subnet6.prefix && network->driver->publishes && !manager->no_ip_forward) {
        r = bridge_enable_forwarding6(err);
    }
    return r;
}

static int remove_interface(struct network *network, struct error *err)
{
    struct netlink *host;
    int r = netlink_open(NETLINK_ROUTE, &host, err);
    if (r == 0) {
        r = network->driver->remove(network, host, err);
        netlink_close(host);
    }
    return r;
}

static void take_out(struct network_manager *manager, struct network *network)
{
    pthread_mutex_lock(&manager->lock);
    manager->retired = network->retired > manager->retired ? network->retired : manager->retired;
    for (size_t i = 0; i < manager->count; i++) {
        if (manager->networks[i] == network) {
            manager->networks[i] = manager->networks[--manager->count];
            break;
        }
    }
    network_unref(network);
    pthread_mutex_unlock(&manager->lock);
}

/* The lists of the rules know of it already: whoever replaces them meanwhile does this, too. */
static int add_rules(struct network_manager *manager, const struct network *network, struct error *err)
{
    struct firewall_network rules;
    network_in_rules(network, &rules);
    if (manager->firewall && firewall_add_network(manager->firewall, &rules) == 0) {
        return 0;
    }
    return network_firewall_apply(manager, err);
}

static void remove_rules(struct network_manager *manager, const struct firewall_network *rules)
{
    struct error err = {0};
    if (manager->firewall && firewall_remove_network(manager->firewall, rules) == 0) {
        return;
    }
    if (network_firewall_apply(manager, &err) < 0) {
        log_error("network: %s", err.message); /* rules for an interface that is gone: the next change drops them */
    }
}

int network_create(struct network_manager *manager, const struct network_config *config, bool restoring,
                   struct error *err)
{
    struct network *network;
    int r = network_from_config(manager, config, &network, err);
    if (r < 0) {
        return r;
    }
    r = make_interface(manager, network, restoring, err);
    if (r < 0) {
        if (!restoring && r != -EEXIST) {
            (void)remove_interface(network, NULL);
        }
        network_unref(network);
        return r;
    }
    pthread_mutex_lock(&manager->lock);
    network_add(manager, network);
    network->retired = manager->retired;
    if (restoring) {
        network_note_retired(network); /* while there was no daemon, perhaps */
    }
    pthread_mutex_unlock(&manager->lock);
    if (restoring || !network->driver->publishes) {
        return 0;
    }
    r = add_rules(manager, network, err);
    if (r < 0) {
        (void)remove_interface(network, NULL);
        take_out(manager, network);
    }
    return r;
}

static void list_endpoints(struct network_manager *manager, const struct network *network, struct strbuf *out)
{
    size_t i = 0;
    const char *id;
    void *value;
    while (map_next(&manager->records, &i, &id, &value)) {
        const struct record *record = value;
        for (size_t j = 0; j < record->count; j++) {
            if (record->endpoints[j]->network == network) {
                strbuf_addf(out, "%sname:\"%s\" id:\"%.12s\"", out->size ? ", " : "", record->name,
                            record->endpoints[j]->id);
            }
        }
    }
}

int network_remove(struct network_manager *manager, const char *network_id,
                   int (*before)(void *data, struct error *err), void *data, struct error *err)
{
    CLEANUP_STRBUF struct strbuf users = STRBUF_INIT;
    int r = 0;
    pthread_mutex_lock(&manager->lock);
    struct network *network = network_find(manager, network_id);
    if (!network || network->removing) {
        r = error_set(err, ERROR_NOT_FOUND, 0, "network %s not found", network_id);
    } else if (network->endpoints > 0) {
        list_endpoints(manager, network, &users);
        r = error_set(err, ERROR_FORBIDDEN, EBUSY, "error while removing network: network %s has active endpoints (%s)",
                      network->name, strbuf_str(&users));
    } else {
        network->removing = true;
    }
    pthread_mutex_unlock(&manager->lock);
    if (r < 0) {
        return r;
    }
    bool in_rules = network->driver->publishes;
    r = before ? before(data, err) : 0;
    if (r == 0) {
        r = remove_interface(network, err);
    }
    if (r < 0) {
        pthread_mutex_lock(&manager->lock);
        network->removing = false;
        pthread_mutex_unlock(&manager->lock);
        return r;
    }
    struct firewall_network rules;
    network_in_rules(network, &rules);
    take_out(manager, network);
    if (in_rules) {
        remove_rules(manager, &rules);
    }
    return 0;
}
