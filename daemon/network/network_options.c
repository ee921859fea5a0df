#include "daemon/network/network_options.h"

#include <linux/if_link.h>
#include <string.h>

#include "base/parse.h"

static int invalid(const char *key, const char *value, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "invalid value for network option %s: \"%s\"", key, value);
}

/* What Go's ParseBool takes. */
static int parse_switch(const char *key, const char *value, bool *ret, struct error *err)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *ret = strcmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return invalid(key, value, err);
}

static int set_icc(struct network *network, const char *key, const char *value, struct error *err)
{
    bool on;
    int r = parse_switch(key, value, &on, err);
    network->no_icc = r == 0 && !on;
    return r;
}

static int set_masquerade(struct network *network, const char *key, const char *value, struct error *err)
{
    bool on;
    int r = parse_switch(key, value, &on, err);
    network->no_masquerade = r == 0 && !on;
    return r;
}

static int set_binding(struct network *network, const char *key, const char *value, struct error *err)
{
    return ipam_parse_address(value, &network->default_address) < 0 ? invalid(key, value, err) : 0;
}

static int parse_gateway_mode(const struct network *network, const char *key, const char *value, enum gateway_mode *ret,
                              struct error *err)
{
    static const char *const names[] = {[GATEWAY_NAT] = "nat",
                                        [GATEWAY_NAT_UNPROTECTED] = "nat-unprotected",
                                        [GATEWAY_ROUTED] = "routed",
                                        [GATEWAY_ISOLATED] = "isolated"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            *ret = (enum gateway_mode)i;
            return i != GATEWAY_ISOLATED || network->internal
                       ? 0
                       : error_set(err, ERROR_INVALID, 0,
                                   "gateway mode 'isolated' can only be used for an internal network");
        }
    }
    return invalid(key, value, err);
}

static int set_gateway_mode(struct network *network, const char *key, const char *value, struct error *err)
{
    int r = parse_gateway_mode(network, key, value, &network->gateway_mode, err);
    network->bridge.no_address = r == 0 && network->gateway_mode == GATEWAY_ISOLATED;
    return r;
}

static int set_gateway_mode6(struct network *network, const char *key, const char *value, struct error *err)
{
    int r = parse_gateway_mode(network, key, value, &network->gateway_mode6, err);
    network->bridge.no_address6 = r == 0 && network->gateway_mode6 == GATEWAY_ISOLATED;
    return r;
}

static int set_mtu(struct network *network, const char *key, const char *value, struct error *err)
{
    int64_t mtu;
    if (parse_int64(value, 68, 65535, &mtu) < 0) {
        return invalid(key, value, err);
    }
    network->bridge.mtu = (int)mtu;
    return 0;
}

/* bridge.name and parent: network_complete() has made the configuration's interface of it, or chosen one where it is
 * empty. */
static int set_interface(struct network *network, const char *key, const char *value, struct error *err)
{
    (void)network;
    (void)key;
    return value[0] ? bridge_check_name(value, err) : 0;
}

/* Leaves room for a number. */
static int set_prefix(struct network *network, const char *key, const char *value, struct error *err)
{
    enum { DIGITS = 5 };
    if (strlen(value) + DIGITS >= sizeof(network->prefix) || (value[0] && bridge_check_name(value, NULL) < 0) ||
        strcmp(value, "lo") == 0) {
        return invalid(key, value, err);
    }
    snprintf(network->prefix, sizeof(network->prefix), "%s", value);
    return 0;
}

/* Nobody but the default bridge is it. */
static int set_default_bridge(struct network *network, const char *key, const char *value, struct error *err)
{
    bool on;
    (void)network;
    int r = parse_switch(key, value, &on, err);
    return r == 0 && on ? error_set(err, ERROR_FORBIDDEN, 0, "option %s is not for networks of users", key) : r;
}

struct mode {
    const char *name;
    uint32_t value;
};

static int set_mode(const struct mode *modes, size_t count, struct network *network, const char *key, const char *value,
                    struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(value, modes[i].name) == 0) {
            network->mode = modes[i].value;
            return 0;
        }
    }
    return invalid(key, value, err);
}

static int set_macvlan_mode(struct network *network, const char *key, const char *value, struct error *err)
{
    static const struct mode modes[] = {{"bridge", MACVLAN_MODE_BRIDGE},
                                        {"private", MACVLAN_MODE_PRIVATE},
                                        {"vepa", MACVLAN_MODE_VEPA},
                                        {"passthru", MACVLAN_MODE_PASSTHRU}};
    return set_mode(modes, ARRAY_SIZE(modes), network, key, value, err);
}

static int set_ipvlan_mode(struct network *network, const char *key, const char *value, struct error *err)
{
    static const struct mode modes[] = {{"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}};
    int r = set_mode(modes, ARRAY_SIZE(modes), network, key, value, err);
    network->direct = r == 0 && network->mode != IPVLAN_MODE_L2;
    return r;
}

static int set_ipvlan_flag(struct network *network, const char *key, const char *value, struct error *err)
{
    static const struct mode flags[] = {{"bridge", 0}, {"private", IPVLAN_F_PRIVATE}, {"vepa", IPVLAN_F_VEPA}};
    uint32_t mode = network->mode;
    int r = set_mode(flags, ARRAY_SIZE(flags), network, key, value, err);
    if (r == 0) {
        network->flags = (uint16_t)network->mode;
        network->mode = mode;
    }
    return r;
}

struct option {
    const struct network_driver *driver; /* NULL: every driver */
    const char *key;
    int (*set)(struct network *network, const char *key, const char *value, struct error *err);
};

static const struct option options[] = {
    {&network_bridge, "com.docker.network.bridge.name", set_interface},
    {&network_bridge, "com.docker.network.bridge.enable_icc", set_icc},
    {&network_bridge, "com.docker.network.bridge.enable_ip_masquerade", set_masquerade},
    {&network_bridge, "com.docker.network.bridge.host_binding_ipv4", set_binding},
    {&network_bridge, "com.docker.network.bridge.gateway_mode_ipv4", set_gateway_mode},
    {&network_bridge, "com.docker.network.bridge.gateway_mode_ipv6", set_gateway_mode6},
    {&network_bridge, "com.docker.network.bridge.default_bridge", set_default_bridge},
    {NULL, "com.docker.network.driver.mtu", set_mtu},
    {NULL, "com.docker.network.container_iface_prefix", set_prefix},
    {&network_bridge, "com.docker.network.mtu", set_mtu},
    {&network_macvlan, "parent", set_interface},
    {&network_macvlan, "macvlan_mode", set_macvlan_mode},
    {&network_ipvlan, "parent", set_interface},
    {&network_ipvlan, "ipvlan_mode", set_ipvlan_mode},
    {&network_ipvlan, "ipvlan_flag", set_ipvlan_flag},
};

static int find_driver(const char *name, const struct network_driver **ret, struct error *err)
{
    static const struct network_driver *const drivers[] = {&network_bridge, &network_macvlan, &network_ipvlan};
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
        if (strcmp(name, drivers[i]->name) == 0) {
            *ret = drivers[i];
            return 0;
        }
    }
    return error_set(err, ERROR_NOT_FOUND, 0, "could not find plugin %s in v1 plugin registry: plugin \"%s\" not found",
                     name, name);
}

int network_options_apply(const struct network_config *config, struct network *network, struct error *err)
{
    int r = find_driver(config->driver, &network->driver, err);
    if (r < 0) {
        return r;
    }
    network->mode = network->driver == &network_macvlan ? MACVLAN_MODE_BRIDGE : IPVLAN_MODE_L2;
    for (size_t i = 0; r == 0 && i < config->options.count; i++) {
        const char *key = config->options.items[i].key, *value = config->options.items[i].value;
        const struct option *found = NULL;
        for (size_t j = 0; j < ARRAY_SIZE(options); j++) {
            bool fits = options[j].driver == NULL || options[j].driver == network->driver;
            if (fits && strcmp(options[j].key, key) == 0) {
                found = &options[j];
            }
        }
        r = found
                ? found->set(network, key, value, err)
                : error_set(err, ERROR_INVALID, 0, "network option %s is not known to driver %s", key, config->driver);
    }
    return r;
}
