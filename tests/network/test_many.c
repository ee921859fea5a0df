/* Many containers: at once, one after the other, and more than a bridge has ports. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/timestamp.h"
#include "daemon/network/firewall.h"
#include "tests/network/fixture.h"

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

/* ---- more than a bridge has ports ---- */

static const char *restore(struct network_manager *of, const struct rig_container *c, struct network_sandbox *sandbox)
{
    static struct error err;
    struct network_request request = {.container_id = c->id};
    network_sandbox_copy(sandbox, &c->sandbox);
    err = (struct error){0};
    return network_restore(of, &request, "x", -1, sandbox, &err) < 0 ? err.message : NULL;
}

static void a_thousand_and_a_hundred_containers_are_on_one_network(void **state)
{
    (void)state;
    enum { MANY = 1100 };
    struct rlimit files;
    const char *const filtered[] = {"0", "1"}; /* bridged packets are seen by the rules, too */
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    assert_true(files.rlim_cur > 3 * MANY);
    struct network_port p = port("tcp", "", 8080, 80);
    struct rig_container *all = calloc(MANY, sizeof(*all));
    for (int i = 0; i < MANY; i++) {
        all[i] = rig_container(manager, &p, i == MANY - 1);
    }
    struct rig_container *first = &all[0], *last = &all[MANY - 1];
    assert_int_equal(rig_shell_in(-1, "test $(ip -o link show type bridge | wc -l) = 2"), 0);
    pid_t server = rig_serve(last->netns, IPPROTO_TCP, "0.0.0.0", 80);
    for (int again = 0; again < 2; again++) {
        char command[128];
        snprintf(command, sizeof(command),
                 "f=/proc/sys/net/bridge/bridge-nf-call-iptables; test ! -e $f || echo %s > $f", filtered[again]);
        assert_int_equal(rig_shell_in(-1, command), 0);
        assert_true(rig_ping(first->netns, last->endpoint.address));
        assert_true(rig_ping(last->netns, first->endpoint.address));
        assert_true(rig_ping(last->netns, all[MANY - 2].endpoint.address));
        assert_true(rig_ping(-1, last->endpoint.address));
        expect_answer(remote, IPPROTO_TCP, RIG_HOST, 8080, RIG_REMOTE);
        expect_answer(first->netns, IPPROTO_TCP, RIG_HOST, 8080, NULL);
        if (again == 0) { /* with br_netfilter a segment's frames do not turn round at the first bridge */
            expect_answer(last->netns, IPPROTO_TCP, RIG_HOST, 8080, NULL);
            expect_answer(all[MANY - 2].netns, IPPROTO_TCP, RIG_HOST, 8080, NULL);
        }
        if (again == 0) { /* a daemon that starts again finds the second bridge, and uses it */
            network_manager_close(manager);
            fixture_open();
            for (int i = 0; i < MANY; i++) {
                struct network_sandbox sandbox;
                assert_null(restore(manager, &all[i], &sandbox));
                network_sandbox_release(&sandbox);
            }
            fixture_restored();
            struct rig_container more = plain();
            assert_true(rig_ping(more.netns, first->endpoint.address));
            rig_remove(manager, &more);
            assert_int_equal(rig_shell_in(-1, "test $(ip -o link show type bridge | wc -l) = 2"), 0);
        }
    }
    rig_stop(server);
    for (int i = 0; i < MANY; i++) {
        rig_remove(manager, &all[i]);
    }
    free(all);
    struct rig_container c = plain();
    assert_true(rig_ping(-1, c.endpoint.address));
    rig_remove(manager, &c);
}

/* Ports of the first bridge that containers get: segments.c keeps the rest for trunks. */
enum { ROOM = 959 };

static int hold_namespace(void *data)
{
    (void)data;
    return unshare(CLONE_NEWNET) < 0 ? 1 : pause();
}

/* Others' interfaces on the bridge. They go with the process, which the caller kills. */
static pid_t fill(const char *bridge, int count)
{
    char command[256];
    pid_t holder = fork();
    if (holder == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(hold_namespace(NULL));
    }
    snprintf(command, sizeof(command),
             "while [ /proc/self/ns/net -ef /proc/%d/ns/net ]; do sleep 0.02; done; "
             "for i in $(seq %d); do echo link add fill$i master %s type veth peer name peer$i netns %d; done | "
             "ip -batch -",
             holder, count, bridge, holder);
    assert_int_equal(rig_shell_in(-1, command), 0);
    return holder;
}

static struct rig_container on_network(const char *network_id)
{
    struct rig_container c;
    struct error err = {0};
    struct network_attachment attachment = {.network_id = network_id};
    id_generate(c.id);
    struct network_request request = {.container_id = c.id, .attachments = &attachment, .attachment_count = 1};
    if (network_attach(manager, &request, "x", &c.netns, &c.sandbox, &err) < 0) {
        fail_msg("network_attach: %s", err.message);
    }
    c.endpoint = c.sandbox.endpoints[0];
    return c;
}

static void containers_that_may_not_reach_each_other_do_not_on_different_bridges(void **state)
{
    (void)state;
    char id[65];
    struct error err = {0};
    struct network_config config = {.name = xstrdup("quiet"), .v4 = {.subnet = xstrdup("10.88.128.0/24")}};
    strmap_set(&config.options, "com.docker.network.bridge.enable_icc", "false");
    strmap_set(&config.options, "com.docker.network.bridge.name", "rigquiet0");
    id_generate(id);
    config.id = xstrdup(id);
    fixture_teardown(NULL); /* its subnet is the whole of the rig's */
    struct network_options small = {.bridge = BRIDGE, .bip = "10.88.0.1/24"};
    assert_int_equal(network_manager_open(&small, &manager, &err), 0);
    fixture_restored();
    if (network_complete(manager, &config, &err) < 0 || network_create(manager, &config, false, &err) < 0) {
        fail_msg("%s", err.message);
    }
    pid_t others = fill("rigquiet0", ROOM - 1);
    struct rig_container a = on_network(id), b = on_network(id), c = on_network(id);
    assert_int_equal(rig_shell_in(-1, "test $(ip -o link show type bridge | wc -l) = 3"), 0);
    assert_true(rig_ping(a.netns, "10.88.128.1"));
    assert_true(rig_ping(b.netns, "10.88.128.1"));
    assert_false(rig_ping(a.netns, b.endpoint.address));
    assert_false(rig_ping(b.netns, a.endpoint.address));
    assert_false(rig_ping(b.netns, c.endpoint.address));
    rig_remove(manager, &a);
    rig_remove(manager, &b);
    rig_remove(manager, &c);
    rig_stop(others);
    assert_int_equal(network_remove(manager, id, NULL, NULL, &err), 0);
    assert_int_equal(rig_shell_in(-1, "test $(ip -o link show type bridge | wc -l) = 1"), 0); /* the default one */
    network_config_release(&config);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(threads_do_not_disturb_each_other),
        FIXTURE_TEST(two_thousand_containers_leave_nothing),
        FIXTURE_TEST(a_thousand_and_a_hundred_containers_are_on_one_network),
        FIXTURE_TEST(containers_that_may_not_reach_each_other_do_not_on_different_bridges),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    remote = rig_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
