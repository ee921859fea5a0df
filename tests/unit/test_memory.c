#include "tests/unit/base_test.h"

#include "base/fd.h"

static void allocations_of_zero_bytes_are_usable_pointers(void **state)
{
    (void)state;
    void *p[] = {xmalloc(0), xcalloc(0, 8), xcalloc(8, 0), xrealloc(NULL, 0), xmemdup("", 0)};
    for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
        assert_non_null(p[i]);
        free(p[i]);
    }
}

static void overflow_in(void *data)
{
    (void)data;
    free(xreallocarray(NULL, SIZE_MAX, 2));
}

static void a_size_that_overflows_aborts(void **state)
{
    (void)state;
    assert_int_equal(signal_that_ends(overflow_in, NULL), SIGABRT);
}

static void xstrdup_of_null_is_null(void **state)
{
    (void)state;
    assert_null(xstrdup(NULL));
}

static void xstrndup_stops_at_the_end_of_the_string_and_at_max(void **state)
{
    (void)state;
    CLEANUP_FREE char *whole = xstrndup("abc", 10);
    CLEANUP_FREE char *part = xstrndup("abc", 2);
    assert_string_equal(whole, "abc");
    assert_string_equal(part, "ab");
}

static void xasprintf_formats(void **state)
{
    (void)state;
    CLEANUP_FREE char *s = xasprintf("%s-%d", "a", 7);
    assert_string_equal(s, "a-7");
}

static void xstrset_replaces_also_by_a_part_of_itself_and_by_null(void **state)
{
    (void)state;
    char *s = NULL;
    xstrset(&s, "hello world");
    xstrset(&s, s + 6);
    assert_string_equal(s, "world");
    xstrset(&s, NULL);
    assert_null(s);
}

static void xgrow_makes_room_for_one_more_and_doubles(void **state)
{
    (void)state;
    int *items = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        xgrow((void **)&items, (size_t)i, &capacity, sizeof *items);
        assert_true(capacity > (size_t)i);
        items[i] = i;
    }
    assert_int_equal(items[999], 999);
    assert_int_equal(capacity, 1024);
    free(items);
}

static void take_ptr_hands_over_and_leaves_null(void **state)
{
    (void)state;
    char *s = xstrdup("x");
    CLEANUP_FREE char *t = TAKE_PTR(s);
    assert_null(s);
    assert_string_equal(t, "x");
}

static void cleanup_close_closes_at_the_end_of_the_scope(void **state)
{
    (void)state;
    int number;
    {
        CLEANUP_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        number = fd;
        assert_true(fcntl(number, F_GETFD) >= 0);
    }
    assert_int_equal(fcntl(number, F_GETFD), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_of_zero_bytes_are_usable_pointers),
        cmocka_unit_test(a_size_that_overflows_aborts),
        cmocka_unit_test(xstrdup_of_null_is_null),
        cmocka_unit_test(xstrndup_stops_at_the_end_of_the_string_and_at_max),
        cmocka_unit_test(xasprintf_formats),
        cmocka_unit_test(xstrset_replaces_also_by_a_part_of_itself_and_by_null),
        cmocka_unit_test(xgrow_makes_room_for_one_more_and_doubles),
        cmocka_unit_test(take_ptr_hands_over_and_leaves_null),
        cmocka_unit_test(cleanup_close_closes_at_the_end_of_the_scope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
