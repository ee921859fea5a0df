/* The default bridge: what daemon.json says of it, and its object; the other predefined networks with it. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "daemon/network/network_internal.h"

/* What the options say. */
struct plan {
    struct ipam_subnet range;            /* prefix 0: the whole subnet */
    struct ipam6_subnet subnet6, range6; /* prefix 0: to be chosen; the whole subnet */
    uint32_t gateway;                    /* 0: the bridge */
    struct in6_addr gateway6;            /* ::, likewise */
};

static bool is_set(const char *text)
{
    return text && text[0];
}

static int refuse(const char *name, const char *value, const char *why, const char *what, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "%s %s: %s%s", name, value, why, what);
}

/* What needs a bridge, and what needs IPv6 on it. */
static int check_needs(const struct network_options *options, struct error *err)
{
    const struct {
        const char *name, *value;
        bool ipv6;
    } rows[] = {
        {"bip", options->bip, false},
        {"fixed-cidr", options->fixed_cidr, false},
        {"default-gateway", options->gateway, false},
        {"ipv6", options->ipv6 ? "true" : NULL, false},
        {"bip6", options->bip6, true},
        {"fixed-cidr-v6", options->fixed_cidr6, true},
        {"default-gateway-v6", options->gateway6, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (is_set(rows[i].value) && options->no_bridge) {
            return refuse(rows[i].name, rows[i].value, "there is no default bridge that could have it (bridge: none)",
                          "", err);
        }
        if (is_set(rows[i].value) && rows[i].ipv6 && !options->ipv6) {
            return refuse(rows[i].name, rows[i].value, "the default bridge has no IPv6 (ipv6: false)", "", err);
        }
    }
    return 0;
}

static int plan_range(const struct network_options *options, struct plan *plan, struct error *err)
{
    struct ipam_subnet subnet;
    struct ipam_subnet *range = &plan->range;
    if (!is_set(options->fixed_cidr)) {
        return 0;
    }
    if (!is_set(options->bip)) {
        return refuse("fixed-cidr", options->fixed_cidr, "it needs bip, whose subnet it is a part of", "", err);
    }
    int r = ipam_subnet_parse(options->bip, &subnet, err);
    if (r == 0) {
        r = ipam_subnet_parse(options->fixed_cidr, range, err);
    }
    if (r == 0 && (range->prefix < subnet.prefix ||
                   !ipam_overlaps(range->network, range->prefix, subnet.network, subnet.prefix))) {
        r = refuse("fixed-cidr", options->fixed_cidr, "it is not part of bip's subnet ", options->bip, err);
    }
    return r;
}

/* Without bip6 the part is the whole, as docker has it. */
static int plan_ipv6(const struct network_options *options, struct plan *plan, struct error *err)
{
    int r = 0;
    if (is_set(options->bip6)) {
        r = ipam6_bridge_parse(options->bip6, &plan->subnet6, err);
    }
    if (r == 0 && is_set(options->fixed_cidr6)) {
        r = ipam6_subnet_parse(options->fixed_cidr6, &plan->range6, err);
    }
    if (r < 0 || !is_set(options->fixed_cidr6)) {
        return r;
    }
    if (!is_set(options->bip6)) {
        plan->subnet6 = plan->range6;
        plan->range6.prefix = 0;
    } else if (plan->range6.prefix < plan->subnet6.prefix || !ipam6_contains(&plan->subnet6, &plan->range6.network)) {
        r = refuse("fixed-cidr-v6", options->fixed_cidr6, "it is not part of bip6's subnet ", options->bip6, err);
    }
    return r;
}

static int plan_gateways(const struct network_options *options, struct plan *plan, struct error *err)
{
    if (is_set(options->gateway) && ipam_parse_address(options->gateway, &plan->gateway) < 0) {
        return refuse("default-gateway", options->gateway, "it is no IPv4 address", "", err);
    }
    if (is_set(options->gateway6) && inet_pton(AF_INET6, options->gateway6, &plan->gateway6) != 1) {
        return refuse("default-gateway-v6", options->gateway6, "it is no IPv6 address", "", err);
    }
    return 0;
}

/* Of a subnet that is known. */
static int check_gateway(const struct plan *plan, const struct ipam_subnet *subnet, struct error *err)
{
    char gateway[IPAM_TEXT_MAX], text[IPAM_TEXT_MAX];
    if (!plan->gateway || ipam_overlaps(plan->gateway, 32, subnet->network, subnet->prefix)) {
        return 0;
    }
    ipam_format_address(gateway, plan->gateway);
    ipam_format_subnet(text, subnet);
    return refuse("default-gateway", gateway, "it is not part of the default bridge's subnet ", text, err);
}

static int check_gateway6(const struct plan *plan, const struct ipam6_subnet *subnet, struct error *err)
{
    char gateway[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN];
    if (IN6_IS_ADDR_UNSPECIFIED(&plan->gateway6) || ipam6_contains(subnet, &plan->gateway6)) {
        return 0;
    }
    inet_ntop(AF_INET6, &plan->gateway6, gateway, sizeof(gateway));
    inet_ntop(AF_INET6, &subnet->network, text, sizeof(text));
    return refuse("default-gateway-v6", gateway, "it is not part of the default bridge's subnet ", text, err);
}

static int make_plan(const struct network_options *options, struct plan *ret, struct error *err)
{
    *ret = (struct plan){0};
    int r = check_needs(options, err);
    if (r == 0) {
        r = plan_range(options, ret, err);
    }
    if (r == 0) {
        r = plan_ipv6(options, ret, err);
    }
    return r < 0 ? r : plan_gateways(options, ret, err);
}

int network_check_default_bridge(const struct network_options *options, struct error *err)
{
    struct plan plan;
    struct ipam_subnet subnet;
    int r = make_plan(options, &plan, err);
    if (r == 0 && is_set(options->bip)) {
        r = ipam_subnet_parse(options->bip, &subnet, err);
        if (r == 0) {
            r = check_gateway(&plan, &subnet, err);
        }
    }
    if (r == 0 && plan.subnet6.prefix) {
        r = check_gateway6(&plan, &plan.subnet6, err);
    }
    return r;
}

/* The one that was asked for; else the one that the bridge has (its containers are in it); else a new one. */
static int make_subnet6(struct network_manager *manager, const struct network_options *options, struct network *network,
                        const struct ipam6_subnet *present, struct netlink *netlink, struct error *err)
{
    int r = 0;
    if (options->ipv6 && !network->subnet6.prefix && present->prefix >= 8 && present->prefix <= 126) {
        network->subnet6 = *present;
    } else if (options->ipv6 && !network->subnet6.prefix) {
        r = network_choose_subnet6(manager, true, &network->subnet6, err);
    }
    if (r == 0) {
        r = bridge_set_subnet6(netlink, &network->bridge, &network->subnet6, err);
    }
    if (r == 0 && options->ipv6 && !options->no_ip_forward) {
        r = bridge_enable_forwarding6(err);
    }
    return r;
}

static void init_addresses(struct network *network, const struct plan *plan)
{
    ipam_init(&network->ipam, &network->bridge.subnet);
    if (plan->range.prefix) {
        ipam_set_range(&network->ipam, plan->range.network, plan->range.prefix); /* checked above */
    }
    network->gateway = plan->gateway ? plan->gateway : network->bridge.subnet.gateway;
    (void)ipam_take(&network->ipam, network->gateway); /* it may be the bridge's own */
    if (!network->subnet6.prefix) {
        return;
    }
    ipam6_init(&network->ipam6, &network->subnet6);
    if (plan->range6.prefix) {
        network->ipam6.first = plan->range6.network;
        network->ipam6.range_prefix = plan->range6.prefix;
    }
    network->gateway6 = IN6_IS_ADDR_UNSPECIFIED(&plan->gateway6) ? network->subnet6.gateway : plan->gateway6;
    (void)ipam6_take(&network->ipam6, &network->gateway6);
}

int default_bridge_open(struct network_manager *manager, const struct network_options *options,
                        uint32_t default_address, struct netlink *netlink, struct error *err)
{
    struct bridge bridge = {.mtu = options->mtu > 0 ? options->mtu : 1500};
    struct ipam6_subnet present6 = {0};
    struct plan plan;
    int r = make_plan(options, &plan, err);
    if (r < 0) {
        return r;
    }
    if (options->no_bridge) {
        snprintf(bridge.name, sizeof(bridge.name), "%s", options->bridge);
    } else {
        r = bridge_open(netlink, options, &bridge, &present6, err);
    }
    if (r < 0) {
        return r;
    }
    struct network *network = xcalloc(1, sizeof(*network));
    *network = (struct network){.references = 1,
                                .name = xstrdup("bridge"),
                                .driver = &network_bridge,
                                .no_masquerade = options->no_ip_masq,
                                .no_icc = options->no_icc,
                                .no_rules6 = options->no_rules6,
                                .bridge = bridge,
                                .subnet6 = plan.subnet6,
                                .default_address = default_address};
    manager->bridge = network;
    manager->no_bridge = options->no_bridge;
    network_predefined_id(manager, "bridge", network->id);
    if (options->no_bridge) {
        return 0;
    }
    manager->bridge_range = plan.range;
    manager->bridge_range6 = plan.range6;
    r = make_subnet6(manager, options, network, &present6, netlink, err);
    if (r == 0) {
        r = check_gateway(&plan, &bridge.subnet, err);
    }
    if (r == 0) {
        r = check_gateway6(&plan, &network->subnet6, err);
    }
    init_addresses(network, &plan);
    network->segments = segments_new(&bridge, network->id, options->no_icc);
    network_add(manager, network);
    return r;
}

/* ---- what is told of them ---- */

static void format6(char *buf, size_t size, const struct ipam6_subnet *subnet)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &subnet->network, text, sizeof(text));
    snprintf(buf, size, "%s/%d", text, subnet->prefix);
}

static void describe6(const struct network_manager *manager, struct network_info *ret)
{
    const struct network *bridge = manager->bridge;
    char text[INET6_ADDRSTRLEN];
    format6(ret->subnet6, sizeof(ret->subnet6), &bridge->subnet6);
    inet_ntop(AF_INET6, &bridge->subnet6.gateway, text, sizeof(text));
    snprintf(ret->gateway6, sizeof(ret->gateway6), "%s", text);
    if (manager->bridge_range6.prefix) {
        format6(ret->range6, sizeof(ret->range6), &manager->bridge_range6);
    }
    if (!IN6_ARE_ADDR_EQUAL(&bridge->gateway6, &bridge->subnet6.gateway)) {
        inet_ntop(AF_INET6, &bridge->gateway6, text, sizeof(text));
        snprintf(ret->route6, sizeof(ret->route6), "%s", text);
    }
}

static void describe(const struct network_manager *manager, struct network_info *ret)
{
    const struct network *bridge = manager->bridge;
    char text[IPAM_TEXT_MAX];
    ipam_format_subnet(text, &bridge->bridge.subnet);
    snprintf(ret->subnet, sizeof(ret->subnet), "%s", text);
    ipam_format_address(text, bridge->bridge.subnet.gateway);
    snprintf(ret->gateway, sizeof(ret->gateway), "%s", text);
    snprintf(ret->bridge, sizeof(ret->bridge), "%s", bridge->bridge.name);
    ret->mtu = bridge->bridge.mtu;
    if (manager->bridge_range.prefix) {
        ipam_format_subnet(text, &manager->bridge_range);
        snprintf(ret->range, sizeof(ret->range), "%s", text);
    }
    if (bridge->gateway != bridge->bridge.subnet.gateway) {
        ipam_format_address(text, bridge->gateway);
        snprintf(ret->route, sizeof(ret->route), "%s", text);
    }
    if (bridge->subnet6.prefix) {
        describe6(manager, ret);
    }
}

size_t network_list(struct network_manager *manager, struct network_info ret[NETWORK_PREDEFINED_MAX])
{
    static const char *const names[][2] = {{"bridge", "bridge"}, {"host", "host"}, {"none", "null"}};
    size_t count = 0;
    for (size_t i = manager->no_bridge ? 1 : 0; i < ARRAY_SIZE(names); i++) {
        ret[count] = (struct network_info){.name = names[i][0], .driver = names[i][1]};
        network_predefined_id(manager, names[i][0], ret[count++].id);
    }
    if (!manager->no_bridge) {
        describe(manager, &ret[0]);
    }
    return count;
}
