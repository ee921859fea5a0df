#include "daemon/network/ipam_count.h"

#include <string.h>

/* Bits of [first, last] that are set. */
static uint64_t count_taken(const struct ipam *ipam, uint64_t first, uint64_t last)
{
    uint64_t taken = 0;
    for (uint64_t word = first / 64; word < ipam->words && word * 64 <= last; word++) {
        uint64_t bits = ipam->bits[word];
        if (word == first / 64) {
            bits &= UINT64_MAX << first % 64;
        }
        if (word == last / 64 && last % 64 < 63) {
            bits &= ((uint64_t)1 << (last % 64 + 1)) - 1;
        }
        taken += (uint64_t)__builtin_popcountll(bits);
    }
    return taken;
}

struct ipam_count ipam_count(const struct ipam *ipam)
{
    uint64_t broadcast = 1;
    return (struct ipam_count){.in_use = count_taken(ipam, 0, UINT32_MAX) + broadcast,
                               .available =
                                   (uint64_t)ipam->last - ipam->first + 1 - count_taken(ipam, ipam->first, ipam->last)};
}

static bool in_range(const struct ipam6 *ipam, const struct in6_addr *address)
{
    const struct ipam6_subnet range = {.network = ipam->first, .prefix = ipam->range_prefix};
    return ipam6_contains(&range, address);
}

struct ipam_count ipam6_count(const struct ipam6 *ipam)
{
    int bits = 128 - ipam->range_prefix;
    uint64_t taken = (uint64_t)in_range(ipam, &ipam->subnet.network) + in_range(ipam, &ipam->subnet.gateway);
    struct ipam_count count = {.in_use = ipam->count + 2, .available = UINT64_MAX};
    for (size_t i = 0; i < ipam->count; i++) {
        taken += in_range(ipam, &ipam->taken[i]);
    }
    if (bits < 64) {
        count.available = ((uint64_t)1 << bits) - taken;
    } else if (bits == 64 && taken > 0) {
        count.available = UINT64_MAX - (taken - 1);
    }
    return count;
}
