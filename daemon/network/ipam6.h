/* IPv6 subnets and the addresses in use inside one. Pure: no kernel state is looked at. */
#ifndef DORY_DAEMON_NETWORK_IPAM6_H
#define DORY_DAEMON_NETWORK_IPAM6_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Room for an address, "/128" and the final NUL. */
#define IPAM6_TEXT_MAX 52

struct ipam6_subnet {
    struct in6_addr network, gateway;
    int prefix; /* 0: there is no IPv6 */
};

/* "fd00:1::/64"; the gateway becomes the first address. Prefixes /8 to /126. ERROR_INVALID in docker's words. */
int ipam6_subnet_parse(const char *text, struct ipam6_subnet *ret, struct error *err);
/* "fd00:1::5/64" as --bip6 takes it: the address is the gateway. The network's own address means its first one. */
int ipam6_bridge_parse(const char *text, struct ipam6_subnet *ret, struct error *err);
/* Clears what is not the network's part. */
void ipam6_mask(struct in6_addr *address, int prefix);
bool ipam6_contains(const struct ipam6_subnet *subnet, const struct in6_addr *address);
bool ipam6_overlaps(const struct ipam6_subnet *a, const struct ipam6_subnet *b);
/* What addresses are told apart by in four bytes: those that follow each other, and mostly any two. */
uint32_t ipam6_digest(const struct in6_addr *address);
/*
 * A unique local /64 (RFC 4193): 40 bits of the global id from `seed`, then the subnet id `n`. The same seed gives the
 * same /48 every time.
 */
void ipam6_ula(const char *seed, unsigned int n, struct ipam6_subnet *ret);

/* Where subnets are chosen from: "base=fd00:1::/48,size=64" is the first free /64 of that /48. */
struct ipam6_pool {
    struct in6_addr network;
    int prefix, size;
};
/* base: "fd00:1::/48"; size: "64". -EINVAL when they are none. */
int ipam6_pool_parse(const char *base, const char *size, struct ipam6_pool *ret);
/* The n-th subnet of the pool; false: it has not that many (never more than 65,536 are looked at). */
bool ipam6_pool_subnet(const struct ipam6_pool *pool, unsigned int n, struct ipam6_subnet *ret);

struct ipam6 {
    struct ipam6_subnet subnet;
    struct in6_addr first;  /* where the search begins: the network, or the range's network */
    int range_prefix;       /* what ipam6_allocate stays in */
    struct in6_addr *taken; /* besides network and gateway */
    size_t count, capacity;
};

void ipam6_init(struct ipam6 *ipam, const struct ipam6_subnet *subnet);
void ipam6_release(struct ipam6 *ipam);
/* The lowest free address (of the range). ERROR_SYSTEM when none is left. */
int ipam6_allocate(struct ipam6 *ipam, struct in6_addr *ret, struct error *err);
/* Marks a given address: -ERANGE outside the subnet, -EADDRINUSE when it is taken already. */
int ipam6_take(struct ipam6 *ipam, const struct in6_addr *address);
void ipam6_free(struct ipam6 *ipam, const struct in6_addr *address);

#endif
