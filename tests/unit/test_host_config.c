#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/host_config.h"
#include "daemon/options.h"

static int decode(const char *text, struct host_config *ret, struct error *err)
{
    return json_table_decode_text(&host_config_table, text, strlen(text), ret, err);
}

static void encode(const struct host_config *host, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_table_encode(&host_config_table, host, &w);
}

static void what_is_decoded_is_encoded_again(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "\"Binds\":[\"/a:/b\"]",
        "\"PortBindings\":{\"80/"
        "tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"},{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"0\"}],"
        "\"53/udp\":[{\"HostIp\":\"\",\"HostPort\":\"\"}]}",
        "\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}",
        "\"ConsoleSize\":[24,80]",
        "\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"10m\"}}",
        "\"MemorySwappiness\":0",
        "\"OomKillDisable\":true",
        "\"PidsLimit\":-1",
        "\"Ulimits\":[{\"Name\":\"nofile\",\"Hard\":200,\"Soft\":100}]",
        "\"Devices\":[{\"PathOnHost\":\"/dev/a\",\"PathInContainer\":\"/dev/b\",\"CgroupPermissions\":\"rwm\"}]",
        "\"MaskedPaths\":[]",
        "\"ReadonlyPaths\":[\"/proc/sys\"]",
        "\"Init\":true",
        "\"Sysctls\":{\"net.core.somaxconn\":\"9\"}",
        "\"BlkioDeviceReadBps\":[{\"Path\":\"/dev/a\",\"Rate\":5}]",
        "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"ReadOnly\":true,\"BindOptions\":{"
        "\"Propagation\":\"rslave\"}}]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *text = xasprintf("{%s}", rows[i]);
        CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
        struct host_config host = {0};
        struct error err = {0};
        if (decode(text, &host, &err) < 0)
            fail_msg("%s: %s", text, err.message);
        encode(&host, &out);
        if (strstr(strbuf_str(&out), rows[i]) == NULL)
            fail_msg("%s is missing in %s", rows[i], strbuf_str(&out));
        host_config_release(&host);
    }
}

static void an_empty_one_prints_what_docker_prints(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "\"Binds\":null",       "\"PortBindings\":{}",       "\"CapAdd\":null",         "\"Dns\":[]",
        "\"Memory\":0",         "\"MemorySwappiness\":null", "\"OomKillDisable\":null", "\"PidsLimit\":null",
        "\"MaskedPaths\":null", "\"ConsoleSize\":[0,0]",     "\"DeviceRequests\":null", "\"Devices\":[]"};
    static const char *const absent[] = {"\"Sysctls\"", "\"Tmpfs\"",        "\"StorageOpt\"", "\"Mounts\"",
                                         "\"Init\"",    "\"KernelMemory\"", "\"Annotations\""};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct host_config host = {0};
    encode(&host, &out);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strstr(strbuf_str(&out), rows[i]) == NULL)
            fail_msg("%s is missing in %s", rows[i], strbuf_str(&out));
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        if (strstr(strbuf_str(&out), absent[i]) != NULL)
            fail_msg("%s should not be in %s", absent[i], strbuf_str(&out));
}

static void defaults_are_filled_in(void **state)
{
    (void)state;
    struct host_config host = {0};
    struct daemon_options options = {.log_driver = (char *)"json-file"};
    strmap_set(&options.log_options, "max-size", "5m");
    host_config_set_defaults(&host, &options);
    assert_string_equal(host.network_mode, "bridge");
    assert_string_equal(host.ipc_mode, "private");
    assert_string_equal(host.cgroupns_mode, "private");
    assert_string_equal(host.restart_policy.name, "no");
    assert_string_equal(host.log_config.type, "json-file");
    assert_string_equal(strmap_get(&host.log_config.config, "max-size"), "5m");
    assert_int_equal(host.shm_size, 64 << 20);
    assert_true(strv_contains(&host.masked_paths.list, "/proc/kcore"));
    assert_true(strv_contains(&host.readonly_paths.list, "/proc/sys"));
    host_config_release(&host);
    strmap_release(&options.log_options);
}

static void privileged_masks_nothing(void **state)
{
    (void)state;
    struct host_config host = {.privileged = true};
    struct daemon_options options = {0};
    host_config_set_defaults(&host, &options);
    assert_false(host.masked_paths.set);
    assert_false(host.readonly_paths.set);
    host_config_release(&host);
}

static const struct {
    const char *text;
    enum error_kind kind;
    const char *message; /* or its beginning */
} refused[] = {
    {"{\"Memory\":1048576}", ERROR_INVALID, "Minimum memory limit allowed is 6MB"},
    {"{\"Memory\":-5}", ERROR_INVALID, "Minimum memory limit allowed is 6MB"},
    {"{\"Memory\":16777216,\"MemorySwap\":8388608}", ERROR_INVALID,
     "Minimum memoryswap limit should be larger than memory limit, see usage"},
    {"{\"MemorySwap\":8388608}", ERROR_INVALID,
     "You should always set the Memory limit when using Memoryswap limit, see usage"},
    {"{\"NanoCpus\":1,\"CpuPeriod\":1000}", ERROR_INVALID,
     "Conflicting options: Nano CPUs and CPU Period cannot both be set"},
    {"{\"NanoCpus\":9000000000000}", ERROR_INVALID, "range of CPUs is from 0.01 to "},
    {"{\"CpuPeriod\":10}", ERROR_INVALID, "CPU cfs period can not be less than 1ms"},
    {"{\"CpusetCpus\":\"0;1\"}", ERROR_INVALID, "Invalid value 0;1 for cpuset cpus"},
    {"{\"BlkioWeight\":5}", ERROR_INVALID, "Range of blkio weight is from 10 to 1000"},
    {"{\"RestartPolicy\":{\"Name\":\"sometimes\"}}", ERROR_INVALID,
     "invalid restart policy: unknown policy 'sometimes'"},
    {"{\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":1}}", ERROR_INVALID,
     "invalid restart policy: maximum retry count can only be used with 'on-failure'"},
    {"{\"RestartPolicy\":{\"Name\":\"always\"},\"AutoRemove\":true}", ERROR_INVALID,
     "can't create 'AutoRemove' container with restart policy"},
    {"{\"CapAdd\":[\"NOSUCH\"]}", ERROR_INVALID, "invalid CapAdd: unknown capability: \"CAP_NOSUCH\""},
    {"{\"SecurityOpt\":[\"nonsense\"]}", ERROR_INVALID, "invalid --security-opt 1: \"nonsense\""},
    {"{\"SecurityOpt\":[\"a=b\"]}", ERROR_INVALID, "invalid --security-opt 2: \"a=b\""},
    {"{\"SecurityOpt\":[\"apparmor=mine\"]}", ERROR_NOT_IMPLEMENTED, "HostConfig.SecurityOpt: AppArmor profile"},
    {"{\"Ulimits\":[{\"Name\":\"nosuch\",\"Hard\":1,\"Soft\":1}]}", ERROR_INVALID, "invalid ulimit type: nosuch"},
    {"{\"Ulimits\":[{\"Name\":\"nofile\",\"Hard\":1,\"Soft\":2}]}", ERROR_INVALID,
     "ulimit soft limit must be less than or equal to hard limit"},
    {"{\"ExtraHosts\":[\"nocolon\"]}", ERROR_INVALID, "bad format for add-host: \"nocolon\""},
    {"{\"ExtraHosts\":[\"a:1.2.3.4\\n6.6.6.6 evil\"]}", ERROR_INVALID, "bad format for add-host"},
    {"{\"Dns\":[\"1.1.1.1\\noptions x\"]}", ERROR_INVALID, "invalid DNS setting"},
    {"{\"CgroupParent\":\"/../../x\"}", ERROR_INVALID, "invalid CgroupParent"},
    {"{\"DeviceCgroupRules\":[\"x\"]}", ERROR_INVALID, "invalid device cgroup rule format: 'x'"},
    {"{\"Devices\":[{\"PathOnHost\":\"/dev/null\",\"CgroupPermissions\":\"rwx\"}]}", ERROR_INVALID,
     "invalid device mode: rwx"},
    {"{\"OomScoreAdj\":1001}", ERROR_INVALID, "Invalid value 1001, range for oom score adj is [-1000, 1000]"},
    {"{\"ShmSize\":-1}", ERROR_INVALID, "SHM size can not be less than 0"},
    {"{\"IpcMode\":\"wrong\"}", ERROR_INVALID, "invalid IPC mode: wrong"},
    {"{\"PidMode\":\"wrong\"}", ERROR_INVALID, "invalid PID mode: wrong"},
    {"{\"LogConfig\":{\"Type\":\"nosuch\"}}", ERROR_INVALID,
     "error looking up logging plugin nosuch: plugin \"nosuch\" not found"},
    {"{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"nosuch\":\"1\"}}}", ERROR_INVALID,
     "unknown log opt 'nosuch' for json-file log driver"},
    {"{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"x\"}}}", ERROR_INVALID, "invalid"},
    {"{\"StorageOpt\":{\"size\":\"x\"}}", ERROR_INVALID, "invalid size: 'x'"},
    {"{\"StorageOpt\":{\"Size\":\"-1\"}}", ERROR_INVALID, "invalid size: '-1'"},
    {"{\"StorageOpt\":{\"inodes\":\"1\"}}", ERROR_INVALID, "Unknown option inodes"},
    {"{\"DeviceRequests\":[{\"Driver\":\"nvidia\"}]}", ERROR_NOT_IMPLEMENTED,
     "could not select device driver \"nvidia\" with capabilities: []"},
    {"{\"DeviceRequests\":[{\"Count\":-1,\"Capabilities\":[[\"gpu\"]]}]}", ERROR_NOT_IMPLEMENTED,
     "could not select device driver \"\" with capabilities: [[gpu]] (HostConfig.DeviceRequests)"},
    {"{\"CpusetCpus\":\"4000-4001\"}", ERROR_INVALID,
     "Requested CPUs are not available - requested 4000-4001, available: "},
    {"{\"CpusetMems\":\"0,700\"}", ERROR_INVALID,
     "Requested memory nodes are not available - requested 0,700, available: "},
    {"{\"CpusetCpus\":\"3-1\"}", ERROR_INVALID, "Invalid value 3-1 for cpuset cpus"},
    {"{\"BlkioWeightDevice\":[{\"Path\":\"/dev/null\",\"Weight\":100}]}", ERROR_INVALID,
     "BlkioWeightDevice: /dev/null: not a block device"},
    {"{\"BlkioWeightDevice\":[{\"Path\":\"/dev/nosuch\",\"Weight\":100}]}", ERROR_INVALID,
     "BlkioWeightDevice: stat /dev/nosuch: "},
    {"{\"KernelMemory\":52428800}", ERROR_NOT_IMPLEMENTED, "HostConfig.KernelMemory is not supported"},
    {"{\"Cgroup\":\"container:x\"}", ERROR_NOT_IMPLEMENTED, "HostConfig.Cgroup is not supported"},
    {"{\"UsernsMode\":\"private\"}", ERROR_INVALID, "invalid user namespace mode: private"},
    {"{\"UTSMode\":\"container:x\"}", ERROR_INVALID, "invalid UTS mode: container:x"},
    {"{\"CgroupnsMode\":\"x\"}", ERROR_INVALID, "invalid cgroup namespace mode: x"},
    {"{\"Isolation\":\"hyperv\"}", ERROR_INVALID, "invalid isolation (hyperv): linux only supports 'default'"},
    {"{\"CpuCount\":1}", ERROR_NOT_IMPLEMENTED, "HostConfig.CpuCount (Windows)"},
    {"{\"IOMaximumBandwidth\":1}", ERROR_NOT_IMPLEMENTED, "HostConfig.IOMaximumBandwidth (Windows)"},
};

static void what_is_wrong_or_not_honoured_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct host_config host = {0};
        struct daemon_options options = {0};
        struct error err = {0};
        CLEANUP_STRV struct strv warnings = STRV_INIT;
        if (decode(refused[i].text, &host, &err) < 0)
            fail_msg("%s: %s", refused[i].text, err.message);
        host_config_set_defaults(&host, &options);
        if (host_config_validate(&host, &warnings, &err) == 0)
            fail_msg("%s was accepted", refused[i].text);
        if (err.kind != refused[i].kind || strncmp(err.message, refused[i].message, strlen(refused[i].message)) != 0)
            fail_msg("%s: expected \"%s\" (%d), got \"%s\" (%d)", refused[i].text, refused[i].message, refused[i].kind,
                     err.message, err.kind);
        host_config_release(&host);
    }
}

static void what_the_command_line_sends_is_accepted(void **state)
{
    (void)state;
    static const char text[] =
        "{\"Binds\":null,\"ContainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"\",\"Config\":{}},\"NetworkMode\":"
        "\"default\","
        "\"PortBindings\":{},\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},\"AutoRemove\":true,"
        "\"VolumeDriver\":\"\",\"VolumesFrom\":null,\"ConsoleSize\":[24,80],\"CapAdd\":null,\"CapDrop\":null,"
        "\"CgroupnsMode\":\"\",\"Dns\":[],\"DnsOptions\":[],\"DnsSearch\":[],\"ExtraHosts\":null,\"GroupAdd\":null,"
        "\"IpcMode\":\"\",\"Cgroup\":\"\",\"Links\":null,\"OomScoreAdj\":0,\"PidMode\":\"\",\"Privileged\":false,"
        "\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,\"SecurityOpt\":null,\"UTSMode\":\"\",\"UsernsMode\":\"\","
        "\"ShmSize\":0,\"Isolation\":\"\",\"CpuShares\":0,\"Memory\":0,\"NanoCpus\":0,\"CgroupParent\":\"\","
        "\"BlkioWeight\":0,\"BlkioWeightDevice\":[],\"BlkioDeviceReadBps\":[],\"CpuPeriod\":0,\"DeviceRequests\":null,"
        "\"MemorySwappiness\":-1,\"OomKillDisable\":false,\"PidsLimit\":0,\"Ulimits\":[],\"MaskedPaths\":null}";
    struct host_config host = {0};
    struct daemon_options options = {0};
    struct error err = {0};
    CLEANUP_STRV struct strv warnings = STRV_INIT;
    assert_int_equal(decode(text, &host, &err), 0);
    host_config_set_defaults(&host, &options);
    if (host_config_validate(&host, &warnings, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(host.network_mode, "bridge");
    assert_int_equal(warnings.count, 0);
    host_config_release(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_decoded_is_encoded_again),
        cmocka_unit_test(an_empty_one_prints_what_docker_prints),
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(privileged_masks_nothing),
        cmocka_unit_test(what_is_wrong_or_not_honoured_is_refused_by_name),
        cmocka_unit_test(what_the_command_line_sends_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
