#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/container.h"
#include "daemon/etc_files.h"
#include "daemon/options.h"
#include "daemon/spec_generate.h"
#include "runtime/spec.h"

/* A container made from JSON, its spec generated and read back with the runtime's own parser. */
struct made {
    struct container c;
    struct oci_spec spec;
};

static void make(struct made *m, const char *config, const char *host)
{
    static struct daemon_options options;
    struct error err = {0};
    *m = (struct made){0};
    assert_int_equal(json_table_decode_text(&container_config_table, config, strlen(config), &m->c.config, &err), 0);
    assert_int_equal(json_table_decode_text(&host_config_table, host, strlen(host), &m->c.host, &err), 0);
    host_config_set_defaults(&m->c.host, &options);
    assert_int_equal(mounts_collect(&m->c.config, &m->c.host, NULL, &m->c.mounts, &m->c.mount_count, &err), 0);
    m->c.path = xstrdup("/bin/sh");
    strv_add(&m->c.args, "-c");
    strv_add(&m->c.args, "echo \"hi\"");
    struct identity identity = {.uid = 5, .gid = 6, .home = (char *)"/home/x"};
    uint32_t groups[] = {6, 10};
    identity.groups = groups;
    identity.group_count = 2;
    struct device_list devices = {0};
    if (m->c.host.devices.count > 0)
        assert_int_equal(devices_collect(&m->c.host, &devices, &err), 0);
    struct spec_input input = {.container = &m->c,
                               .identity = &identity,
                               .devices = &devices,
                               .capabilities = 1u << 0 | 1u << 10,
                               .hostname = "box",
                               .cgroups_path = "/dory/1",
                               .etc_dir = "/etcdir",
                               .host_network = strcmp(m->c.host.network_mode, "host") == 0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    spec_generate(&input, &text);
    if (oci_spec_parse(strbuf_str(&text), text.size, &m->spec, &err) < 0)
        fail_msg("%s in %s", err.message, strbuf_str(&text));
    if (oci_spec_validate(&m->spec, &err) < 0)
        fail_msg("%s in %s", err.message, strbuf_str(&text));
    device_list_release(&devices);
}

static void done(struct made *m)
{
    oci_spec_release(&m->spec);
    container_config_release(&m->c.config);
    host_config_release(&m->c.host);
    mounts_free(m->c.mounts, m->c.mount_count);
    strv_release(&m->c.args);
    free(m->c.path);
}

static const struct oci_mount *find_mount(const struct made *m, const char *destination)
{
    const struct oci_mount *mounts = m->spec.mounts.items;
    for (size_t i = 0; i < m->spec.mounts.count; i++)
        if (strcmp(mounts[i].destination, destination) == 0)
            return &mounts[i];
    return NULL;
}

static void the_default_is_dockers(void **state)
{
    (void)state;
    struct made m;
    make(&m, "{}", "{}");
    assert_string_equal(m.spec.process.args.items[2], "echo \"hi\"");
    assert_int_equal(m.spec.process.user.uid, 5);
    assert_int_equal(m.spec.process.user.additional_gids.count, 2);
    assert_string_equal(m.spec.process.cwd, "/");
    assert_string_equal(m.spec.hostname, "box");
    assert_false(m.spec.process.terminal);
    assert_int_equal(m.spec.process.capabilities.bounding.count, 2);
    assert_int_equal(m.spec.process.capabilities.inheritable.count, 0);
    static const char *const namespaces[] = {"mount", "network", "uts", "pid", "ipc", "cgroup"};
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        assert_non_null(oci_spec_namespace(&m.spec, namespaces[i]));
    assert_null(oci_spec_namespace(&m.spec, "user"));
    static const char *const mounts[] = {"/proc",          "/dev",        "/dev/pts", "/sys",
                                         "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm", "/etc/resolv.conf",
                                         "/etc/hostname",  "/etc/hosts"};
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
        assert_string_equal(((struct oci_mount *)m.spec.mounts.items)[i].destination, mounts[i]);
    assert_true(strv_contains(&find_mount(&m, "/sys")->options, "ro"));
    assert_true(strv_contains(&find_mount(&m, "/sys/fs/cgroup")->options, "ro"));
    assert_true(strv_contains(&find_mount(&m, "/dev/shm")->options, "size=67108864"));
    assert_true(strv_contains(&m.spec.linux_.masked_paths, "/proc/kcore"));
    assert_string_equal(m.spec.linux_.cgroups_path, "/dory/1");
    assert_null(m.spec.linux_.resources.memory.limit);
    assert_true(m.spec.linux_.resources.devices.count > 1);
    assert_false(((struct oci_device_rule *)m.spec.linux_.resources.devices.items)[0].allow);
    done(&m);
}

static void the_environment_has_dockers_order(void **state)
{
    (void)state;
    struct made m;
    make(&m, "{\"Tty\":true,\"Env\":[\"A=b\",\"HOSTNAME=mine\",\"TERM\"]}", "{\"ConsoleSize\":[10,20]}");
    const struct strv *env = &m.spec.process.env;
    assert_int_equal(env->count, 4);
    assert_string_equal(env->items[0], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_string_equal(env->items[1], "HOSTNAME=mine");
    assert_string_equal(env->items[2], "A=b"); /* TERM without a value is taken away */
    assert_string_equal(env->items[3], "HOME=/home/x");
    assert_true(m.spec.process.terminal);
    assert_int_equal(m.spec.process.console_size.height, 10);
    assert_int_equal(m.spec.process.console_size.width, 20);
    done(&m);
}

static void host_namespaces_are_left_out(void **state)
{
    (void)state;
    struct made m;
    make(&m, "{}",
         "{\"NetworkMode\":\"host\",\"PidMode\":\"host\",\"UTSMode\":\"host\",\"IpcMode\":\"host\",\"CgroupnsMode\":"
         "\"host\"}");
    static const char *const namespaces[] = {"network", "uts", "pid", "ipc", "cgroup"};
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        assert_null(oci_spec_namespace(&m.spec, namespaces[i]));
    assert_null(m.spec.hostname);
    assert_string_equal(find_mount(&m, "/dev/shm")->source, "/dev/shm");
    done(&m);
}

static void privileged_means_no_masks_and_every_device(void **state)
{
    (void)state;
    struct made m;
    make(&m, "{}", "{\"Privileged\":true}");
    assert_int_equal(m.spec.linux_.masked_paths.count, 0);
    assert_int_equal(m.spec.linux_.readonly_paths.count, 0);
    assert_false(strv_contains(&find_mount(&m, "/sys")->options, "ro"));
    assert_int_equal(m.spec.linux_.resources.devices.count, 1);
    assert_true(((struct oci_device_rule *)m.spec.linux_.resources.devices.items)[0].allow);
    done(&m);
}

static void limits_become_resources(void **state)
{
    (void)state;
    struct made m;
    make(&m, "{}",
         "{\"Memory\":33554432,\"NanoCpus\":1500000000,\"PidsLimit\":20,\"CpuShares\":512,\"CpusetCpus\":\"0\","
         "\"BlkioWeight\":100,\"OomScoreAdj\":-5,\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":100,\"Hard\":-1}]}");
    const struct oci_resources *r = &m.spec.linux_.resources;
    assert_int_equal(*r->memory.limit, 33554432);
    assert_int_equal(*r->memory.swap, 67108864);
    assert_int_equal(*r->cpu.quota, 150000);
    assert_int_equal(*r->cpu.period, 100000);
    assert_int_equal(*r->cpu.shares, 512);
    assert_string_equal(r->cpu.cpus, "0");
    assert_int_equal(*r->pids.limit, 20);
    assert_int_equal(*r->block_io.weight, 100);
    assert_int_equal(*m.spec.process.oom_score_adj, -5);
    const struct oci_rlimit *rlimit = m.spec.process.rlimits.items;
    assert_string_equal(rlimit->type, "RLIMIT_NOFILE");
    assert_int_equal(rlimit->soft, 100);
    assert_true(rlimit->hard == UINT64_MAX);
    done(&m);
}

static void mounts_are_carried_over(void **state)
{
    (void)state;
    struct made m;
    make(&m, "{}",
         "{\"Binds\":[\"/a:/b:ro,rslave\",\"/h:/etc/hosts\"],\"Tmpfs\":{\"/"
         "t\":\"size=1m,exec\"},\"ReadonlyRootfs\":true}");
    const struct oci_mount *bind = find_mount(&m, "/b");
    assert_string_equal(bind->source, "/a");
    assert_true(strv_contains(&bind->options, "rbind"));
    assert_true(strv_contains(&bind->options, "rro"));
    assert_true(strv_contains(&bind->options, "rslave"));
    assert_string_equal(m.spec.linux_.rootfs_propagation, "rslave");
    const struct oci_mount *tmpfs = find_mount(&m, "/t");
    assert_true(strv_contains(&tmpfs->options, "size=1m"));
    assert_true(strv_contains(&tmpfs->options, "nosuid"));
    assert_false(strv_contains(&tmpfs->options, "noexec"));
    assert_string_equal(find_mount(&m, "/etc/hosts")->source, "/h"); /* the user's own wins over ours */
    assert_true(m.spec.root.readonly);
    assert_true(strv_contains(&find_mount(&m, "/etc/resolv.conf")->options, "ro"));
    done(&m);
}

static void devices_are_nodes_and_rules(void **state)
{
    (void)state;
    struct made m;
    make(&m, "{}",
         "{\"Devices\":[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/nix\",\"CgroupPermissions\":\"r\"}],"
         "\"DeviceCgroupRules\":[\"c 7:* rw\"]}");
    const struct oci_device *device = m.spec.linux_.devices.items;
    assert_int_equal(m.spec.linux_.devices.count, 1);
    assert_string_equal(device->path, "/dev/nix");
    assert_int_equal(device->major, 1);
    assert_int_equal(device->minor, 3);
    const struct oci_device_rule *rules = m.spec.linux_.resources.devices.items;
    size_t count = m.spec.linux_.resources.devices.count;
    assert_string_equal(rules[count - 2].access, "r");
    assert_int_equal(*rules[count - 1].major, 7);
    assert_int_equal(*rules[count - 1].minor, -1);
    done(&m);
}

static void tmpfs_options_are_checked(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv options = STRV_INIT;
    struct error err = {0};
    assert_true(spec_tmpfs_options("size=1m,nosuch", &options, &err) < 0);
    assert_string_equal(err.message, "invalid tmpfs option [\"nosuch\"]");
    assert_true(spec_tmpfs_options("lowerdir=/etc", &options, &err) < 0);
    assert_int_equal(spec_tmpfs_options("", &options, &err), 0);
    assert_int_equal(options.count, 3);
}

static void hosts_and_resolver_files(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv extra = STRV_INIT;
    CLEANUP_STRV struct strv search = STRV_INIT;
    CLEANUP_STRV struct strv addresses = STRV_INIT;
    strv_add(&addresses, "10.0.0.2");
    strv_add(&extra, "foo:1.2.3.4");
    strv_add(&extra, "six=[::7]");
    strv_add(&extra, "gw:host-gateway");
    strv_add(&search, "x.y");
    struct etc_files files = {.hostname = "box",
                              .domainname = "lan",
                              .addresses = &addresses,
                              .gateway = "10.0.0.1",
                              .extra_hosts = &extra,
                              .dns_search = &search,
                              .host_resolv =
                                  "# c\nnameserver 127.0.0.1\nnameserver 9.9.9.9\nsearch old\noptions ndots:1\n"};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    etc_hosts_text(&files, &out);
    assert_non_null(strstr(strbuf_str(&out), "127.0.0.1\tlocalhost\n"));
    assert_non_null(strstr(strbuf_str(&out), "1.2.3.4\tfoo\n::7\tsix\n10.0.0.1\tgw\n10.0.0.2\tbox.lan box\n"));
    strbuf_clear(&out);
    etc_resolv_text(&files, &out);
    assert_string_equal(strbuf_str(&out), "nameserver 9.9.9.9\nsearch x.y\noptions ndots:1\n");
    files.resolver = true; /* what the host says of dots is kept */
    strbuf_clear(&out);
    etc_resolv_text(&files, &out);
    assert_string_equal(strbuf_str(&out), "nameserver 127.0.0.11\nsearch x.y\noptions ndots:1\n");
    files.host_resolv = "options  edns0\ttrust-ad\n";
    strbuf_clear(&out);
    etc_resolv_text(&files, &out);
    assert_string_equal(strbuf_str(&out), "nameserver 127.0.0.11\nsearch x.y\noptions edns0 trust-ad ndots:0\n");
    files.resolver = false;
    files.host_resolv = "nameserver 127.0.0.53\n";
    files.dns_search = NULL;
    strbuf_clear(&out);
    etc_resolv_text(&files, &out);
    assert_string_equal(strbuf_str(&out), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_dockers),       cmocka_unit_test(the_environment_has_dockers_order),
        cmocka_unit_test(host_namespaces_are_left_out), cmocka_unit_test(privileged_means_no_masks_and_every_device),
        cmocka_unit_test(limits_become_resources),      cmocka_unit_test(mounts_are_carried_over),
        cmocka_unit_test(devices_are_nodes_and_rules),  cmocka_unit_test(tmpfs_options_are_checked),
        cmocka_unit_test(hosts_and_resolver_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
