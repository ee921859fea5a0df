/* Published ports: who reaches them, and who is refused one. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/timestamp.h"
#include "daemon/network/firewall.h"
#include "tests/network/fixture.h"

static void check_published(const char *protocol, int number)
{
    struct network_port p = port(protocol, "", 8080, 80);
    struct rig_container c = rig_container(manager, &p, 1), other = plain();
    assert_int_equal(c.sandbox.port_count, 1);
    assert_int_equal(c.sandbox.ports[0].host_port, 8080);
    assert_string_equal(c.sandbox.ports[0].host_address, "0.0.0.0");
    pid_t server = rig_serve(c.netns, number, "0.0.0.0", 80);
    expect_answer(-1, number, "127.0.0.1", 8080, GATEWAY);
    expect_answer(-1, number, "127.9.9.9", 8080, GATEWAY);
    expect_answer(-1, number, RIG_HOST, 8080, RIG_HOST);
    expect_answer(-1, number, GATEWAY, 8080, GATEWAY);
    expect_answer(remote, number, RIG_HOST, 8080, RIG_REMOTE);
    expect_answer(other.netns, number, RIG_HOST, 8080, NULL);
    expect_answer(other.netns, number, GATEWAY, 8080, NULL);
    expect_answer(c.netns, number, RIG_HOST, 8080, NULL);
    expect_answer(c.netns, number, GATEWAY, 8080, NULL);
    rig_stop(server);
    rig_remove(manager, &c);
    rig_remove(manager, &other);
    expect_nothing(-1, number, "127.0.0.1", 8080);
    expect_nothing(remote, number, RIG_HOST, 8080);
}

static void a_tcp_port_is_published_to_everybody(void **state)
{
    (void)state;
    check_published("tcp", IPPROTO_TCP);
}

static void a_udp_port_is_published_to_everybody(void **state)
{
    (void)state;
    check_published("udp", IPPROTO_UDP);
}

static void an_sctp_port_is_a_rule_even_where_the_kernel_has_no_sctp(void **state)
{
    (void)state;
    struct network_port p = port("sctp", "", 8080, 80);
    struct rig_container c = rig_container(manager, &p, 1);
    assert_string_equal(c.sandbox.ports[0].protocol, "sctp");
    assert_int_equal(rig_shell_in(-1, "nft list map ip " TABLE " ports | grep -q 'sctp . 8080 : 10.88.0.2 . 80'"), 0);
    rig_remove(manager, &c);
}

static void hairpin_works_with_and_without_br_netfilter(void **state)
{
    (void)state;
    const char *const settings[] = {"0", "1"};
    for (int i = 0; i < 2; i++) {
        char command[128];
        snprintf(command, sizeof(command),
                 "f=/proc/sys/net/bridge/bridge-nf-call-iptables; test ! -e $f || echo %s > $f", settings[i]);
        assert_int_equal(rig_shell_in(-1, command), 0);
        fixture_teardown(NULL); /* the pool's namespaces were made with the former setting */
        fixture_setup(NULL);
        struct network_port p = port("tcp", "", 8080, 80);
        struct rig_container c = rig_container(manager, &p, 1), other = plain();
        pid_t server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 80);
        expect_answer(c.netns, IPPROTO_TCP, RIG_HOST, 8080, NULL);
        expect_answer(other.netns, IPPROTO_TCP, RIG_HOST, 8080, NULL);
        expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
        rig_stop(server);
        rig_remove(manager, &c);
        rig_remove(manager, &other);
    }
}

static void a_port_of_one_host_address_answers_only_there(void **state)
{
    (void)state;
    struct network_port p = port("tcp", RIG_HOST, 8080, 80);
    struct rig_container c = rig_container(manager, &p, 1);
    pid_t server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 80);
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
    expect_nothing(-1, IPPROTO_TCP, "127.0.0.1", 8080);
    rig_stop(server);
    rig_remove(manager, &c);
}

static void a_loopback_port_is_unreachable_from_elsewhere(void **state)
{
    (void)state;
    struct network_port p[] = {port("tcp", "127.0.0.1", 8080, 80), port("tcp", "127.0.0.5", 8081, 80)};
    struct rig_container c = rig_container(manager, p, 2), other = plain();
    pid_t server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 80);
    pid_t on_loopback = rig_serve(-1, IPPROTO_TCP, "127.0.0.5", 8082);
    expect_answer(-1, IPPROTO_TCP, "127.0.0.1", 8080, GATEWAY);
    expect_answer(-1, IPPROTO_TCP, "127.0.0.5", 8081, GATEWAY);
    expect_nothing(remote, IPPROTO_TCP, RIG_HOST, 8080);
    expect_nothing(other.netns, IPPROTO_TCP, RIG_HOST, 8080);
    expect_nothing(other.netns, IPPROTO_TCP, GATEWAY, 8080);
    /* The other host routes 127.0.0.5 to us, and even when the host's administrator lets such packets in: */
    expect_nothing(remote, IPPROTO_TCP, "127.0.0.5", 8081);
    assert_int_equal(rig_shell_in(-1, "echo 1 > /proc/sys/net/ipv4/conf/cable/route_localnet"), 0);
    expect_nothing(remote, IPPROTO_TCP, "127.0.0.5", 8081);
    assert_int_equal(rig_shell_in(-1, "echo 0 > /proc/sys/net/ipv4/conf/cable/route_localnet"), 0);
    /* A container that does the same (CVE-2020-8558). */
    assert_int_equal(rig_shell_in(other.netns, "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet && "
                                               "ip rule add pref 10 to 127.0.0.5 lookup 77 && "
                                               "ip rule add pref 11 lookup local && ip rule del pref 0 && "
                                               "ip route add 127.0.0.5 via " GATEWAY " table 77"),
                     0);
    expect_nothing(other.netns, IPPROTO_TCP, "127.0.0.5", 8081);
    expect_nothing(other.netns, IPPROTO_TCP, "127.0.0.5", 8082);
    rig_stop(server);
    rig_stop(on_loopback);
    rig_remove(manager, &c);
    rig_remove(manager, &other);
}

static void a_taken_port_is_refused_in_dockers_words(void **state)
{
    (void)state;
    struct network_port any = port("tcp", "", 8080, 80), one = port("tcp", "127.0.0.1", 8080, 80);
    struct network_port udp = port("udp", "", 8080, 80), both[2] = {port("tcp", "", 8090, 80), any};
    struct rig_container c = rig_container(manager, &any, 1);
    const char *message = refused(both, 2);
    assert_ptr_equal(strstr(message, "driver failed programming external connectivity on endpoint web ("), message);
    assert_non_null(strstr(message, "): Bind for 0.0.0.0:8080 failed: port is already allocated"));
    assert_non_null(strstr(refused(&one, 1), "Bind for 127.0.0.1:8080 failed: port is already allocated"));
    struct rig_container d = rig_container(manager, &udp, 1); /* another protocol is another port */
    rig_remove(manager, &c);

    pid_t server = rig_serve(-1, IPPROTO_TCP, "127.0.0.1", 8091);
    struct network_port busy[2] = {port("tcp", "", 8090, 80), port("tcp", "", 8091, 80)};
    assert_non_null(strstr(refused(busy, 2), "listen tcp4 0.0.0.0:8091: bind: address already in use"));
    rig_stop(server);
    struct network_port missing = port("tcp", "203.0.113.9", 8080, 80);
    assert_non_null(
        strstr(refused(&missing, 1), "listen tcp4 203.0.113.9:8080: bind: cannot assign requested address"));

    /* Nothing of the failures remains: the ports can be had, and the next address is the lowest free one. */
    c = rig_container(manager, busy, 2);
    rig_remove(manager, &c);
    rig_remove(manager, &d);
    assert_int_equal(rig_shell_in(-1, "test $(nft list map ip " TABLE " ports | grep -c elements) = 0"), 0);
}

static void a_published_port_is_taken_for_other_programs(void **state)
{
    (void)state;
    struct network_port p = port("tcp", "", 8080, 80);
    assert_int_equal(rig_run_in(-1, listen_on_8080, NULL), 0);
    struct rig_container c = rig_container(manager, &p, 1);
    assert_int_equal(rig_run_in(-1, listen_on_8080, NULL), EADDRINUSE);
    rig_remove(manager, &c);
    assert_int_equal(rig_run_in(-1, listen_on_8080, NULL), 0);
}

static void time_wait_does_not_block_a_port(void **state)
{
    (void)state;
    struct network_port p = port("tcp", "", 8095, 80);
    pid_t server = rig_serve(-1, IPPROTO_TCP, "0.0.0.0", 8095);
    char answer[64];
    assert_true(rig_ask(-1, IPPROTO_TCP, "127.0.0.1", 8095, 0, answer)); /* the server closes first */
    rig_stop(server);
    struct rig_container c = rig_container(manager, &p, 1);
    struct network_port again = port("tcp", "", 8095, 80);
    assert_non_null(strstr(refused(&again, 1), "port is already allocated"));
    assert_int_equal(rig_run_in(-1, listen_on_8080, NULL), 0);
    rig_remove(manager, &c);
}

static void ranges_and_ephemeral_ports_pass_over_taken_ones(void **state)
{
    (void)state;
    pid_t server = rig_serve(-1, IPPROTO_TCP, "0.0.0.0", 8101);
    struct network_port range = port("tcp", "", 8100, 80), random = port("tcp", "", 0, 80);
    range.host_port_end = 8102;
    struct rig_container a = rig_container(manager, &range, 1), b = rig_container(manager, &range, 1);
    assert_int_equal(a.sandbox.ports[0].host_port, 8100);
    assert_int_equal(b.sandbox.ports[0].host_port, 8102);
    assert_non_null(strstr(refused(&range, 1), "all ports are allocated"));
    struct rig_container c = rig_container(manager, &random, 1), d = rig_container(manager, &random, 1);
    assert_in_range(c.sandbox.ports[0].host_port, 1024, 65535);
    assert_int_not_equal(c.sandbox.ports[0].host_port, d.sandbox.ports[0].host_port);
    pid_t inside = rig_serve(d.netns, IPPROTO_TCP, "0.0.0.0", 80);
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, d.sandbox.ports[0].host_port, RIG_REMOTE);
    rig_stop(inside);
    rig_stop(server);
    rig_remove(manager, &a);
    rig_remove(manager, &b);
    rig_remove(manager, &c);
    rig_remove(manager, &d);
}

static void many_ports_at_once(void **state)
{
    (void)state;
    enum { MANY = 300 };
    struct network_port ports[MANY];
    for (int i = 0; i < MANY; i++) {
        ports[i] = port(i % 2 ? "udp" : "tcp", i % 3 ? "" : "127.0.0.1", 9000 + i, 1 + i);
    }
    struct rig_container c = rig_container(manager, ports, MANY);
    pid_t server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 299);
    expect_answer(-1, IPPROTO_TCP, "127.0.0.1", 9298, NULL);
    rig_stop(server);
    rig_remove(manager, &c);
    assert_int_equal(rig_shell_in(-1, "test $( (nft list map ip " TABLE " ports; nft list map ip " TABLE
                                      " ports_at) | grep -c elements) = 0"),
                     0);
}

static void bad_requests_are_named(void **state)
{
    (void)state;
    struct network_port p = port("icmp", "", 80, 80);
    assert_non_null(strstr(refused(&p, 1), "invalid proto: icmp"));
    p = port("tcp", "localhost", 80, 80);
    assert_non_null(strstr(refused(&p, 1), "invalid IP address: localhost"));
    p = port("tcp", "::1", 80, 80);
    assert_non_null(strstr(refused(&p, 1), "IPv6"));
    p = port("tcp", "", 80, 0);
    assert_non_null(strstr(refused(&p, 1), "invalid containerPort: 0"));
    struct error err = {0};
    struct network_sandbox sandbox;
    int netns;
    struct network_request request = {.container_id = "x", .mac = "01:00:00:00:00:01"};
    assert_true(network_attach(manager, &request, "x", &netns, &sandbox, &err) < 0);
    request.mac = "02:42:zz:00:00:01";
    assert_true(network_attach(manager, &request, "x", &netns, &sandbox, &err) < 0);
    assert_string_equal(err.message, "invalid MAC address 02:42:zz:00:00:01");
}

/* The flow that is in the way is forgotten in the background. */
static bool answers_soon(uint16_t source_port)
{
    char answer[64];
    for (int i = 0; i < 10; i++) {
        if (rig_ask(remote, IPPROTO_UDP, RIG_HOST, 8080, source_port, answer)) {
            return true;
        }
    }
    return false;
}

static void udp_clients_follow_the_port_to_a_new_container(void **state)
{
    (void)state;
    struct network_port p = port("udp", "", 8080, 80);
    char answer[64];
    /* A flow from before the port was published. */
    assert_false(rig_ask(remote, IPPROTO_UDP, RIG_HOST, 8080, 5555, answer));
    struct rig_container c = rig_container(manager, &p, 1);
    pid_t server = rig_serve(c.netns, IPPROTO_UDP, "0.0.0.0", 80);
    assert_true(answers_soon(5555));
    rig_stop(server);
    struct rig_container keeps_address = c;
    network_detach(manager, c.id);
    struct rig_container d = rig_container(manager, &p, 1);
    server = rig_serve(d.netns, IPPROTO_UDP, "0.0.0.0", 80);
    assert_true(answers_soon(5555));
    rig_stop(server);
    rig_remove(manager, &d);
    network_sandbox_release(&keeps_address.sandbox);
    close(keeps_address.netns);
}

static void without_a_firewall_ports_are_refused(void **state)
{
    (void)state;
    struct network_options bare = {.bridge = "rigbare0", .bip = "10.88.201.1/24", .no_firewall = true};
    struct network_manager *own = manager;
    struct error err = {0};
    struct network_port p = port("tcp", "", 8080, 80);
    assert_int_equal(network_manager_open(&bare, &manager, &err), 0);
    assert_non_null(strstr(refused(&p, 1), "ports cannot be published"));
    struct rig_container c = plain();
    assert_true(rig_ping(c.netns, "10.88.201.1"));
    rig_remove(manager, &c);
    assert_int_equal(network_manager_destroy(manager, &err), 0);
    manager = own;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_tcp_port_is_published_to_everybody),
        FIXTURE_TEST(a_udp_port_is_published_to_everybody),
        FIXTURE_TEST(an_sctp_port_is_a_rule_even_where_the_kernel_has_no_sctp),
        FIXTURE_TEST(hairpin_works_with_and_without_br_netfilter),
        FIXTURE_TEST(a_port_of_one_host_address_answers_only_there),
        FIXTURE_TEST(a_loopback_port_is_unreachable_from_elsewhere),
        FIXTURE_TEST(a_taken_port_is_refused_in_dockers_words),
        FIXTURE_TEST(a_published_port_is_taken_for_other_programs),
        FIXTURE_TEST(time_wait_does_not_block_a_port),
        FIXTURE_TEST(ranges_and_ephemeral_ports_pass_over_taken_ones),
        FIXTURE_TEST(many_ports_at_once),
        FIXTURE_TEST(bad_requests_are_named),
        FIXTURE_TEST(udp_clients_follow_the_port_to_a_new_container),
        FIXTURE_TEST(without_a_firewall_ports_are_refused),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    remote = rig_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
