/*
 * A Linux bridge has 1,023 ports. A network with more containers has further bridges ("segments") below its first one,
 * each joined to it by a pair of veths (its trunk). Only the first has addresses and is part of the rules: it is where
 * packets are routed, whichever segment they come from. Segments are made when they are needed and go with the network;
 * their names follow from the network's id, so that a daemon that starts finds them. Thread-safe.
 */
#ifndef DORY_DAEMON_NETWORK_SEGMENTS_H
#define DORY_DAEMON_NETWORK_SEGMENTS_H

#include <net/if.h>

#include "daemon/network/bridge.h"

/* What segments' names begin with, and nothing else that a packet can come in by. */
#define SEGMENTS_PREFIX "doryx"

struct segments;

/* bridge: the first one, made already. isolated: containers do not reach each other (icc=false). Makes nothing. */
struct segments *segments_new(const struct bridge *bridge, const char *network_id, bool isolated);
/* What was made stays. NULL is fine. */
void segments_free(struct segments *segments);
/*
 * The index of a bridge with room for one more container; a new one is made (some ms) when there is none. In the host's
 * namespace, `host` a NETLINK_ROUTE socket of it. Two who choose at the same time are counted both.
 */
int segments_choose(struct segments *segments, struct netlink *host, unsigned int *ret_index, struct error *err);
/* Name of the n-th bridge, 0 being the network's own; false: there is none. */
bool segments_name(struct segments *segments, size_t n, char ret[IF_NAMESIZE]);
/* Deletes all but the first. */
int segments_remove(struct segments *segments, struct netlink *host, struct error *err);

#endif
