/*
 * IPv4 subnets and the allocation of addresses inside one. Pure: no kernel state is looked at. Addresses are in host
 * byte order here; only the netlink and nftables code turns them round.
 */
#ifndef DORY_DAEMON_NETWORK_IPAM_H
#define DORY_DAEMON_NETWORK_IPAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Room for "255.255.255.255/32". */
#define IPAM_TEXT_MAX 20

struct ipam_subnet {
    uint32_t network; /* host bits zero */
    uint32_t gateway; /* the bridge's own address */
    int prefix;
};

uint32_t ipam_mask(int prefix);
/*
 * "172.18.0.1/16" as --bip takes it: the address is the gateway. The network's own address ("172.18.0.0/16") means its
 * first one. Prefixes /8 to /30. ERROR_INVALID in docker's words.
 */
int ipam_subnet_parse(const char *text, struct ipam_subnet *ret, struct error *err);
bool ipam_overlaps(uint32_t a, int a_prefix, uint32_t b, int b_prefix);
/*
 * The first of docker's predefined subnets (172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 to 192.168.240.0/20)
 * that overlaps none of `used`. ERROR_SYSTEM when none is left.
 */
int ipam_subnet_choose(const struct ipam_subnet *used, size_t count, struct ipam_subnet *ret, struct error *err);
/* The same from given pools ("10.10.0.0/16", 24: the first free /24 in it), in their order. */
struct ipam_pool {
    uint32_t network;
    int prefix, size;
};
int ipam_pool_choose(const struct ipam_pool *pools, size_t pool_count, const struct ipam_subnet *used, size_t count,
                     struct ipam_subnet *ret, struct error *err);
/* "base=10.10.0.0/16,size=24". */
int ipam_pool_parse(const char *text, struct ipam_pool *ret, struct error *err);

/* The addresses of one subnet that are taken. Network, broadcast and gateway always are. */
struct ipam {
    struct ipam_subnet subnet;
    uint32_t first, last; /* what ipam_allocate gives out: offsets from the network's address */
    uint64_t *bits;       /* grows with the highest address in use; bit n is network + n */
    size_t words;
};

void ipam_init(struct ipam *ipam, const struct ipam_subnet *subnet);
void ipam_release(struct ipam *ipam);
/* The lowest free address. ERROR_SYSTEM when the subnet is full. */
int ipam_allocate(struct ipam *ipam, uint32_t *ret, struct error *err);
/* Gives out addresses of this part of the subnet only: -ERANGE when it is not one. */
int ipam_set_range(struct ipam *ipam, uint32_t network, int prefix);
/* Marks a given address: -ERANGE outside the subnet, -EADDRINUSE when it is taken already. */
int ipam_take(struct ipam *ipam, uint32_t address);
/* Addresses that were never given out are ignored. */
void ipam_free(struct ipam *ipam, uint32_t address);

int ipam_parse_address(const char *text, uint32_t *ret); /* 0 or -EINVAL */
void ipam_format_address(char buf[IPAM_TEXT_MAX], uint32_t address);
/* "172.18.0.0/16" */
void ipam_format_subnet(char buf[IPAM_TEXT_MAX], const struct ipam_subnet *subnet);
/* 02:42: and the address, as docker's default bridge: known from the address alone, so neighbours' caches stay right
 * when an address is used again. */
void ipam_mac(uint32_t address, uint8_t mac[6]);

#endif
