/* The rules as text. */
#include <string.h>

#include "base/strbuf.h"
#include "daemon/network/firewall.h"

void firewall_table_name(const char *bridge, char *buf, size_t size)
{
    if (strcmp(bridge, "dory0") == 0) {
        snprintf(buf, size, "dory");
    } else {
        snprintf(buf, size, "dory-%s", bridge);
    }
}

static void add_maps(struct strbuf *out, const struct port_claim *claims, size_t count)
{
    for (int specific = 0; specific <= 1; specific++) {
        strbuf_addf(out, "\tmap %s {\n\t\ttype %sinet_proto . inet_service : ipv4_addr . inet_service\n",
                    specific ? "ports_at" : "ports", specific ? "ipv4_addr . " : "");
        const char *separator = "\t\telements = { ";
        for (size_t i = 0; i < count; i++) {
            char host[IPAM_TEXT_MAX], container[IPAM_TEXT_MAX];
            if ((claims[i].host_address != 0) != specific) {
                continue;
            }
            ipam_format_address(host, claims[i].host_address);
            ipam_format_address(container, claims[i].container_address);
            strbuf_addf(out, "%s%s%s%u . %u : %s . %u", separator, specific ? host : "", specific ? " . " : "",
                        claims[i].protocol, claims[i].host_port, container, claims[i].container_port);
            separator = ", ";
        }
        strbuf_addf(out, "%s\t}\n", separator[0] == ',' ? " }\n" : "");
    }
}

char *firewall_ruleset(const struct firewall_options *options, const struct port_claim *claims, size_t count)
{
    struct strbuf out = STRBUF_INIT;
    char table[64], subnet[IPAM_TEXT_MAX];
    const char *bridge = options->bridge;
    firewall_table_name(bridge, table, sizeof(table));
    ipam_format_subnet(subnet, &options->subnet);
    /* "add" first, so that "delete" finds one. */
    strbuf_addf(&out, "add table ip %s\ndelete table ip %s\ntable ip %s {\n", table, table, table);
    add_maps(&out, claims, count);
    /*
     * Before anything is translated: containers must not reach what listens on the host's loopback (route_localnet
     * would let them), nobody may pretend to be loopback, and other hosts reach containers through published ports
     * only, not by routing to their addresses.
     */
    strbuf_addf(&out,
                "\tchain guard {\n\t\ttype filter hook prerouting priority raw; policy accept;\n"
                "\t\tiifname \"%s\" ip daddr 127.0.0.0/8 drop\n"
                "\t\tiifname \"%s\" ip saddr 127.0.0.0/8 drop\n"
                "\t\tiifname != \"%s\" ip daddr %s fib daddr type != local drop\n\t}\n",
                bridge, bridge, bridge, subnet);
    strbuf_adds(&out, "\tchain publish {\n"
                      "\t\tdnat ip to ip daddr . meta l4proto . th dport map @ports_at\n"
                      "\t\tdnat ip to meta l4proto . th dport map @ports\n\t}\n");
    /* A port published on 127.0.0.1 is for this host alone, also where the administrator lets 127/8 in. */
    strbuf_adds(&out, "\tchain prerouting {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
                      "\t\tiifname != \"lo\" ip daddr 127.0.0.0/8 return\n"
                      "\t\tfib daddr type local jump publish\n\t}\n"
                      "\tchain output {\n\t\ttype nat hook output priority -100; policy accept;\n"
                      "\t\tfib daddr type local jump publish\n\t}\n");
    /* Where the way out is narrower than the bridge (tunnels, clouds), peers are told so instead of being left to find
     * out, which many networks do not let them. */
    strbuf_addf(&out,
                "\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n"
                "\t\tiifname \"%s\" oifname != \"%s\" tcp flags syn tcp option maxseg size set rt mtu\n"
                "\t\toifname != \"%s\" accept\n"
                "\t\tct state established,related accept\n"
                "\t\tct status dnat accept\n"
                "\t\tiifname \"%s\" accept\n"
                "\t\tdrop\n\t}\n",
                bridge, bridge, bridge, bridge);
    strbuf_adds(&out, "\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
    if (!options->no_masquerade) {
        strbuf_addf(&out, "\t\toifname != \"%s\" ip saddr %s masquerade\n", bridge, subnet);
    }
    /* Through a published port from the host's loopback and from containers of the same bridge the answer has to come
     * back through the host. Clients from elsewhere keep their address. */
    strbuf_addf(&out,
                "\t\toifname \"%s\" ct status dnat ip saddr 127.0.0.0/8 masquerade\n"
                "\t\toifname \"%s\" ct status dnat ip saddr %s masquerade\n\t}\n}\n",
                bridge, bridge, subnet);
    return strbuf_take(&out);
}
