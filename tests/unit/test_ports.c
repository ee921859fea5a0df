/* Published ports: who has which, and the rules as text. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "daemon/network/firewall.h"
#include "daemon/network/ports.h"

#define LOOPBACK 0x7f000001
#define OTHER 0xc0000202

static char one, two; /* owners */
static uint16_t busy; /* what another process has */

static int reserve(const struct port_request *request, uint16_t port, int *ret_socket, void *data)
{
    (void)request;
    (void)data;
    *ret_socket = -1;
    return port == busy ? -EADDRINUSE : 0;
}

static int claim(struct port_table *t, void *owner, uint32_t address, uint8_t protocol, uint16_t first, uint16_t last,
                 uint16_t *ret, struct error *err)
{
    struct port_request r = {
        .host_address = address, .host_port = first, .host_port_end = last, .container_port = 80, .protocol = protocol};
    *err = (struct error){0};
    return port_table_claim(t, &r, owner, reserve, NULL, ret, err);
}

static void every_address_overlaps_each(void **state)
{
    (void)state;
    struct port_table t;
    struct error err;
    uint16_t p;
    port_table_init(&t, 40000, 40010);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 80, 0, &p, &err), 0);
    assert_int_equal(p, 80);
    assert_int_equal(claim(&t, &two, LOOPBACK, IPPROTO_TCP, 80, 0, &p, &err), -EADDRINUSE);
    assert_string_equal(err.message, "Bind for 127.0.0.1:80 failed: port is already allocated");
    assert_int_equal(err.kind, ERROR_SYSTEM);
    assert_int_equal(claim(&t, &two, 0, IPPROTO_UDP, 80, 0, &p, &err), 0);
    assert_int_equal(claim(&t, &two, 0, IPPROTO_SCTP, 80, 0, &p, &err), 0);
    assert_int_equal(claim(&t, &two, LOOPBACK, IPPROTO_TCP, 81, 0, &p, &err), 0);
    assert_int_equal(claim(&t, &two, OTHER, IPPROTO_TCP, 81, 0, &p, &err), 0);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 81, 0, &p, &err), -EADDRINUSE);
    assert_string_equal(err.message, "Bind for 0.0.0.0:81 failed: port is already allocated");
    port_table_drop(&t, &two);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 81, 0, &p, &err), 0);
    assert_int_equal(t.count, 2);
    port_table_release(&t);
}

static void another_process_is_reported_as_bind_reports_it(void **state)
{
    (void)state;
    struct port_table t;
    struct error err;
    uint16_t p;
    busy = 80;
    port_table_init(&t, 40000, 40010);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 80, 0, &p, &err), -EADDRINUSE);
    assert_string_equal(err.message, "listen tcp4 0.0.0.0:80: bind: address already in use");
    assert_int_equal(claim(&t, &one, LOOPBACK, IPPROTO_UDP, 80, 0, &p, &err), -EADDRINUSE);
    assert_string_equal(err.message, "listen udp4 127.0.0.1:80: bind: address already in use");
    assert_int_equal(t.count, 0);
    busy = 0;
    port_table_release(&t);
}

static void a_range_gives_its_free_ports_in_order(void **state)
{
    (void)state;
    struct port_table t;
    struct error err;
    uint16_t p;
    busy = 8001;
    port_table_init(&t, 40000, 40010);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 8000, 8003, &p, &err), 0);
    assert_int_equal(p, 8000);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 8000, 8003, &p, &err), 0);
    assert_int_equal(p, 8002);
    assert_int_equal(claim(&t, &one, LOOPBACK, IPPROTO_TCP, 8000, 8003, &p, &err), 0);
    assert_int_equal(p, 8003);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 8000, 8003, &p, &err), -EADDRINUSE);
    assert_string_equal(err.message, "all ports are allocated");
    busy = 0;
    port_table_release(&t);
}

static void ephemeral_ports_go_round(void **state)
{
    (void)state;
    struct port_table t;
    struct error err;
    uint16_t p;
    port_table_init(&t, 40000, 40002);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(claim(&t, i == 1 ? &two : &one, 0, IPPROTO_TCP, 0, 0, &p, &err), 0);
        assert_int_equal(p, 40000 + i);
    }
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 0, 0, &p, &err), -EADDRINUSE);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_UDP, 0, 0, &p, &err), 0);
    assert_int_equal(p, 40000);
    port_table_drop(&t, &two);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 0, 0, &p, &err), 0);
    assert_int_equal(p, 40001);
    port_table_release(&t);
    port_table_init(&t, 0, 0);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 0, 0, &p, &err), 0);
    assert_int_equal(p, 49153);
    port_table_release(&t);
    port_table_init(&t, 65535, 65535);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 0, 0, &p, &err), 0);
    assert_int_equal(p, 65535);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 65534, 65535, &p, &err), 0);
    assert_int_equal(p, 65534);
    port_table_release(&t);
}

static void a_restored_port_counts_even_when_another_process_has_it(void **state)
{
    (void)state;
    struct port_table t;
    struct error err = {0};
    bool reserved = true;
    uint16_t p;
    struct port_request r = {.host_port = 80, .container_port = 80, .protocol = IPPROTO_TCP};
    busy = 80;
    port_table_init(&t, 40000, 40002);
    assert_int_equal(port_table_restore(&t, &r, &one, reserve, NULL, &reserved, &err), 0);
    assert_false(reserved);
    assert_int_equal(port_table_restore(&t, &r, &two, reserve, NULL, &reserved, &err), -EADDRINUSE);
    assert_int_equal(claim(&t, &two, 0, IPPROTO_TCP, 80, 0, &p, &err), -EADDRINUSE);
    assert_string_equal(err.message, "Bind for 0.0.0.0:80 failed: port is already allocated");
    busy = 0;
    port_table_release(&t);
}

static void a_dropped_owner_leaves_the_others_ports_taken(void **state)
{
    (void)state;
    struct port_table t;
    struct error err;
    uint16_t p;
    port_table_init(&t, 40000, 60000);
    for (int i = 0; i < 300; i++) { /* the owners take turns, on two addresses of the same port too */
        assert_int_equal(claim(&t, i % 3 ? &one : &two, 0, IPPROTO_TCP, 1000 + i, 0, &p, &err), 0);
    }
    assert_int_equal(claim(&t, &one, LOOPBACK, IPPROTO_TCP, 2000, 0, &p, &err), 0);
    assert_int_equal(claim(&t, &two, OTHER, IPPROTO_TCP, 2000, 0, &p, &err), 0);
    port_table_drop(&t, &one);
    for (int i = 0; i < 300; i++) {
        int r = claim(&t, &one, 0, IPPROTO_TCP, 1000 + i, 0, &p, &err);
        assert_int_equal(r, i % 3 ? 0 : -EADDRINUSE);
    }
    assert_int_equal(claim(&t, &one, LOOPBACK, IPPROTO_TCP, 2000, 0, &p, &err), 0);
    assert_int_equal(claim(&t, &one, OTHER, IPPROTO_TCP, 2000, 0, &p, &err), -EADDRINUSE);
    port_table_drop(&t, &one);
    port_table_drop(&t, &two);
    assert_int_equal(t.count, 0);
    assert_int_equal(claim(&t, &one, 0, IPPROTO_TCP, 2000, 0, &p, &err), 0);
    port_table_release(&t);
}

static void protocols_have_names(void **state)
{
    (void)state;
    uint8_t n = 0;
    assert_int_equal(port_protocol_parse("", &n), 0);
    assert_int_equal(n, IPPROTO_TCP);
    assert_int_equal(port_protocol_parse("sctp", &n), 0);
    assert_string_equal(port_protocol_name(n), "sctp");
    assert_int_equal(port_protocol_parse("TCP", &n), -EINVAL);
    assert_int_equal(port_protocol_parse("icmp", &n), -EINVAL);
}

static void ports_in_a_row_are_one_claim(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    struct port_table t;
    struct error err;
    uint16_t p;
    port_table_init(&t, 40000, 60000);
    for (uint16_t i = 0; i < MANY; i++) {
        struct port_request r = {.host_port = 2000 + i, .container_port = 80 + i, .protocol = IPPROTO_TCP};
        assert_int_equal(port_table_claim(&t, &r, &one, reserve, NULL, &p, &err), 0);
        r.ipv6 = true;
        assert_int_equal(port_table_claim(&t, &r, &one, reserve, NULL, &p, &err), 0);
    }
    assert_int_equal(t.count, 2);
    assert_int_equal(t.claims[1].more, MANY - 1);
    assert_int_equal(claim(&t, &two, LOOPBACK, IPPROTO_TCP, 2999, 0, &p, &err), -EADDRINUSE);
    assert_int_equal(claim(&t, &two, LOOPBACK, IPPROTO_UDP, 2999, 0, &p, &err), 0);
    assert_int_equal(claim(&t, &two, LOOPBACK, IPPROTO_TCP, 3000, 0, &p, &err), 0);
    port_table_set_target(&t, &one, 0x0a580002, NULL); /* what is published is not changed any more */
    struct port_request next = {.host_port = 3000, .container_port = 80 + MANY, .protocol = IPPROTO_TCP};
    port_table_drop(&t, &two);
    assert_int_equal(port_table_claim(&t, &next, &one, reserve, NULL, &p, &err), 0);
    assert_int_equal(t.count, 3);
    port_table_drop(&t, &one);
    assert_int_equal(t.count, 0);
    assert_int_equal(claim(&t, &two, 0, IPPROTO_TCP, 2500, 0, &p, &err), 0);
    port_table_release(&t);
}

static void a_routed_port_takes_nothing_of_the_hosts(void **state)
{
    (void)state;
    struct port_table t;
    struct error err;
    uint16_t p = 1;
    bool reserved;
    port_table_init(&t, 40000, 60000);
    struct port_request r = {
        .host_address = LOOPBACK, .host_port = 80, .container_port = 80, .protocol = IPPROTO_TCP, .routed = true};
    busy = 80;
    assert_int_equal(port_table_claim(&t, &r, &one, reserve, NULL, &p, &err), 0);
    assert_int_equal(p, 0);
    assert_int_equal(port_table_claim(&t, &r, &one, reserve, NULL, &p, &err), 0); /* the same port */
    r.container_port++;
    assert_int_equal(port_table_restore(&t, &r, &one, reserve, NULL, &reserved, &err), 0);
    assert_true(reserved);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.claims[0].more, 1);
    assert_int_equal(port_table_claim(&t, &r, &two, reserve, NULL, &p, &err), 0); /* another container's own */
    assert_int_equal(t.count, 2);
    busy = 0;
    assert_int_equal(claim(&t, &two, 0, IPPROTO_TCP, 80, 0, &p, &err), 0);
    assert_int_equal(claim(&t, &two, 0, IPPROTO_TCP, 81, 0, &p, &err), 0);
    port_table_set_target(&t, &one, 0x0a580002, NULL);
    struct firewall_rules rules = {NULL, 0, t.claims, 1};
    char *text = firewall_ruleset("br-x", &rules, false);
    assert_non_null(strstr(text, "set routed_ports {\n\t\ttype ipv4_addr . inet_proto . inet_service\n"
                                 "\t\telements = { 10.88.0.2 . 6 . 80, 10.88.0.2 . 6 . 81 }\n"));
    assert_null(strstr(text, " : 10.88.0.2"));
    free(text);
    port_table_drop(&t, &one);
    port_table_release(&t);
}

static void modes_of_gateways_are_sets(void **state)
{
    (void)state;
    struct firewall_network networks[] = {
        {.bridge = "br-r", .subnet = {0x0a580000, 0x0a580001, 16}, .mode = GATEWAY_ROUTED},
        {.bridge = "br-u", .subnet = {0x0a590000, 0x0a590001, 24}, .mode = GATEWAY_NAT_UNPROTECTED},
        {.bridge = "br-6", .subnet = {0x0a5a0000, 0x0a5a0001, 24}, .subnet6 = {.prefix = 64}, .mode6 = GATEWAY_ROUTED},
        {.bridge = "br-i", .subnet = {0x0a5b0000, 0x0a5b0001, 24}, .mode = GATEWAY_ROUTED, .internal = true},
    };
    struct firewall_rules rules = {networks, 4, NULL, 0};
    char *text = firewall_ruleset("br-x", &rules, true), *six = strstr(text, "table ip6 dory-br-x {");
    assert_non_null(six);
    char *four = xstrndup(text, (size_t)(six - text));
    assert_non_null(strstr(four, "set routed {\n\t\ttype ifname\n\t\telements = { \"br-r\" }"));
    assert_non_null(strstr(four, "set unprotected {\n\t\ttype ifname\n\t\telements = { \"br-u\" }"));
    assert_non_null(strstr(four, "set outbound {\n\t\ttype ipv4_addr\n\t\tflags interval\n"
                                 "\t\telements = { 10.89.0.0/24, 10.90.0.0/24 }"));
    assert_non_null(strstr(four, "set guarded {\n\t\ttype ipv4_addr\n\t\tflags interval\n"
                                 "\t\telements = { 10.90.0.0/24 }"));
    assert_non_null(strstr(six, "set routed {\n\t\ttype ifname\n\t\telements = { \"br-6\" }"));
    assert_non_null(strstr(six, "meta l4proto ipv6-icmp accept"));
    free(four);
    free(text);
}

static void the_table_has_the_bridges_name(void **state)
{
    (void)state;
    char name[64];
    firewall_table_name("dory0", name, sizeof(name));
    assert_string_equal(name, "dory");
    firewall_table_name("br-x", name, sizeof(name));
    assert_string_equal(name, "dory-br-x");
}

static void the_rules_hold_every_claim_in_its_map(void **state)
{
    (void)state;
    struct port_claim claims[] = {
        {.host_port = 8080, .container_port = 80, .container_address = 0x0a580002, .protocol = IPPROTO_TCP},
        {.host_port = 53, .container_port = 5353, .more = 1, .container_address = 0x0a580003, .protocol = IPPROTO_UDP},
        {.host_address = LOOPBACK,
         .host_port = 90,
         .container_port = 9,
         .container_address = 0x0a580003,
         .protocol = IPPROTO_TCP},
    };
    struct firewall_network networks[] = {
        {.bridge = "br-x", .subnet = {0x0a580000, 0x0a580001, 16}},
        {.bridge = "br-in", .subnet = {0x0a590000, 0x0a590001, 24}, .internal = true, .no_icc = true},
        {.bridge = "br-bare", .subnet = {0x0a5a0000, 0x0a5a0001, 24}, .no_masquerade = true},
    };
    struct firewall_rules rules = {networks, 3, claims, 3};
    char *text = firewall_ruleset("br-x", &rules, false);
    assert_non_null(strstr(text, "add table ip dory-br-x\ndelete table ip dory-br-x\n"));
    assert_null(strstr(text, "ip6"));
    assert_non_null(strstr(
        text, "elements = { 6 . 8080 : 10.88.0.2 . 80, 17 . 53 : 10.88.0.3 . 5353, 17 . 54 : 10.88.0.3 . 5354 }\n"));
    assert_non_null(strstr(text, "elements = { 127.0.0.1 . 6 . 90 : 10.88.0.3 . 9 }\n"));
    assert_non_null(
        strstr(text, "set bridges {\n\t\ttype ifname\n\t\telements = { \"br-x\", \"br-in\", \"br-bare\" }"));
    assert_non_null(strstr(text, "set internal {\n\t\ttype ifname\n\t\telements = { \"br-in\" }"));
    assert_non_null(strstr(text, "elements = { \"br-x\" . \"br-x\", \"br-bare\" . \"br-bare\" }"));
    assert_non_null(strstr(text, "set outbound {\n\t\ttype ipv4_addr\n\t\tflags interval\n"
                                 "\t\telements = { 10.88.0.0/16 }"));
    free(text);
    text = firewall_ruleset("br-x", &(struct firewall_rules){0}, true);
    assert_null(strstr(text, "elements"));
    assert_non_null(strstr(text, "table ip6 dory-br-x {"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_overlaps_each),
        cmocka_unit_test(another_process_is_reported_as_bind_reports_it),
        cmocka_unit_test(a_range_gives_its_free_ports_in_order),
        cmocka_unit_test(ephemeral_ports_go_round),
        cmocka_unit_test(a_restored_port_counts_even_when_another_process_has_it),
        cmocka_unit_test(a_dropped_owner_leaves_the_others_ports_taken),
        cmocka_unit_test(protocols_have_names),
        cmocka_unit_test(ports_in_a_row_are_one_claim),
        cmocka_unit_test(a_routed_port_takes_nothing_of_the_hosts),
        cmocka_unit_test(modes_of_gateways_are_sets),
        cmocka_unit_test(the_table_has_the_bridges_name),
        cmocka_unit_test(the_rules_hold_every_claim_in_its_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
