#include "tests/unit/base_test.h"

#include "base/units.h"

#define ASSERT_TEXT(call, expected)                                                                                    \
    do {                                                                                                               \
        char buf[64] = "";                                                                                             \
        call;                                                                                                          \
        assert_string_equal(buf, expected);                                                                            \
    } while (0)

static void decimal_sizes_have_four_significant_digits(void **state)
{
    (void)state;
    ASSERT_TEXT(units_size(buf, sizeof buf, 0), "0B");
    ASSERT_TEXT(units_size(buf, sizeof buf, 999), "999B");
    ASSERT_TEXT(units_size(buf, sizeof buf, 1000), "1kB");
    ASSERT_TEXT(units_size(buf, sizeof buf, 1024), "1.024kB");
    ASSERT_TEXT(units_size(buf, sizeof buf, 1000000), "1MB");
    ASSERT_TEXT(units_size(buf, sizeof buf, 1048576), "1.049MB");
    ASSERT_TEXT(units_size(buf, sizeof buf, 2e6), "2MB");
    ASSERT_TEXT(units_size(buf, sizeof buf, 3.42e9), "3.42GB");
    ASSERT_TEXT(units_size(buf, sizeof buf, 5.372e12), "5.372TB");
    ASSERT_TEXT(units_size(buf, sizeof buf, 2.22e15), "2.22PB");
    ASSERT_TEXT(units_size(buf, sizeof buf, 1e30), "1e+06YB");
    ASSERT_TEXT(units_size(buf, sizeof buf, 999999), "1000kB");
    ASSERT_TEXT(units_size(buf, sizeof buf, -1), "-1B");
}

static void precision_three_is_for_image_lists(void **state)
{
    (void)state;
    ASSERT_TEXT(units_size_precision(buf, sizeof buf, 7812345, 3), "7.81MB");
    ASSERT_TEXT(units_size_precision(buf, sizeof buf, 187654321, 3), "188MB");
    ASSERT_TEXT(units_size_precision(buf, sizeof buf, 999999, 3), "1e+03kB");
}

static void binary_sizes_count_by_1024(void **state)
{
    (void)state;
    ASSERT_TEXT(units_bytes_size(buf, sizeof buf, 1024), "1KiB");
    ASSERT_TEXT(units_bytes_size(buf, sizeof buf, 1048576), "1MiB");
    ASSERT_TEXT(units_bytes_size(buf, sizeof buf, 1023), "1023B");
    ASSERT_TEXT(units_bytes_size(buf, sizeof buf, 1572864), "1.5MiB");
    ASSERT_TEXT(units_bytes_size(buf, sizeof buf, 3.42 * 1024 * 1024 * 1024), "3.42GiB");
    ASSERT_TEXT(units_bytes_size(buf, sizeof buf, 5.372 * 1024 * 1024 * 1024 * 1024), "5.372TiB");
}

static void durations_read_as_dockers(void **state)
{
    (void)state;
    const int64_t minute = 60, hour = 3600, day = 86400, week = 7 * day, month = 30 * day, year = 365 * day;
    const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {-5, "Less than a second"},
        {0, "Less than a second"},
        {1, "1 second"},
        {45, "45 seconds"},
        {59, "59 seconds"},
        {60, "About a minute"},
        {119, "About a minute"},
        {120, "2 minutes"},
        {3 * minute + 40, "3 minutes"},
        {59 * minute + 59, "59 minutes"},
        {hour, "About an hour"},
        {hour + 29 * minute, "About an hour"},
        {hour + 31 * minute, "2 hours"},
        {hour + 59 * minute, "2 hours"},
        {3 * hour, "3 hours"},
        {24 * hour, "24 hours"},
        {36 * hour, "36 hours"},
        {47 * hour + 29 * minute, "47 hours"},
        {2 * day, "2 days"},
        {7 * day, "7 days"},
        {13 * day + 5 * hour, "13 days"},
        {2 * week, "2 weeks"},
        {2 * week + 4 * day, "2 weeks"},
        {3 * week, "3 weeks"},
        {4 * week + 6 * day, "4 weeks"},
        {8 * week, "8 weeks"},
        {2 * month, "2 months"},
        {3 * month + 3 * week, "3 months"},
        {13 * month, "13 months"},
        {23 * month, "23 months"},
        {24 * month, "24 months"},
        {2 * year, "2 years"},
        {3 * year + 2 * month, "3 years"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        ASSERT_TEXT(units_duration(buf, sizeof buf, rows[i].seconds), rows[i].text);
}

static void durations_read_as_gos(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1, "1ns"},
        {1500, "1.5\xc2\xb5s"},
        {250000000, "250ms"},
        {1000000000, "1s"},
        {1500000000, "1.5s"},
        {90000000000, "1m30s"},
        {3600000000000, "1h0m0s"},
        {INT64_MAX, "2562047h47m16.854775807s"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        ASSERT_TEXT(units_go_duration(buf, sizeof buf, rows[i].ns), rows[i].text);
}

static void a_short_buffer_is_not_overrun(void **state)
{
    (void)state;
    char buf[8] = "xxxxxxx";
    units_duration(buf, 4, 45);
    assert_string_equal(buf, "45 ");
    assert_int_equal(buf[4], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_sizes_have_four_significant_digits),
        cmocka_unit_test(precision_three_is_for_image_lists),
        cmocka_unit_test(binary_sizes_count_by_1024),
        cmocka_unit_test(durations_read_as_dockers),
        cmocka_unit_test(durations_read_as_gos),
        cmocka_unit_test(a_short_buffer_is_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
