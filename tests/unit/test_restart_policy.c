#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/restart_policy.h"

static bool applies(const char *name, int64_t maximum, struct restart_facts facts)
{
    struct restart_policy policy = {.name = (char *)name, .maximum_retry_count = maximum};
    return restart_policy_applies(&policy, &facts);
}

#define FACTS(...) ((struct restart_facts){__VA_ARGS__})

static void no_policy_never_restarts(void **state)
{
    (void)state;
    assert_false(applies("no", 0, FACTS(.exit_code = 1)));
    assert_false(applies("", 0, FACTS(.exit_code = 1)));
    assert_false(applies(NULL, 0, FACTS(.exit_code = 1, .daemon_start = true)));
}

static void always_restarts_unless_stopped_by_hand_in_this_life_of_the_daemon(void **state)
{
    (void)state;
    assert_true(applies("always", 0, FACTS(.exit_code = 0)));
    assert_false(applies("always", 0, FACTS(.stopped_by_user = true)));
    assert_true(applies("always", 0, FACTS(.stopped_by_user = true, .daemon_start = true)));
}

static void unless_stopped_remembers_the_stop(void **state)
{
    (void)state;
    assert_true(applies("unless-stopped", 0, FACTS(.exit_code = 0)));
    assert_false(applies("unless-stopped", 0, FACTS(.stopped_by_user = true)));
    assert_false(applies("unless-stopped", 0, FACTS(.stopped_by_user = true, .daemon_start = true)));
}

static void on_failure_counts(void **state)
{
    (void)state;
    assert_false(applies("on-failure", 0, FACTS(.exit_code = 0)));
    assert_true(applies("on-failure", 0, FACTS(.exit_code = 1, .restart_count = 1000)));
    assert_true(applies("on-failure", 2, FACTS(.exit_code = 1, .restart_count = 1)));
    assert_false(applies("on-failure", 2, FACTS(.exit_code = 1, .restart_count = 2)));
    assert_false(applies("on-failure", 2, FACTS(.exit_code = 1, .stopped_by_user = true)));
}

static void on_unhealthy_is_on_failure_and_health(void **state)
{
    (void)state;
    assert_true(applies("on-unhealthy", 0, FACTS(.exit_code = 1)));
    assert_false(applies("on-unhealthy", 0, FACTS(.exit_code = 0)));
    assert_true(applies("on-unhealthy", 0, FACTS(.exit_code = 0, .unhealthy = true)));
    assert_false(applies("on-failure", 0, FACTS(.exit_code = 0, .unhealthy = true)));
    assert_false(applies("on-unhealthy", 2, FACTS(.unhealthy = true, .restart_count = 2)));
    assert_false(applies("on-unhealthy", 0, FACTS(.unhealthy = true, .stopped_by_user = true)));
    assert_true(restart_policy_wants_healthy(&(struct restart_policy){.name = (char *)"on-unhealthy"}));
    assert_false(restart_policy_wants_healthy(&(struct restart_policy){.name = (char *)"always"}));
}

static void the_delay_doubles_to_a_minute_and_starts_anew_after_ten_seconds(void **state)
{
    (void)state;
    int failures = 0;
    int64_t expected = 100;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(restart_policy_delay(1000000, &failures), expected);
        expected = expected * 2 < 60000 ? expected * 2 : 60000;
    }
    assert_int_equal(restart_policy_delay(RESTART_RESET_NS, &failures), 100);
    assert_int_equal(restart_policy_delay(RESTART_RESET_NS - 1, &failures), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_policy_never_restarts),
        cmocka_unit_test(always_restarts_unless_stopped_by_hand_in_this_life_of_the_daemon),
        cmocka_unit_test(unless_stopped_remembers_the_stop),
        cmocka_unit_test(on_failure_counts),
        cmocka_unit_test(on_unhealthy_is_on_failure_and_health),
        cmocka_unit_test(the_delay_doubles_to_a_minute_and_starts_anew_after_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
