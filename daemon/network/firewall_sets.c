#include "daemon/network/firewall_sets.h"

#include <arpa/inet.h>

static bool every(const struct firewall_network *network, enum gateway_mode mode)
{
    (void)network;
    (void)mode;
    return true;
}

static bool internal(const struct firewall_network *network, enum gateway_mode mode)
{
    (void)mode;
    return network->internal;
}

static bool open_to_neighbours(const struct firewall_network *network, enum gateway_mode mode)
{
    (void)mode;
    return !network->no_icc;
}

static bool reached_through_ports(const struct firewall_network *network, enum gateway_mode mode)
{
    return !network->no_masquerade && (mode == GATEWAY_NAT || mode == GATEWAY_ISOLATED);
}

static bool masqueraded_outside(const struct firewall_network *network, enum gateway_mode mode)
{
    return !network->no_masquerade && !network->internal && mode != GATEWAY_ROUTED;
}

static bool unprotected(const struct firewall_network *network, enum gateway_mode mode)
{
    return mode == GATEWAY_NAT_UNPROTECTED && !network->internal;
}

static bool routed(const struct firewall_network *network, enum gateway_mode mode)
{
    return mode == GATEWAY_ROUTED && !network->internal;
}

const struct firewall_set firewall_sets[FIREWALL_SET_COUNT] = {
    {"bridges", FIREWALL_KEY_BRIDGE, every},
    {"internal", FIREWALL_KEY_BRIDGE, internal},
    {"unprotected", FIREWALL_KEY_BRIDGE, unprotected},
    {"routed", FIREWALL_KEY_BRIDGE, routed},
    {"neighbours", FIREWALL_KEY_NEIGHBOURS, open_to_neighbours},
    {"subnets", FIREWALL_KEY_SUBNET, every},
    {"outbound", FIREWALL_KEY_SUBNET, masqueraded_outside},
    {"guarded", FIREWALL_KEY_SUBNET, reached_through_ports},
    {"direct", FIREWALL_KEY_BRIDGE_SUBNET, reached_through_ports},
};

static bool is_interval(const struct firewall_set *set)
{
    return set->key == FIREWALL_KEY_SUBNET || set->key == FIREWALL_KEY_BRIDGE_SUBNET;
}

bool firewall_set_has(const struct firewall_set *set, const struct firewall_network *network, bool ip6)
{
    int prefix = ip6 ? network->subnet6.prefix : network->subnet.prefix;
    return set->wants(network, ip6 ? network->mode6 : network->mode) && (prefix != 0 || !is_interval(set));
}

static void write_subnet(const struct firewall_network *network, bool ip6, struct strbuf *out)
{
    char text[IPAM6_TEXT_MAX];
    if (ip6) {
        inet_ntop(AF_INET6, &network->subnet6.network, text, sizeof(text));
        strbuf_addf(out, "%s/%d", text, network->subnet6.prefix);
    } else {
        ipam_format_subnet(text, &network->subnet);
        strbuf_adds(out, text);
    }
}

static void write_element(const struct firewall_set *set, const struct firewall_network *network, bool ip6,
                          struct strbuf *out)
{
    switch (set->key) {
    case FIREWALL_KEY_BRIDGE:
        strbuf_addf(out, "\"%s\"", network->bridge);
        break;
    case FIREWALL_KEY_NEIGHBOURS:
        strbuf_addf(out, "\"%s\" . \"%s\"", network->bridge, network->bridge);
        break;
    case FIREWALL_KEY_BRIDGE_SUBNET:
        strbuf_addf(out, "\"%s\" . ", network->bridge);
        write_subnet(network, ip6, out);
        break;
    case FIREWALL_KEY_SUBNET:
        write_subnet(network, ip6, out);
        break;
    }
}

static const char *key_type(enum firewall_key key, bool ip6)
{
    switch (key) {
    case FIREWALL_KEY_BRIDGE:
        return "ifname";
    case FIREWALL_KEY_NEIGHBOURS:
        return "ifname . ifname";
    case FIREWALL_KEY_BRIDGE_SUBNET:
        return ip6 ? "ifname . ipv6_addr" : "ifname . ipv4_addr";
    default:
        return ip6 ? "ipv6_addr" : "ipv4_addr";
    }
}

void firewall_sets_write(const struct firewall_rules *rules, bool ip6, struct strbuf *out)
{
    for (size_t i = 0; i < FIREWALL_SET_COUNT; i++) {
        const struct firewall_set *set = &firewall_sets[i];
        const char *separator = "\t\telements = { ";
        strbuf_addf(out, "\tset %s {\n\t\ttype %s\n%s", set->name, key_type(set->key, ip6),
                    is_interval(set) ? "\t\tflags interval\n" : "");
        for (size_t n = 0; n < rules->network_count; n++) {
            if (firewall_set_has(set, &rules->networks[n], ip6)) {
                strbuf_adds(out, separator);
                write_element(set, &rules->networks[n], ip6, out);
                separator = ", ";
            }
        }
        strbuf_adds(out, separator[0] == ',' ? " }\n\t}\n" : "\t}\n");
    }
}
