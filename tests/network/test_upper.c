/* Networks of drivers macvlan and ipvlan, on an interface of the host's and on its VLANs. What the kernel has no module
 * for is skipped; tests/vm runs this with all of them. */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/id.h"
#include "tests/network/fixture.h"

/* The other host's addresses: by the cable itself, and by its VLANs 10 and 20. */
#define CABLE_PEER "10.99.1.1"
#define VLAN10_PEER "10.99.10.1"
#define VLAN20_PEER "10.99.20.1"

static void shell_in(int netns, const char *command)
{
    if (rig_shell_in(netns, command) != 0) {
        fail_msg("failed: %s", command);
    }
}

/* Tried on an interface of its own: on the tests' parent one of another kind may not be quite gone. */
static bool kernel_has(const char *kind, const char *options)
{
    char command[300];
    bool dummy = strcmp(kind, "dummy") == 0;
    snprintf(command, sizeof(command),
             "ip link add rigprobe0 type veth peer name rigprobe1 && "
             "{ ip link add %s name rigtry0 type %s %s 2>/dev/null; r=$?; ip link del rigtry0 2>/dev/null; "
             "ip link del rigprobe0; [ $r = 0 ]; }",
             dummy ? "" : "link rigprobe0", kind, options);
    if (rig_shell_in(-1, command) == 0) {
        return true;
    }
    print_message("the kernel has no %s\n", kind);
    return false;
}

static void need(const char *kind, const char *options)
{
    if (!kernel_has(kind, options)) {
        skip();
    }
}

static int peers_setup(void **state)
{
    (void)state;
    static const struct network_options options = {.bridge = BRIDGE, .bip = GATEWAY "/24", .no_firewall = true};
    struct error err = {0};
    if (network_manager_open(&options, &manager, &err) < 0) {
        fail_msg("%s", err.message);
    }
    fixture_restored();
    rig_shell_in(remote, "ip addr add " CABLE_PEER "/24 dev cable0; "
                         "for n in 10 20; do ip link add link cable0 name cable0.$n type vlan id $n 2>/dev/null && "
                         "ip addr add 10.99.$n.1/24 dev cable0.$n && ip link set cable0.$n up; done; true");
    return 0;
}

static int peers_teardown(void **state)
{
    rig_shell_in(remote, "ip addr del " CABLE_PEER
                         "/24 dev cable0; ip link del cable0.10 2>/dev/null; ip link del cable0.20 2>/dev/null; true");
    return fixture_teardown(state);
}

struct wish {
    const char *driver, *parent, *subnet, *key, *value;
};

static int create(char id[65], const struct wish *wish, struct error *err)
{
    struct network_config config = {.driver = xstrdup(wish->driver), .v4 = {.subnet = xstrdup(wish->subnet)}};
    id_generate(id);
    config.id = xstrdup(id);
    config.name = xasprintf("n%.8s", id);
    config.v4.gateway = xasprintf("%.*s.1", (int)(strrchr(wish->subnet, '.') - wish->subnet), wish->subnet);
    strmap_set(&config.options, "parent", wish->parent);
    if (wish->key) {
        strmap_set(&config.options, wish->key, wish->value);
    }
    int r = network_complete(manager, &config, err);
    r = r < 0 ? r : network_create(manager, &config, false, err);
    network_config_release(&config);
    return r;
}

static void made(char id[65], const struct wish *wish)
{
    struct error err = {0};
    if (create(id, wish, &err) < 0) {
        fail_msg("%s on %s: %s", wish->driver, wish->parent, err.message);
    }
}

static void gone(const char *id)
{
    struct error err = {0};
    if (network_remove(manager, id, NULL, NULL, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static int attach(struct rig_container *c, const char *network_id, struct error *err)
{
    struct network_attachment attachment = {.network_id = network_id};
    *c = (struct rig_container){.netns = -1};
    id_generate(c->id);
    struct network_request request = {.container_id = c->id, .attachments = &attachment, .attachment_count = 1};
    int r = network_attach(manager, &request, "x", &c->netns, &c->sandbox, err);
    if (r == 0) {
        c->endpoint = c->sandbox.endpoints[0];
    }
    return r;
}

static struct rig_container on(const char *network_id)
{
    struct rig_container c;
    struct error err = {0};
    if (attach(&c, network_id, &err) < 0) {
        fail_msg("network_attach: %s", err.message);
    }
    return c;
}

/* Two containers: both reach the other host, and each other or not. */
static void expect_reach(const struct wish *wish, const char *peer, bool each_other)
{
    char id[65];
    made(id, wish);
    struct rig_container a = on(id), b = on(id);
    assert_true(rig_ping(a.netns, peer));
    assert_true(rig_ping(b.netns, peer));
    assert_int_equal(rig_ping(a.netns, b.endpoint.address), each_other);
    rig_remove(manager, &a);
    rig_remove(manager, &b);
    gone(id);
}

static void macvlan_has_its_modes(void **state)
{
    (void)state;
    need("macvlan", "mode bridge");
    struct wish wish = {"macvlan", "cable", "10.99.1.0/24", NULL, NULL};
    expect_reach(&wish, CABLE_PEER, true);
    wish.key = "macvlan_mode";
    wish.value = "private";
    expect_reach(&wish, CABLE_PEER, false);
    wish.value = "vepa"; /* nobody sends it back to us */
    expect_reach(&wish, CABLE_PEER, false);
    /* The parent is one container's alone. */
    wish.value = "passthru";
    char id[65];
    struct rig_container second;
    struct error err = {0};
    made(id, &wish);
    struct rig_container first = on(id);
    assert_true(rig_ping(first.netns, CABLE_PEER));
    assert_true(attach(&second, id, &err) < 0);
    assert_non_null(strstr(err.message, "in mode passthru its parent cable is for one alone"));
    assert_true(rig_ping(first.netns, CABLE_PEER));
    rig_remove(manager, &first);
    gone(id);
    shell_in(-1, "ip link show dev cable >/dev/null"); /* it was the host's before */
}

static void ipvlan_has_its_modes_and_flags(void **state)
{
    (void)state;
    need("ipvlan", "mode l2");
    struct wish wish = {"ipvlan", "cable", "10.99.1.0/24", NULL, NULL};
    expect_reach(&wish, CABLE_PEER, true);
    wish.key = "ipvlan_flag";
    wish.value = "private";
    expect_reach(&wish, CABLE_PEER, false);
    /* Layer 3: others have a route to it by the host's address on the parent. */
    shell_in(remote, "ip route add 10.99.77.0/24 via " RIG_HOST);
    wish = (struct wish){"ipvlan", "cable", "10.99.77.0/24", "ipvlan_mode", "l3"};
    expect_reach(&wish, RIG_REMOTE, true);
    wish.value = "l3s";
    expect_reach(&wish, RIG_REMOTE, true);
    shell_in(remote, "ip route del 10.99.77.0/24");
}

static void a_vlan_is_made_for_the_network_and_goes_with_it(void **state)
{
    (void)state;
    need("vlan", "id 77");
    static const char *const drivers[] = {"macvlan", "ipvlan"};
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
        need(drivers[i], i == 0 ? "mode bridge" : "mode l2");
        struct wish ten = {drivers[i], "cable.10", "10.99.10.0/24", NULL, NULL};
        struct wish twenty = {drivers[i], "cable.20", "10.99.20.0/24", NULL, NULL};
        char id10[65], id20[65];
        made(id10, &ten);
        made(id20, &twenty);
        shell_in(-1, "ip -d link show dev cable.10 | grep -q 'vlan protocol 802.1Q id 10 '");
        struct rig_container a = on(id10), b = on(id20);
        assert_true(rig_ping(a.netns, VLAN10_PEER));
        assert_true(rig_ping(b.netns, VLAN20_PEER));
        /* Frames of one are not seen in the other. */
        shell_in(b.netns, "ip addr add 10.99.10.200/24 dev eth0");
        assert_false(rig_ping(a.netns, "10.99.10.200"));
        rig_remove(manager, &a);
        rig_remove(manager, &b);
        gone(id10);
        shell_in(-1, "! ip link show dev cable.10 2>/dev/null && ip link show dev cable.20 >/dev/null");
        gone(id20);
        shell_in(-1, "! ip link show dev cable.20 2>/dev/null && ip link show dev cable >/dev/null");
    }
    /* One that was there before stays. */
    shell_in(-1, "ip link add link cable name cable.10 type vlan id 10 && ip link set cable.10 up");
    struct wish ten = {"macvlan", "cable.10", "10.99.10.0/24", NULL, NULL};
    expect_reach(&ten, VLAN10_PEER, true);
    shell_in(-1, "ip link del cable.10");
}

static void a_network_without_a_parent_is_its_containers_alone(void **state)
{
    (void)state;
    need("macvlan", "mode bridge");
    need("dummy", "");
    char id[65], name[16];
    struct wish wish = {"macvlan", "", "10.99.30.0/24", NULL, NULL};
    made(id, &wish);
    snprintf(name, sizeof(name), "dm-%.12s", id);
    assert_true(if_nametoindex(name) > 0);
    struct rig_container a = on(id), b = on(id);
    assert_true(rig_ping(a.netns, b.endpoint.address));
    rig_remove(manager, &a);
    rig_remove(manager, &b);
    gone(id);
    assert_int_equal(if_nametoindex(name), 0);
}

/* Addresses of the first subnet that has one, or as asked for, each with the gateway of its subnet. */
static void several_subnets_are_one_network(void **state)
{
    (void)state;
    static const struct {
        const char *driver, *key, *value;
    } rows[] = {{"macvlan", NULL, NULL}, {"ipvlan", NULL, NULL}, {"ipvlan", "ipvlan_mode", "l3"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!kernel_has(rows[i].driver, "")) {
            continue;
        }
        struct network_config config = {.driver = xstrdup(rows[i].driver), .id = xmalloc(65)};
        struct error err = {0};
        id_generate(config.id);
        config.name = xstrdup("several");
        config.v4.subnet = xstrdup("10.99.1.0/30"); /* .1 is the other host: one address */
        struct network_subnet *second = network_config_add_subnet(&config.further);
        second->subnet = xstrdup("10.99.50.0/24");
        second->gateway = xstrdup("10.99.50.9");
        strmap_set(&config.options, "parent", "cable");
        if (rows[i].key) {
            strmap_set(&config.options, rows[i].key, rows[i].value);
        }
        if (network_complete(manager, &config, &err) < 0 || network_create(manager, &config, false, &err) < 0) {
            fail_msg("%s: %s", rows[i].driver, err.message);
        }
        struct rig_container a = on(config.id), b = on(config.id), c;
        assert_string_equal(a.endpoint.address, "10.99.1.2");
        assert_int_equal(a.endpoint.prefix, 30);
        assert_string_equal(b.endpoint.address, "10.99.50.1");
        assert_int_equal(b.endpoint.prefix, 24);
        bool direct = rows[i].key != NULL;
        assert_string_equal(a.endpoint.gateway, direct ? "" : "10.99.1.1");
        assert_string_equal(b.endpoint.gateway, direct ? "" : "10.99.50.9");
        assert_true(rig_ping(a.netns, CABLE_PEER));
        shell_in(b.netns,
                 direct ? "ip route | grep -q '^default dev eth0'" : "ip route | grep -q '^default via 10.99.50.9 '");
        c = on(config.id);
        assert_string_equal(c.endpoint.address, "10.99.50.2");
        assert_true(rig_ping(c.netns, b.endpoint.address));
        if (direct) {
            assert_true(rig_ping(a.netns, b.endpoint.address)); /* layer 3: no gateway is between the subnets */
        }
        rig_remove(manager, &a);
        rig_remove(manager, &b);
        rig_remove(manager, &c);
        gone(config.id);
        network_config_release(&config);
    }
}

static void parents_that_cannot_be_are_named(void **state)
{
    (void)state;
    static const char *const parents[] = {"nosuch0", "nosuch0.10", "cable.0", "cable.4095", "cable.x"};
    for (size_t i = 0; i < ARRAY_SIZE(parents); i++) {
        char id[65], wanted[80];
        struct error err = {0};
        struct wish wish = {"macvlan", parents[i], "10.99.40.0/24", NULL, NULL};
        snprintf(wanted, sizeof(wanted), "invalid parent interface %s", parents[i]);
        assert_true(create(id, &wish, &err) < 0);
        assert_non_null(strstr(err.message, wanted));
        assert_int_equal(if_nametoindex(parents[i]), 0);
    }
}

#define UPPER_TEST(name) cmocka_unit_test_setup_teardown(name, peers_setup, peers_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        UPPER_TEST(several_subnets_are_one_network),
        UPPER_TEST(macvlan_has_its_modes),
        UPPER_TEST(ipvlan_has_its_modes_and_flags),
        UPPER_TEST(a_vlan_is_made_for_the_network_and_goes_with_it),
        UPPER_TEST(a_network_without_a_parent_is_its_containers_alone),
        UPPER_TEST(parents_that_cannot_be_are_named),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    remote = rig_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
