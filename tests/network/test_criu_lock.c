/* What criu leaves in nftables after a dump is taken away, and nothing else, whatever the images say it is called. */
#include "runtime/criu_network.h"

#include <netinet/in.h>
#include <unistd.h>

#include "tests/network/rig.h"
#include "tests/unit/base_test.h"

#define MAKE                                                                                                           \
    "nft 'add table inet CRIU-7; add table inet CRIU-8; add table inet filter; add table ip CRIU-7; add chain inet "   \
    "CRIU-7 output { type filter hook output priority 0; policy drop; }'"

static void has(int netns, const char *tables)
{
    CLEANUP_FREE char *command = xasprintf(
        "test \"$(nft list tables | sort | cut -d' ' -f 2- | tr '\\n' ,)\" = '%s' || { nft list tables; exit 1; }",
        tables);
    assert_int_equal(rig_shell_in(netns, command), 0);
}

static void unlock(pid_t pid, const char *name)
{
    struct error err = {0};
    if (criu_network_unlock(pid, name, &err) < 0)
        fail_msg("%s", err.message);
}

static void of_our_own_namespace_only_the_lock_of_that_name_goes(void **state)
{
    (void)state;
    assert_int_equal(rig_shell_in(-1, MAKE), 0);
    unlock(getpid(), "");
    has(-1, "inet CRIU-7,inet CRIU-8,inet filter,ip CRIU-7,");
    unlock(getpid(), "filter");
    has(-1, "inet CRIU-7,inet CRIU-8,inet filter,ip CRIU-7,");
    unlock(getpid(), "CRIU-7");
    has(-1, "inet CRIU-8,inet filter,ip CRIU-7,");
    unlock(getpid(), "CRIU-7");
    has(-1, "inet CRIU-8,inet filter,ip CRIU-7,");
}

static void of_another_namespace_every_lock_goes(void **state)
{
    int netns = *(const int *)*state;
    assert_int_equal(rig_shell_in(netns, MAKE), 0);
    pid_t inside = rig_serve(netns, IPPROTO_TCP, RIG_REMOTE, 99);
    unlock(inside, "");
    has(netns, "inet filter,ip CRIU-7,");
    unlock(inside, "filter");
    has(netns, "inet filter,ip CRIU-7,");
    rig_stop(inside);
}

int main(void)
{
    int remote = rig_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_our_own_namespace_only_the_lock_of_that_name_goes),
        cmocka_unit_test_prestate(of_another_namespace_every_lock_goes, &remote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
