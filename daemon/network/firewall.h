/*
 * The packet filter of one bridge: one nftables table of our own, and two maps in it from published ports to
 * containers. The rules are written once, as text through libnftables; publishing a port is one transaction of set
 * elements over nfnetlink and changes no rule. Thread-safe.
 */
#ifndef DORY_DAEMON_NETWORK_FIREWALL_H
#define DORY_DAEMON_NETWORK_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "daemon/network/ipam.h"
#include "daemon/network/ports.h"

struct firewall;

struct firewall_options {
    const char *bridge; /* the interface; the table is "dory" for dory0, else "dory-<bridge>" */
    struct ipam_subnet subnet;
    bool no_masquerade;
};

int firewall_open(const struct firewall_options *options, struct firewall **ret, struct error *err);
/* The table stays. */
void firewall_close(struct firewall *firewall);

/* The table is there. */
bool firewall_exists(struct firewall *firewall);
/*
 * Makes or replaces the whole table with these elements, in one transaction: nothing else is ever visible. Loads
 * libnftables for the time of the call (its tables and caches would be 1.4 MB of the idle daemon). Blocks a few ms.
 * `snapshot` is called with the firewall locked, so that no element added meanwhile is lost.
 */
typedef size_t (*firewall_snapshot_fn)(struct port_claim **ret_claims, void *data);
int firewall_apply(struct firewall *firewall, firewall_snapshot_fn snapshot, void *data, struct error *err);
/* Removes the table; absent is fine. */
int firewall_remove(struct firewall *firewall, struct error *err);

/* Adds the elements of the claims. Fails when the table is missing or a stale element stands in the way, and may have
 * added some then: firewall_apply puts everything right. */
int firewall_publish(struct firewall *firewall, const struct port_claim *claims, size_t count, struct error *err);
/* Removes the elements; absent ones are fine. */
int firewall_withdraw(struct firewall *firewall, const struct port_claim *claims, size_t count, struct error *err);

/* Somebody else's chain (its table and name) drops whatever is forwarded by default, as docker's iptables rules do: no
 * rule of ours can change that. False also when it cannot be found out. */
bool firewall_foreign_drop(char *ret_chain, size_t size);

/* The table's name; the rules as nft text (pure, for tests). */
void firewall_table_name(const char *bridge, char *buf, size_t size);
char *firewall_ruleset(const struct firewall_options *options, const struct port_claim *claims, size_t count);

#endif
