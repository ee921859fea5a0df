#include "daemon/network/ipam.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/parse.h"

uint32_t ipam_mask(int prefix)
{
    return prefix == 0 ? 0 : ~(uint32_t)0 << (32 - prefix);
}

int ipam_parse_address(const char *text, uint32_t *ret)
{
    struct in_addr in;
    if (inet_pton(AF_INET, text, &in) != 1) {
        return -EINVAL;
    }
    *ret = ntohl(in.s_addr);
    return 0;
}

void ipam_format_address(char buf[IPAM_TEXT_MAX], uint32_t address)
{
    snprintf(buf, IPAM_TEXT_MAX, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

void ipam_format_subnet(char buf[IPAM_TEXT_MAX], const struct ipam_subnet *subnet)
{
    ipam_format_address(buf, subnet->network);
    size_t used = strlen(buf);
    snprintf(buf + used, IPAM_TEXT_MAX - used, "/%d", subnet->prefix);
}

int ipam_subnet_parse(const char *text, struct ipam_subnet *ret, struct error *err)
{
    char address_text[IPAM_TEXT_MAX];
    const char *slash = strchr(text, '/');
    uint32_t address;
    uint64_t prefix;
    if (!slash || (size_t)(slash - text) >= sizeof(address_text)) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid CIDR address: %s", text);
    }
    memcpy(address_text, text, slash - text);
    address_text[slash - text] = '\0';
    if (ipam_parse_address(address_text, &address) < 0 || parse_uint64(slash + 1, 32, &prefix) < 0) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid CIDR address: %s", text);
    }
    if (prefix < 8 || prefix > 30) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid subnet %s: the prefix must be between /8 and /30", text);
    }
    uint32_t mask = ipam_mask(prefix);
    struct ipam_subnet subnet = {.network = address & mask, .gateway = address, .prefix = prefix};
    if (subnet.gateway == subnet.network) {
        subnet.gateway++;
    }
    if (subnet.gateway == (subnet.network | ~mask)) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid subnet %s: the address is the subnet's broadcast address",
                         text);
    }
    *ret = subnet;
    return 0;
}

bool ipam_overlaps(uint32_t a, int a_prefix, uint32_t b, int b_prefix)
{
    uint32_t mask = ipam_mask(a_prefix < b_prefix ? a_prefix : b_prefix);
    return (a & mask) == (b & mask);
}

static bool subnet_is_free(uint32_t network, int prefix, const struct ipam_subnet *used, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ipam_overlaps(network, prefix, used[i].network, used[i].prefix)) {
            return false;
        }
    }
    return true;
}

int ipam_pool_choose(const struct ipam_pool *pools, size_t pool_count, const struct ipam_subnet *used, size_t count,
                     struct ipam_subnet *ret, struct error *err)
{
    for (size_t i = 0; i < pool_count; i++) {
        const struct ipam_pool *pool = &pools[i];
        uint64_t step = (uint64_t)1 << (32 - pool->size), end = pool->network + ((uint64_t)1 << (32 - pool->prefix));
        for (uint64_t network = pool->network; network < end; network += step) {
            if (subnet_is_free((uint32_t)network, pool->size, used, count)) {
                *ret = (struct ipam_subnet){
                    .network = (uint32_t)network, .gateway = (uint32_t)network + 1, .prefix = pool->size};
                return 0;
            }
        }
    }
    return error_set(err, ERROR_SYSTEM, ENOSPC,
                     "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to "
                     "the network");
}

int ipam_subnet_choose(const struct ipam_subnet *used, size_t count, struct ipam_subnet *ret, struct error *err)
{
    enum { FIRST = 17, LAST = 31, WIDE = LAST - FIRST + 1 };
    struct ipam_pool pools[WIDE + 1];
    for (int i = 0; i < WIDE; i++) {
        pools[i] = (struct ipam_pool){(uint32_t)172 << 24 | (uint32_t)(FIRST + i) << 16, 16, 16};
    }
    pools[WIDE] = (struct ipam_pool){(uint32_t)192 << 24 | (uint32_t)168 << 16, 16, 20};
    return ipam_pool_choose(pools, ARRAY_SIZE(pools), used, count, ret, err);
}

/* The value of "key=" up to the next comma; NULL: it is not there. The caller frees. */
static char *pool_field(const char *text, const char *key)
{
    size_t size = strlen(key);
    for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        if (strncmp(p, key, size) == 0 && p[size] == '=') {
            return xstrndup(p + size + 1, strcspn(p + size + 1, ","));
        }
    }
    return NULL;
}

int ipam_pool_parse(const char *text, struct ipam_pool *ret, struct error *err)
{
    CLEANUP_FREE char *base = pool_field(text, "base");
    CLEANUP_FREE char *size_text = pool_field(text, "size");
    const char *slash = base ? strchr(base, '/') : NULL;
    uint64_t size, prefix;
    uint32_t network;
    CLEANUP_FREE char *address = slash ? xstrndup(base, (size_t)(slash - base)) : NULL;
    if (!slash || !size_text || ipam_parse_address(address, &network) < 0 || parse_uint64(slash + 1, 30, &prefix) < 0 ||
        parse_uint64(size_text, 30, &size) < 0 || prefix < 1 || size < prefix || size < 8) {
        return error_set(err, ERROR_INVALID, EINVAL,
                         "invalid default address pool %s: wanted is base=10.10.0.0/16,size=24", text);
    }
    *ret = (struct ipam_pool){network & ipam_mask((int)prefix), (int)prefix, (int)size};
    return 0;
}

static bool bit_get(const struct ipam *ipam, uint32_t n)
{
    return n / 64 < ipam->words && (ipam->bits[n / 64] >> n % 64 & 1);
}

static void bit_set(struct ipam *ipam, uint32_t n)
{
    size_t need = n / 64 + 1;
    if (need > ipam->words) {
        ipam->bits = xreallocarray(ipam->bits, need, sizeof(*ipam->bits));
        memset(ipam->bits + ipam->words, 0, (need - ipam->words) * sizeof(*ipam->bits));
        ipam->words = need;
    }
    ipam->bits[n / 64] |= (uint64_t)1 << n % 64;
}

/* How many addresses the subnet has, network and broadcast included. */
static uint32_t subnet_size(const struct ipam *ipam)
{
    return (uint32_t)1 << (32 - ipam->subnet.prefix);
}

void ipam_init(struct ipam *ipam, const struct ipam_subnet *subnet)
{
    *ipam = (struct ipam){.subnet = *subnet};
    bit_set(ipam, 0);
    bit_set(ipam, subnet->gateway - subnet->network);
    ipam->last = subnet_size(ipam) - 2;
    /* The broadcast address is left out by the loops' bound: marking it would make the bitmap its full size. */
}

void ipam_release(struct ipam *ipam)
{
    free(ipam->bits);
    *ipam = (struct ipam){0};
}

int ipam_set_range(struct ipam *ipam, uint32_t network, int prefix)
{
    uint32_t size = (uint32_t)1 << (32 - prefix), offset = network - ipam->subnet.network;
    if (prefix < ipam->subnet.prefix || !ipam_overlaps(network, prefix, ipam->subnet.network, ipam->subnet.prefix)) {
        return -ERANGE;
    }
    ipam->first = offset;
    ipam->last = offset + size - 1 < ipam->last ? offset + size - 1 : ipam->last;
    return 0;
}

int ipam_allocate(struct ipam *ipam, uint32_t *ret, struct error *err)
{
    for (uint64_t word = ipam->first / 64; word * 64 <= ipam->last; word++) {
        uint64_t taken = word < ipam->words ? ipam->bits[word] : 0;
        if (word == ipam->first / 64) {
            taken |= ((uint64_t)1 << ipam->first % 64) - 1;
        }
        if (taken == UINT64_MAX) {
            continue;
        }
        uint32_t n = (uint32_t)word * 64 + __builtin_ctzll(~taken);
        if (n > ipam->last) {
            break;
        }
        bit_set(ipam, n);
        *ret = ipam->subnet.network + n;
        return 0;
    }
    char text[IPAM_TEXT_MAX];
    ipam_format_subnet(text, &ipam->subnet);
    return error_set(err, ERROR_SYSTEM, ENOSPC,
                     "no available IPv4 addresses on this network's address pools: bridge (%s)", text);
}

int ipam_take(struct ipam *ipam, uint32_t address)
{
    uint32_t n = address - ipam->subnet.network;
    if (address < ipam->subnet.network || n == 0 || n >= subnet_size(ipam) - 1) {
        return -ERANGE;
    }
    if (bit_get(ipam, n)) {
        return -EADDRINUSE;
    }
    bit_set(ipam, n);
    return 0;
}

void ipam_free(struct ipam *ipam, uint32_t address)
{
    uint32_t n = address - ipam->subnet.network;
    if (address <= ipam->subnet.network || address == ipam->subnet.gateway || !bit_get(ipam, n)) {
        return;
    }
    ipam->bits[n / 64] &= ~((uint64_t)1 << n % 64);
}

void ipam_mac(uint32_t address, uint8_t mac[6])
{
    mac[0] = 0x02;
    mac[1] = 0x42;
    for (int i = 0; i < 4; i++) {
        mac[2 + i] = address >> (24 - 8 * i);
    }
}
