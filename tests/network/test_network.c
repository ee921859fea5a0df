/* The bridge network as containers and other hosts see it. Needs root; everything happens in namespaces of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/timestamp.h"
#include "daemon/network/firewall.h"
#include "tests/network/rig.h"

#define BRIDGE "rigbr0"
#define TABLE "dory-" BRIDGE
#define GATEWAY "10.88.0.1"

static int remote; /* the other host's namespace */
static struct network_manager *manager;
static const struct network_options options = {.bridge = BRIDGE, .bip = GATEWAY "/16"};

static void reopen(void)
{
    struct error err = {0};
    if (network_manager_open(&options, &manager, &err) < 0) {
        fail_msg("network_manager_open: %s", err.message);
    }
}

static void restored(void)
{
    struct error err = {0};
    if (network_restore_done(manager, &err) < 0) {
        fail_msg("network_restore_done: %s", err.message);
    }
}

static int restore(const char *id, struct network_sandbox *sandbox, struct error *err)
{
    struct network_request request = {.container_id = id};
    return network_restore(manager, &request, "x", -1, sandbox, err);
}

static int setup(void **state)
{
    (void)state;
    reopen();
    restored();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    struct error err = {0};
    if (network_manager_destroy(manager, &err) < 0) {
        fail_msg("network_manager_destroy: %s", err.message);
    }
    manager = NULL;
    return 0;
}

static struct network_port port(const char *protocol, const char *address, uint16_t host, uint16_t container)
{
    struct network_port p = {.host_port = host, .container_port = container};
    snprintf(p.protocol, sizeof(p.protocol), "%s", protocol);
    snprintf(p.host_address, sizeof(p.host_address), "%s", address);
    return p;
}

static struct rig_container plain(void)
{
    return rig_container(manager, NULL, 0);
}

/* The message of an attach that has to fail. */
static const char *refused(const struct network_port *ports, size_t count)
{
    static struct error err;
    char id[65];
    struct network_sandbox sandbox;
    int netns;
    id_generate(id);
    err = (struct error){0};
    struct network_request request = {.container_id = id, .ports = ports, .port_count = count};
    assert_true(network_attach(manager, &request, "web", &netns, &sandbox, &err) < 0);
    return err.message;
}

static void expect_answer(int netns, int protocol, const char *address, uint16_t to, const char *seen_as)
{
    char answer[64];
    if (!rig_ask(netns, protocol, address, to, 0, answer)) {
        fail_msg("no answer from %s:%u", address, to);
    }
    if (seen_as) {
        assert_string_equal(answer, seen_as);
    }
}

static void expect_nothing(int netns, int protocol, const char *address, uint16_t to)
{
    char answer[64];
    if (rig_ask(netns, protocol, address, to, 0, answer)) {
        fail_msg("%s:%u answered \"%s\"", address, to, answer);
    }
}

/* Tests. */

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
        teardown(NULL); /* the pool's namespaces were made with the former setting */
        setup(NULL);
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

static int listen_on_8080(void *data)
{
    (void)data;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(8080)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0) {
        return errno;
    }
    return 0;
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
    assert_string_equal(err.message, "02:42:zz:00:00:01 is not a valid mac address");
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

static void a_restarted_daemon_finds_everything(void **state)
{
    (void)state;
    struct network_port ports[] = {port("tcp", "", 8080, 80), port("udp", "127.0.0.1", 8080, 80)};
    struct rig_container c = rig_container(manager, ports, 2);
    struct network_port gone = port("tcp", "", 8081, 80);
    struct rig_container lost = rig_container(manager, &gone, 1); /* ends while the daemon is away */
    pid_t server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 80);
    struct network_info before[3], after[3];
    network_list(manager, before);
    network_manager_close(manager);
    close(lost.netns);

    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE); /* no daemon is needed */
    reopen();
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
    struct error err = {0};
    if (restore(c.id, &c.sandbox, &err) < 0) {
        fail_msg("network_restore: %s", err.message);
    }
    assert_true(restore("another", &c.sandbox, &err) < 0);
    restored();
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
    expect_answer(-1, IPPROTO_TCP, "127.0.0.1", 8080, GATEWAY);
    assert_int_equal(rig_shell_in(-1, "test $(nft list table ip " TABLE " | grep -c 8081) = 0"), 0);
    assert_non_null(strstr(refused(ports, 1), "port is already allocated"));
    assert_int_equal(rig_run_in(-1, listen_on_8080, NULL), EADDRINUSE);
    struct rig_container other = plain();
    assert_string_not_equal(other.endpoint.address, c.endpoint.address);
    network_list(manager, after);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(before[i].id, after[i].id);
    }
    rig_stop(server);
    network_sandbox_release(&lost.sandbox);
    rig_remove(manager, &other);
    rig_remove(manager, &c);
    expect_nothing(remote, IPPROTO_TCP, RIG_HOST, 8080);
}

static void the_subnet_is_kept_when_none_is_asked_for(void **state)
{
    (void)state;
    struct network_options free_choice = {.bridge = BRIDGE "x"};
    struct network_manager *first;
    struct network_info info[3];
    struct error err = {0};
    assert_int_equal(rig_shell_in(-1, "ip route add 172.17.0.0/24 via " RIG_REMOTE), 0);
    assert_int_equal(network_manager_open(&free_choice, &first, &err), 0);
    network_list(first, info);
    assert_string_equal(info[0].subnet, "172.18.0.0/16"); /* 172.17 has a route elsewhere */
    assert_string_equal(info[0].gateway, "172.18.0.1");
    assert_string_equal(info[0].bridge, BRIDGE "x");
    network_manager_close(first);
    assert_int_equal(rig_shell_in(-1, "ip route del 172.17.0.0/24"), 0);
    assert_int_equal(network_manager_open(&free_choice, &first, &err), 0);
    network_list(first, info);
    assert_string_equal(info[0].subnet, "172.18.0.0/16");
    assert_int_equal(network_manager_destroy(first, &err), 0);
    assert_int_equal(rig_shell_in(-1, "! ip link show " BRIDGE "x 2>&1 | grep -q UP && ! nft list table ip " TABLE
                                      "x >/dev/null 2>&1"),
                     0);
}

static void flushed_rules_come_back(void **state)
{
    (void)state;
    struct network_port p = port("tcp", "", 8080, 80), q = port("tcp", "", 8081, 80);
    struct rig_container c = rig_container(manager, &p, 1);
    pid_t server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 80);
    struct error err = {0};
    assert_int_equal(rig_shell_in(-1, "nft flush ruleset"), 0);
    expect_nothing(remote, IPPROTO_TCP, RIG_HOST, 8080);
    assert_int_equal(network_firewall_apply(manager, &err), 0);
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
    assert_int_equal(rig_shell_in(-1, "nft flush ruleset"), 0);
    struct rig_container d = rig_container(manager, &q, 1); /* the next port that is published notices too */
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
    /* Somebody's element on our key does not win. */
    rig_remove(manager, &d);
    assert_int_equal(rig_shell_in(-1, "nft add element ip " TABLE " ports { tcp . 8081 : 10.88.9.9 . 9 }"), 0);
    d = rig_container(manager, &q, 1);
    pid_t second = rig_serve(d.netns, IPPROTO_TCP, "0.0.0.0", 80);
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8081, RIG_REMOTE);
    rig_stop(second);
    rig_stop(server);
    rig_remove(manager, &c);
    rig_remove(manager, &d);
}

static void settle_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
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

static int count_veths(void)
{
    FILE *f = popen("ip -o link show type veth | grep -c 'master " BRIDGE "'", "r");
    int n = -1;
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void two_thousand_containers_leave_nothing(void **state)
{
    (void)state;
    int64_t begin = timestamp_monotonic();
    for (int i = 0; i < 2000; i++) {
        struct network_port p = port("tcp", "", 8080, 80);
        struct rig_container c = rig_container(manager, &p, i % 4 == 0);
        rig_remove(manager, &c);
    }
    print_message("2000 attach/detach: %.2f ms each\n", (timestamp_monotonic() - begin) / 2000 / 1e6);
    int left = -1;
    for (int i = 0; i < 100 && (left = count_veths()) > 3; i++) {
        settle_ms(100);
    }
    assert_in_range(left, 0, 3); /* the pool's */
    assert_int_equal(rig_shell_in(-1, "test $( (nft list map ip " TABLE " ports; nft list map ip " TABLE
                                      " ports_at) | grep -c elements) = 0"),
                     0);
}

static void a_full_bridge_is_an_error_and_recovers(void **state)
{
    (void)state;
    enum { MANY = 1030 };
    struct rig_container *all = calloc(MANY, sizeof(*all));
    struct error err = {0};
    int made = 0;
    for (; made < MANY; made++) {
        struct rig_container *c = &all[made];
        id_generate(c->id);
        struct network_request request = {.container_id = c->id};
        if (network_attach(manager, &request, "x", &c->netns, &c->sandbox, &err) < 0) {
            break;
        }
    }
    assert_int_equal(made, 1023);
    assert_non_null(strstr(err.message, "veth"));
    for (int i = 0; i < made; i++) {
        rig_remove(manager, &all[i]);
    }
    free(all);
    struct rig_container c = plain(); /* waits for the kernel if it has to */
    assert_true(rig_ping(-1, c.endpoint.address));
    rig_remove(manager, &c);
}

static void *attach_and_detach(void *data)
{
    (void)data;
    for (int i = 0; i < 100; i++) {
        struct network_port p = port("tcp", "", 0, 80);
        struct rig_container c = rig_container(manager, &p, 1);
        rig_remove(manager, &c);
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, attach_and_detach, NULL);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(rig_shell_in(-1, "test $( (nft list map ip " TABLE " ports; nft list map ip " TABLE
                                      " ports_at) | grep -c elements) = 0"),
                     0);
}

static void a_small_subnet_runs_out_and_recovers(void **state)
{
    (void)state;
    struct network_options small = {.bridge = "rigsmall0", .bip = "10.88.200.1/29"};
    struct network_manager *own = manager;
    struct rig_container all[5];
    struct error err = {0};
    assert_int_equal(network_manager_open(&small, &manager, &err), 0);
    restored();
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

static void a_foreign_filter_that_drops_is_noticed(void **state)
{
    (void)state;
    char chain[128];
    assert_false(firewall_foreign_drop(chain, sizeof(chain)));
    assert_int_equal(rig_shell_in(-1, "nft add table ip filter && nft add chain ip filter FORWARD "
                                      "'{ type filter hook forward priority 0; policy drop; }'"),
                     0);
    assert_true(firewall_foreign_drop(chain, sizeof(chain)));
    assert_string_equal(chain, "filter FORWARD");
    assert_int_equal(rig_shell_in(-1, "nft delete table ip filter"), 0);
}

static void *open_and_close(void *data)
{
    setup(data);
    teardown(data);
    return NULL;
}

static void rules_are_made_on_a_small_stack(void **state)
{
    (void)state;
    teardown(NULL);
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024); /* as all threads of the daemon */
    assert_int_equal(pthread_create(&thread, &attr, open_and_close, NULL), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    setup(NULL);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(eth0_has_the_lowest_address_and_its_mac),
        RIG_TEST(containers_reach_each_other_and_the_host),
        RIG_TEST(a_container_can_send_as_soon_as_it_is_attached),
        RIG_TEST(outbound_traffic_carries_the_hosts_address),
        RIG_TEST(a_narrow_way_out_is_told_to_the_peer),
        RIG_TEST(a_tcp_port_is_published_to_everybody),
        RIG_TEST(a_udp_port_is_published_to_everybody),
        RIG_TEST(an_sctp_port_is_a_rule_even_where_the_kernel_has_no_sctp),
        RIG_TEST(hairpin_works_with_and_without_br_netfilter),
        RIG_TEST(a_port_of_one_host_address_answers_only_there),
        RIG_TEST(a_loopback_port_is_unreachable_from_elsewhere),
        RIG_TEST(containers_are_not_reached_by_routing_to_them),
        RIG_TEST(a_taken_port_is_refused_in_dockers_words),
        RIG_TEST(a_published_port_is_taken_for_other_programs),
        RIG_TEST(time_wait_does_not_block_a_port),
        RIG_TEST(ranges_and_ephemeral_ports_pass_over_taken_ones),
        RIG_TEST(many_ports_at_once),
        RIG_TEST(bad_requests_are_named),
        RIG_TEST(a_mac_of_ones_own),
        RIG_TEST(without_network_there_is_only_lo),
        RIG_TEST(a_restarted_daemon_finds_everything),
        RIG_TEST(the_subnet_is_kept_when_none_is_asked_for),
        RIG_TEST(flushed_rules_come_back),
        RIG_TEST(udp_clients_follow_the_port_to_a_new_container),
        RIG_TEST(an_ended_container_does_not_answer_for_its_address),
        RIG_TEST(threads_do_not_disturb_each_other),
        RIG_TEST(a_small_subnet_runs_out_and_recovers),
        RIG_TEST(without_a_firewall_ports_are_refused),
        RIG_TEST(bad_options_are_named),
        RIG_TEST(a_foreign_filter_that_drops_is_noticed),
        RIG_TEST(rules_are_made_on_a_small_stack),
        RIG_TEST(two_thousand_containers_leave_nothing),
        RIG_TEST(a_full_bridge_is_an_error_and_recovers),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    remote = rig_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
