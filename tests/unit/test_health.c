/* Health: what is configured, and the rules by which results change the state. */
#include "base/json.h"
#include "base/strbuf.h"
#include "daemon/health_state.h"
#include "tests/unit/base_test.h"

#define SECOND INT64_C(1000000000)

static bool add(struct health_state *health, const struct health_config *config, int64_t since_start, int exit_code)
{
    struct health_result result = {.start = 1, .end = 2, .exit_code = exit_code, .output = xstrdup("out")};
    return health_state_add(health, config, since_start, &result);
}

static void failures_count_until_the_retries_and_a_success_forgives_them(void **state)
{
    (void)state;
    struct health_state h = {0};
    struct health_config config = {.retries = 2};
    health_state_begin(&h);
    assert_int_equal(h.status, HEALTH_STARTING);
    assert_false(add(&h, &config, SECOND, 1));
    assert_int_equal(h.failing_streak, 1);
    assert_true(add(&h, &config, SECOND, 7));
    assert_int_equal(h.status, HEALTH_UNHEALTHY);
    assert_false(add(&h, &config, SECOND, -1));
    assert_int_equal(h.failing_streak, 3);
    assert_true(add(&h, &config, SECOND, 0));
    assert_int_equal(h.status, HEALTH_HEALTHY);
    assert_int_equal(h.failing_streak, 0);
    assert_false(add(&h, &config, SECOND, 1));
    assert_int_equal(h.status, HEALTH_HEALTHY);
    health_state_release(&h);
}

static void the_start_period_forgives_failures_until_the_first_success(void **state)
{
    (void)state;
    struct health_state h = {0};
    struct health_config config = {.retries = 1, .start_period = 10 * SECOND, .start_interval = SECOND, .interval = 3};
    health_state_begin(&h);
    assert_false(add(&h, &config, 9 * SECOND, 1));
    assert_int_equal(h.status, HEALTH_STARTING);
    assert_int_equal(h.failing_streak, 0);
    assert_int_equal(health_state_pause(&h, &config, 9 * SECOND), SECOND);
    assert_int_equal(health_state_pause(&h, &config, 10 * SECOND), 3);
    assert_true(add(&h, &config, 9 * SECOND, 0));
    assert_int_equal(health_state_pause(&h, &config, 9 * SECOND), 3);
    /* It was healthy once: the period is over. */
    assert_true(add(&h, &config, 9 * SECOND, 1));
    assert_int_equal(h.status, HEALTH_UNHEALTHY);
    health_state_release(&h);
}

static void five_results_are_kept_and_survive_their_json(void **state)
{
    (void)state;
    struct health_state h = {0}, back = {0};
    struct health_config config = {0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    health_state_begin(&h);
    for (int i = 0; i < 8; i++)
        add(&h, &config, 0, i);
    assert_int_equal(h.log.count, HEALTH_LOG_MAX);
    assert_int_equal(((struct health_result *)h.log.items)[0].exit_code, 3);
    json_writer_init(&w, &text);
    json_table_encode(&health_state_table, &h, &w);
    struct error err = {0};
    if (json_table_decode_text(&health_state_table, strbuf_str(&text), text.size, &back, &err) < 0)
        fail_msg("%s: %s", strbuf_str(&text), err.message);
    assert_int_equal(back.status, h.status);
    assert_int_equal(back.failing_streak, h.failing_streak);
    assert_int_equal(back.log.count, HEALTH_LOG_MAX);
    assert_int_equal(((struct health_result *)back.log.items)[4].exit_code, 7);
    assert_int_equal(((struct health_result *)back.log.items)[4].end, 2);
    assert_string_equal(((struct health_result *)back.log.items)[4].output, "out");
    health_state_stop(&h);
    assert_int_equal(h.status, HEALTH_UNHEALTHY);
    health_state_release(&h);
    health_state_release(&back);
    health_state_stop(&h);
    assert_int_equal(h.status, HEALTH_NONE);
}

static void the_image_fills_what_the_request_leaves_open(void **state)
{
    (void)state;
    struct container_config config = {0}, image = {0};
    CLEANUP_STRV struct strv command = STRV_INIT;
    image.healthcheck = xcalloc(1, sizeof(*image.healthcheck));
    *image.healthcheck = (struct health_config){.interval = 5, .retries = 9};
    strv_add(&image.healthcheck->test, "CMD-SHELL");
    strv_add(&image.healthcheck->test, "check me");
    health_config_merge(&config, &image);
    assert_true(health_config_has_check(&config));
    health_config_command(&config, &command);
    assert_int_equal(command.count, 3);
    assert_string_equal(command.items[0], "/bin/sh");
    assert_string_equal(command.items[2], "check me");
    assert_int_equal(health_config_interval(config.healthcheck), 5);
    assert_int_equal(health_config_timeout(config.healthcheck), 30 * SECOND);
    assert_int_equal(health_config_retries(config.healthcheck), 9);
    container_config_release(&config);
    /* --no-healthcheck */
    config = (struct container_config){.healthcheck = xcalloc(1, sizeof(*config.healthcheck))};
    strv_add(&config.healthcheck->test, "NONE");
    health_config_merge(&config, &image);
    assert_false(health_config_has_check(&config));
    container_config_release(&config);
    container_config_release(&image);
}

static void mistakes_are_named_in_dockers_words(void **state)
{
    (void)state;
    static const struct {
        struct health_config config;
        const char *kind, *command, *message;
    } rows[] = {
        {{.interval = 999999}, NULL, NULL, "Interval in Healthcheck cannot be less than 1ms"},
        {{.timeout = -1}, NULL, NULL, "Timeout in Healthcheck cannot be less than 1ms"},
        {{.start_period = 1}, NULL, NULL, "StartPeriod in Healthcheck cannot be less than 1ms"},
        {{.start_interval = 1}, NULL, NULL, "StartInterval in Healthcheck cannot be less than 1ms"},
        {{.retries = -1}, NULL, NULL, "Retries in Healthcheck cannot be negative"},
        {{.interval = 0}, "FOO", "x", "Unknown type \"FOO\" in Healthcheck (try CMD)"},
        {{.interval = 0}, "CMD", NULL, "Missing command after Healthcheck CMD"},
        {{.interval = 1000000}, "CMD", "x", NULL},
        {{.interval = 0}, "NONE", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct health_config config = rows[i].config;
        struct error err = {0};
        strv_add(&config.test, rows[i].kind);
        strv_add(&config.test, rows[i].command);
        int r = health_config_validate(&config, &err);
        assert_int_equal(r < 0, rows[i].message != NULL);
        if (rows[i].message != NULL)
            assert_string_equal(err.message, rows[i].message);
        strv_release(&config.test);
    }
    assert_int_equal(health_config_validate(NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_count_until_the_retries_and_a_success_forgives_them),
        cmocka_unit_test(the_start_period_forgives_failures_until_the_first_success),
        cmocka_unit_test(five_results_are_kept_and_survive_their_json),
        cmocka_unit_test(the_image_fills_what_the_request_leaves_open),
        cmocka_unit_test(mistakes_are_named_in_dockers_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
