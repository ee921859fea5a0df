/* Networks that come and go beside others: their place in the packet filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/id.h"
#include "tests/network/fixture.h"

#define IS_MARKED "nft list chain ip " TABLE " untouched >/dev/null 2>&1"

static void shell(const char *command)
{
    if (rig_shell_in(-1, command) != 0) {
        fail_msg("failed: %s", command);
    }
}

/* Gone with the tables when they are replaced. */
static void mark(void)
{
    shell("nft add chain ip " TABLE " untouched");
}

struct wish {
    const char *subnet, *subnet6, *option;
    bool internal;
};

static void create(char id[65], const struct wish *wish)
{
    struct error err = {0};
    struct network_config config = {.v4 = {.subnet = xstrdup(wish->subnet)}, .internal = wish->internal};
    id_generate(id);
    config.id = xstrdup(id);
    config.name = xasprintf("n%.8s", id);
    if (wish->subnet6) {
        config.ipv6 = true;
        config.v6.subnet = xstrdup(wish->subnet6);
    }
    if (wish->option) {
        strmap_set(&config.options, wish->option, "false");
    }
    if (network_complete(manager, &config, &err) < 0 || network_create(manager, &config, false, &err) < 0) {
        fail_msg("%s: %s", wish->subnet, err.message);
    }
    network_config_release(&config);
}

static void remove_network(const char *id)
{
    struct error err = {0};
    if (network_remove(manager, id, NULL, NULL, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

/* What the rules are now is what all of them made anew are. Elements have no order, and counters count. */
static void expect_whole(bool with_mark)
{
    struct error err = {0};
    char command[512];
    static const char list[] = "(nft list table ip " TABLE "; nft list table ip6 " TABLE "; nft list table ip filter) "
                               "2>/dev/null | sed 's/packets [0-9]* bytes [0-9]*//; s/{ //; s/ }//; s/elements = //' | "
                               "tr -s ',\\n\\t ' '\\n' | grep -vx untouched | sort >%s.%d";
    char name[] = "/tmp/dory-rules.XXXXXX";
    close(mkstemp(name));
    if (with_mark) {
        shell(IS_MARKED " && nft delete chain ip " TABLE " untouched");
    }
    snprintf(command, sizeof(command), list, name, 1);
    shell(command);
    assert_int_equal(network_firewall_apply(manager, &err), 0);
    snprintf(command, sizeof(command), list, name, 2);
    shell(command);
    snprintf(command, sizeof(command), "diff %s.1 %s.2; r=$?; test -s %s.1 || r=1; rm -f %s %s.1 %s.2; exit $r", name,
             name, name, name, name, name);
    shell(command);
}

static int smaller_setup(void **state)
{
    (void)state;
    static const struct network_options small = {.bridge = BRIDGE, .bip = "10.88.0.1/24"};
    struct error err = {0};
    if (network_manager_open(&small, &manager, &err) < 0) {
        fail_msg("%s", err.message);
    }
    fixture_restored();
    return 0;
}

static const struct wish plain_wish = {.subnet = "10.88.1.0/24"};
static const struct wish wishes[] = {
    {.subnet = "10.88.2.0/24"}, /* begins where the other one ends */
    {.subnet = "10.88.4.0/30", .internal = true},
    {.subnet = "10.88.64.0/18", .option = "com.docker.network.bridge.enable_icc"},
    {.subnet = "10.88.32.0/23", .option = "com.docker.network.bridge.enable_ip_masquerade"},
    {.subnet = "223.255.255.0/24"},
};

static void a_network_adds_its_elements_and_takes_them_away_again(void **state)
{
    (void)state;
    char first[65], ids[5][65];
    create(first, &plain_wish);
    mark();
    for (size_t i = 0; i < 5; i++) {
        create(ids[i], &wishes[i]);
    }
    expect_whole(true);
    mark();
    for (size_t i = 0; i < 5; i++) {
        remove_network(ids[i]);
    }
    expect_whole(true);
    remove_network(first);
}

static void with_ipv6_in_both_tables(void **state)
{
    (void)state;
    static const struct wish six = {.subnet = "10.88.8.0/24", .subnet6 = "fd00:88::/64"};
    static const struct wish more = {.subnet = "10.88.9.0/24", .subnet6 = "fd00:88:0:1::/64", .internal = true};
    char first[65], second[65], third[65];
    create(first, &six); /* the first one brings the table */
    mark();
    create(second, &more);
    create(third, &plain_wish);
    shell("nft list set ip6 " TABLE " subnets | grep -q fd00:88:0:1::/64");
    expect_whole(true);
    mark();
    remove_network(second);
    remove_network(third);
    expect_whole(true);
    remove_network(first);
}

static void where_iptables_drops_a_network_is_let_pass_at_once(void **state)
{
    (void)state;
    char first[65], second[65];
    create(first, &plain_wish);
    mark();
    create(second, &wishes[1]); /* internal: nothing of it is forwarded */
    expect_whole(true);
    mark();
    remove_network(second);
    create(second, &wishes[0]);
    shell("test $(nft list chain ip filter DORY-" BRIDGE " | grep -c 'br-.*accept') = 4");
    expect_whole(false);
    remove_network(second);
    expect_whole(false);
    remove_network(first);
}

static void a_network_meets_rules_that_have_been_flushed(void **state)
{
    (void)state;
    char id[65];
    shell("nft delete table ip " TABLE);
    create(id, &plain_wish);
    expect_whole(false);
    shell("nft flush set ip " TABLE " bridges");
    remove_network(id);
    expect_whole(false);
    shell("nft list set ip " TABLE " bridges | grep -q " BRIDGE);
}

static int dropping_setup(void **state)
{
    shell(
        "nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'");
    return smaller_setup(state);
}

static int dropping_teardown(void **state)
{
    int r = fixture_teardown(state);
    shell("nft 'add table ip filter; delete table ip filter'");
    return r;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_network_adds_its_elements_and_takes_them_away_again, smaller_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(with_ipv6_in_both_tables, smaller_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(where_iptables_drops_a_network_is_let_pass_at_once, dropping_setup,
                                        dropping_teardown),
        cmocka_unit_test_setup_teardown(a_network_meets_rules_that_have_been_flushed, smaller_setup, fixture_teardown),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    remote = rig_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
