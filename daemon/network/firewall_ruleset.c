/* The rules as text. */
#include <arpa/inet.h>
#include <string.h>

#include "base/strbuf.h"
#include "daemon/network/firewall.h"
#include "daemon/network/firewall_sets.h"
#include "daemon/network/segments.h"

void firewall_table_name(const char *bridge, char *buf, size_t size)
{
    if (strcmp(bridge, "dory0") == 0) {
        snprintf(buf, size, "dory");
    } else {
        snprintf(buf, size, "dory-%s", bridge);
    }
}

/* ---- sets and maps: what changes when networks and ports come and go ---- */

static void format_ends(const struct port_claim *claim, char host[INET6_ADDRSTRLEN], char container[INET6_ADDRSTRLEN])
{
    if (claim->ipv6) {
        inet_ntop(AF_INET6, &claim->host_address6, host, INET6_ADDRSTRLEN);
        inet_ntop(AF_INET6, &claim->container_address6, container, INET6_ADDRSTRLEN);
    } else {
        ipam_format_address(host, claim->host_address);
        ipam_format_address(container, claim->container_address);
    }
}

static void add_maps(struct strbuf *out, const struct firewall_rules *rules, bool ip6)
{
    const char *address = ip6 ? "ipv6_addr" : "ipv4_addr";
    for (int specific = 0; specific <= 1; specific++) {
        strbuf_addf(out, "\tmap %s {\n\t\ttype %s%sinet_proto . inet_service : %s . inet_service\n",
                    specific ? "ports_at" : "ports", specific ? address : "", specific ? " . " : "", address);
        const char *separator = "\t\telements = { ";
        for (size_t i = 0; i < rules->claim_count; i++) {
            const struct port_claim *claim = &rules->claims[i];
            char host[INET6_ADDRSTRLEN], container[INET6_ADDRSTRLEN];
            if (claim->ipv6 != ip6 || claim->routed || port_claim_is_specific(claim) != specific) {
                continue;
            }
            format_ends(claim, host, container);
            for (unsigned int n = 0; n <= claim->more; n++) {
                strbuf_addf(out, "%s%s%s%u . %u : %s . %u", separator, specific ? host : "", specific ? " . " : "",
                            claim->protocol, claim->host_port + n, container, claim->container_port + n);
                separator = ", ";
            }
        }
        strbuf_addf(out, "%s\t}\n", separator[0] == ',' ? " }\n" : "");
    }
}

/* Ports that are published at the containers' own addresses. */
static void add_routed(struct strbuf *out, const struct firewall_rules *rules, bool ip6)
{
    const char *separator = "\t\telements = { ";
    strbuf_addf(out, "\tset routed_ports {\n\t\ttype %s . inet_proto . inet_service\n",
                ip6 ? "ipv6_addr" : "ipv4_addr");
    for (size_t i = 0; i < rules->claim_count; i++) {
        const struct port_claim *claim = &rules->claims[i];
        char host[INET6_ADDRSTRLEN], container[INET6_ADDRSTRLEN];
        if (claim->ipv6 != ip6 || !claim->routed) {
            continue;
        }
        format_ends(claim, host, container);
        for (unsigned int n = 0; n <= claim->more; n++) {
            strbuf_addf(out, "%s%s . %u . %u", separator, container, claim->protocol, claim->container_port + n);
            separator = ", ";
        }
    }
    strbuf_addf(out, "%s\t}\n", separator[0] == ',' ? " }\n" : "");
}

/* ---- rules ---- */

/*
 * Before anything is translated: containers must not reach what listens on the host's loopback (route_localnet would
 * let them), nobody may pretend to be loopback, and other hosts and other bridges reach containers through published
 * ports only, not by routing to their addresses (unless the network is not masqueraded, when answers come that way).
 * What crosses a segment of a large network comes by its first bridge as well, where the rules are: with br_netfilter
 * it would be seen, tracked and translated twice.
 */
static void add_guard(struct strbuf *out, const char *ip)
{
    const char *loopback = strcmp(ip, "ip6") == 0 ? "::1" : "127.0.0.0/8";
    strbuf_addf(out,
                "\tchain guard {\n\t\ttype filter hook prerouting priority raw; policy accept;\n"
                "\t\tiifname \"" SEGMENTS_PREFIX "*\" notrack accept\n"
                "\t\tiifname @bridges %s daddr %s drop\n"
                "\t\tiifname @bridges %s saddr %s drop\n"
                "\t\tiifname . %s daddr @direct accept\n"
                "\t\t%s daddr @guarded fib daddr type != local drop\n\t}\n",
                ip, loopback, ip, loopback, ip, ip);
}

/*
 * A port published on loopback is for this host alone, also where the administrator lets 127/8 in. To ::1 nothing is
 * translated: the kernel takes answers for it by lo only, and there is no route_localnet. So a client is refused at
 * once there, and goes on to 127.0.0.1, instead of waiting for answers that are dropped.
 */
static void add_translation(struct strbuf *out, const char *ip)
{
    bool ip6 = strcmp(ip, "ip6") == 0;
    const char *loopback = ip6 ? "::1" : "127.0.0.0/8";
    strbuf_addf(out,
                "\tchain publish {\n"
                "\t\tdnat %s to %s daddr . meta l4proto . th dport map @ports_at\n"
                "\t\tdnat %s to meta l4proto . th dport map @ports\n\t}\n"
                "\tchain prerouting {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
                "\t\tiifname != \"lo\" %s daddr %s return\n"
                "\t\tfib daddr type local jump publish\n\t}\n"
                "\tchain output {\n\t\ttype nat hook output priority -100; policy accept;\n%s"
                "\t\tfib daddr type local jump publish\n\t}\n",
                ip, ip, ip, ip, loopback, ip6 ? "\t\tip6 daddr ::1 return\n" : "");
}

/*
 * Where the way out is narrower than the bridge (tunnels, clouds), peers are told so instead of being left to find out,
 * which many networks do not let them. Packets between neighbours are seen here with br_netfilter only. Networks whose
 * addresses are known outside answer pings, as docker's do.
 */
static void add_forward(struct strbuf *out, const char *ip)
{
    strbuf_addf(out,
                "\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n"
                "\t\tiifname . oifname @neighbours accept\n"
                "\t\tiifname @internal drop\n"
                "\t\toifname @internal drop\n"
                "\t\tiifname @bridges oifname != @bridges tcp flags syn tcp option maxseg size set rt mtu\n"
                "\t\toifname != @bridges accept\n"
                "\t\tct state established,related accept\n"
                "\t\tct status dnat accept\n"
                "\t\tiifname != @bridges oifname @unprotected accept\n"
                "\t\toifname @routed meta l4proto %s accept\n"
                "\t\t%s daddr . meta l4proto . th dport @routed_ports accept\n"
                "\t\tdrop\n\t}\n",
                strcmp(ip, "ip6") == 0 ? "ipv6-icmp" : "icmp", ip);
}

/* What is masqueraded is so on its way to networks that are routed, too: nobody there may answer to the addresses
 * behind. Through a published port from the host's loopback and from containers the answer has to come back through the
 * host. Clients from elsewhere keep their address. */
static void add_postrouting(struct strbuf *out, const char *ip)
{
    strbuf_addf(out,
                "\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
                "\t\toifname != @bridges %s saddr @outbound masquerade\n"
                "\t\toifname @routed %s saddr @outbound masquerade\n"
                "%s"
                "\t\toifname @bridges ct status dnat %s saddr @subnets masquerade\n\t}\n",
                ip, ip,
                strcmp(ip, "ip6") == 0 ? "" : "\t\toifname @bridges ct status dnat ip saddr 127.0.0.0/8 masquerade\n",
                ip);
}

char *firewall_ruleset(const char *bridge, const struct firewall_rules *rules, bool ip6)
{
    static const char *const families[] = {"ip", "ip6"};
    struct strbuf out = STRBUF_INIT;
    char table[64];
    firewall_table_name(bridge, table, sizeof(table));
    for (int i = 0; i <= ip6; i++) {
        const char *ip = families[i];
        /* "add" first, so that "delete" finds one. */
        strbuf_addf(&out, "add table %s %s\ndelete table %s %s\ntable %s %s {\n", ip, table, ip, table, ip, table);
        firewall_sets_write(rules, i == 1, &out);
        add_maps(&out, rules, i == 1);
        add_routed(&out, rules, i == 1);
        add_guard(&out, ip);
        add_translation(&out, ip);
        add_forward(&out, ip);
        add_postrouting(&out, ip);
        strbuf_adds(&out, "}\n");
    }
    return strbuf_take(&out);
}
