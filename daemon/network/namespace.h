/* One network namespace, made ready for a container. */
#ifndef DORY_DAEMON_NETWORK_NAMESPACE_H
#define DORY_DAEMON_NETWORK_NAMESPACE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "daemon/network/ipam.h"
#include "daemon/network/ipam6.h"
#include "daemon/network/netlink.h"
#include "daemon/network/segments.h"

/* What namespaces are made with. The descriptors and the socket are the maker's owner's. */
struct namespace_maker {
    int host_netns;            /* where the host side lives, and where the thread returns to */
    struct netlink *host;      /* NETLINK_ROUTE there */
    struct segments *segments; /* the bridges; may be NULL when no namespace gets an address */
    struct ipam_subnet subnet;
    struct ipam6_subnet subnet6; /* prefix 0: eth0 has no IPv6 */
    uint32_t gateway;            /* the default route */
    struct in6_addr gateway6;
    bool isolated; /* it does not reach the others */
    int mtu;
    /* Makes the network namespace (its descriptor, or -errno), for one that belongs to another user namespace than
     * ours; NULL: unshare(2). */
    int (*make)(void *data, struct error *err);
    void *make_data;
};

/* What eth0 has: 0, there is none; :: without IPv6. */
struct namespace_address {
    uint32_t v4;
    struct in6_addr v6;
};

struct namespace
{
    int netns;              /* holds the namespace, and so everything in it: closing it is the whole teardown */
    struct netlink *inside; /* NETLINK_ROUTE in it; NULL without eth0 */
    struct namespace_address address;
    uint8_t mac[6];
    unsigned int inside_index, host_index;
    char host_name[IF_NAMESIZE]; /* the veth on the bridge */
};

#define NAMESPACE_INIT                                                                                                 \
    {                                                                                                                  \
        .netns = -1                                                                                                    \
    }
void namespace_release(struct namespace *ns);

/*
 * Makes a namespace with lo up and, when there is an address, an eth0 that has it, MAC and default route and is ready
 * to send: the bridge forwards for it. IPv6 is off on eth0, unless the subnet has it, and stays on on lo; ping and low
 * ports need no privilege (net.ipv4.ping_group_range, ip_unprivileged_port_start), all as docker has it. The calling
 * thread changes into the new namespace and back; *ret_astray says that it could not return, and must end.
 */
int namespace_make(const struct namespace_maker *maker, const struct namespace_address *address, struct namespace *ret,
                   bool *ret_astray, struct error *err);
/* fn(data) in a thread of its own that is in the namespace and ends there; returns what fn returns. */
int namespace_visit(int netns_fd, int (*fn)(void *data, struct error *err), void *data, struct error *err);
/* Makes a network namespace of somebody else's what those of namespace_make() without an address are. */
int namespace_prepare(int netns_fd, struct error *err);
/* Writes a setting below /proc/sys/net, which shows the namespace of the thread that looks. A kernel without the
 * setting does not need it. */
int namespace_write_setting(const char *path, const char *value, struct error *err);
/* Waits until the bridge port has a carrier and sets it up (hairpin where the host needs it). In the host's namespace.
 */
int namespace_open_port(struct netlink *host, unsigned int bridge_index, unsigned int host_index, bool isolated,
                        struct error *err);
/* Another MAC than the address's own. */
int namespace_set_mac(struct namespace *ns, const uint8_t mac[6], struct error *err);

#endif
