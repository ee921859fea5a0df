/* Packet filters of others beside ours: iptables' as dockerd and ufw leave it, and any other. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "daemon/network/firewall.h"
#include "tests/network/fixture.h"

#define CHAIN "DORY-" BRIDGE

static void shell(const char *command)
{
    if (rig_shell_in(-1, command) != 0) {
        fail_msg("failed: %s", command);
    }
}

/* What iptables -P FORWARD DROP makes. */
static void drop_forwarded(void)
{
    shell(
        "nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'");
}

static bool soon(const char *command)
{
    for (int i = 0; i < 600; i++) { /* 30 s */
        if (rig_shell_in(-1, command) == 0) {
            return true;
        }
        settle_ms(50);
    }
    return false;
}

#define JOINED "nft list chain ip filter FORWARD | grep -q 'jump " CHAIN "'"

static void expect_both_ways(struct rig_container *c)
{
    pid_t inside = rig_serve(c->netns, IPPROTO_TCP, "0.0.0.0", 80);
    pid_t outside = rig_serve(remote, IPPROTO_TCP, "0.0.0.0", 81);
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
    expect_answer(c->netns, IPPROTO_TCP, RIG_REMOTE, 81, RIG_HOST);
    rig_stop(outside);
    rig_stop(inside);
}

static int first_drop_then_setup(void **state)
{
    drop_forwarded();
    return fixture_setup(state);
}

static int teardown_with_filter(void **state)
{
    int r = fixture_teardown(state);
    shell("! nft list table ip filter 2>/dev/null | grep -q DORY"); /* nothing of ours is left in it */
    shell("nft 'add table ip filter; delete table ip filter'");
    return r;
}

static void where_iptables_drops_by_default_ours_pass(void **state)
{
    (void)state;
    struct network_port p = port("tcp", "", 8080, 80);
    shell(JOINED);
    struct rig_container c = rig_container(manager, &p, 1);
    expect_both_ways(&c);
    /* What iptables is asked to refuse, it refuses: its rules come first. */
    shell("nft insert rule ip filter FORWARD tcp dport 80 drop");
    pid_t server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 80);
    expect_nothing(remote, IPPROTO_TCP, RIG_HOST, 8080);
    rig_stop(server);
    /* And what we refuse stays refused. */
    shell("nft flush chain ip filter FORWARD");
    if (!soon(JOINED)) {
        fail_msg("the chain was flushed, and ours is not back");
    }
    server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 81);
    expect_nothing(remote, IPPROTO_TCP, c.endpoint.address, 81);
    rig_stop(server);
    expect_both_ways(&c);
    rig_remove(manager, &c);
    shell("! command -v iptables >/dev/null || iptables -S FORWARD | grep -qx -- '-A FORWARD -j " CHAIN "'");
    shell("! command -v iptables >/dev/null || iptables -S " CHAIN " | grep -qx -- '-A " CHAIN " -i " BRIDGE
          " -j ACCEPT'");
}

static void a_filter_that_comes_later_is_noticed(void **state)
{
    (void)state;
    struct network_port p = port("tcp", "", 8080, 80);
    struct rig_container c = rig_container(manager, &p, 1);
    expect_both_ways(&c);
    drop_forwarded();
    if (!soon(JOINED)) {
        fail_msg("the chain drops, and ours has no place in it");
    }
    expect_both_ways(&c);
    shell("nft 'flush table ip filter; delete table ip filter'"); /* as iptables-restore does */
    drop_forwarded();
    if (!soon(JOINED)) {
        fail_msg("the table was replaced, and ours has no place in it");
    }
    expect_both_ways(&c);
    rig_remove(manager, &c);
}

static void another_table_is_its_owners_business(void **state)
{
    (void)state;
    char chain[128];
    struct firewall *firewall;
    struct error err = {0};
    assert_int_equal(firewall_open(BRIDGE, &firewall, &err), 0);
    assert_false(firewall_foreign_drop(firewall, chain, sizeof(chain)));
    drop_forwarded();
    assert_false(firewall_foreign_drop(firewall, chain, sizeof(chain)));
    shell("nft 'add table inet mine; add chain inet mine gate { type filter hook forward priority 5; policy drop; }'");
    assert_true(firewall_foreign_drop(firewall, chain, sizeof(chain)));
    assert_string_equal(chain, "mine gate");
    shell("nft delete table inet mine");
    firewall_close(firewall);
}

static void the_administrators_chain_is_asked_and_never_touched(void **state)
{
    (void)state;
    struct network_port p = port("tcp", "", 8080, 80), q = port("tcp", "", 8082, 80);
    struct rig_container c = rig_container(manager, &p, 1);
    pid_t server = rig_serve(c.netns, IPPROTO_TCP, "0.0.0.0", 80);
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
    shell("nft add rule inet " TABLE "-user forward meta l4proto tcp ct original proto-dst 8080 drop");
    expect_nothing(remote, IPPROTO_TCP, RIG_HOST, 8080);
    struct rig_container d = rig_container(manager, &q, 1);
    struct error err = {0};
    assert_int_equal(network_firewall_apply(manager, &err), 0);
    expect_nothing(remote, IPPROTO_TCP, RIG_HOST, 8080);
    pid_t second = rig_serve(d.netns, IPPROTO_TCP, "0.0.0.0", 80);
    expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8082, RIG_REMOTE);
    rig_stop(second);
    rig_stop(server);
    rig_remove(manager, &c);
    rig_remove(manager, &d);
    assert_int_equal(fixture_teardown(NULL), 0);
    shell("nft list chain inet " TABLE "-user forward | grep -q 8080"); /* it has rules: it stays */
    shell("nft flush chain inet " TABLE "-user forward");
    assert_int_equal(fixture_setup(NULL), 0);
    assert_int_equal(fixture_teardown(NULL), 0);
    shell("! nft list table inet " TABLE "-user 2>/dev/null");
    assert_int_equal(fixture_setup(NULL), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(where_iptables_drops_by_default_ours_pass, first_drop_then_setup,
                                        teardown_with_filter),
        cmocka_unit_test_setup_teardown(a_filter_that_comes_later_is_noticed, fixture_setup, teardown_with_filter),
        FIXTURE_TEST(the_administrators_chain_is_asked_and_never_touched),
        cmocka_unit_test_setup_teardown(another_table_is_its_owners_business, fixture_setup, teardown_with_filter),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    remote = rig_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
