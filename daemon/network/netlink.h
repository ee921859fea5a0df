/*
 * Netlink requests over libmnl: batches of messages in one send, and dumps. A socket belongs to the network namespace
 * it was opened in, whoever uses it later. Not thread-safe: one user at a time per socket.
 */
#ifndef DORY_DAEMON_NETWORK_NETLINK_H
#define DORY_DAEMON_NETWORK_NETLINK_H

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>

#include "base/error.h"

struct netlink;

/* bus: NETLINK_ROUTE or NETLINK_NETFILTER, in the calling thread's network namespace. */
int netlink_open(int bus, struct netlink **ret, struct error *err);
void netlink_close(struct netlink *netlink);

/* Messages that go out together. Zero-initialise `used`. Too many messages abort: callers bound what they put in. */
struct netlink_batch {
    size_t used;
    uint32_t sequence; /* of the last message, counted from 1 */
    char data[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* Starts a message with room for at least 1 KiB of attributes (NLM_F_REQUEST is added); netlink_batch_end ends it. */
struct nlmsghdr *netlink_batch_begin(struct netlink_batch *batch, uint16_t type, uint16_t flags);
void netlink_batch_end(struct netlink_batch *batch, struct nlmsghdr *message);
/* There is room for one more message. */
int netlink_batch_has_room(const struct netlink_batch *batch);
/* There is room for 1 KiB more in a message that was begun (NULL: in a further one), and for one message after it. */
int netlink_batch_can_extend(const struct netlink_batch *batch, const struct nlmsghdr *message);

/*
 * Sends the batch and collects the kernel's answers, which are all there when send(2) returns: the first error, or 0.
 * The last message must carry NLM_F_ACK. *ret_detail (may be NULL; 128 bytes) gets the kernel's own words, "" if none.
 */
int netlink_run(struct netlink *netlink, struct netlink_batch *batch, char *ret_detail);

/* Sends one dump request and calls fn for every message; fn returns 0 to go on or -errno to stop. */
typedef int (*netlink_dump_fn)(const struct nlmsghdr *message, void *data);
/* netlink_run for requests that are answered with a message (not a dump): fn is called with each. */
int netlink_query(struct netlink *netlink, struct netlink_batch *batch, char *ret_detail, netlink_dump_fn fn,
                  void *data);
int netlink_dump(struct netlink *netlink, struct netlink_batch *batch, netlink_dump_fn fn, void *data);

#define NETLINK_DETAIL_MAX 128

#endif
