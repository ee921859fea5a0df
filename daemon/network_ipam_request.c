#include "daemon/network_ipam_request.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/parse.h"
#include "base/strbuf.h"
#include "base/strv.h"

#define ROW(holder, kind, json, member, ...)                                                                           \
    {                                                                                                                  \
        .name = json, .type = JSON_FIELD_##kind, .offset = offsetof(struct holder, member), ##__VA_ARGS__              \
    }

struct pool_request {
    char *subnet, *range, *gateway;
    struct strmap auxiliary;
};
static const struct json_field pool_rows[] = {
    ROW(pool_request, STRING, "Subnet", subnet),
    ROW(pool_request, STRING, "IPRange", range),
    ROW(pool_request, STRING, "Gateway", gateway),
    ROW(pool_request, STRMAP, "AuxiliaryAddresses", auxiliary),
};
static const struct json_table pool_table = JSON_TABLE(struct pool_request, pool_rows);

static const struct json_field ipam_rows[] = {
    ROW(ipam_request, STRING, "Driver", driver),
    ROW(ipam_request, ARRAY, "Config", pools, .table = &pool_table),
    ROW(ipam_request, STRMAP, "Options", options),
};
const struct json_table ipam_request_table = JSON_TABLE(struct ipam_request, ipam_rows);

static bool is_set(const char *s)
{
    return s != NULL && *s != '\0';
}

/* ---- addresses of either family ---- */

struct block {
    bool ipv6;
    uint8_t bytes[sizeof(struct in6_addr)];
    int bits; /* of the prefix */
};

static bool parse_address(const char *text, struct block *ret)
{
    *ret = (struct block){.ipv6 = strchr(text, ':') != NULL};
    ret->bits = ret->ipv6 ? 128 : 32;
    return inet_pton(ret->ipv6 ? AF_INET6 : AF_INET, text, ret->bytes) == 1;
}

static bool parse_block(const char *text, struct block *ret)
{
    const char *slash = strchr(text, '/');
    uint64_t bits;
    if (slash == NULL || (slash[1] == '0' && slash[2] != '\0'))
        return false;
    CLEANUP_FREE char *address = xstrndup(text, (size_t)(slash - text));
    if (!parse_address(address, ret) || parse_uint64(slash + 1, (uint64_t)ret->bits, &bits) < 0)
        return false;
    ret->bits = (int)bits;
    return true;
}

static void mask(struct block *block, int bits)
{
    for (int i = 0; i < (int)sizeof(block->bytes); i++) {
        int left = bits - 8 * i; /* of this byte */
        block->bytes[i] &= (uint8_t)(left >= 8 ? 0xff : left <= 0 ? 0 : 0xff << (8 - left));
    }
}

static bool contains(const struct block *subnet, const struct block *block)
{
    struct block a = *subnet, b = *block;
    int bits = a.bits < b.bits ? a.bits : b.bits;
    mask(&a, bits);
    mask(&b, bits);
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

/* ---- what is wrong ---- */

static void check_first(const char *what, const char *text, const struct block *block, struct strv *wrong)
{
    struct block first = *block;
    char address[INET6_ADDRSTRLEN];
    mask(&first, first.bits);
    if (memcmp(first.bytes, block->bytes, sizeof(first.bytes)) != 0)
        strv_addf(wrong, "invalid %s %s: it should be %s/%d", what, text,
                  inet_ntop(first.ipv6 ? AF_INET6 : AF_INET, first.bytes, address, sizeof(address)), first.bits);
}

static void check_range(const char *text, const char *subnet_text, const struct block *subnet, struct strv *wrong)
{
    struct block range;
    if (!is_set(text))
        return;
    if (!parse_block(text, &range)) {
        strv_addf(wrong, "invalid ip-range %s: invalid CIDR block notation", text);
        return;
    }
    if (range.ipv6 != subnet->ipv6) {
        strv_addf(wrong, "invalid ip-range %s: parent subnet is an IPv%d block", text, subnet->ipv6 ? 6 : 4);
        return;
    }
    if (range.bits < subnet->bits)
        strv_addf(wrong, "invalid ip-range %s: CIDR block is bigger than its parent subnet %s", text, subnet_text);
    check_first("ip-range", text, &range, wrong);
    if (!contains(subnet, &range))
        strv_addf(wrong, "invalid ip-range %s: parent subnet %s doesn't contain ip-range", text, subnet_text);
}

/* shown: what the address goes by. */
static void check_address(const char *what, const char *shown, const char *text, const char *subnet_text,
                          const struct block *subnet, struct strv *wrong)
{
    struct block address;
    if (!is_set(text))
        return;
    if (!parse_address(text, &address))
        strv_addf(wrong, "invalid %s %s: invalid address", what, shown);
    else if (address.ipv6 != subnet->ipv6)
        strv_addf(wrong, "invalid %s %s: parent subnet is an IPv%d block", what, shown, subnet->ipv6 ? 6 : 4);
    else if (!contains(subnet, &address))
        strv_addf(wrong, "invalid %s %s: parent subnet %s doesn't contain this address", what, shown, subnet_text);
}

static void check_pool(const struct pool_request *pool, bool ipv6, struct strv *wrong)
{
    const char *text = pool->subnet != NULL ? pool->subnet : "";
    struct block subnet;
    if (!parse_block(text, &subnet)) {
        strv_addf(wrong, "invalid subnet %s: invalid CIDR block notation", text);
        return;
    }
    if (subnet.ipv6 && !ipv6)
        return;
    check_first("subnet", text, &subnet, wrong);
    check_range(pool->range, text, &subnet, wrong);
    check_address("gateway", pool->gateway, pool->gateway, text, &subnet, wrong);
    for (size_t i = 0; i < pool->auxiliary.count; i++)
        check_address("auxiliary address", pool->auxiliary.items[i].key, pool->auxiliary.items[i].value, text, &subnet,
                      wrong);
}

int ipam_request_check(const struct ipam_request *request, bool ipv6, struct error *err)
{
    CLEANUP_STRV struct strv wrong = STRV_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    const struct pool_request *pools = request->pools.items;
    for (size_t i = 0; i < request->pools.count; i++)
        check_pool(&pools[i], ipv6, &wrong);
    for (size_t i = 0; i < wrong.count; i++)
        strbuf_addf(&text, "\n%s%s", wrong.count > 1 ? "* " : "", wrong.items[i]);
    return wrong.count == 0 ? 0 : error_set(err, ERROR_INVALID, 0, "invalid network config:%s", strbuf_str(&text));
}

/* ---- taking ---- */

static void take(char **to, char **from)
{
    if (is_set(*from))
        *to = TAKE_PTR(*from);
}

int ipam_request_take(struct ipam_request *request, struct network_config *config, struct error *err)
{
    struct pool_request *pools = request->pools.items;
    for (size_t i = 0; i < request->pools.count; i++) {
        bool ipv6 = strchr(pools[i].subnet, ':') != NULL;
        struct network_subnet *to = ipv6 ? &config->v6 : &config->v4;
        struct json_array *further = ipv6 ? &config->further6 : &config->further;
        if (to->subnet != NULL && further->count == NETWORK_FURTHER_MAX)
            return error_set(err, ERROR_FORBIDDEN, 0, "a network has not more than %d subnets of IPv%d",
                             NETWORK_FURTHER_MAX + 1, ipv6 ? 6 : 4);
        if (to->subnet != NULL)
            to = network_config_add_subnet(further);
        config->v6_first = i == 0 ? ipv6 : config->v6_first;
        take(&to->subnet, &pools[i].subnet);
        take(&to->range, &pools[i].range);
        take(&to->gateway, &pools[i].gateway);
        strmap_copy(&to->auxiliary, &pools[i].auxiliary);
    }
    return 0;
}
