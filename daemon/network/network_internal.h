/* What the files of the network manager share. Not for other layers. */
#ifndef DORY_DAEMON_NETWORK_NETWORK_INTERNAL_H
#define DORY_DAEMON_NETWORK_NETWORK_INTERNAL_H

#include <pthread.h>

#include "base/strmap.h"
#include "daemon/network/bridge.h"
#include "daemon/network/endpoint_options.h"
#include "daemon/network/firewall.h"
#include "daemon/network/ipam6.h"
#include "daemon/network/link.h"
#include "daemon/network/network.h"
#include "daemon/network/pool.h"
#include "daemon/network/ports.h"
#include "daemon/network/segments.h"

struct network_driver;

/* One network that containers can be on. Immutable but for what is told. */
struct network {
    char id[65];
    char *name;
    const struct network_driver *driver;
    bool internal, no_icc, no_masquerade;
    enum gateway_mode gateway_mode, gateway_mode6;
    struct bridge bridge;        /* bridge: the interface; else its name is the parent's. The subnet in every case;
                                    its prefix is 0 without IPv4 */
    struct segments *segments;   /* bridge: where containers are plugged in, once it is made; else NULL */
    struct ipam6_subnet subnet6; /* prefix 0: no IPv6 */
    uint32_t gateway;            /* the default route of containers: the bridge, unless another one was named */
    struct in6_addr gateway6;
    bool no_rules6;                /* the packet filter is not told of its IPv6 (daemon.json "ip6tables": false) */
    uint32_t default_address;      /* host address of published ports that name none */
    bool direct;                   /* the default route names no gateway (ipvlan's layer 3) */
    uint32_t mode;                 /* MACVLAN_MODE_*, IPVLAN_MODE_* */
    uint16_t flags;                /* IPVLAN_F_* */
    char prefix[IF_NAMESIZE];      /* of interfaces in containers; "": eth */
    char parent_made[IF_NAMESIZE]; /* an interface that was made for this network and goes with it; or "" */

    /* under the manager's lock */
    int references;
    bool removing;
    size_t endpoints; /* of running containers */
    int64_t retired;  /* when the last one went, ns of the monotonic clock (also of an earlier daemon's); 0: none did */
    struct ipam ipam;
    struct ipam *further; /* of the subnets beyond the first one, in their order */
    size_t further_count;
    struct ipam6 ipam6;
    struct ipam6 *further6; /* likewise */
    size_t further6_count;
    struct map names; /* names.c */
};

struct endpoint;

/* A kind of network. All requests in the host's namespace; `host` is a NETLINK_ROUTE socket of it. */
struct network_driver {
    const char *name;
    bool publishes; /* ports can be published; the network is part of the firewall */
    bool keeps_mac; /* interfaces have their parent's MAC */
    /* Makes the network's interface, or takes over the one that is there when `restoring`. */
    int (*make)(struct network *network, bool restoring, struct netlink *host, struct error *err);
    /* Removes it; absent is fine. */
    int (*remove)(struct network *network, struct netlink *host, struct error *err);
    /* Makes endpoint->interface in the namespace, down. */
    int (*add_link)(struct endpoint *endpoint, int netns_fd, struct netlink *host, struct error *err);
};
extern const struct network_driver network_bridge, network_macvlan, network_ipvlan;
/* It has room for one container (macvlan's mode passthru: the parent is that one's alone). */
bool network_is_single(const struct network *network);

/* A container on a network. */
struct endpoint {
    struct network *network; /* a reference */
    char id[65];
    uint32_t address; /* 0: none was given yet, or the network has no IPv4 */
    struct in6_addr address6;
    uint8_t mac[6];
    unsigned int host_index;   /* of the host's end; 0: there is none, or it is not known */
    unsigned int inside_index; /* while it is being plugged */
    char host_name[IF_NAMESIZE], interface[IF_NAMESIZE];
    int priority;
    struct strv aliases, links;
    struct endpoint_options options;
};

/* Where the container's default routes lead, and its published ports: mostly one endpoint for both families. NULL:
 * there is none of that family. */
struct gateways {
    struct endpoint *v4, *v6;
};

/* A container on the network. Owned by the manager's map. */
struct record {
    char *container_id, *name;
    struct endpoint **endpoints;
    size_t count, capacity;
    bool attached; /* attach or restore is through: it can be detached */
    bool busy;     /* it is being connected or disconnected: a detach waits */
    struct strv dns;
    bool resolved; /* the resolver serves it */
};

struct network_manager {
    struct ipam_subnet bridge_range;   /* fixed-cidr; prefix 0: none */
    struct ipam6_subnet bridge_range6; /* fixed-cidr-v6, likewise */
    struct network *bridge;            /* the default one; also among `networks`, unless there is none */
    bool no_bridge;                    /* then it has a name and an id, but no interface, no subnet and no endpoints */
    char *seed;                        /* of the automatic IPv6 subnets */
    bool firewall_found;               /* the table was there when the daemon started */
    bool no_ip_forward, no_rules6;
    struct ipam_pool *address_pools; /* none: docker's */
    size_t address_pool_count;
    struct ipam6_pool *address_pools6; /* none: a subnet of the seed's */
    size_t address_pool6_count;
    struct firewall *firewall; /* NULL: none is wanted */
    struct firewall_monitor *monitor;
    struct pool *pool;
    struct resolver *resolver;
    pthread_mutex_t lock; /* all below; never held while the kernel is asked for more than a bind(2) */
    struct network **networks;
    size_t count, capacity;
    int64_t retired; /* the `retired` of networks that are gone, or the start: the next one may have their parent */
    struct port_table ports;
    struct map records;  /* container id -> struct record */
    unsigned int turn;   /* of answers that are only a part of those who have a name */
    pthread_cond_t idle; /* a record is busy no more */
};

/* ---- network.c ---- */
/* What the packet filter has to know of a network. */
void network_in_rules(const struct network *network, struct firewall_network *ret);

/* ---- network_default.c ---- */
/* Makes the default bridge and its object. */
int default_bridge_open(struct network_manager *manager, const struct network_options *options,
                        uint32_t default_address, struct netlink *netlink, struct error *err);

/* ---- network_complete.c ---- */
/* An IPv6 subnet of the daemon's pools, or of the host's own seed, that nobody has. `last`: the last one, which those
 * that are made later do not come upon. */
int network_choose_subnet6(struct network_manager *manager, bool last, struct ipam6_subnet *ret, struct error *err);

/* ---- network_object.c: with the manager's lock held ---- */
struct network *network_find(struct network_manager *manager, const char *id);
void network_add(struct network_manager *manager, struct network *network);
struct network *network_ref(struct network *network);
void network_unref(struct network *network); /* NULL is fine */
/* The lowest free address of the first subnet that has one. */
int network_allocate_address(struct network *network, uint32_t *ret, struct error *err);
int network_allocate_address6(struct network *network, struct in6_addr *ret, struct error *err);
/* The subnet that the address belongs to; the first one when it belongs to none. */
struct ipam *network_subnet_of(const struct network *network, uint32_t address);
struct ipam6 *network_subnet6_of(const struct network *network, const struct in6_addr *address);
bool network_overlaps(const struct network *network, const struct ipam_subnet *subnet);
bool network_overlaps6(const struct network *network, const struct ipam6_subnet *subnet);
/* The i-th auxiliary address is not to be had: docker's words and status. */
int network_auxiliary_error(const struct strmap *auxiliary, size_t i, struct error *err);
/* Without the lock: from a complete configuration. */
int network_from_config(struct network_manager *manager, const struct network_config *config, struct network **ret,
                        struct error *err);

/* ---- endpoint.c ---- */
/* A new endpoint with its addresses; waits for addresses that are being given back. Takes the lock. */
int endpoint_new(struct network_manager *manager, const struct network_attachment *attachment, struct endpoint **ret,
                 struct error *err);
/* One that a running container has already. Lock held. */
int endpoint_restore(struct network_manager *manager, const struct network_endpoint *from,
                     const struct network_attachment *attachment, struct endpoint **ret, struct error *err);
/* Gives the addresses back. Lock held. */
void endpoint_free(struct endpoint *endpoint);
/* The same, without the lock, after its bridge port is closed; not now. */
void endpoint_retire(struct network_manager *manager, struct endpoint *endpoint, bool has_udp_ports);
/* The default route by way of it, in the subnet that it is in. */
uint32_t endpoint_gateway(const struct endpoint *endpoint);
struct in6_addr endpoint_gateway6(const struct endpoint *endpoint);
void endpoint_describe(const struct endpoint *endpoint, struct network_endpoint *ret);
int endpoint_parse_mac(const char *text, uint8_t mac[6], struct error *err);

/* ---- plug.c ---- */
/* How long those that take the place of a container that has just ended wait for the kernel to be done with it: 10 s.
 */
enum { PREDECESSOR_TRIES = 1000, PREDECESSOR_WAIT_US = 10000 };
/* One has ended a moment ago: what is taken may be that one's still. */
bool network_has_predecessor(struct network *network);
/* One has ended now, or may have a moment ago. */
void network_note_retired(struct network *network);
/* Connects the namespace to the endpoints' networks. On failure nothing of them is left in it. */
int endpoints_plug(struct endpoint **endpoints, size_t count, int netns_fd, struct error *err);
void endpoint_unplug(struct endpoint *endpoint, int netns_fd);
/* The default routes of both families lead by way of these endpoints. */
int namespace_set_gateways(const struct gateways *gateways, int netns_fd, struct error *err);

/* ---- publish.c ---- */
/* Of each family the endpoint that is not on an internal network, then of the highest priority, then of a network with
 * both families, then by the network's name. Lock held. */
struct gateways record_gateways(const struct record *record);
/* Claims the ports for the owner, as ports of its gateways; adds them to the sandbox. Those that were claimed before a
 * failure are the caller's to drop. With sandbox->republish those that the gateways' networks cannot have are left out.
 * Lock held. */
int ports_claim(struct network_manager *manager, void *owner, const struct gateways *gateways,
                const struct network_port *ports, size_t count, struct network_sandbox *sandbox, struct error *err);
/* Takes up the ports that a running container has. Lock held. */
int ports_restore(struct network_manager *manager, struct record *record, const struct network_port *ports,
                  size_t count, struct error *err);
/* Puts the owner's claims into the rules, leading to its gateways. Takes the lock. */
int ports_publish(struct network_manager *manager, void *owner, const struct gateways *gateways, struct error *err);
/* Takes them out of the rules and forgets them. *ret_udp: there were UDP ports. Takes the lock. */
void ports_withdraw(struct network_manager *manager, void *owner, bool *ret_udp);

/* ---- attach.c ---- */
struct record *record_new(const char *container_id, const char *name, const struct strv *dns);
/* Its endpoints are somebody else's by now. NULL is fine. */
void record_free(struct record *record);
/* Lock held, where others can see the record: */
void record_add(struct record *record, struct endpoint *endpoint);
struct endpoint *record_find(const struct record *record, const char *network_id);
void record_remove(struct record *record, const struct endpoint *endpoint);
void record_describe(const struct record *record, struct network_sandbox *sandbox);
/* Gives the endpoint the lowest ethN that none of the container's endpoints has, unless it has a name: ERROR_CONFLICT
 * when that is another one's already. */
int record_name_interface(const struct record *record, struct endpoint *endpoint, struct error *err);
/* Lets the resolver serve the container, if a network of its own wants that and it does not yet. */
int record_resolve(struct network_manager *manager, struct record *record, int netns_fd, struct error *err);
/* Ports can be published on the gateway's network; NULL: no. */
bool endpoint_publishes(const struct endpoint *gateway);
/* On one of them. */
bool gateways_publish(const struct gateways *gateways);

#endif
