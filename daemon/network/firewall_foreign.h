/*
 * Filters of others. A packet has to be accepted by every table, so that no rule of ours helps where iptables' chain
 * FORWARD drops by default, as dockerd and ufw leave it. There a chain of our own ("DORY" for dory0, else
 * "DORY-<bridge>") is asked at its end: rules of theirs come first, and only what they say nothing of is accepted when
 * it comes from or goes to one of our bridges (our own table still refuses what is not published). Chains of other
 * tables are their owners' business.
 */
#ifndef DORY_DAEMON_NETWORK_FIREWALL_FOREIGN_H
#define DORY_DAEMON_NETWORK_FIREWALL_FOREIGN_H

#include <stdint.h>

#include "base/strbuf.h"
#include "daemon/network/firewall.h"
#include "daemon/network/netlink.h"

#define FOREIGN_JUMPS_MAX 8
/* iptables' chain of one family. */
struct foreign_forward {
    bool drops;                        /* by default */
    uint64_t jumps[FOREIGN_JUMPS_MAX]; /* handles of the rules that ask our chain: one, unless two daemons met */
    size_t jump_count;
};

struct firewall_foreign {
    struct foreign_forward ip, ip6;
    bool firewalld;  /* its table is there */
    char other[128]; /* table and name of another chain that drops what is forwarded by default; or "" */
};

void firewall_foreign_chain(const char *bridge, char *buf, size_t size);
/* netlink: a NETLINK_NETFILTER socket. What cannot be found out is taken for absent. */
void firewall_foreign_look(struct netlink *netlink, const char *bridge, struct firewall_foreign *ret);
/* Whether ours have their say wherever they need it. */
bool firewall_foreign_is_joined(const struct firewall_foreign *found, bool ip6);
/* Appends nft text that makes it so. Pure. */
void firewall_foreign_join(const char *bridge, const struct firewall_rules *rules, bool ip6,
                           const struct firewall_foreign *found, struct strbuf *out);
/* Some of our bridges are named in a chain of theirs. */
bool firewall_foreign_has_chain(const struct firewall_foreign *found);
/* Puts into a transaction what lets one more interface pass, where our chain is asked already. */
void firewall_foreign_admit(const char *bridge, const char *interface, const struct firewall_foreign *found, bool ip6,
                            struct netlink_batch *batch);
/* Appends nft text that takes our chains away. Pure. */
void firewall_foreign_leave(const char *bridge, const struct firewall_foreign *found, struct strbuf *out);

#endif
