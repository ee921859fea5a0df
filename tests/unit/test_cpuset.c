/* Lists of processors. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "daemon/cpuset.h"

static void lists_are_compared_number_by_number(void **state)
{
    (void)state;
    static const struct {
        const char *list, *available;
        int expected;
    } rows[] = {
        {"0", "0-1", 1},        {"0,1", "0-1", 1},     {"1-1", "0-1", 1},
        {"2", "0-1", 0},        {"0-2", "0-1", 0},     {"5", "0-3,5-7", 1},
        {"4", "0-3,5-7", 0},    {"3-5", "0-3,5-7", 0}, {"1-0", "0-1", -EINVAL},
        {"", "0", -EINVAL},     {",", "0", -EINVAL},   {"0-", "0", -EINVAL},
        {"-1", "0", -EINVAL},   {"a", "0", -EINVAL},   {"99999999999999999999", "0", -EINVAL},
        {"8192", "0", -EINVAL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int got = cpuset_is_subset(rows[i].list, rows[i].available);
        if (got != rows[i].expected)
            fail_msg("%s of %s: expected %d, got %d", rows[i].list, rows[i].available, rows[i].expected, got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists_are_compared_number_by_number)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
