/* Links, addresses and routes: the few rtnetlink requests that a bridge network is made of. */
#ifndef DORY_DAEMON_NETWORK_LINK_H
#define DORY_DAEMON_NETWORK_LINK_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "daemon/network/ipam.h"
#include "daemon/network/ipam6.h"
#include "daemon/network/netlink.h"

/* Index of the interface in the calling thread's namespace, or 0 (if_nametoindex(3)). -errno never. */
unsigned int link_index(const char *name);

/* A bridge without spanning tree and forwarding delay, with a MAC of its own (it would change with the ports
 * otherwise), down. An existing one is -EEXIST. */
int link_add_bridge(struct netlink *netlink, const char *name, const uint8_t mac[6], int mtu, struct error *err);
int link_delete(struct netlink *netlink, unsigned int index, struct error *err);
int link_set_up(struct netlink *netlink, unsigned int index, int mtu, struct error *err);

/* A veth pair: `name` here, up and a port of the bridge; `peer` in the namespace, down. -EEXIST: a name is taken;
 * -EXFULL: the bridge has no port left. */
int link_add_veth(struct netlink *netlink, const char *name, const char *peer, unsigned int bridge_index, int netns_fd,
                  int mtu, struct error *err);

/* An interface on top of another one: macvlan, ipvlan or vlan (mode is the VLAN's id then). Made in the namespace, down
 * (netns_fd -1: here, and up). */
enum link_upper_kind { LINK_MACVLAN, LINK_IPVLAN, LINK_VLAN };
struct link_upper {
    enum link_upper_kind kind;
    const char *name;
    unsigned int parent_index;
    uint32_t mode;      /* MACVLAN_MODE_*, IPVLAN_MODE_*, the VLAN's id */
    uint16_t flags;     /* IPVLAN_F_* */
    const uint8_t *mac; /* NULL: chosen by the kernel; not for ipvlan */
    int netns_fd, mtu;  /* mtu 0: the parent's */
};
int link_add_upper(struct netlink *netlink, const struct link_upper *upper, struct error *err);
/* An interface that leads nowhere, up: the parent of macvlan networks that have none. */
int link_add_dummy(struct netlink *netlink, const char *name, struct error *err);

/* The kernel has seen that the interface has a carrier: before, it drops what is sent, and the bridge keeps the port
 * closed. 1, 0 or -errno. */
int link_is_operational(struct netlink *netlink, unsigned int index, struct error *err);

/* Waits (0.05 ms at a time, a second at most) until it is. */
int link_wait_operational(struct netlink *netlink, unsigned int index, struct error *err);

/* Makes the interface a port of the bridge, and brings it up. -EXFULL: the bridge has 1,023 already. */
int link_add_port(struct netlink *netlink, unsigned int index, unsigned int bridge_index, struct error *err);
/* How many ports the bridge has. Takes a millisecond with a thousand. */
int link_count_ports(struct netlink *netlink, unsigned int bridge_index, size_t *ret, struct error *err);
struct link_port_settings {
    bool hairpin;  /* frames may go back out where they came in */
    bool isolated; /* does not reach other isolated ports, only the bridge itself */
    bool shared;   /* no longer isolated */
    bool disabled; /* neither receives nor sends, and what the bridge has learned about it is forgotten */
};
int link_set_port(struct netlink *netlink, unsigned int index, const struct link_port_settings *settings,
                  struct error *err);

int link_add_address(struct netlink *netlink, unsigned int index, uint32_t address, int prefix, struct error *err);
int link_delete_address(struct netlink *netlink, unsigned int index, uint32_t address, int prefix, struct error *err);

int link_add_address6(struct netlink *netlink, unsigned int index, const struct in6_addr *address, int prefix,
                      struct error *err);
int link_delete_address6(struct netlink *netlink, unsigned int index, const struct in6_addr *address, int prefix,
                         struct error *err);

/* Sets MAC, addresses and default route of an interface and brings it and lo up, in one request; neighbours are told
 * (gratuitous ARP) by link_announce once frames can flow. Can be done again after a failure; -EADDRINUSE: the MAC or an
 * address is another interface's on the same parent. */
struct link_setup {
    unsigned int index;
    bool keep_mac; /* the interface has its MAC already (ipvlan: its parent's) */
    uint8_t mac[6];
    uint32_t address, gateway;          /* gateway 0: no default route */
    int prefix;                         /* 0: no IPv4 */
    struct in6_addr address6, gateway6; /* prefix6 0: none; gateway6 ::: no default route */
    int prefix6;
};
int link_setup(struct netlink *netlink, const struct link_setup *setup, struct error *err);
/* The namespace's default routes: out of these interfaces, by way of these gateways (0 and ::: out of the interface
 * alone). Those that are there are replaced. */
struct link_gateway {
    unsigned int index, index6; /* 0: no default route of that family */
    uint32_t gateway;
    struct in6_addr gateway6;
};
int link_set_gateway(struct netlink *netlink, const struct link_gateway *gateway, struct error *err);
/* Sets the MAC (again) so that the kernel announces address and MAC on the wire. */
int link_announce(struct netlink *netlink, unsigned int index, const uint8_t mac[6], struct error *err);
int link_set_lo_up(struct netlink *netlink, struct error *err);

/* Every IPv4 subnet the host has an address in or a route to, except default routes and those of `skip_index`. The
 * caller frees *ret. For an interface's own address `gateway` is the address, for routes it is 0. */
int link_used_subnets(struct netlink *netlink, unsigned int skip_index, struct ipam_subnet **ret, size_t *ret_count,
                      struct error *err);
/* Every IPv6 subnet the host has an address in or a route to, except default routes; without gateways. The caller frees
 * *ret. */
int link_used_subnets6(struct netlink *netlink, struct ipam6_subnet **ret, size_t *ret_count, struct error *err);
/* The interface's addresses (network, gateway = the address, prefix). The caller frees *ret. */
int link_addresses(struct netlink *netlink, unsigned int index, struct ipam_subnet **ret, size_t *ret_count,
                   struct error *err);
/* Its IPv6 addresses likewise, without link-local ones. */
int link_addresses6(struct netlink *netlink, unsigned int index, struct ipam6_subnet **ret, size_t *ret_count,
                    struct error *err);

#endif
