/* Subnets and addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "daemon/network/ipam.h"
#include "daemon/network/ipam6.h"
#include "daemon/network/ipam_count.h"
#include "daemon/network/resolver_upstream.h"

static struct ipam_subnet subnet(const char *text)
{
    struct ipam_subnet s;
    struct error err = {0};
    if (ipam_subnet_parse(text, &s, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return s;
}

static uint32_t address(const char *text)
{
    uint32_t a;
    assert_int_equal(ipam_parse_address(text, &a), 0);
    return a;
}

static void a_bip_is_the_gateway(void **state)
{
    (void)state;
    struct ipam_subnet s = subnet("172.18.0.1/16");
    assert_int_equal(s.network, address("172.18.0.0"));
    assert_int_equal(s.gateway, address("172.18.0.1"));
    assert_int_equal(s.prefix, 16);
    s = subnet("10.1.2.200/24");
    assert_int_equal(s.network, address("10.1.2.0"));
    assert_int_equal(s.gateway, address("10.1.2.200"));
    s = subnet("10.1.2.0/24");
    assert_int_equal(s.gateway, address("10.1.2.1"));
    char text[IPAM_TEXT_MAX];
    ipam_format_subnet(text, &s);
    assert_string_equal(text, "10.1.2.0/24");
}

static void malformed_subnets_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "172.18.0.1",
                                      "172.18.0.1/",
                                      "172.18.0.1/33",
                                      "172.18.0.1/-1",
                                      "/16",
                                      "172.18.0/16",
                                      "172.18.0.1/1x",
                                      "::1/64",
                                      "10.0.0.1/31",
                                      "10.0.0.1/7",
                                      "10.0.0.255/24",
                                      "1.2.3.4 /16",
                                      "0000000000000000000001.2.3.4/16"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ipam_subnet s;
        struct error err = {0};
        if (ipam_subnet_parse(bad[i], &s, &err) == 0) {
            fail_msg("\"%s\" was accepted", bad[i]);
        }
        assert_int_equal(err.kind, ERROR_INVALID);
    }
}

static void the_first_free_default_subnet_is_chosen(void **state)
{
    (void)state;
    struct ipam_subnet used[40], s;
    struct error err = {0};
    char text[IPAM_TEXT_MAX];
    assert_int_equal(ipam_subnet_choose(NULL, 0, &s, &err), 0);
    ipam_format_subnet(text, &s);
    assert_string_equal(text, "172.17.0.0/16");
    used[0] = subnet("172.16.0.1/14"); /* covers 172.16 to 172.19 */
    used[1] = (struct ipam_subnet){.network = address("172.20.7.7"), .prefix = 32};
    assert_int_equal(ipam_subnet_choose(used, 2, &s, &err), 0);
    ipam_format_subnet(text, &s);
    assert_string_equal(text, "172.21.0.0/16");
    assert_int_equal(s.gateway, address("172.21.0.1"));
    used[0] = (struct ipam_subnet){.network = address("172.0.0.0"), .prefix = 8};
    used[1] = subnet("192.168.1.1/24");
    assert_int_equal(ipam_subnet_choose(used, 2, &s, &err), 0);
    ipam_format_subnet(text, &s);
    assert_string_equal(text, "192.168.16.0/20");
    used[1] = subnet("192.168.0.1/16");
    assert_int_equal(ipam_subnet_choose(used, 2, &s, &err), -ENOSPC);
}

static void the_lowest_free_address_is_given_out(void **state)
{
    (void)state;
    struct ipam_subnet s = subnet("172.18.0.1/16");
    struct ipam ipam;
    struct error err = {0};
    uint32_t a;
    ipam_init(&ipam, &s);
    for (int i = 2; i < 300; i++) {
        assert_int_equal(ipam_allocate(&ipam, &a, &err), 0);
        assert_int_equal(a, s.network + i);
    }
    ipam_free(&ipam, s.network + 70);
    ipam_free(&ipam, s.network + 7);
    ipam_free(&ipam, s.gateway);     /* never free */
    ipam_free(&ipam, s.network);     /* never free */
    ipam_free(&ipam, 0);             /* not ours */
    ipam_free(&ipam, s.network - 1); /* not ours */
    assert_int_equal(ipam_allocate(&ipam, &a, &err), 0);
    assert_int_equal(a, s.network + 7);
    assert_int_equal(ipam_allocate(&ipam, &a, &err), 0);
    assert_int_equal(a, s.network + 70);
    assert_int_equal(ipam_allocate(&ipam, &a, &err), 0);
    assert_int_equal(a, s.network + 300);
    ipam_release(&ipam);
}

static void a_gateway_in_the_middle_is_passed_over(void **state)
{
    (void)state;
    struct ipam_subnet s = subnet("10.0.0.3/29");
    struct ipam ipam;
    struct error err = {0};
    static const int expected[] = {1, 2, 4, 5, 6};
    uint32_t a;
    ipam_init(&ipam, &s);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ipam_allocate(&ipam, &a, &err), 0);
        assert_int_equal(a, s.network + expected[i]);
    }
    assert_int_equal(ipam_allocate(&ipam, &a, &err), -ENOSPC); /* .7 is the broadcast address */
    assert_string_equal(err.message,
                        "no available IPv4 addresses on this network's address pools: bridge (10.0.0.0/29)");
    ipam_release(&ipam);
}

static void a_subnet_of_64_has_61_addresses(void **state)
{
    (void)state;
    struct ipam_subnet s = subnet("10.0.0.1/26");
    struct ipam ipam;
    uint32_t a;
    int count = 0;
    ipam_init(&ipam, &s);
    while (ipam_allocate(&ipam, &a, NULL) == 0) {
        count++;
    }
    assert_int_equal(count, 61);
    ipam_release(&ipam);
}

static void given_addresses_are_checked(void **state)
{
    (void)state;
    struct ipam_subnet s = subnet("10.0.0.1/24");
    struct ipam ipam;
    uint32_t a;
    ipam_init(&ipam, &s);
    assert_int_equal(ipam_take(&ipam, address("10.0.0.2")), 0);
    assert_int_equal(ipam_take(&ipam, address("10.0.0.2")), -EADDRINUSE);
    assert_int_equal(ipam_take(&ipam, address("10.0.0.1")), -EADDRINUSE);
    assert_int_equal(ipam_take(&ipam, address("10.0.0.254")), 0);
    assert_int_equal(ipam_take(&ipam, address("10.0.0.0")), -ERANGE);
    assert_int_equal(ipam_take(&ipam, address("10.0.0.255")), -ERANGE);
    assert_int_equal(ipam_take(&ipam, address("10.0.1.2")), -ERANGE);
    assert_int_equal(ipam_take(&ipam, address("9.255.255.255")), -ERANGE);
    assert_int_equal(ipam_allocate(&ipam, &a, NULL), 0);
    assert_int_equal(a, address("10.0.0.3"));
    ipam_release(&ipam);
}

static void the_mac_is_the_address(void **state)
{
    (void)state;
    static const uint8_t expected[6] = {0x02, 0x42, 0xac, 0x11, 0x00, 0x02};
    uint8_t mac[6];
    ipam_mac(address("172.17.0.2"), mac);
    assert_memory_equal(mac, expected, 6);
}

static void a_range_is_what_is_given_out(void **state)
{
    (void)state;
    struct ipam_subnet subnet = {address("10.1.2.0"), address("10.1.2.1"), 24};
    struct ipam ipam;
    struct error err = {0};
    uint32_t a;
    ipam_init(&ipam, &subnet);
    assert_int_equal(ipam_set_range(&ipam, address("10.1.3.0"), 30), -ERANGE);
    assert_int_equal(ipam_set_range(&ipam, address("10.1.0.0"), 16), -ERANGE);
    assert_int_equal(ipam_set_range(&ipam, address("10.1.2.100"), 30), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(ipam_allocate(&ipam, &a, &err), 0);
        assert_int_equal(a, address("10.1.2.100") + i);
    }
    assert_int_equal(ipam_allocate(&ipam, &a, &err), -ENOSPC);
    assert_int_equal(ipam_take(&ipam, address("10.1.2.5")), 0); /* asked for by name it may lie outside */
    ipam_free(&ipam, address("10.1.2.102"));
    assert_int_equal(ipam_allocate(&ipam, &a, &err), 0);
    assert_int_equal(a, address("10.1.2.102"));
    ipam_release(&ipam);
}

static void pools_are_cut_into_subnets(void **state)
{
    (void)state;
    struct ipam_pool pool;
    struct error err = {0};
    struct ipam_subnet subnet, used[2] = {{.network = address("10.10.0.0"), .prefix = 25}};
    assert_int_equal(ipam_pool_parse("base=10.10.0.0/23,size=24", &pool, &err), 0);
    assert_int_equal(ipam_pool_choose(&pool, 1, used, 1, &subnet, &err), 0);
    assert_int_equal(subnet.network, address("10.10.1.0"));
    assert_int_equal(subnet.gateway, address("10.10.1.1"));
    used[1] = subnet;
    assert_int_equal(ipam_pool_choose(&pool, 1, used, 2, &subnet, &err), -ENOSPC);
    assert_int_equal(ipam_pool_parse("size=26,base=10.0.0.0/8", &pool, &err), 0);
    static const char *const bad[] = {"",
                                      "base=10.0.0.0/8",
                                      "size=24",
                                      "base=10.0.0.0/24,size=16",
                                      "base=x/8,size=24",
                                      "base=10.0.0.0/8,size=99",
                                      "10.0.0.0/8,24"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(ipam_pool_parse(bad[i], &pool, &err), -EINVAL);
    }
}

static struct in6_addr address6(const char *text)
{
    struct in6_addr in;
    assert_int_equal(inet_pton(AF_INET6, text, &in), 1);
    return in;
}

static void pools_of_ipv6_are_cut_into_subnets(void **state)
{
    (void)state;
    struct ipam6_pool pool;
    struct ipam6_subnet subnet;
    assert_int_equal(ipam6_pool_parse("fd00:1::5/62", "64", &pool), 0);
    static const char *const expected[] = {"fd00:1::", "fd00:1:0:1::", "fd00:1:0:2::", "fd00:1:0:3::"};
    for (unsigned int n = 0; n < ARRAY_SIZE(expected); n++) {
        struct in6_addr network = address6(expected[n]);
        assert_true(ipam6_pool_subnet(&pool, n, &subnet));
        assert_memory_equal(&subnet.network, &network, sizeof(network));
        assert_int_equal(subnet.prefix, 64);
        network.s6_addr[15] = 1;
        assert_memory_equal(&subnet.gateway, &network, sizeof(network));
    }
    assert_false(ipam6_pool_subnet(&pool, ARRAY_SIZE(expected), &subnet));
    assert_int_equal(ipam6_pool_parse("fd00::/64", "64", &pool), 0);
    assert_true(ipam6_pool_subnet(&pool, 0, &subnet));
    assert_false(ipam6_pool_subnet(&pool, 1, &subnet));
    assert_int_equal(ipam6_pool_parse("fd00::/8", "120", &pool), 0);
    struct in6_addr last = address6("fd00::ff:ff00");
    assert_true(ipam6_pool_subnet(&pool, 65535, &subnet));
    assert_memory_equal(&subnet.network, &last, sizeof(last));
    assert_false(ipam6_pool_subnet(&pool, 65536, &subnet));
    assert_int_equal(ipam6_pool_parse("fd00::/64", "48", &pool), -EINVAL);
    assert_int_equal(ipam6_pool_parse("10.0.0.0/8", "24", &pool), -EINVAL);
    assert_int_equal(ipam6_pool_parse("fd00::/64", "x", &pool), -EINVAL);
}

static void ipv6_addresses_are_taken_and_given_back(void **state)
{
    (void)state;
    struct ipam6_subnet subnet, other;
    struct error err = {0};
    struct ipam6 ipam;
    struct in6_addr a, expected = address6("fd00:1::2");
    assert_int_equal(ipam6_subnet_parse("fd00:1::77/64", &subnet, &err), 0);
    ipam6_init(&ipam, &subnet);
    assert_int_equal(ipam6_allocate(&ipam, &a, &err), 0);
    assert_memory_equal(&a, &expected, sizeof(a));
    assert_int_equal(ipam6_take(&ipam, &expected), -EADDRINUSE);
    struct in6_addr outside = address6("fd00:2::2"), gateway = address6("fd00:1::1");
    assert_int_equal(ipam6_take(&ipam, &outside), -ERANGE);
    assert_int_equal(ipam6_take(&ipam, &gateway), -EADDRINUSE);
    ipam6_free(&ipam, &expected);
    assert_int_equal(ipam6_take(&ipam, &expected), 0);
    ipam6_release(&ipam);
    ipam6_ula("host", 0, &subnet);
    ipam6_ula("host", 1, &other);
    assert_int_equal(subnet.network.s6_addr[0], 0xfd);
    assert_false(ipam6_overlaps(&subnet, &other));
    assert_memory_equal(&subnet.network, &other.network, 6); /* one site */
    static const char *const bad[] = {"", "fd00::1", "10.0.0.0/8", "fd00::/129", "fd00::/127", "fd00::/4"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(ipam6_subnet_parse(bad[i], &subnet, &err), -EINVAL);
    }
}

static void name_servers_of_a_resolv_conf(void **state)
{
    (void)state;
    struct sockaddr_storage found[UPSTREAMS_MAX];
    assert_int_equal(upstream_parse("# nameserver 1.1.1.1\nsearch x\nnameserver 127.0.0.53\n nameserver 2.2.2.2\n"
                                    "nameserver\tfd00::1 # six\nnameservers 3.3.3.3\nnameserver x\nnameserver",
                                    found),
                     2);
    const struct sockaddr_in *first = (const void *)&found[0];
    const struct sockaddr_in6 *second = (const void *)&found[1];
    struct in6_addr expected = address6("fd00::1");
    assert_int_equal(ntohl(first->sin_addr.s_addr), address("127.0.0.53"));
    assert_int_equal(ntohs(first->sin_port), 53);
    assert_memory_equal(&second->sin6_addr, &expected, sizeof(expected));
}

static void counts_tell_how_full_a_subnet_is(void **state)
{
    struct ipam_subnet subnet;
    struct ipam ipam;
    struct ipam_count count;
    uint32_t address;

    (void)state;
    assert_int_equal(ipam_subnet_parse("10.1.0.0/24", &subnet, NULL), 0);
    ipam_init(&ipam, &subnet);
    count = ipam_count(&ipam);
    assert_int_equal(count.in_use, 3);
    assert_int_equal(count.available, 253);
    assert_int_equal(ipam_take(&ipam, subnet.network + 200), 0);
    assert_int_equal(ipam_allocate(&ipam, &address, NULL), 0);
    assert_int_equal(ipam_set_range(&ipam, subnet.network + 192, 26), 0); /* 192 to 254 */
    count = ipam_count(&ipam);
    assert_int_equal(count.in_use, 5);
    assert_int_equal(count.available, 62);
    assert_int_equal(ipam_set_range(&ipam, subnet.network + 96, 27), 0);
    assert_int_equal(ipam_count(&ipam).available, 32); /* behind the end of nothing that was taken there */
    while (ipam_allocate(&ipam, &address, NULL) == 0)
        continue;
    count = ipam_count(&ipam);
    assert_int_equal(count.available, 0);
    assert_int_equal(count.in_use, 37);
    ipam_release(&ipam);
}

static void counts_of_ipv6_end_at_the_largest_number(void **state)
{
    static const struct {
        const char *subnet;
        uint64_t available, then;
    } rows[] = {
        {"fd00:1::/96", 4294967294u, 4294967293u},
        {"fd00:1::/64", UINT64_MAX - 1, UINT64_MAX - 2},
        {"fd00:1::/48", UINT64_MAX, UINT64_MAX},
        {"fd00:1::/126", 2, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ipam6_subnet subnet;
        struct ipam6 ipam;
        struct in6_addr address;
        struct ipam_count count;

        assert_int_equal(ipam6_subnet_parse(rows[i].subnet, &subnet, NULL), 0);
        ipam6_init(&ipam, &subnet);
        count = ipam6_count(&ipam);
        assert_int_equal(count.in_use, 2);
        assert_true(count.available == rows[i].available);
        assert_int_equal(ipam6_allocate(&ipam, &address, NULL), 0);
        count = ipam6_count(&ipam);
        assert_int_equal(count.in_use, 3);
        assert_true(count.available == rows[i].then);
        ipam6_release(&ipam);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bip_is_the_gateway),
        cmocka_unit_test(malformed_subnets_are_refused),
        cmocka_unit_test(the_first_free_default_subnet_is_chosen),
        cmocka_unit_test(the_lowest_free_address_is_given_out),
        cmocka_unit_test(a_gateway_in_the_middle_is_passed_over),
        cmocka_unit_test(a_subnet_of_64_has_61_addresses),
        cmocka_unit_test(given_addresses_are_checked),
        cmocka_unit_test(the_mac_is_the_address),
        cmocka_unit_test(a_range_is_what_is_given_out),
        cmocka_unit_test(pools_are_cut_into_subnets),
        cmocka_unit_test(pools_of_ipv6_are_cut_into_subnets),
        cmocka_unit_test(ipv6_addresses_are_taken_and_given_back),
        cmocka_unit_test(name_servers_of_a_resolv_conf),
        cmocka_unit_test(counts_tell_how_full_a_subnet_is),
        cmocka_unit_test(counts_of_ipv6_end_at_the_largest_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
