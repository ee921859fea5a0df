/* The bridge itself: the interface, its subnet and the host's settings around it. */
#ifndef DORY_DAEMON_NETWORK_BRIDGE_H
#define DORY_DAEMON_NETWORK_BRIDGE_H

#include <net/if.h>

#include "base/error.h"
#include "daemon/network/ipam.h"
#include "daemon/network/ipam6.h"
#include "daemon/network/netlink.h"
#include "daemon/network/network.h"

struct bridge {
    char name[IF_NAMESIZE];
    unsigned int index;
    struct ipam_subnet subnet; /* prefix 0: the network has no IPv4 */
    int mtu;
    bool no_address, no_address6; /* the host itself is not on it, by either family */
};

/*
 * Makes or completes the bridge and brings it up. Its subnet is options->bip; else the one that an existing bridge of
 * this name has (so a restarted daemon finds its containers' subnet again); else the first that is free. Sets
 * route_localnet on the bridge alone, and net.ipv4.ip_forward=1 unless told not to. IPv6 is bridge_set_subnet6's.
 * *present6 is the IPv6 subnet that an existing bridge has, prefix 0: none.
 */
int bridge_open(struct netlink *netlink, const struct network_options *options, struct bridge *ret,
                struct ipam6_subnet *present6, struct error *err);
/* Gives the bridge this IPv6 subnet and no other; prefix 0: IPv6 is off on it. Router advertisements are not heeded. */
int bridge_set_subnet6(struct netlink *netlink, const struct bridge *bridge, const struct ipam6_subnet *subnet6,
                       struct error *err);
/* The bridge of a network: name, subnet (prefix 0: no IPv4) and mtu are given, the index is filled in. An interface
 * that is there already is taken over if `existing`, else -EEXIST. subnet6 with prefix 0: IPv6 is off on it. */
int bridge_make(struct netlink *netlink, struct bridge *bridge, const struct ipam6_subnet *subnet6, bool existing,
                struct error *err);
/* A bridge that the host itself is not on: name and mtu are given. One that is there is completed. */
int bridge_make_plain(struct netlink *netlink, struct bridge *bridge, struct error *err);
/* The name of an interface: it becomes part of sysctl paths and of the rules' text. */
int bridge_check_name(const char *name, struct error *err);
/* Lets the host forward IPv6 (net.ipv6.conf.all.forwarding); an interface that learns its addresses from routers goes
 * on doing so. */
int bridge_enable_forwarding6(struct error *err);
/* Deletes the interface; absent is fine. */
int bridge_remove(struct netlink *netlink, const struct bridge *bridge, struct error *err);

#endif
