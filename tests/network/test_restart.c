/* What a daemon finds again: containers, ports, its subnet, and rules that somebody flushed. */
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

static int restore(const char *id, struct network_sandbox *sandbox, struct error *err)
{
    struct network_request request = {.container_id = id};
    return network_restore(manager, &request, "x", -1, sandbox, err);
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
    fixture_open();
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
    struct error err = {0};
    if (restore(c.id, &c.sandbox, &err) < 0) {
        fail_msg("network_restore: %s", err.message);
    }
    assert_true(restore("another", &c.sandbox, &err) < 0);
    fixture_restored();
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_restarted_daemon_finds_everything),
        FIXTURE_TEST(the_subnet_is_kept_when_none_is_asked_for),
        FIXTURE_TEST(flushed_rules_come_back),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    remote = rig_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
