/*
 * Networks: the default bridge, host and none; addresses; published ports; and a small pool of network namespaces that
 * are made before they are needed. All kernel state is netlink and one nftables table of dory's own (its name derives
 * from the bridge's name so that several daemons run side by side). No iptables, no process and no listener per port.
 */
#ifndef DORY_DAEMON_NETWORK_NETWORK_H
#define DORY_DAEMON_NETWORK_NETWORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strv.h"

struct network_manager;

struct network_options {
    const char *bridge;          /* name of the default bridge's interface; "dory0"; made if missing */
    const char *bip;             /* "172.18.0.1/16"; NULL: the first private subnet free of the host's routes */
    const char *default_address; /* host address for published ports; NULL: 0.0.0.0 */
    int mtu;                     /* 0: 1500 */
    bool no_firewall;            /* daemon.json "iptables": false */
    bool no_ip_forward, no_ip_masq;
    int pool_size; /* warm namespaces kept; 0: the default (3) */
};

int network_manager_open(const struct network_options *options, struct network_manager **ret, struct error *err);
/* Leaves bridge and rules in place (containers go on). */
void network_manager_close(struct network_manager *manager);
/* Closes it and removes the bridge and the rules: for those who set up a network of their own for a while (tests, the
 * demo, uninstalling). Containers on it lose their network. */
int network_manager_destroy(struct network_manager *manager, struct error *err);
/* Makes all rules again from memory, in one transaction (somebody flushed the rule set). */
int network_firewall_apply(struct network_manager *manager, struct error *err);

struct network_port {
    uint16_t container_port;
    char protocol[8];       /* "tcp" "udp" "sctp" */
    char host_address[64];  /* "" or "0.0.0.0": every address */
    uint16_t host_port;     /* 0: choose from the ephemeral range */
    uint16_t host_port_end; /* when > host_port: any free one of the range */
};

/* A container's place on the default bridge. */
struct network_endpoint {
    char network_id[65], endpoint_id[65];
    char address[64], gateway[64], mac[18];
    int prefix;
    char host_interface[16];    /* the veth on the bridge; keep it with the rest for network_restore */
    struct network_port *ports; /* with the host ports that were chosen */
    size_t port_count;
};
void network_endpoint_release(struct network_endpoint *endpoint);

enum network_mode { NETWORK_BRIDGE, NETWORK_NONE };
struct network_request {
    const char *container_id;
    enum network_mode mode;
    const char *mac;                  /* NULL: derived from the address, 02:42:... as docker */
    const struct network_port *ports; /* without a network nothing is published, as with docker */
    size_t port_count;
};
/*
 * Gives the container a network namespace (from the pool or new), ready: lo up, and on the bridge eth0 with address and
 * default route, ports published; net.ipv4.ip_unprivileged_port_start=0 and ping_group_range="0 2147483647" are set as
 * docker does. *ret_netns_fd is the caller's: the namespace, and with it the veth, lives as long as it or a process of
 * the container. Thread-safe. Nothing remains on failure. A host port that is taken:
 * docker's "driver failed programming external connectivity on endpoint ...: Bind for 0.0.0.0:80 failed: port is
 * already allocated" (ERROR_SYSTEM, so 500 as docker) or "... listen tcp4 0.0.0.0:80: bind: address already in use".
 */
int network_attach(struct network_manager *manager, const struct network_request *request, const char *container_name,
                   int *ret_netns_fd, struct network_endpoint *ret_endpoint, struct error *err);
/* After the container's end: address and ports are free again. Never waits for the kernel to tear the veth down. */
void network_detach(struct network_manager *manager, const char *container_id, const struct network_endpoint *endpoint);
/* At the daemon's start, for a container that runs: its address and ports are in use; rules are made again if missing.
 * Call network_restore for all, then network_restore_done once: whatever rules belong to nobody are removed. */
int network_restore(struct network_manager *manager, const char *container_id, const struct network_endpoint *endpoint,
                    struct error *err);
int network_restore_done(struct network_manager *manager, struct error *err);

/* The three predefined networks, for the API and --network. Ids are stable across restarts (kept below state_dir by
 * the caller or derived). */
struct network_info {
    char id[65];
    const char *name, *driver;
    char subnet[64], gateway[64], bridge[16];
    int mtu;
};
size_t network_list(struct network_manager *manager, struct network_info ret[3]);

#endif
