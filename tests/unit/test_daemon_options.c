/* The daemon's settings; the file itself is part of the program, not of a library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/doryd/options.c"
#include "cmd/doryd/options_check.c"
#include "cmd/doryd/options_print.c"
#include "cmd/doryd/options_refused.c"
#include "cmd/doryd/options_rows.c"

static void expect_json(const char *text, const char *message)
{
    struct daemon_options options = {0};
    struct error error = {0};
    int r;

    daemon_options_init(&options);
    r = daemon_options_read_json(&options, text, strlen(text), NULL, &error);
    if (message) {
        assert_true(r < 0);
        assert_int_equal(error.kind, ERROR_INVALID);
        assert_non_null(strstr(error.message, message));
    } else {
        assert_int_equal(r, 0);
    }
    daemon_options_release(&options);
}

static int load(struct daemon_options *options, struct error *err, const char *first, const char *second)
{
    struct invocation invocation = {0};
    char *argv[] = {(char *)"doryd", (char *)"--config-file", (char *)"/dev/null", (char *)first, (char *)second, NULL};
    int r;

    daemon_options_init(options);
    r = daemon_options_load(options, &invocation, 3 + (first != NULL) + (second != NULL), argv, err);
    invocation_release(&invocation);
    return r;
}

static void defaults_are_dockerds_with_our_places(void **state)
{
    struct daemon_options options = {0};

    (void)state;
    assert_int_equal(load(&options, NULL, NULL, NULL), 0);
    assert_string_equal(options.data_root, "/var/lib/dory");
    assert_string_equal(options.exec_root, "/run/dory");
    assert_int_equal(options.hosts.count, 1);
    assert_string_equal(options.hosts.items[0], "unix:///run/dory.sock");
    assert_true(options.live_restore);
    assert_true(options.iptables);
    assert_int_equal(options.shutdown_timeout, 15);
    daemon_options_release(&options);
}

static void a_given_host_replaces_the_default_one(void **state)
{
    struct daemon_options options = {0};

    (void)state;
    assert_int_equal(load(&options, NULL, "-H", "unix:///a"), 0);
    assert_int_equal(options.hosts.count, 1);
    assert_string_equal(options.hosts.items[0], "unix:///a");
    daemon_options_release(&options);
}

static void flags_are_read_in_every_form(void **state)
{
    static const char *const forms[][2] = {
        {"--log-level", "warn"}, {"--log-level=warn", NULL}, {"-l", "warn"}, {"-lwarn", NULL}, {"-l=warn", NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct daemon_options options = {0};

        assert_int_equal(load(&options, NULL, forms[i][0], forms[i][1]), 0);
        assert_string_equal(options.log_level, "warn");
        daemon_options_release(&options);
    }
}

static void expect_refusal(const char *first, const char *second, const char *message)
{
    struct daemon_options options = {0};
    struct error error = {0};

    assert_true(load(&options, &error, first, second) < 0);
    assert_string_equal(error.message, message);
    daemon_options_release(&options);
}

static void bad_flags_are_named(void **state)
{
    (void)state;
    expect_refusal("--colour", "red", "unknown flag: --colour");
    expect_refusal("-x", NULL, "unknown shorthand flag: 'x' in -x");
    expect_refusal("--data-root", NULL, "flag needs an argument: --data-root");
    expect_refusal("--mtu", "many", "invalid argument \"many\" for \"--mtu\" flag: not a whole number");
    expect_refusal("--iptables=perhaps", NULL,
                   "invalid argument \"perhaps\" for \"--iptables\" flag: not a boolean value");
    expect_refusal("--log-level", "loud", "invalid logging level: loud");
    expect_refusal("--log-opt", "max-size",
                   "invalid argument \"max-size\" for \"--log-opt\" flag: key=value is expected");
    expect_refusal("start", NULL, "unknown argument: start (doryd takes no arguments)");
}

static void settings_are_read_from_json(void **state)
{
    const char *text = "{\"data-root\":\"/d\",\"hosts\":[\"unix:///a\",\"tcp://b:1\"],\"mtu\":1400,\"iptables\":false,"
                       "\"log-opts\":{\"max-size\":\"1m\"}}";
    struct daemon_options options = {0};

    (void)state;
    daemon_options_init(&options);
    assert_int_equal(daemon_options_read_json(&options, text, strlen(text), NULL, NULL), 0);
    assert_string_equal(options.data_root, "/d");
    assert_int_equal(options.hosts.count, 2);
    assert_int_equal(options.mtu, 1400);
    assert_false(options.iptables);
    assert_string_equal(strmap_get(&options.log_options, "max-size"), "1m");
    daemon_options_release(&options);
}

static void errors_in_json_are_named(void **state)
{
    (void)state;
    expect_json("", NULL);
    expect_json("{}", NULL);
    expect_json("{\"colour\":1,\"mtu\":2,\"shape\":3}",
                "the following directives don't match any configuration option: colour, shape");
    expect_json("{\"mtu\":\"x\"}", "mtu: expected a whole number");
    expect_json("{\"mtu\":1.5}", "mtu: expected a whole number");
    expect_json("{\"hosts\":\"unix:///a\"}", "hosts: expected a list of strings");
    expect_json("{\"hosts\":[1]}", "hosts: expected a list of strings");
    expect_json("{\"iptables\":\"true\"}", "iptables: expected true or false");
    expect_json("{\"log-opts\":{\"a\":1}}", "log-opts: expected an object of strings");
    expect_json("[]", "not a JSON object");
    expect_json("{", "");
}

static void a_setting_in_both_places_is_a_conflict(void **state)
{
    const char *text = "{\"log-level\":\"info\"}";
    struct daemon_options options = {0};
    struct error error = {0};
    bool given[OPTION_ROWS_MAX] = {false};

    (void)state;
    daemon_options_init(&options);
    given[find_flag("log-level", strlen("log-level")) - option_rows] = true;
    xstrset(&options.log_level, "debug");
    assert_true(daemon_options_read_json(&options, text, strlen(text), given, &error) < 0);
    assert_string_equal(error.message, "the following directives are specified both as a flag and in the configuration "
                                       "file: log-level: (from flag: debug, from file: info)");
    daemon_options_release(&options);
}

static void a_reload_changes_what_it_may_and_names_the_rest(void **state)
{
    struct daemon_options options = {0}, fresh = {0};
    CLEANUP_STRV struct strv ignored = STRV_INIT;

    (void)state;
    daemon_options_init(&options);
    daemon_options_init(&fresh);
    strv_add(&fresh.labels, "a=b");
    xstrset(&fresh.data_root, "/elsewhere");
    fresh.live_restore = false;
    daemon_options_reload(&options, &fresh, &ignored);
    assert_int_equal(options.labels.count, 1);
    assert_false(options.live_restore);
    assert_string_equal(options.data_root, "/var/lib/dory");
    assert_int_equal(ignored.count, 1);
    assert_string_equal(ignored.items[0], "data-root");
    daemon_options_release(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_dockerds_with_our_places),
        cmocka_unit_test(a_given_host_replaces_the_default_one),
        cmocka_unit_test(flags_are_read_in_every_form),
        cmocka_unit_test(bad_flags_are_named),
        cmocka_unit_test(settings_are_read_from_json),
        cmocka_unit_test(errors_in_json_are_named),
        cmocka_unit_test(a_setting_in_both_places_is_a_conflict),
        cmocka_unit_test(a_reload_changes_what_it_may_and_names_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
