/* Equal keys among many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/groups.h"

static void equal_keys_are_chained_in_the_order_they_came(void **state)
{
    (void)state;
    static const char *const keys[] = {"80/tcp", "81/tcp", "80/tcp", "80/udp", "80/tcp", "81/tcp", ""};
    static const bool first[] = {true, true, false, true, false, false, true};
    static const size_t next[] = {2, 5, 4, GROUPS_END, GROUPS_END, GROUPS_END, GROUPS_END};
    CLEANUP_GROUPS struct groups g = GROUPS_INIT;
    assert_false(groups_has(&g, "80/tcp"));
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_int_equal(groups_add(&g, keys[i]), first[i]);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        assert_int_equal(groups_is_first(&g, i), first[i]);
        assert_int_equal(groups_next(&g, i), next[i]);
    }
    assert_true(groups_has(&g, "80/udp"));
    assert_true(groups_has(&g, ""));
    assert_false(groups_has(&g, "82/tcp"));
}

static void there_may_be_many(void **state)
{
    (void)state;
    CLEANUP_GROUPS struct groups g = GROUPS_INIT;
    enum { KEYS = 5000 };
    char key[16];
    for (size_t i = 0; i < 3 * KEYS; i++) {
        snprintf(key, sizeof(key), "%zu", i % KEYS);
        assert_int_equal(groups_add(&g, key), i < KEYS);
    }
    for (size_t i = 0; i < 3 * KEYS; i++)
        assert_int_equal(groups_next(&g, i), i < 2 * KEYS ? i + KEYS : GROUPS_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_are_chained_in_the_order_they_came),
        cmocka_unit_test(there_may_be_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
