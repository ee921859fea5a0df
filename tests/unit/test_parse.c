#include "tests/unit/base_test.h"

#include <stdio.h>

#include "base/parse.h"

#define UNTOUCHED 424242

/* Results and texts are compared as one string, which names the input that went wrong. */
#define CHECK(fn_call, input, expected_r, expected_value)                                                              \
    do {                                                                                                               \
        int64_t v_ = UNTOUCHED;                                                                                        \
        int r_ = fn_call;                                                                                              \
        char got_[160];                                                                                                \
        char want_[160];                                                                                               \
        snprintf(got_, sizeof got_, "'%s': %d, %lld", (input), r_, (long long)v_);                                     \
        snprintf(want_, sizeof want_, "'%s': %d, %lld", (input), (expected_r), (long long)(expected_value));           \
        assert_string_equal(got_, want_);                                                                              \
    } while (0)

struct row {
    const char *text;
    int r;
    int64_t value;
};

static void integers_are_whole_strings_within_bounds(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"+7", 0, 7},
        {"007", 0, 7},
        {"-42", 0, -42},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -ERANGE, UNTOUCHED},
        {"-9223372036854775809", -ERANGE, UNTOUCHED},
        {"99999999999999999999999999", -ERANGE, UNTOUCHED},
        {"", -EINVAL, UNTOUCHED},
        {"-", -EINVAL, UNTOUCHED},
        {"+-1", -EINVAL, UNTOUCHED},
        {" 1", -EINVAL, UNTOUCHED},
        {"1 ", -EINVAL, UNTOUCHED},
        {"1x", -EINVAL, UNTOUCHED},
        {"0x10", -EINVAL, UNTOUCHED},
        {"1e3", -EINVAL, UNTOUCHED},
        {"99999999999999999999999999x", -EINVAL, UNTOUCHED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        CHECK(parse_int64(rows[i].text, INT64_MIN, INT64_MAX, &v_), rows[i].text, rows[i].r, rows[i].value);
    CHECK(parse_int64("11", -10, 10, &v_), "11", -ERANGE, UNTOUCHED);
    CHECK(parse_int64("-11", -10, 10, &v_), "-11", -ERANGE, UNTOUCHED);
    CHECK(parse_int64("-10", -10, 10, &v_), "-10", 0, -10);
}

static void unsigned_integers_take_no_sign(void **state)
{
    (void)state;
    uint64_t n = UNTOUCHED;
    assert_int_equal(parse_uint64("18446744073709551615", UINT64_MAX, &n), 0);
    assert_true(n == UINT64_MAX);
    n = UNTOUCHED;
    assert_int_equal(parse_uint64("18446744073709551616", UINT64_MAX, &n), -ERANGE);
    assert_int_equal(parse_uint64("65536", 65535, &n), -ERANGE);
    assert_int_equal(parse_uint64("-1", UINT64_MAX, &n), -EINVAL);
    assert_int_equal(parse_uint64("+1", UINT64_MAX, &n), -EINVAL);
    assert_int_equal(parse_uint64("", UINT64_MAX, &n), -EINVAL);
    assert_int_equal(n, UNTOUCHED);
}

static void booleans_are_gos(void **state)
{
    (void)state;
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    static const char *const neither[] = {"", "yes", "tRUE", "on", "2", "true "};
    for (size_t i = 0; i < 6; i++) {
        bool b = false;
        assert_int_equal(parse_bool(yes[i], &b), 0);
        assert_int_equal(b, true);
        assert_int_equal(parse_bool(no[i], &b), 0);
        assert_int_equal(b, false);
        assert_int_equal(parse_bool(neither[i], &b), -EINVAL);
    }
}

static void sizes_are_dockers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", 0, 0},
        {"32", 0, 32},
        {"32b", 0, 32},
        {"32B", 0, 32},
        {"32k", 0, 32 * 1024},
        {"32K", 0, 32 * 1024},
        {"32kb", 0, 32 * 1024},
        {"32Kb", 0, 32 * 1024},
        {"32KiB", 0, 32 * 1024},
        {"32Mb", 0, 32LL << 20},
        {"64MiB", 0, 64LL << 20},
        {"32g", 0, 32LL << 30},
        {"32Tb", 0, 32LL << 40},
        {"32Pb", 0, 32LL << 50},
        {"32.5kB", 0, 33280},
        {"1.5g", 0, 1610612736},
        {"0.1k", 0, 102},
        {".5m", 0, 524288},
        {"5.k", 0, 5120},
        {"32.3", 0, 32},
        {"32 kb", 0, 32 * 1024},
        {"1.1g", 0, 1181116006},
        {"9223372036854775807", 0, INT64_MAX},
        {"8191p", 0, 8191LL << 50},
        {"8192p", -ERANGE, UNTOUCHED},
        {"8192.0p", -ERANGE, UNTOUCHED},
        {"9223372036854775808", -ERANGE, UNTOUCHED},
        {"99999999999999999999g", -ERANGE, UNTOUCHED},
        {"", -EINVAL, UNTOUCHED},
        {"hello", -EINVAL, UNTOUCHED},
        {".", -EINVAL, UNTOUCHED},
        {"-1", -EINVAL, UNTOUCHED},
        {"-32", -EINVAL, UNTOUCHED},
        {" 32", -EINVAL, UNTOUCHED},
        {"32 ", -EINVAL, UNTOUCHED},
        {"32 mb ", -EINVAL, UNTOUCHED},
        {"32m b", -EINVAL, UNTOUCHED},
        {"32  m", -EINVAL, UNTOUCHED},
        {"32bm", -EINVAL, UNTOUCHED},
        {"32mi", -EINVAL, UNTOUCHED},
        {"32mib2", -EINVAL, UNTOUCHED},
        {"32x", -EINVAL, UNTOUCHED},
        {"1e3", -EINVAL, UNTOUCHED},
        {"inf", -EINVAL, UNTOUCHED},
        {"1.2.3", -EINVAL, UNTOUCHED},
        {"\x0b", -EINVAL, UNTOUCHED},
        {"1K\xc2", -EINVAL, UNTOUCHED},
        {"1\x0b", -EINVAL, UNTOUCHED},
        {"0000000000000000000000000000000000000000000000000000000000000000000000001", -EINVAL, UNTOUCHED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        CHECK(parse_size(rows[i].text, false, &v_), rows[i].text, rows[i].r, rows[i].value);
}

static void minus_one_is_a_size_only_where_allowed(void **state)
{
    (void)state;
    CHECK(parse_size("-1", true, &v_), "-1", 0, -1);
    CHECK(parse_size("-2", true, &v_), "-2", -EINVAL, UNTOUCHED);
    CHECK(parse_size("-1k", true, &v_), "-1k", -EINVAL, UNTOUCHED);
    CHECK(parse_size("1m", true, &v_), "1m", 0, 1 << 20);
}

static void durations_are_gos(void **state)
{
    (void)state;
    const int64_t s = 1000000000;
    const struct row rows[] = {
        {"0", 0, 0},
        {"+0", 0, 0},
        {"-0", 0, 0},
        {"5s", 0, 5 * s},
        {"1478s", 0, 1478 * s},
        {"-5s", 0, -5 * s},
        {"+5s", 0, 5 * s},
        {"5.0s", 0, 5 * s},
        {"5.6s", 0, 5600000000},
        {"5.s", 0, 5 * s},
        {".5s", 0, 500000000},
        {"1.004s", 0, 1004000000},
        {"100.00100s", 0, 100001000000},
        {"10ns", 0, 10},
        {"11us", 0, 11000},
        {"12\xc2\xb5s", 0, 12000},
        {"12\xce\xbcs", 0, 12000},
        {"13ms", 0, 13000000},
        {"15m", 0, 900 * s},
        {"16h", 0, 16 * 3600 * s},
        {"3h30m", 0, 12600 * s},
        {"10.5s4m", 0, 250500000000},
        {"-2m3.4s", 0, -123400000000},
        {"1h2m3s4ms5us6ns", 0, 3723004005006},
        {"0.3333333333333333333h", 0, 1200 * s - 1},
        {"9223372036854775807ns", 0, INT64_MAX},
        {"-9223372036854775808ns", 0, INT64_MIN},
        {"9007199254740993ns", 0, 9007199254740993},
        {"0.100000000000000000000h", 0, 360 * s},
        {"9223372036854775808ns", -ERANGE, UNTOUCHED},
        {"9223372036855s", -ERANGE, UNTOUCHED},
        {"3000000h", -ERANGE, UNTOUCHED},
        {"99999999999999999999s", -ERANGE, UNTOUCHED},
        {"2562047h47m16.854775808s", -ERANGE, UNTOUCHED},
        {"", -EINVAL, UNTOUCHED},
        {"3", -EINVAL, UNTOUCHED},
        {"-", -EINVAL, UNTOUCHED},
        {"s", -EINVAL, UNTOUCHED},
        {".", -EINVAL, UNTOUCHED},
        {"-.", -EINVAL, UNTOUCHED},
        {".s", -EINVAL, UNTOUCHED},
        {"+.s", -EINVAL, UNTOUCHED},
        {"1d", -EINVAL, UNTOUCHED},
        {"1S", -EINVAL, UNTOUCHED},
        {" 1s", -EINVAL, UNTOUCHED},
        {"1s ", -EINVAL, UNTOUCHED},
        {"1 s", -EINVAL, UNTOUCHED},
        {"\x85\x85", -EINVAL, UNTOUCHED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        CHECK(parse_duration(rows[i].text, &v_), rows[i].text, rows[i].r, rows[i].value);
}

static void cpus_have_up_to_nine_places(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"1", 0, 1000000000},
        {"0.5", 0, 500000000},
        {".5", 0, 500000000},
        {"2.", 0, 2000000000},
        {"1.123456789", 0, 1123456789},
        {"0.000000001", 0, 1},
        {"0.10000000000", 0, 100000000},
        {"9223372036.854775807", 0, INT64_MAX},
        {"0", 0, 0},
        {"9223372036.854775808", -ERANGE, UNTOUCHED},
        {"9223372037", -ERANGE, UNTOUCHED},
        {"1.0000000001", -EINVAL, UNTOUCHED},
        {"", -EINVAL, UNTOUCHED},
        {".", -EINVAL, UNTOUCHED},
        {"-1", -EINVAL, UNTOUCHED},
        {"1.2.3", -EINVAL, UNTOUCHED},
        {"two", -EINVAL, UNTOUCHED},
        {"1/2", -EINVAL, UNTOUCHED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        CHECK(parse_nano_cpus(rows[i].text, &v_), rows[i].text, rows[i].r, rows[i].value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_whole_strings_within_bounds),
        cmocka_unit_test(unsigned_integers_take_no_sign),
        cmocka_unit_test(booleans_are_gos),
        cmocka_unit_test(sizes_are_dockers),
        cmocka_unit_test(minus_one_is_a_size_only_where_allowed),
        cmocka_unit_test(durations_are_gos),
        cmocka_unit_test(cpus_have_up_to_nine_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
