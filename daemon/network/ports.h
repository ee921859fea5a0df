/*
 * Published ports: which host address and port belongs to which container. Pure bookkeeping; the reservation in the
 * kernel is a function that the caller gives (port_socket.h; tests give their own).
 */
#ifndef DORY_DAEMON_NETWORK_PORTS_H
#define DORY_DAEMON_NETWORK_PORTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Published ports that follow each other on both sides: one, and `more` after it. Ports and IPv4 addresses in host byte
 * order; host address 0 (::) is every address of the host. A claim of all IPv4 addresses and one of all IPv6 addresses
 * may have the same port. */
struct port_claim {
    uint32_t host_address, container_address;
    bool ipv6; /* then these addresses count */
    struct in6_addr host_address6, container_address6;
    uint16_t host_port, container_port, more;
    uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
    bool leaving;     /* its rule is being removed: not part of a new rule set, and not free yet */
    bool routed;  /* reached at the container's own address: host_port is container_port, and no host port is taken */
    int *sockets; /* the reservation of each, or -1; the table's; NULL: routed */
    void *owner;  /* the container's record */
};

/* Of one host address only. */
bool port_claim_is_specific(const struct port_claim *claim);

struct port_request {
    uint32_t host_address;
    bool ipv6;
    struct in6_addr host_address6;
    uint16_t host_port;     /* 0: any of the ephemeral range */
    uint16_t host_port_end; /* above host_port: any of this range */
    uint16_t container_port;
    uint8_t protocol;
    bool routed; /* host address and port are not looked at: what is claimed is the container's port, port 0 */
};

struct port_table {
    struct port_claim *claims;
    size_t count, capacity; /* of claims: ten thousand ports of a container may be one */
    uint16_t ephemeral_first, ephemeral_last;
    uint64_t *used[3]; /* per protocol, a bit per port: some claim may stand on it; NULL: none does */
    uint16_t next[3];  /* where the search of the ephemeral range goes on, per protocol */
};

/* 0 or -EINVAL. "" is tcp. */
int port_protocol_parse(const char *name, uint8_t *ret);
const char *port_protocol_name(uint8_t protocol);

/* The range as /proc/sys/net/ipv4/ip_local_port_range has it; docker's 49153-65535 when first is 0. */
void port_table_init(struct port_table *table, uint16_t ephemeral_first, uint16_t ephemeral_last);
/* Closes the reservations that are left. */
void port_table_release(struct port_table *table);
/* No claim stands on this port: one for every address excludes all others of the same protocol and port. */
bool port_table_is_free(const struct port_table *table, const struct port_request *request, uint16_t port);

/* Reserves a port in the kernel, on the request's host address. *ret_socket (-1 allowed) becomes the claim's.
 * -EADDRINUSE means taken by somebody. */
typedef int (*port_reserve_fn)(const struct port_request *request, uint16_t port, int *ret_socket, void *data);

/*
 * Claims one port for `owner`; it joins a claim of the owner's that it continues. With a choice (range or ephemeral)
 * ports that are taken are passed over. Errors in docker's words: "Bind for 0.0.0.0:80 failed: port is already
 * allocated" (another container has it), "listen tcp4 0.0.0.0:80: bind: address already in use" (another process has
 * it), "all ports are allocated".
 */
int port_table_claim(struct port_table *table, const struct port_request *request, void *owner, port_reserve_fn reserve,
                     void *data, uint16_t *ret_port, struct error *err);
/* As above for a port that a running container has already: what the table holds counts, a failed reservation does
 * not (*ret_reserved tells). -EADDRINUSE when another claim stands on it. */
int port_table_restore(struct port_table *table, const struct port_request *request, void *owner,
                       port_reserve_fn reserve, void *data, bool *ret_reserved, struct error *err);
/* Copies the owner's claims to a new array (*ret_claims, the caller's; sockets stay the table's) and marks them as
 * leaving when told so. */
size_t port_table_of(struct port_table *table, const void *owner, bool leaving, struct port_claim **ret_claims);
/* Where the owner's claims lead: address6 NULL for none. 0: nowhere, they are reserved only. */
void port_table_set_target(struct port_table *table, const void *owner, uint32_t address,
                           const struct in6_addr *address6);
/* The claim leads somewhere: it belongs into the rules. */
bool port_claim_has_target(const struct port_claim *claim);
/* Gives every claim of one owner to another. */
void port_table_move(struct port_table *table, const void *from, void *to);
/* Forgets the owner's claims and closes their reservations. */
void port_table_drop(struct port_table *table, const void *owner);

#endif
