/*
 * The packet filter of all bridges of one daemon: nftables tables of our own ("ip", and "ip6" once a network has IPv6)
 * with sets of bridges and subnets and maps from published ports to containers. Tables are written as text through
 * libnftables; what comes and goes, ports and networks, is a transaction of set elements over nfnetlink and changes no
 * rule. Rules do not grow with the number of networks. A further table, "inet <table>-user" with the chain
 * "forward", is the administrator's: it is made empty when it is missing and never touched again. Thread-safe.
 */
#ifndef DORY_DAEMON_NETWORK_FIREWALL_H
#define DORY_DAEMON_NETWORK_FIREWALL_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "daemon/network/ipam.h"
#include "daemon/network/ipam6.h"
#include "daemon/network/ports.h"

struct firewall;

/* How containers are reached from elsewhere, and the other way round (com.docker.network.bridge.gateway_mode_ipv4,
 * _ipv6 of docker 28). */
enum gateway_mode {
    GATEWAY_NAT,             /* at published ports of the host; what they send has the host's address */
    GATEWAY_NAT_UNPROTECTED, /* the same, and other hosts also at the containers' addresses: every port */
    GATEWAY_ROUTED,          /* at the containers' addresses: published ports; nothing is translated */
    GATEWAY_ISOLATED,        /* not at all, nor by the host: of internal networks */
};

/* One bridge. */
struct firewall_network {
    char bridge[IF_NAMESIZE];
    struct ipam_subnet subnet;
    struct ipam6_subnet subnet6; /* prefix 0: no IPv6 */
    bool internal;               /* neither out nor in, and no published ports */
    bool no_masquerade;          /* containers keep their addresses outside; others may route to what they answer */
    bool no_icc;                 /* containers do not reach each other */
    enum gateway_mode mode, mode6;
};

/* Everything that the tables hold. */
struct firewall_rules {
    struct firewall_network *networks;
    size_t network_count;
    struct port_claim *claims;
    size_t claim_count;
};
void firewall_rules_release(struct firewall_rules *rules);

/* bridge: the default bridge's interface; the tables are "dory" for dory0, else "dory-<bridge>". */
int firewall_open(const char *bridge, struct firewall **ret, struct error *err);
/* The table stays. */
void firewall_close(struct firewall *firewall);

/* The table is there. */
bool firewall_exists(struct firewall *firewall);
/*
 * Makes or replaces the whole tables, in one transaction: nothing else is ever visible. Loads libnftables for the time
 * of the call (its tables and caches would be 1.4 MB of the idle daemon). Blocks a few ms. `snapshot` is called with
 * the firewall locked, so that no element added meanwhile is lost. Where firewalld is, it is told of the bridges.
 */
typedef void (*firewall_snapshot_fn)(struct firewall_rules *ret, void *data);
int firewall_apply(struct firewall *firewall, firewall_snapshot_fn snapshot, void *data, struct error *err);
/* The tables are there, with rules in them: nobody has flushed them. */
bool firewall_is_intact(struct firewall *firewall);
/* Removes the tables, the administrator's only when it is empty; absent is fine. */
int firewall_remove(struct firewall *firewall, struct error *err);

/*
 * One network more or less in tables that are there: elements of their sets, one transaction. -errno when that is not
 * enough (the tables are not what they were, IPv6 comes with this network, a chain of others has to be changed): then
 * firewall_apply, whose snapshot knows of the change, does the whole.
 */
int firewall_add_network(struct firewall *firewall, const struct firewall_network *network);
int firewall_remove_network(struct firewall *firewall, const struct firewall_network *network);

/* Adds the elements of the claims. Fails when the table is missing or a stale element stands in the way, and may have
 * added some then: firewall_apply puts everything right. */
int firewall_publish(struct firewall *firewall, const struct port_claim *claims, size_t count, struct error *err);
/* Removes the elements; absent ones are fine. */
int firewall_withdraw(struct firewall *firewall, const struct port_claim *claims, size_t count, struct error *err);

/* iptables' chain FORWARD, where it drops by default, lets our bridges' packets pass (firewall_foreign.h).
 * firewall_apply sees to that. */
bool firewall_is_joined(struct firewall *firewall);
/* Another chain (its table and name) drops whatever is forwarded by default: no rule of ours can change that. False
 * also when it cannot be found out. */
bool firewall_foreign_drop(struct firewall *firewall, char *ret_chain, size_t size);

/* The table's name; the rules as nft text (pure, for tests). ip6: whether the IPv6 table is part of it. */
void firewall_table_name(const char *bridge, char *buf, size_t size);
char *firewall_ruleset(const char *bridge, const struct firewall_rules *rules, bool ip6);

#endif
