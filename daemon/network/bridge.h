/* The bridge itself: the interface, its subnet and the host's settings around it. */
#ifndef DORY_DAEMON_NETWORK_BRIDGE_H
#define DORY_DAEMON_NETWORK_BRIDGE_H

#include <net/if.h>

#include "base/error.h"
#include "daemon/network/ipam.h"
#include "daemon/network/netlink.h"
#include "daemon/network/network.h"

struct bridge {
    char name[IF_NAMESIZE];
    unsigned int index;
    struct ipam_subnet subnet;
    int mtu;
};

/*
 * Makes or completes the bridge and brings it up. Its subnet is options->bip; else the one that an existing bridge of
 * this name has (so a restarted daemon finds its containers' subnet again); else the first that is free. Sets
 * route_localnet, accept_ra=0 and disable_ipv6=1 on the bridge alone, and net.ipv4.ip_forward=1 unless told not to.
 */
int bridge_open(struct netlink *netlink, const struct network_options *options, struct bridge *ret, struct error *err);
/* Deletes the interface; absent is fine. */
int bridge_remove(struct netlink *netlink, const struct bridge *bridge, struct error *err);

#endif
