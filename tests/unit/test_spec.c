/* The OCI spec: parsing, checking, writing. Runtime pieces that are pure are tested here as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/strbuf.h"
#include "runtime/defaults.h"
#include "runtime/mount_options.h"
#include "runtime/spec.h"

static const char minimal[] = "{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]},"
                              "\"root\":{\"path\":\"rootfs\"},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}}";

static void parse(const char *text, struct oci_spec *spec)
{
    struct error err = {0};
    if (oci_spec_parse(text, strlen(text), spec, &err) < 0)
        fail_msg("%s", err.message);
}

static void a_spec_of_every_kind_of_member_is_read(void **state)
{
    (void)state;
    static const char text[] =
        "{\"ociVersion\":\"1.2.0\",\"process\":{\"terminal\":true,\"consoleSize\":{\"height\":24,\"width\":80},"
        "\"user\":{\"uid\":1,\"gid\":2,\"umask\":18,\"additionalGids\":[3,4294967295]},\"args\":[\"a\",\"b\"],"
        "\"env\":[\"A=1\"],\"cwd\":\"/w\",\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"]},"
        "\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":18446744073709551615}],"
        "\"noNewPrivileges\":true,\"oomScoreAdj\":-5},\"root\":{\"path\":\"r\",\"readonly\":true},\"hostname\":\"h\","
        "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"options\":[\"ro\"]}],"
        "\"hooks\":{\"prestart\":[{\"path\":\"/h\",\"timeout\":3}]},\"annotations\":{\"k\":\"v\"},\"unknown\":[1],"
        "\"linux\":{\"namespaces\":[{\"type\":\"network\",\"path\":\"/n\"}],"
        "\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":2,\"fileMode\":438}],"
        "\"resources\":{\"memory\":{\"limit\":-1,\"disableOOMKiller\":true},\"pids\":{\"limit\":9},"
        "\"cpu\":{\"shares\":2,\"cpus\":\"0\"},\"unified\":{\"memory.high\":\"1\"},"
        "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4}],"
        "\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
        "\"syscalls\":[{\"names\":[\"x\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":1,\"value\":4294967295,"
        "\"op\":\"SCMP_CMP_EQ\"}]}]},\"sysctl\":{\"net.a\":\"1\"}}}";
    struct oci_spec spec = {0};
    parse(text, &spec);
    assert_true(spec.process.terminal);
    assert_int_equal(spec.process.console_size.width, 80);
    assert_int_equal(*spec.process.user.umask, 18);
    assert_int_equal(spec.process.user.additional_gids.count, 2);
    assert_int_equal(spec.process.user.additional_gids.items[1], 4294967295);
    const struct oci_rlimit *limit = spec.process.rlimits.items;
    assert_true(limit->hard == UINT64_MAX);
    assert_int_equal(*spec.process.oom_score_adj, -5);
    assert_int_equal(*spec.linux_.resources.memory.limit, -1);
    assert_true(*spec.linux_.resources.memory.disable_oom_killer);
    assert_string_equal(strmap_get(&spec.linux_.resources.unified, "memory.high"), "1");
    assert_string_equal(oci_spec_namespace(&spec, "network")->path, "/n");
    assert_null(oci_spec_namespace(&spec, "pid"));
    const struct oci_seccomp_rule *rule = spec.linux_.seccomp->syscalls.items;
    assert_true(((const struct oci_seccomp_arg *)rule->args.items)->value == 4294967295);

    /* Written and read again it is the same text. */
    CLEANUP_STRBUF struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
    oci_spec_write(&spec, &first);
    struct oci_spec again = {0};
    parse(strbuf_str(&first), &again);
    oci_spec_write(&again, &second);
    assert_string_equal(strbuf_str(&first), strbuf_str(&second));
    oci_spec_release(&spec);
    oci_spec_release(&again);
}

static void wrong_types_are_errors_that_name_the_path(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"ociVersion\":1}", "ociVersion"},
        {"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":\"root\"}}}", "process.user.uid"},
        {"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":-1}}}", "process.user.uid"},
        {"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"additionalGids\":[-1]}}}", "additionalGids"},
        {"{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"pids\":{\"limit\":\"x\"}}}}",
         "linux.resources.pids.limit"},
        {"{}", "ociVersion"},
        {"[]", ""},
        {"{", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct oci_spec spec = {0};
        struct error err = {0};
        assert_true(oci_spec_parse(cases[i][0], strlen(cases[i][0]), &spec, &err) < 0);
        assert_int_equal(err.kind, ERROR_INVALID);
        if (strstr(err.message, cases[i][1]) == NULL)
            fail_msg("%s does not name %s", err.message, cases[i][1]);
    }
}

static void what_types_cannot_say_is_checked(void **state)
{
    (void)state;
    struct oci_spec spec = {0};
    struct error err = {0};
    parse(minimal, &spec);
    if (oci_spec_validate(&spec, &err) < 0)
        fail_msg("%s", err.message);
    oci_spec_release(&spec);
    static const char *const bad[][2] = {
        {"{\"ociVersion\":\"2.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]}}", "ociVersion"},
        {"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\"}}", "process.args"},
        {"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"x\",\"args\":[\"sh\"]}}", "Cwd must be an absolute path"},
        {"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]},\"linux\":{\"namespaces\":[{\"type\":"
         "\"nonsense\"}]}}",
         "nonsense"},
        {"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]},\"linux\":{\"namespaces\":[{\"type\":"
         "\"mount\"},{\"type\":\"mount\"}]}}",
         "duplicated"},
        {"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]},\"hostname\":\"x\",\"linux\":{"
         "\"namespaces\":[{\"type\":\"mount\"}]}}",
         "UTS"},
        {"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"],\"rlimits\":[{\"type\":\"RLIMIT_X\","
         "\"soft\":1,\"hard\":1}]}}",
         "RLIMIT_X"},
        {"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]},\"linux\":{\"namespaces\":[{\"type\":"
         "\"mount\"}],\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}}}",
         "host network namespace"},
        {"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]},\"linux\":{\"namespaces\":[{\"type\":"
         "\"mount\"}],\"sysctl\":{\"kernel.core_pattern\":\"x\"}}}",
         "not in a separate kernel namespace"},
        {"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]},\"linux\":{\"namespaces\":[{\"type\":"
         "\"mount\"}],\"intelRdt\":{\"closID\":\"../x\"}}}",
         "linux.intelRdt"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct oci_spec invalid = {0};
        parse(bad[i][0], &invalid);
        error_clear(&err);
        assert_true(oci_spec_validate(&invalid, &err) < 0);
        if (strstr(err.message, bad[i][1]) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.message, bad[i][1]);
        oci_spec_release(&invalid);
    }
}

static void sysctl_names_go_both_ways(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"net.ipv4.ip_forward", "net/ipv4/ip_forward"},
        {"net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"},
        {"net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"},
        {"plain", "plain"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *path = oci_sysctl_path(cases[i][0]);
        assert_string_equal(path, cases[i][1]);
    }
}

static void mount_options_are_sorted_into_attributes_propagation_and_data(void **state)
{
    (void)state;
    struct oci_mount mount = {.destination = (char *)"/d", .type = (char *)"tmpfs"};
    strv_split(&mount.options, "nosuid rw ro noatime relatime rslave size=1m rro mode=755", ' ');
    struct mount_options options;
    struct error err = {0};
    assert_int_equal(mount_options_parse(&mount, &options, &err), 0);
    assert_true(options.set == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY));
    assert_true(options.clear == MOUNT_ATTR__ATIME);
    assert_true(options.recursive_set == MOUNT_ATTR_RDONLY);
    assert_int_equal(options.propagation_count, 1);
    assert_true(options.propagations[0].kind == MS_SLAVE && options.propagations[0].recursive);
    assert_int_equal(options.data.count, 2);
    mount_options_release(&options);
    strv_clear(&mount.options);
    strv_split(&mount.options, "rbind size=1m", ' ');
    assert_true(mount_options_parse(&mount, &options, &err) < 0);
    mount_options_release(&options);
    static const struct {
        const char *type, *options, *wrong; /* NULL: good */
    } cases[] = {
        {"bind", "idmap", NULL},
        {"tmpfs", "idmap", "for bind mounts only"},
        {"tmpfs", "mand", "options[0]"},
        {"", "ro", "neither a type nor bind"},
        {"", "remount,ro", NULL},
        {"tmpfs", "remount,rslave", "neither tmpcopyup nor propagation"},
        {"tmpfs", "private,shared,private,shared,private,shared,private,shared", NULL},
        {"tmpfs", "private,shared,private,shared,private,shared,private,shared,slave", "options[8]"},
        {"none", "rbind,sync,async", NULL},
        {"none", "rbind,sync", "\"sync\" has no meaning"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        mount.type = (char *)cases[i].type;
        strv_clear(&mount.options);
        strv_split(&mount.options, cases[i].options, ',');
        error_clear(&err);
        int r = mount_options_parse(&mount, &options, &err);
        mount_options_release(&options);
        if (cases[i].wrong == NULL ? r != 0 : r == 0 || strstr(err.message, cases[i].wrong) == NULL)
            fail_msg("%s of %s: %d %s", cases[i].options, cases[i].type, r, err.message);
    }
    strv_release(&mount.options);
}

static void capabilities_have_names_and_numbers(void **state)
{
    (void)state;
    assert_int_equal(runtime_capability_number("CAP_CHOWN"), 0);
    assert_int_equal(runtime_capability_number("cap_checkpoint_restore"), 40);
    assert_int_equal(runtime_capability_number("CAP_NOPE"), -1);
    assert_string_equal(runtime_capability_name(12), "CAP_NET_ADMIN");
    assert_null(runtime_capability_name(63));
    struct strv names = STRV_INIT;
    for (size_t i = 0; runtime_default_capabilities[i] != NULL; i++)
        strv_add(&names, runtime_default_capabilities[i]);
    const char *unknown = "x";
    assert_true(runtime_capability_set(&names, &unknown) == 0xa80425fb);
    assert_null(unknown);
    strv_add(&names, "CAP_NOPE");
    runtime_capability_set(&names, &unknown);
    assert_string_equal(unknown, "CAP_NOPE");
    strv_release(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spec_of_every_kind_of_member_is_read),
        cmocka_unit_test(wrong_types_are_errors_that_name_the_path),
        cmocka_unit_test(what_types_cannot_say_is_checked),
        cmocka_unit_test(sysctl_names_go_both_ways),
        cmocka_unit_test(mount_options_are_sorted_into_attributes_propagation_and_data),
        cmocka_unit_test(capabilities_have_names_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
