/* Log drivers, their options, tags and attributes. */
#include "daemon/log_options.h"
#include "daemon/log_tag.h"
#include "tests/unit/base_test.h"

static int parse(const char *driver, const char *const *options, struct log_settings *ret, struct error *err)
{
    static struct strmap map;
    strmap_release(&map);
    for (; options[0] != NULL; options += 2)
        strmap_set(&map, options[0], options[1]);
    return log_settings_parse(driver, &map, ret, err);
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void mistakes_are_told_as_docker_tells_them(void **state)
{
    (void)state;
    static const struct {
        const char *driver, *key, *value;
        enum error_kind kind;
        const char *message;
    } rows[] = {
        {"nosuch", "a", "b", ERROR_INVALID, "error looking up logging plugin nosuch: plugin \"nosuch\" not found"},
        {"nosuch", "mode", "foo", ERROR_INVALID, "logger: logging mode not supported: foo"},
        {"json-file", "foo", "1", ERROR_INVALID, "unknown log opt 'foo' for json-file log driver"},
        {"local", "foo", "1", ERROR_INVALID, "unknown log opt 'foo' for log driver local"},
        {"syslog", "max-size", "1m", ERROR_INVALID, "unknown log opt 'max-size' for syslog log driver"},
        {"journald", "syslog-format", "", ERROR_INVALID, "unknown log opt 'syslog-format' for journald log driver"},
        {"json-file", "max-size", "xx", ERROR_INVALID, "invalid size: 'xx'"},
        {"json-file", "max-size", "0", ERROR_INVALID, "max-size must be a positive number"},
        {"json-file", "max-size", "99999999999999999999", ERROR_INVALID, "invalid size: '99999999999999999999'"},
        {"json-file", "max-file", "0", ERROR_INVALID, "max-file cannot be less than 1"},
        {"json-file", "max-file", "x", ERROR_INVALID, "invalid value for max-file: 'x'"},
        {"json-file", "compress", "x", ERROR_INVALID, "invalid value for compress: 'x'"},
        {"json-file", "mode", "foo", ERROR_INVALID, "logger: logging mode not supported: foo"},
        {"json-file", "max-buffer-size", "1m", ERROR_INVALID,
         "logger: max-buffer-size option is only supported with 'mode=non-blocking'"},
        {"syslog", "cache-disabled", "x", ERROR_INVALID, "invalid value for option cache-disabled: x"},
        {"syslog", "cache-foo", "x", ERROR_INVALID, "unknown log opt 'cache-foo' for syslog log driver"},
        {"syslog", "syslog-address", "1.2.3.4", ERROR_INVALID,
         "syslog-address should be in form proto://address, got 1.2.3.4"},
        {"syslog", "syslog-address", "foo://x", ERROR_INVALID,
         "syslog-address should be in form proto://address, got foo://x"},
        {"syslog", "syslog-address", "unix:///nosuch", ERROR_INVALID, "stat /nosuch: No such file or directory"},
        {"syslog", "syslog-tls-cert", "/x", ERROR_INVALID,
         "the options syslog-tls-* need a syslog-address tcp+tls://host:port"},
        {"syslog", "syslog-tls-skip-verify", "x", ERROR_INVALID, "invalid value for syslog-tls-skip-verify: 'x'"},
        {"syslog", "syslog-facility", "foo", ERROR_INVALID, "invalid syslog facility"},
        {"gelf", "foo", "1", ERROR_INVALID, "unknown log opt \"foo\" for gelf log driver"},
        {"gelf", "tag", "x", ERROR_INVALID, "gelf: gelf-address is a required parameter"},
        {"gelf", "gelf-address", "1.2.3.4:5", ERROR_INVALID,
         "gelf-address should be in form proto://address, got 1.2.3.4:5"},
        {"gelf", "gelf-address", "http://h:1", ERROR_INVALID, "gelf: endpoint needs to be TCP or UDP"},
        {"gelf", "gelf-address", "udp://h", ERROR_INVALID, "gelf: please provide gelf-address as proto://host:port"},
        {"gelf", "gelf-compression-type", "lz4", ERROR_INVALID,
         "unknown value \"lz4\" for log opt \"gelf-compression-type\" for gelf log driver"},
        {"gelf", "gelf-compression-level", "10", ERROR_INVALID,
         "unknown value \"10\" for log opt \"gelf-compression-level\" for gelf log driver"},
        {"gelf", "gelf-tcp-reconnect-delay", "x", ERROR_INVALID, "invalid value for gelf-tcp-reconnect-delay: 'x'"},
        {"gelf", "gelf-tcp-max-reconnect", "x", ERROR_INVALID, "\"gelf-tcp-max-reconnect\" must be a positive integer"},
        {"fluentd", "foo", "1", ERROR_INVALID, "unknown log opt 'foo' for fluentd log driver"},
        {"fluentd", "fluentd-address", "udp://h:1", ERROR_INVALID, "unsupported scheme: 'udp'"},
        {"fluentd", "fluentd-address", "unix://", ERROR_INVALID, "invalid fluentd-address unix://: path is missing"},
        {"fluentd", "fluentd-address", "h/x", ERROR_INVALID, "invalid fluentd-address h/x: should be host[:port]"},
        {"fluentd", "fluentd-async", "x", ERROR_INVALID, "invalid value for fluentd-async: 'x'"},
        {"fluentd", "fluentd-retry-wait", "x", ERROR_INVALID, "invalid value for fluentd-retry-wait: 'x'"},
        {"fluentd", "fluentd-buffer-limit", "1m", ERROR_INVALID,
         "fluentd-buffer-limit is only of use with fluentd-async=true"},
        {"fluentd", "fluentd-request-ack", "x", ERROR_INVALID, "invalid value for fluentd-request-ack: 'x'"},
        {"fluentd", "fluentd-max-retries", "-1", ERROR_INVALID, "invalid value for fluentd-max-retries: '-1'"},
        {"fluentd", "fluentd-write-timeout", "-1s", ERROR_INVALID, "invalid value for fluentd-write-timeout: '-1s'"},
        {"fluentd", "fluentd-async-reconnect-interval", "1s", ERROR_INVALID,
         "fluentd-async-reconnect-interval is only of use with fluentd-async=true"},
        {"syslog", "syslog-facility", "24", ERROR_INVALID, "invalid syslog facility"},
        {"syslog", "syslog-format", "foo", ERROR_INVALID, "Invalid syslog format"},
        {"json-file", "labels-regex", "[", ERROR_INVALID, "labels-regex: invalid regular expression: ["},
        {"json-file", "tag", "{{.Foo}}", ERROR_INVALID, "template: log-tag: \".Foo\" is not understood"},
        {"json-file", "tag", "a{{", ERROR_INVALID, "template: log-tag: unclosed action: {{"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct log_settings s;
        struct error err = {0};
        if (parse(rows[i].driver, OPTIONS(rows[i].key, rows[i].value), &s, &err) >= 0)
            fail_msg("%s %s=%s is accepted", rows[i].driver, rows[i].key, rows[i].value);
        assert_string_equal(err.message, rows[i].message);
        assert_int_equal(err.kind, rows[i].kind);
    }
}

static void options_come_to_settings(void **state)
{
    (void)state;
    struct log_settings s;
    struct error err = {0};
    assert_int_equal(parse("json-file", OPTIONS(), &s, &err), 0);
    assert_int_equal(s.max_size, 20000000);
    assert_int_equal(s.max_files, 5);
    assert_false(s.compress);
    assert_int_equal(parse("json-file", OPTIONS("max-size", "10m", "max-file", "3", "compress", "true"), &s, &err), 0);
    assert_int_equal(s.max_size, 10000000);
    assert_int_equal(s.max_files, 3);
    assert_true(s.compress);
    assert_int_equal(parse("json-file", OPTIONS("max-size", "-1"), &s, &err), 0);
    assert_int_equal(s.max_size, 0);
    assert_true(parse("json-file", OPTIONS("max-size", "-1", "compress", "1"), &s, &err) < 0);
    assert_string_equal(err.message, "compress cannot be true when max-file is less than 2 or max-size is not set");
    assert_int_equal(parse("local", OPTIONS(), &s, &err), 0);
    assert_true(s.compress);
    assert_int_equal(s.max_files, 5);
    assert_int_equal(parse("local", OPTIONS("compress", "false"), &s, &err), 0);
    assert_false(s.compress);
    assert_int_equal(parse("none", OPTIONS("whatever", "x"), &s, &err), 0);
    assert_int_equal(s.driver, LOG_DRIVER_NONE);
    assert_int_equal(parse("syslog",
                           OPTIONS("syslog-address", "udp://h:1514", "syslog-facility", "local7", "syslog-format",
                                   "rfc5424micro", "mode", "non-blocking", "max-buffer-size", "4m"),
                           &s, &err),
                     0);
    assert_int_equal(s.transport, LOG_UDP);
    assert_string_equal(s.address, "h:1514");
    assert_int_equal(s.facility, 23);
    assert_int_equal(s.format, SYSLOG_RFC5424_MICRO);
    assert_true(s.non_blocking);
    assert_int_equal(s.buffer_size, 4 << 20);
}

static void what_can_be_read_back(void **state)
{
    (void)state;
    CLEANUP_STRMAP struct strmap disabled = STRMAP_INIT;
    strmap_set(&disabled, "cache-disabled", "true");
    assert_true(log_is_readable("json-file", NULL));
    assert_true(log_is_readable("local", NULL));
    assert_true(log_is_readable("syslog", NULL));
    assert_false(log_is_readable("syslog", &disabled));
    assert_false(log_is_readable("none", NULL));
    assert_false(log_is_readable("nosuch", NULL));
}

static struct log_facts facts_of(struct strmap *labels, struct strv *env, struct strv *arguments)
{
    strmap_set(labels, "a", "1");
    strmap_set(labels, "ab", "2");
    strmap_set(labels, "c", "3");
    strv_add(env, "E1=x");
    strv_add(env, "E2=y=z");
    strv_add(env, "GONE");
    strv_add(arguments, "hi");
    return (struct log_facts){.id = "0123456789abcdef",
                              .name = "web",
                              .image_id = "sha256:fedcba98",
                              .image_name = "busybox",
                              .path = "echo",
                              .arguments = arguments,
                              .labels = labels,
                              .env = env};
}

static void tags_are_templates(void **state)
{
    (void)state;
    CLEANUP_STRMAP struct strmap labels = STRMAP_INIT;
    CLEANUP_STRV struct strv env = STRV_INIT, arguments = STRV_INIT;
    struct log_facts facts = facts_of(&labels, &env, &arguments);
    static const struct {
        const char *tag, *expected;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"{{.ID}}", "0123456789ab"},
        {"{{ .FullID }}", "0123456789abcdef"},
        {"{{.Name}}/{{.ImageName}}", "web/busybox"},
        {"{{.ContainerName}}", "/web"},
        {"{{.ImageID}}", "sha256:fedcb"},
        {"{{.ImageFullID}}", "sha256:fedcba98"},
        {"{{.DaemonName}}.{{.Command}}", "docker.echo hi"},
        {"{{index .ContainerLabels \"ab\"}}{{index .ContainerLabels \"no\"}}", "2"},
        {"}}{", "}}{"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *text = NULL;
        struct error err = {0};
        if (log_tag_expand(rows[i].tag, &facts, &text, &err) < 0)
            fail_msg("%s: %s", rows[i].tag, err.message);
        assert_string_equal(text, rows[i].expected);
    }
    assert_true(log_tag_check("{{index .ContainerLabels \"a\\\"}}", NULL) < 0);
    assert_true(log_tag_check("{{}}", NULL) < 0);
    assert_true(log_tag_check("{{.}}", NULL) < 0);
}

static void labels_and_environment_are_chosen_by_name_and_pattern(void **state)
{
    (void)state;
    CLEANUP_STRMAP struct strmap labels = STRMAP_INIT, got = STRMAP_INIT;
    CLEANUP_STRV struct strv env = STRV_INIT, arguments = STRV_INIT;
    struct log_facts facts = facts_of(&labels, &env, &arguments);
    struct log_settings s = {.labels = "a,zz", .labels_regex = "^ab", .env = "E1,GONE", .env_regex = "2$"};
    log_attributes(&s, &facts, &got);
    assert_int_equal(got.count, 4);
    assert_string_equal(strmap_get(&got, "a"), "1");
    assert_string_equal(strmap_get(&got, "ab"), "2");
    assert_string_equal(strmap_get(&got, "E1"), "x");
    assert_string_equal(strmap_get(&got, "E2"), "y=z");
    assert_string_equal(got.items[0].key, "E1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_told_as_docker_tells_them),
        cmocka_unit_test(options_come_to_settings),
        cmocka_unit_test(what_can_be_read_back),
        cmocka_unit_test(tags_are_templates),
        cmocka_unit_test(labels_and_environment_are_chosen_by_name_and_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
