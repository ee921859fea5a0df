/* What the files that make rtnetlink requests share. */
#ifndef DORY_DAEMON_NETWORK_LINK_REQUEST_H
#define DORY_DAEMON_NETWORK_LINK_REQUEST_H

#include <linux/if.h>
#include <linux/if_link.h>

#include "base/error.h"
#include "daemon/network/netlink.h"

/* Begins a link message; the caller ends it with netlink_batch_end. */
struct ifinfomsg *link_begin(struct netlink_batch *batch, uint16_t type, uint16_t flags, unsigned int index,
                             struct nlmsghdr **ret);
/* Runs the batch; `what` and `name` make the message. */
int link_run(struct netlink *netlink, struct netlink_batch *batch, struct error *err, const char *what,
             const char *name);
int link_run_indexed(struct netlink *netlink, struct netlink_batch *batch, struct error *err, const char *what,
                     unsigned int index);

#endif
