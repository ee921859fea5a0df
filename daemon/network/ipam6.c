#include "daemon/network/ipam6.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/parse.h"

void ipam6_mask(struct in6_addr *address, int prefix)
{
    for (int i = 0; i < 16; i++) {
        int bits = prefix - 8 * i;
        address->s6_addr[i] &= bits >= 8 ? 0xff : bits <= 0 ? 0 : (uint8_t)(0xff << (8 - bits));
    }
}

static void increment(struct in6_addr *address)
{
    for (int i = 15; i >= 0 && ++address->s6_addr[i] == 0; i--) {
        continue;
    }
}

static bool equal(const struct in6_addr *a, const struct in6_addr *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

int ipam6_subnet_parse(const char *text, struct ipam6_subnet *ret, struct error *err)
{
    const char *slash = strchr(text, '/');
    CLEANUP_FREE char *address = slash ? xstrndup(text, (size_t)(slash - text)) : NULL;
    struct ipam6_subnet subnet;
    uint64_t prefix;
    if (!slash || inet_pton(AF_INET6, address, &subnet.network) != 1 || parse_uint64(slash + 1, 128, &prefix) < 0) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid CIDR address: %s", text);
    }
    if (prefix < 8 || prefix > 126) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid subnet %s: the prefix must be between /8 and /126", text);
    }
    subnet.prefix = (int)prefix;
    ipam6_mask(&subnet.network, subnet.prefix);
    subnet.gateway = subnet.network;
    increment(&subnet.gateway);
    *ret = subnet;
    return 0;
}

int ipam6_bridge_parse(const char *text, struct ipam6_subnet *ret, struct error *err)
{
    struct ipam6_subnet subnet;
    struct in6_addr address;
    int r = ipam6_subnet_parse(text, &subnet, err);
    if (r < 0) {
        return r;
    }
    CLEANUP_FREE char *own = xstrndup(text, strcspn(text, "/"));
    if (inet_pton(AF_INET6, own, &address) == 1 && !equal(&address, &subnet.network)) {
        subnet.gateway = address;
    }
    *ret = subnet;
    return 0;
}

static bool in_prefix(const struct in6_addr *address, const struct in6_addr *network, int prefix)
{
    struct in6_addr a = *address, b = *network;
    ipam6_mask(&a, prefix);
    ipam6_mask(&b, prefix);
    return equal(&a, &b);
}

bool ipam6_contains(const struct ipam6_subnet *subnet, const struct in6_addr *address)
{
    return in_prefix(address, &subnet->network, subnet->prefix);
}

bool ipam6_overlaps(const struct ipam6_subnet *a, const struct ipam6_subnet *b)
{
    return in_prefix(&a->network, &b->network, a->prefix < b->prefix ? a->prefix : b->prefix);
}

/* FNV-1a */
static uint64_t hash_bytes(const uint8_t *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    }
    return hash;
}

uint32_t ipam6_digest(const struct in6_addr *address)
{
    enum { FRONT = 12 };
    uint64_t front = hash_bytes(address->s6_addr, FRONT);
    uint32_t end;
    memcpy(&end, address->s6_addr + FRONT, sizeof(end));
    return ntohl(end) ^ (uint32_t)(front >> 32);
}

void ipam6_ula(const char *seed, unsigned int n, struct ipam6_subnet *ret)
{
    uint64_t hash = hash_bytes((const uint8_t *)seed, strlen(seed));
    *ret = (struct ipam6_subnet){.prefix = 64};
    ret->network.s6_addr[0] = 0xfd;
    for (int i = 0; i < 5; i++) {
        ret->network.s6_addr[1 + i] = (uint8_t)(hash >> (8 * i));
    }
    ret->network.s6_addr[6] = (uint8_t)(n >> 8);
    ret->network.s6_addr[7] = (uint8_t)n;
    ret->gateway = ret->network;
    increment(&ret->gateway);
}

int ipam6_pool_parse(const char *base, const char *size_text, struct ipam6_pool *ret)
{
    struct ipam6_subnet subnet;
    uint64_t size;
    if (ipam6_subnet_parse(base, &subnet, NULL) < 0 || parse_uint64(size_text, 126, &size) < 0 ||
        (int)size < subnet.prefix) {
        return -EINVAL;
    }
    *ret = (struct ipam6_pool){.network = subnet.network, .prefix = subnet.prefix, .size = (int)size};
    return 0;
}

bool ipam6_pool_subnet(const struct ipam6_pool *pool, unsigned int n, struct ipam6_subnet *ret)
{
    enum { MOST_BITS = 16 };
    int bits = pool->size - pool->prefix;
    if (n >> (bits < MOST_BITS ? bits : MOST_BITS) != 0) {
        return false;
    }
    *ret = (struct ipam6_subnet){.network = pool->network, .prefix = pool->size};
    for (int i = 0; n >> i != 0; i++) { /* bit i of n is the i-th one before the subnet's end */
        int at = pool->size - 1 - i;
        if (n >> i & 1) {
            ret->network.s6_addr[at / 8] |= (uint8_t)(0x80 >> at % 8);
        }
    }
    ret->gateway = ret->network;
    increment(&ret->gateway);
    return true;
}

void ipam6_init(struct ipam6 *ipam, const struct ipam6_subnet *subnet)
{
    *ipam = (struct ipam6){.subnet = *subnet, .first = subnet->network, .range_prefix = subnet->prefix};
}

void ipam6_release(struct ipam6 *ipam)
{
    free(ipam->taken);
    *ipam = (struct ipam6){0};
}

static bool is_taken(const struct ipam6 *ipam, const struct in6_addr *address)
{
    if (equal(address, &ipam->subnet.network) || equal(address, &ipam->subnet.gateway)) {
        return true;
    }
    for (size_t i = 0; i < ipam->count; i++) {
        if (equal(address, &ipam->taken[i])) {
            return true;
        }
    }
    return false;
}

static void add(struct ipam6 *ipam, const struct in6_addr *address)
{
    xgrow((void **)&ipam->taken, ipam->count, &ipam->capacity, sizeof(*ipam->taken));
    ipam->taken[ipam->count++] = *address;
}

int ipam6_allocate(struct ipam6 *ipam, struct in6_addr *ret, struct error *err)
{
    struct in6_addr address = ipam->first;
    for (size_t i = 0; i < ipam->count + 3 && in_prefix(&address, &ipam->first, ipam->range_prefix); i++) {
        if (!is_taken(ipam, &address)) {
            add(ipam, &address);
            *ret = address;
            return 0;
        }
        increment(&address);
    }
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &ipam->subnet.network, text, sizeof(text));
    return error_set(err, ERROR_SYSTEM, ENOSPC, "no available IPv6 addresses on this network's address pools (%s/%d)",
                     text, ipam->subnet.prefix);
}

int ipam6_take(struct ipam6 *ipam, const struct in6_addr *address)
{
    if (!ipam6_contains(&ipam->subnet, address)) {
        return -ERANGE;
    }
    if (is_taken(ipam, address)) {
        return -EADDRINUSE;
    }
    add(ipam, address);
    return 0;
}

void ipam6_free(struct ipam6 *ipam, const struct in6_addr *address)
{
    for (size_t i = 0; i < ipam->count; i++) {
        if (equal(address, &ipam->taken[i])) {
            ipam->taken[i] = ipam->taken[--ipam->count];
            return;
        }
    }
}
