/* How full subnets are. Pure. */
#ifndef DORY_DAEMON_NETWORK_IPAM_COUNT_H
#define DORY_DAEMON_NETWORK_IPAM_COUNT_H

#include <stdint.h>

#include "daemon/network/ipam.h"
#include "daemon/network/ipam6.h"

struct ipam_count {
    uint64_t in_use;    /* with those that nobody is given: network, broadcast (IPv4) and gateway */
    uint64_t available; /* what allocation has left, inside of the range when there is one; at most UINT64_MAX */
};

struct ipam_count ipam_count(const struct ipam *ipam);
struct ipam_count ipam6_count(const struct ipam6 *ipam);

#endif
