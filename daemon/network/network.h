/*
 * Networks: the default bridge, host and none, and those that users make; the containers on them; published ports; and
 * a small pool of network namespaces that are made before they are needed. All kernel state is netlink and nftables
 * tables of dory's own (their name derives from the default bridge's so that several daemons run side by side). No
 * iptables, no process and no listener per port. What is told here lives in memory: the caller keeps it in the database
 * and tells it again at the daemon's start.
 */
#ifndef DORY_DAEMON_NETWORK_NETWORK_H
#define DORY_DAEMON_NETWORK_NETWORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strv.h"
#include "daemon/network/ipam_count.h"
#include "daemon/network/network_config.h"

struct network_manager;

struct network_options {
    const char *bridge;      /* name of the default bridge's interface; "dory0"; made if missing */
    bool no_bridge;          /* there is none: the name is only what tables and ids derive from */
    const char *bip;         /* "172.18.0.1/16"; NULL: the first private subnet free of the host's routes */
    const char *fixed_cidr;  /* the part of bip's subnet that addresses are given out of; NULL or "": all of it */
    bool ipv6;               /* the default bridge has IPv6 */
    const char *bip6;        /* "fd00:1::1/64"; NULL or "": see fixed_cidr6 */
    const char *fixed_cidr6; /* the part of bip6's subnet, or without bip6 the subnet; NULL or "": all, or chosen */
    const char *gateway;     /* the default bridge's containers' default route; NULL or "": the bridge */
    const char *gateway6;
    const char *default_address; /* host address for published ports; NULL: 0.0.0.0 */
    int mtu;                     /* 0: 1500 */
    bool no_firewall;            /* daemon.json "iptables": false */
    bool no_rules6;              /* daemon.json "ip6tables": false: no rules and no published ports for IPv6 */
    bool no_ip_forward, no_ip_masq;
    bool no_icc;   /* daemon.json "icc": false: containers of the default bridge do not reach each other */
    int pool_size; /* warm namespaces kept; 0: the default (3) */
    const struct strv *address_pools; /* "base=...,size=..." as default-address-pool; NULL or empty: docker's */
    /* Network namespaces that belong to other user namespaces than ours: struct namespace_maker; NULL: they are ours.
     */
    int (*make_namespace)(void *data, struct error *err);
    void *make_data;
    const char *seed; /* what automatic IPv6 subnets are derived from: the host's own; NULL: "" */
};

int network_manager_open(const struct network_options *options, struct network_manager **ret, struct error *err);
/* Whether the default bridge can be as it is asked for. Touches nothing of the host. */
int network_check_default_bridge(const struct network_options *options, struct error *err);
/* Leaves bridge and rules in place (containers go on). */
void network_manager_close(struct network_manager *manager);
/* Closes it and removes the bridge and the rules: for those who set up a network of their own for a while (tests, the
 * demo, uninstalling). Containers on it lose their network. */
int network_manager_destroy(struct network_manager *manager, struct error *err);
/* Makes all rules again from memory, in one transaction (somebody flushed the rule set). */
int network_firewall_apply(struct network_manager *manager, struct error *err);

/* A published port, and `more` that follow it on both sides (network_ports.h). */
struct network_port {
    uint16_t container_port, more;
    char protocol[5];       /* "tcp" "udp" "sctp" */
    char host_address[46];  /* INET6_ADDRSTRLEN; "" or "0.0.0.0": every address */
    uint16_t host_port;     /* 0: choose from the ephemeral range, for each of them */
    uint16_t host_port_end; /* when > host_port: any free one of the range; `more` is 0 */
};

/* A container's place on one network. */
struct network_endpoint {
    char network_id[65], endpoint_id[65];
    char address[64], gateway[64], mac[18]; /* "" without IPv4, or any network; gateway "" on internal networks */
    int prefix;
    char address6[64], gateway6[64]; /* "" without IPv6 */
    int prefix6;
    char interface[16];      /* in the container */
    char host_interface[16]; /* the veth on the bridge; keep it with the rest for network_restore */
};

/* What a container has while it runs. */
struct network_sandbox {
    struct network_endpoint *endpoints;
    size_t count;
    struct network_port *ports; /* with the host ports that were chosen */
    size_t port_count;
    char gateway_network[65]; /* id of the network that the default route of IPv4, else of IPv6, leads to; or "" */
    /* Ports mean something else on the networks that are the gateways now (network_connect). Those that these cannot
     * have are left out when they are published anew. */
    bool republish;
};
void network_sandbox_release(struct network_sandbox *sandbox);
void network_sandbox_copy(struct network_sandbox *to, const struct network_sandbox *from); /* `to` is blank */
/* The container's endpoint on a network, or NULL. */
struct network_endpoint *network_sandbox_find(const struct network_sandbox *sandbox, const char *network_id);

/* What a container wants of one network. Borrowed. */
struct network_attachment {
    const char *network_id;
    const char *address, *address6, *mac; /* NULL: chosen */
    const struct strv *aliases;           /* further names in this network; may be NULL */
    const struct strv *links;             /* "container:alias": names for this container alone; may be NULL */
    const struct strmap *options;         /* endpoint_options.h; may be NULL */
    const struct strv *link_local;        /* further addresses of the interface; may be NULL */
    int priority;                         /* the highest one's gateway is taken */
};

enum network_mode { NETWORK_BRIDGE, NETWORK_NONE };
struct network_request {
    const char *container_id;
    enum network_mode mode;                       /* without attachments: the default bridge or none */
    const char *mac;                              /* likewise; NULL: derived from the address, 02:42:... as docker */
    const struct network_attachment *attachments; /* the first one is eth0 */
    size_t attachment_count;
    const struct network_port *ports; /* without a network nothing is published, as with docker */
    size_t port_count;
    const struct strv *dns; /* servers that the container's resolver asks; NULL or empty: the host's */
    /* Makes the namespace (its descriptor, or -errno) when it shall be none of the pool's; NULL. */
    int (*make_namespace)(void *data, struct error *err);
    void *make_data;
};
/*
 * Gives the container a network namespace (from the pool or new), ready: lo up, an interface with address per network,
 * the default route, ports published; net.ipv4.ip_unprivileged_port_start=0 and ping_group_range="0 2147483647" are set
 * as docker does. *ret_netns_fd is the caller's: the namespace, and with it the veth, lives as long as it or a process
 * of the container. Thread-safe. Nothing remains on failure. A host port that is taken: docker's "driver failed
 * programming external connectivity on endpoint ...: Bind for 0.0.0.0:80 failed: port is already allocated"
 * (ERROR_SYSTEM, so 500 as docker) or "... listen tcp4 0.0.0.0:80: bind: address already in use".
 */
int network_attach(struct network_manager *manager, const struct network_request *request, const char *container_name,
                   int *ret_netns_fd, struct network_sandbox *ret, struct error *err);
/* After the container's end: addresses and ports are free again. Never waits for the kernel to tear the veths down. */
void network_detach(struct network_manager *manager, const char *container_id);

/* "02:42:ac:11:00:02": an address that an interface can have. */
int network_check_mac(const char *text, struct error *err);

/* One more network for a container that runs, or one less. The sandbox is brought up to date: without ports when there
 * is no network left that publishes them; with `republish` where they cannot follow as they are (network_set_ports
 * publishes them anew, and until then they lead nowhere). Calls for one container must not overlap. */
int network_connect(struct network_manager *manager, const char *container_id, const char *container_name, int netns_fd,
                    const struct network_attachment *attachment, struct network_sandbox *sandbox, struct error *err);
int network_disconnect(struct network_manager *manager, const char *container_id, int netns_fd, const char *network_id,
                       struct network_sandbox *sandbox, struct error *err);
/* Publishes the ports of a running container anew: those that it has and that are wanted still keep their host port. On
 * failure everything is as it was. */
int network_set_ports(struct network_manager *manager, const char *container_id, const struct network_port *ports,
                      size_t count, struct network_sandbox *sandbox, struct error *err);
/* The container's name, which its neighbours find it by, has changed. */
void network_rename(struct network_manager *manager, const char *container_id, const char *name);

/* At the daemon's start, for a container that runs: its addresses and ports are in use; rules are made again if
 * missing. An endpoint whose interface has gone (the daemon was killed while it disconnected the container) is taken
 * out of the sandbox. `request` as at the attach (ports are not looked at). Call network_restore for all, then
 * network_restore_done once: whatever rules belong to nobody are removed. netns_fd: its namespace, for the resolver
 * (-1: none). */
int network_restore(struct network_manager *manager, const struct network_request *request, const char *container_name,
                    int netns_fd, struct network_sandbox *sandbox, struct error *err);
int network_restore_done(struct network_manager *manager, struct error *err);

/* ---- networks of users ---- */

/*
 * Completes a configuration: chooses what was left open (subnet, gateway, the bridge's name) and refuses what cannot
 * be (a subnet that overlaps with another network's, a driver or an option that is not known, ...). Makes nothing.
 */
int network_complete(struct network_manager *manager, struct network_config *config, struct error *err);
/* Makes the network of a complete configuration: interface, rules. Takes over what is there already, as after a
 * restart; `restoring` leaves the rules to network_restore_done. Nothing remains on failure. */
int network_create(struct network_manager *manager, const struct network_config *config, bool restoring,
                   struct error *err);
/*
 * Removes it. ERROR_FORBIDDEN "network web has active endpoints (...)" while a running container is on it. before(data)
 * (may be NULL) is called when nobody can join any more and nothing is removed yet; its failure keeps the network.
 */
int network_remove(struct network_manager *manager, const char *network_id,
                   int (*before)(void *data, struct error *err), void *data, struct error *err);

/* The predefined networks, for the API and --network: bridge, unless there is none, host and none. Ids are stable
 * across restarts (kept below state_dir by the caller or derived). */
enum { NETWORK_PREDEFINED_MAX = 3 };
struct network_info {
    char id[65];
    const char *name, *driver;
    char subnet[64], gateway[64], bridge[16];
    char range[64];                             /* "": the whole subnet */
    char subnet6[64], gateway6[64], range6[64]; /* "": without IPv6 */
    char route[64], route6[64];                 /* the default route of containers, when it is not the gateway */
    int mtu;
};
size_t network_list(struct network_manager *manager, struct network_info ret[NETWORK_PREDEFINED_MAX]);
bool network_has_bridge(const struct network_manager *manager);
/* How full the subnets of a network are; none when nobody is given addresses there (host, none, of settings alone). */
struct network_subnet_use {
    char subnet[IPAM6_TEXT_MAX];
    struct ipam_count count;
};
struct network_subnets {
    struct network_subnet_use *items;
    size_t count;
};
void network_subnets(struct network_manager *manager, const char *id, struct network_subnets *ret);
void network_subnets_release(struct network_subnets *subnets);
/* The host's own address on the network, also where default-gateway leads elsewhere; false when it is another network
 * than the default bridge, whose gateway tells. */
bool network_bridge_address(const struct network_manager *manager, const char *network_id, char ret[64]);
/* A predefined network's id is a function of the bridge's and the network's name: the same after every restart, another
 * for another daemon beside this one. Nothing about it is secret. Also of the bridge that is not there. */
void network_predefined_id(const struct network_manager *manager, const char *name, char id[65]);

#endif
