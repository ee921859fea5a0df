/* What the files of the packet filter share. Not for others. */
#ifndef DORY_DAEMON_NETWORK_FIREWALL_INTERNAL_H
#define DORY_DAEMON_NETWORK_FIREWALL_INTERNAL_H

#include <pthread.h>

#include "daemon/network/firewall.h"
#include "daemon/network/netlink.h"

struct firewall {
    char *bridge;
    char table[64], user_table[64];
    bool ip6; /* the IPv6 table is there, or may be */
    pthread_mutex_t lock;
    struct netlink *netlink;
};

/* A message of nf_tables, acknowledged; netlink_batch_end() ends it. Changes stand between two markers,
 * NFNL_MSG_BATCH_BEGIN and _END, and are one transaction. */
struct nlmsghdr *firewall_begin(struct netlink_batch *batch, int message, uint16_t flags, uint8_t family);
void firewall_put_marker(struct netlink_batch *batch, uint16_t type);
/* A nested attribute with a value, as keys, data and comparisons have it. */
void firewall_put_data(struct nlmsghdr *m, int type, const uint8_t *data, size_t size);

#endif
