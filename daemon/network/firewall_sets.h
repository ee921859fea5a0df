/*
 * The sets that the rules look networks up in, and what each holds of a network: one table for the text that makes all
 * of them and for the single elements that come and go with a network. Pure.
 */
#ifndef DORY_DAEMON_NETWORK_FIREWALL_SETS_H
#define DORY_DAEMON_NETWORK_FIREWALL_SETS_H

#include "base/strbuf.h"
#include "daemon/network/firewall.h"

enum firewall_key {
    FIREWALL_KEY_BRIDGE,        /* "br-x" */
    FIREWALL_KEY_NEIGHBOURS,    /* "br-x" . "br-x" */
    FIREWALL_KEY_SUBNET,        /* 10.88.0.0/16: an interval */
    FIREWALL_KEY_BRIDGE_SUBNET, /* "br-x" . 10.88.0.0/16: an interval */
};

struct firewall_set {
    const char *name;
    enum firewall_key key;
    bool (*wants)(const struct firewall_network *network, enum gateway_mode mode); /* the family's */
};

enum { FIREWALL_SET_COUNT = 9 };
extern const struct firewall_set firewall_sets[FIREWALL_SET_COUNT];

/* Whether the family's set has an element for the network. */
bool firewall_set_has(const struct firewall_set *set, const struct firewall_network *network, bool ip6);
/* Appends all sets of a family as nft text. */
void firewall_sets_write(const struct firewall_rules *rules, bool ip6, struct strbuf *out);

#endif
