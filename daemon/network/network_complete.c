/* What a request for a network leaves open is chosen here, and what cannot be is refused, before anything is made. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "daemon/network/network_internal.h"

/* ---- driver and interface ---- */

static int choose_driver(struct network_config *config, struct error *err)
{
    if (!config->driver || !config->driver[0] || strcmp(config->driver, "default") == 0) {
        xstrset(&config->driver, "bridge");
    }
    if (strcmp(config->driver, "host") == 0 || strcmp(config->driver, "null") == 0) {
        return error_set(err, ERROR_FORBIDDEN, 0, "only one instance of \"%s\" network is allowed", config->driver);
    }
    return 0;
}

static int choose_interface(struct network_config *config, struct error *err)
{
    bool bridge = strcmp(config->driver, "bridge") == 0;
    const char *asked = strmap_get(&config->options, bridge ? "com.docker.network.bridge.name" : "parent");
    free(config->interface);
    config->interface = asked && asked[0] ? xstrdup(asked) : xasprintf("%s-%.12s", bridge ? "br" : "dm", config->id);
    int r = bridge_check_name(config->interface, err);
    config->interface_made = r == 0 && link_index(config->interface) == 0;
    if (r == 0 && bridge && !config->interface_made) {
        r = error_set(err, ERROR_FORBIDDEN, EEXIST, "cannot create network %s (%s): an interface of that name exists",
                      config->name, config->interface);
    }
    return r;
}

/* ---- subnets ---- */

static int overlap_error(struct error *err)
{
    return error_set(err, ERROR_FORBIDDEN, EEXIST,
                     "invalid pool request: Pool overlaps with other one on this address space");
}

/* What is not to be given out again: the host's addresses and routes, and other networks'. The caller frees. */
static int used_subnets(struct network_manager *manager, struct ipam_subnet **ret, size_t *ret_count, struct error *err)
{
    struct netlink *host;
    struct ipam_subnet *used = NULL;
    size_t count = 0;
    int r = netlink_open(NETLINK_ROUTE, &host, err);
    if (r == 0) {
        r = link_used_subnets(host, 0, &used, &count, err);
        netlink_close(host);
    }
    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&manager->lock);
    for (size_t i = 0; i < manager->count; i++) {
        const struct network *network = manager->networks[i];
        used = xreallocarray(used, count + 1 + network->further_count, sizeof(*used));
        if (network->bridge.subnet.prefix) {
            used[count++] = network->bridge.subnet;
        }
        for (size_t j = 0; j < network->further_count; j++) {
            used[count++] = network->further[j].subnet;
        }
    }
    pthread_mutex_unlock(&manager->lock);
    *ret = used;
    *ret_count = count;
    return 0;
}

static int check_asked4(struct network_manager *manager, const struct network_config *config,
                        const struct ipam_subnet *subnet, struct error *err)
{
    CLEANUP_FREE struct ipam_subnet *used = NULL;
    size_t count;
    bool bridge = strcmp(config->driver, "bridge") == 0, overlaps = false;
    pthread_mutex_lock(&manager->lock);
    for (size_t i = 0; i < manager->count; i++) {
        overlaps = overlaps || network_overlaps(manager->networks[i], subnet);
    }
    pthread_mutex_unlock(&manager->lock);
    if (overlaps) {
        return overlap_error(err);
    }
    int r = bridge ? used_subnets(manager, &used, &count, err) : 0;
    /* The host would no longer reach its own neighbours. Routes to elsewhere may be overridden. */
    for (size_t i = 0; r == 0 && bridge && i < count; i++) {
        if (used[i].gateway && ipam_overlaps(subnet->network, subnet->prefix, used[i].network, used[i].prefix)) {
            r = overlap_error(err);
        }
    }
    return r;
}

/* The gateway has its address first. */
static int check_auxiliary(const struct network_subnet *v4, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < v4->auxiliary.count; i++) {
        if (strcmp(v4->auxiliary.items[i].value, v4->gateway) == 0) {
            r = network_auxiliary_error(&v4->auxiliary, i, err);
        }
    }
    return r;
}

static int complete_ipv4(struct network_manager *manager, const struct network_config *config,
                         struct network_subnet *v4, struct error *err)
{
    struct ipam_subnet subnet;
    char text[IPAM_TEXT_MAX];
    int r;
    if (v4->subnet) {
        r = ipam_subnet_parse(v4->subnet, &subnet, err);
        if (r == 0) {
            subnet.gateway = subnet.network + 1;
            r = check_asked4(manager, config, &subnet, err);
        }
    } else {
        CLEANUP_FREE struct ipam_subnet *used = NULL;
        size_t count;
        r = used_subnets(manager, &used, &count, err);
        if (r == 0 && manager->address_pool_count > 0) {
            r = ipam_pool_choose(manager->address_pools, manager->address_pool_count, used, count, &subnet, err);
        } else if (r == 0) {
            r = ipam_subnet_choose(used, count, &subnet, err);
        }
        v4->chosen = true;
    }
    if (r < 0) {
        return r;
    }
    ipam_format_subnet(text, &subnet);
    xstrset(&v4->subnet, text);
    if (!v4->gateway) {
        ipam_format_address(text, subnet.gateway);
        v4->gateway = xstrdup(text);
        v4->gateway_chosen = !v4->chosen;
        return check_auxiliary(v4, err);
    }
    uint32_t gateway;
    if (ipam_parse_address(v4->gateway, &gateway) < 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid gateway address: %s", v4->gateway);
    }
    if (!ipam_overlaps(gateway, 32, subnet.network, subnet.prefix)) {
        return error_set(err, ERROR_INVALID, 0, "no matching subnet for gateway %s", v4->gateway);
    }
    if (gateway == subnet.network || gateway == (subnet.network | ~ipam_mask(subnet.prefix))) {
        return error_set(err, ERROR_SYSTEM, EADDRINUSE, "failed to allocate gateway (%s): Address already in use",
                         v4->gateway);
    }
    return check_auxiliary(v4, err);
}

/* Those of one network do not overlap either. */
static int complete_further(struct network_manager *manager, struct network_config *config, struct error *err)
{
    struct network_subnet *further = config->further.items;
    struct ipam_subnet a, b;
    int r = 0;
    for (size_t i = 0; r == 0 && i < config->further.count; i++) {
        r = complete_ipv4(manager, config, &further[i], err);
        for (size_t j = 0; r == 0 && j <= i; j++) {
            r = ipam_subnet_parse(further[i].subnet, &a, err);
            r = r < 0 ? r : ipam_subnet_parse(j == i ? config->v4.subnet : further[j].subnet, &b, err);
            if (r == 0 && ipam_overlaps(a.network, a.prefix, b.network, b.prefix)) {
                r = overlap_error(err);
            }
        }
    }
    return r;
}

static bool overlaps6(struct network_manager *manager, const struct ipam6_subnet *subnet)
{
    bool overlaps = false;
    pthread_mutex_lock(&manager->lock);
    for (size_t i = 0; i < manager->count; i++) {
        overlaps = overlaps || network_overlaps6(manager->networks[i], subnet);
    }
    pthread_mutex_unlock(&manager->lock);
    return overlaps;
}

static int no_pool6(struct error *err)
{
    return error_set(err, ERROR_SYSTEM, ENOSPC, "could not find an available, non-overlapping IPv6 address pool");
}

static int used_subnets6(struct ipam6_subnet **ret, size_t *ret_count, struct error *err)
{
    struct netlink *host;
    int r = netlink_open(NETLINK_ROUTE, &host, err);
    if (r == 0) {
        r = link_used_subnets6(host, ret, ret_count, err);
        netlink_close(host);
    }
    return r;
}

struct choice6 {
    struct network_manager *manager;
    struct ipam6_subnet *used; /* by the host */
    size_t count;
};

static bool is_free6(const struct choice6 *choice, const struct ipam6_subnet *subnet)
{
    bool overlaps = overlaps6(choice->manager, subnet);
    for (size_t i = 0; !overlaps && i < choice->count; i++) {
        overlaps = ipam6_overlaps(subnet, &choice->used[i]);
    }
    return !overlaps;
}

enum { SUBNETS6_MAX = 65536 };

/* The first one of the daemon's pools that neither the host nor a network has, or the last one. */
static int choose_from_pools6(struct network_manager *manager, bool last, struct ipam6_subnet *ret, struct error *err)
{
    struct choice6 choice = {.manager = manager};
    int r = used_subnets6(&choice.used, &choice.count, err);
    bool found = false;
    for (size_t i = 0; r == 0 && !found && i < manager->address_pool6_count; i++) {
        const struct ipam6_pool *pool = &manager->address_pools6[i];
        unsigned int count = SUBNETS6_MAX;
        while (!ipam6_pool_subnet(pool, count - 1, ret)) { /* as many as it has: a power of two */
            count /= 2;
        }
        for (unsigned int n = 0; !found && n < count; n++) {
            found = ipam6_pool_subnet(pool, last ? count - 1 - n : n, ret) && is_free6(&choice, ret);
        }
    }
    free(choice.used);
    return r < 0 || found ? r : no_pool6(err);
}

int network_choose_subnet6(struct network_manager *manager, bool last, struct ipam6_subnet *ret, struct error *err)
{
    if (manager->address_pool6_count > 0) {
        return choose_from_pools6(manager, last, ret, err);
    }
    for (unsigned int n = 0; n < SUBNETS6_MAX; n++) { /* nobody else has those that follow from the host's own seed */
        ipam6_ula(manager->seed, last ? SUBNETS6_MAX - 1 - n : n, ret);
        if (!overlaps6(manager, ret)) {
            return 0;
        }
    }
    return no_pool6(err);
}

static int complete_ipv6(struct network_manager *manager, struct network_subnet *v6, struct error *err)
{
    struct ipam6_subnet subnet;
    char text[INET6_ADDRSTRLEN];
    if (v6->subnet) {
        int r = ipam6_subnet_parse(v6->subnet, &subnet, err);
        if (r == 0 && overlaps6(manager, &subnet)) {
            r = overlap_error(err);
        }
        if (r < 0) {
            return r;
        }
    } else {
        int r = network_choose_subnet6(manager, false, &subnet, err);
        if (r < 0) {
            return r;
        }
        v6->chosen = true;
    }
    inet_ntop(AF_INET6, &subnet.network, text, sizeof(text));
    free(v6->subnet);
    v6->subnet = xasprintf("%s/%d", text, subnet.prefix);
    if (!v6->gateway) {
        inet_ntop(AF_INET6, &subnet.gateway, text, sizeof(text));
        v6->gateway = xstrdup(text);
        v6->gateway_chosen = !v6->chosen;
    }
    return 0;
}

static int complete_further6(struct network_manager *manager, struct network_config *config, struct error *err)
{
    struct network_subnet *further = config->further6.items;
    struct ipam6_subnet a, b;
    int r = 0;
    for (size_t i = 0; r == 0 && i < config->further6.count; i++) {
        r = complete_ipv6(manager, &further[i], err);
        for (size_t j = 0; r == 0 && j <= i; j++) {
            r = ipam6_subnet_parse(further[i].subnet, &a, err);
            r = r < 0 ? r : ipam6_subnet_parse(j == i ? config->v6.subnet : further[j].subnet, &b, err);
            if (r == 0 && ipam6_overlaps(&a, &b)) {
                r = overlap_error(err);
            }
        }
    }
    return r;
}

/* Of a family that the network has not, what clients said stays as it is. */
static int complete_subnets(struct network_manager *manager, struct network_config *config, struct error *err)
{
    bool ipv4 = !config->no_ipv4, ipv6 = config->ipv6;
    if (!ipv4 && !ipv6) {
        return error_set(err, ERROR_INVALID, 0, "IPv4 or IPv6 must be enabled");
    }
    int r = ipv4 ? complete_ipv4(manager, config, &config->v4, err) : 0;
    if (r == 0 && ipv4) {
        r = complete_further(manager, config, err);
    }
    if (r == 0 && ipv6) {
        r = complete_ipv6(manager, &config->v6, err);
    }
    if (r == 0 && ipv6) {
        r = complete_further6(manager, config, err);
    }
    if (r == 0 && ((ipv4 && config->further.count > 0) || (ipv6 && config->further6.count > 0)) &&
        strcmp(config->driver, "bridge") == 0) {
        r = error_set(err, ERROR_FORBIDDEN, 0, "bridge driver doesn't support multiple subnets");
    }
    return r;
}

/* Whoever made the parent takes it along: it is one network's. The bridge driver's interfaces are always new. */
static int check_parent(struct network_manager *manager, const struct network *network, struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&manager->lock);
    for (size_t i = 0; r == 0 && network->driver != &network_bridge && i < manager->count; i++) {
        const struct network *other = manager->networks[i];
        if (other->driver != &network_bridge && strcmp(other->bridge.name, network->bridge.name) == 0) {
            r = error_set(err, ERROR_FORBIDDEN, EBUSY, "network %s is already using parent interface %s", other->name,
                          other->bridge.name);
        }
    }
    pthread_mutex_unlock(&manager->lock);
    return r;
}

int network_complete(struct network_manager *manager, struct network_config *config, struct error *err)
{
    struct network *trial = NULL;
    int r = choose_driver(config, err);
    if (r == 0) {
        r = choose_interface(config, err);
    }
    if (r == 0) {
        r = complete_subnets(manager, config, err);
    }
    if (r == 0) {
        r = network_from_config(manager, config, &trial, err); /* driver, options and the rest of the addresses */
    }
    if (r == 0) {
        r = check_parent(manager, trial, err);
    }
    network_unref(trial);
    return r;
}
