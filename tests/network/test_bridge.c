/* The default bridge as its containers, the host and other hosts see it. */
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
#include "tests/network/fixture.h"

static void eth0_has_the_lowest_address_and_its_mac(void **state)
{
    (void)state;
    struct rig_container c = plain();
    assert_string_equal(c.endpoint.address, "10.88.0.2");
    assert_string_equal(c.endpoint.gateway, GATEWAY);
    assert_string_equal(c.endpoint.mac, "02:42:0a:58:00:02");
    assert_int_equal(c.endpoint.prefix, 16);
    assert_int_equal(strlen(c.endpoint.endpoint_id), 64);
    assert_int_equal(rig_shell_in(c.netns, "ip -4 addr show eth0 | grep -q 'inet 10.88.0.2/16 brd 10.88.255.255'"), 0);
    assert_int_equal(rig_shell_in(c.netns, "ip link show eth0 | grep -q 02:42:0a:58:00:02"), 0);
    assert_int_equal(rig_shell_in(c.netns, "test $(ip route | grep -c '^default via 10.88.0.1 dev eth0') = 1"), 0);
    assert_int_equal(rig_shell_in(c.netns, "ip link show lo | grep -q LOWER_UP"), 0);
    assert_int_equal(rig_shell_in(c.netns, "test -z \"$(ip -6 addr show eth0)\""), 0);
    assert_int_equal(rig_shell_in(c.netns, "test $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start) = 0"), 0);
    assert_int_equal(rig_shell_in(c.netns, "test $(cat /proc/sys/net/ipv4/conf/eth0/arp_notify) = 0"), 0);
    rig_remove(manager, &c);
}

static void containers_reach_each_other_and_the_host(void **state)
{
    (void)state;
    struct rig_container a = plain(), b = plain();
    assert_true(rig_ping(a.netns, b.endpoint.address));
    assert_true(rig_ping(a.netns, GATEWAY));
    assert_true(rig_ping(-1, b.endpoint.address));
    pid_t in_b = rig_serve(b.netns, IPPROTO_TCP, "0.0.0.0", 80);
    pid_t on_host = rig_serve(-1, IPPROTO_TCP, "0.0.0.0", 81);
    expect_answer(a.netns, IPPROTO_TCP, b.endpoint.address, 80, a.endpoint.address);
    expect_answer(-1, IPPROTO_TCP, b.endpoint.address, 80, GATEWAY);
    expect_answer(a.netns, IPPROTO_TCP, GATEWAY, 81, a.endpoint.address);
    expect_answer(a.netns, IPPROTO_TCP, RIG_HOST, 81, a.endpoint.address);
    rig_stop(in_b);
    rig_stop(on_host);
    rig_remove(manager, &a);
    rig_remove(manager, &b);
}

static int send_at_once(void *data)
{
    /* No waiting for answers: the very first frame has to arrive. */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(90)};
    inet_pton(AF_INET, data, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1;
}

static void a_container_can_send_as_soon_as_it_is_attached(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) { /* more than the pool holds: some are made on demand */
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(90)};
        struct timeval limit = {.tv_usec = 200000};
        char byte;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
        struct rig_container c = plain();
        assert_int_equal(rig_run_in(c.netns, send_at_once, (void *)GATEWAY), 0);
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        close(fd);
        rig_remove(manager, &c);
    }
}

static void outbound_traffic_carries_the_hosts_address(void **state)
{
    (void)state;
    struct rig_container c = plain();
    pid_t tcp = rig_serve(remote, IPPROTO_TCP, "0.0.0.0", 80);
    pid_t udp = rig_serve(remote, IPPROTO_UDP, "0.0.0.0", 53);
    expect_answer(c.netns, IPPROTO_TCP, RIG_REMOTE, 80, RIG_HOST);
    expect_answer(c.netns, IPPROTO_UDP, RIG_REMOTE, 53, RIG_HOST);
    rig_stop(tcp);
    rig_stop(udp);
    rig_remove(manager, &c);
}

static void a_narrow_way_out_is_told_to_the_peer(void **state)
{
    (void)state;
    struct network_port p = port("tcp", "", 8019, RIG_CHARGEN_PORT);
    struct rig_container c = rig_container(manager, &p, 1);
    pid_t server = rig_serve(remote, IPPROTO_TCP, "0.0.0.0", RIG_CHARGEN_PORT);
    /* Frames above 1300 bytes from the other host are dropped without a word. */
    assert_int_equal(rig_shell_in(-1, "ip link set cable mtu 1300"), 0);
    int received = rig_download(c.netns, RIG_REMOTE);
    assert_int_equal(rig_shell_in(-1, "ip link set cable mtu 1500"), 0);
    assert_int_equal(received, RIG_CHARGEN_SIZE);
    rig_stop(server);
    rig_remove(manager, &c);
}

static void containers_are_not_reached_by_routing_to_them(void **state)
{
    (void)state;
    struct network_port p = port("tcp", "", 8080, 80);
    struct rig_container c = rig_container(manager, &p, 1);
    pid_t published = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 80);
    pid_t other = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 81);
    expect_nothing(remote, IPPROTO_TCP, c.endpoint.address, 80);
    expect_nothing(remote, IPPROTO_TCP, c.endpoint.address, 81);
    assert_false(rig_ping(remote, c.endpoint.address));
    rig_stop(published);
    rig_stop(other);
    rig_remove(manager, &c);
}

static void a_mac_of_ones_own(void **state)
{
    (void)state;
    struct rig_container first = plain();
    assert_true(rig_ping(-1, first.endpoint.address));
    struct rig_container c = {.netns = -1};
    struct network_request request = {.container_id = "own-mac", .mac = "06:00:00:00:00:01"};
    struct error err = {0};
    assert_int_equal(network_attach(manager, &request, "x", &c.netns, &c.sandbox, &err), 0);
    c.endpoint = c.sandbox.endpoints[0];
    assert_string_equal(c.endpoint.mac, "06:00:00:00:00:01");
    assert_int_equal(rig_shell_in(c.netns, "ip link show eth0 | grep -q 06:00:00:00:00:01"), 0);
    assert_true(rig_ping(-1, c.endpoint.address));
    assert_true(rig_ping(c.netns, first.endpoint.address));
    network_detach(manager, "own-mac");
    network_sandbox_release(&c.sandbox);
    close(c.netns);
    rig_remove(manager, &first);
}

static void without_network_there_is_only_lo(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct network_request request = {.container_id = "none", .mode = NETWORK_NONE};
        struct network_sandbox sandbox;
        struct error err = {0};
        int netns;
        assert_int_equal(network_attach(manager, &request, "x", &netns, &sandbox, &err), 0);
        assert_string_equal(sandbox.endpoints[0].address, "");
        assert_true(rig_ping(netns, "127.0.0.1"));
        assert_int_equal(rig_shell_in(netns, "test $(ip -o link | grep -c .) = 1"), 0);
        network_detach(manager, "none");
        network_sandbox_release(&sandbox);
        close(netns);
    }
}

static void an_ended_container_does_not_answer_for_its_address(void **state)
{
    (void)state;
    struct rig_container c = plain();
    pid_t server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 80);
    expect_answer(-1, IPPROTO_TCP, c.endpoint.address, 80, GATEWAY);
    network_detach(manager, c.id); /* its namespace is still there: the server lives */
    settle_ms(100);
    expect_nothing(-1, IPPROTO_TCP, c.endpoint.address, 80);
    rig_stop(server);
    network_sandbox_release(&c.sandbox);
    close(c.netns);
}

static void a_small_subnet_runs_out_and_recovers(void **state)
{
    (void)state;
    struct network_options small = {.bridge = "rigsmall0", .bip = "10.88.200.1/29"};
    struct network_manager *own = manager;
    struct rig_container all[5];
    struct error err = {0};
    assert_int_equal(network_manager_open(&small, &manager, &err), 0);
    fixture_restored();
    for (int i = 0; i < 5; i++) {
        all[i] = plain();
    }
    assert_non_null(strstr(refused(NULL, 0), "no available IPv4 addresses on this network's address pools"));
    rig_remove(manager, &all[2]);
    all[2] = plain();
    assert_string_equal(all[2].endpoint.address, "10.88.200.4");
    for (int i = 0; i < 5; i++) {
        rig_remove(manager, &all[i]);
    }
    assert_int_equal(network_manager_destroy(manager, &err), 0);
    manager = own;
}

static void bad_options_are_named(void **state)
{
    (void)state;
    struct network_manager *none;
    struct error err = {0};
    struct network_options bad_bip = {.bridge = "rigbad0", .bip = "10.88.0.0"};
    assert_true(network_manager_open(&bad_bip, &none, &err) < 0);
    assert_non_null(strstr(err.message, "invalid CIDR address: 10.88.0.0"));
    struct network_options bad_name = {.bridge = "../x"};
    assert_true(network_manager_open(&bad_name, &none, &err) < 0);
    assert_non_null(strstr(err.message, "invalid bridge name"));
    rig_shell_in(-1, "ip link del rigbad0 2>/dev/null");
}

static void *open_and_close(void *data)
{
    fixture_setup(data);
    fixture_teardown(data);
    return NULL;
}

static void rules_are_made_on_a_small_stack(void **state)
{
    (void)state;
    fixture_teardown(NULL);
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024); /* as all threads of the daemon */
    assert_int_equal(pthread_create(&thread, &attr, open_and_close, NULL), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    fixture_setup(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(eth0_has_the_lowest_address_and_its_mac),
        FIXTURE_TEST(containers_reach_each_other_and_the_host),
        FIXTURE_TEST(a_container_can_send_as_soon_as_it_is_attached),
        FIXTURE_TEST(outbound_traffic_carries_the_hosts_address),
        FIXTURE_TEST(a_narrow_way_out_is_told_to_the_peer),
        FIXTURE_TEST(containers_are_not_reached_by_routing_to_them),
        FIXTURE_TEST(a_mac_of_ones_own),
        FIXTURE_TEST(without_network_there_is_only_lo),
        FIXTURE_TEST(an_ended_container_does_not_answer_for_its_address),
        FIXTURE_TEST(a_small_subnet_runs_out_and_recovers),
        FIXTURE_TEST(bad_options_are_named),
        FIXTURE_TEST(rules_are_made_on_a_small_stack),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    remote = rig_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
