#include "tests/unit/base_test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/timestamp.h"

#define S 1000000000LL

static void times_are_formatted_as_rfc3339nano(void **state)
{
    (void)state;
    const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0001-01-01T00:00:00Z"},
        {1, "1970-01-01T00:00:00.000000001Z"},
        {S, "1970-01-01T00:00:01Z"},
        {-1, "1969-12-31T23:59:59.999999999Z"},
        {-S, "1969-12-31T23:59:59Z"},
        {1136214245 * S, "2006-01-02T15:04:05Z"},
        {1136214245 * S + 120000000, "2006-01-02T15:04:05.12Z"},
        {951782400 * S, "2000-02-29T00:00:00Z"},
        {951868799 * S, "2000-02-29T23:59:59Z"},
        {951868800 * S, "2000-03-01T00:00:00Z"},
        {4107542400 * S, "2100-03-01T00:00:00Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
        {INT64_MIN, "1677-09-21T00:12:43.145224192Z"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char buf[TIMESTAMP_MAX];
        timestamp_format(buf, rows[i].ns);
        assert_string_equal(buf, rows[i].text);
        int64_t back = 42;
        assert_int_equal(timestamp_parse(buf, &back), 0);
        assert_int_equal(back, rows[i].ns);
    }
}

static void log_timestamps_have_nine_digits(void **state)
{
    (void)state;
    char buf[TIMESTAMP_MAX];
    timestamp_format_fixed(buf, 1136214245 * S + 120000000);
    assert_string_equal(buf, "2006-01-02T15:04:05.120000000Z");
    timestamp_format_fixed(buf, 0);
    assert_string_equal(buf, "1970-01-01T00:00:00.000000000Z");
}

static void every_day_of_three_centuries_agrees_with_gmtime(void **state)
{
    (void)state;
    for (int64_t day = -100000; day <= 100000; day++) {
        time_t t = day * 86400 + 12345;
        struct tm tm;
        gmtime_r(&t, &tm);
        char want[48];
        snprintf(want, sizeof want, "%04d-%02d-%02dT03:25:45Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
        char got[TIMESTAMP_MAX];
        timestamp_format(got, t * S);
        if (strcmp(got, want) != 0)
            assert_string_equal(got, want);
        int64_t back = 0;
        assert_int_equal(timestamp_parse(got, &back), 0);
        if (back != t * S)
            assert_int_equal(back, t * S);
    }
}

static void offsets_and_fractions_are_understood(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"2006-01-02T15:04:05Z", 1136214245 * S},
        {"2006-01-02T15:04:05+00:00", 1136214245 * S},
        {"2006-01-02T17:04:05+02:00", 1136214245 * S},
        {"2006-01-02T08:04:05.5-07:00", 1136214245 * S + S / 2},
        {"2006-01-02T15:04:05.123456789Z", 1136214245 * S + 123456789},
        {"2006-01-03T05:34:05+14:30", 1136214245 * S},
        {"2024-02-29T00:00:00Z", 1709164800 * S},
        {"0001-01-01T00:00:00Z", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t ns = 42;
        assert_int_equal(timestamp_parse(rows[i].text, &ns), 0);
        assert_int_equal(ns, rows[i].ns);
    }
}

static void what_is_not_rfc3339_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2006",
        "2006-01-02",
        "2006-01-02T15:04Z",
        "2006-01-02T15:04:05",
        "2006-01-02t15:04:05Z",
        "2006-01-02T15:04:05z",
        "2006-01-02 15:04:05Z",
        "2006-01-02T15:04:05.Z",
        "2006-01-02T15:04:05.1234567890Z",
        "2006-01-02T15:04:05ZZ",
        "2006-01-02T15:04:05Z ",
        " 2006-01-02T15:04:05Z",
        "2006-13-02T15:04:05Z",
        "2006-00-02T15:04:05Z",
        "2006-01-32T15:04:05Z",
        "2006-01-00T15:04:05Z",
        "2023-02-29T15:04:05Z",
        "1900-02-29T15:04:05Z",
        "2006-04-31T15:04:05Z",
        "2006-01-02T24:00:00Z",
        "2006-01-02T15:60:00Z",
        "2006-01-02T15:04:60Z",
        "2006-01-02T15:04:05+0200",
        "2006-01-02T15:04:05+02",
        "2006-01-02T15:04:05+24:00",
        "2006-01-02T15:04:05+02:60",
        "2006-1-2T15:04:05Z",
        "-006-01-02T15:04:05Z",
        "1500-01-01T00:00:00Z",
        "2262-04-11T23:47:16.854775808Z",
        "1677-09-21T00:12:43.145224191Z",
        "9999-12-31T23:59:59Z",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t ns = 42;
        if (timestamp_parse(bad[i], &ns) != -EINVAL)
            fail_msg("'%s' gave %lld", bad[i], (long long)ns);
        assert_int_equal(ns, 42);
    }
}

static void human_times_are_dockers(void **state)
{
    (void)state;
    setenv("TZ", "EST5", 1); /* UTC-5, without summer time */
    tzset();
    const int64_t now = 1136214245 * S + 700000000;
    const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"0", 0},
        {"10s", 1136214235 * S},
        {"1h30m", (1136214245 - 5400) * S},
        {"-10s", 1136214255 * S},
        {"300ms", 1136214245 * S},
        {"800ms", 1136214244 * S},
        {"1136214245", 1136214245 * S},
        {"1136214245.5", 1136214245 * S + S / 2},
        {"1136214245.000000007", 1136214245 * S + 7},
        {"2006-01-02T15:04:05.999999999Z", 1136214245 * S + 999999999},
        {"2006-01-02T15:04:05Z", 1136214245 * S},
        {"2006-01-02T15:04:05+02:00", (1136214245 - 7200) * S},
        {"2006-01-02T15:04Z", 1136214240 * S},
        {"2006-01-02T15Z", 1136214000 * S},
        {"2006-01-02T15:04-07:00", (1136214240 + 7 * 3600) * S},
        {"2006-01-02Z", 1136160000 * S},
        {"2006-01-02-07:00", (1136160000 + 7 * 3600) * S},
        {"2006-01-02", (1136160000 + 5 * 3600) * S},
        {"2006-01-02T15", (1136214000 + 5 * 3600) * S},
        {"2006-01-02T15:04", (1136214240 + 5 * 3600) * S},
        {"2006-01-02T15:04:05", (1136214245 + 5 * 3600) * S},
        {"2006-01-02T15:04:05.25", (1136214245 + 5 * 3600) * S + S / 4},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t ns = 42;
        if (timestamp_parse_human(rows[i].text, now, &ns) != 0 || ns != rows[i].ns)
            fail_msg("'%s' gave %lld, not %lld", rows[i].text, (long long)ns, (long long)rows[i].ns);
    }
}

static void human_nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "yesterday",
        "10",
        "-10",
        "10 s",
        "1136214245.",
        ".5",
        "1136214245.1234567890",
        "2006-01-02T",
        "2006-01-02T15:",
        "2006-01-02T15:04:",
        "2006-01",
        "2006-01-02T15:04:05X",
        "99999999999999999999",
        "9223372036854775807",
        "2562047h",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t ns = 42;
        int r = timestamp_parse_human(bad[i], -7000000000000000000, &ns);
        /* A plain number is Unix seconds. */
        if (strcmp(bad[i], "10") == 0) {
            assert_int_equal(r, 0);
            assert_int_equal(ns, 10 * S);
            continue;
        }
        if (r != -EINVAL)
            fail_msg("'%s' gave %lld", bad[i], (long long)ns);
        assert_int_equal(ns, 42);
    }
}

static void clocks_move_forward(void **state)
{
    (void)state;
    int64_t a = timestamp_monotonic();
    int64_t b = timestamp_monotonic();
    assert_true(b >= a);
    assert_int_equal(timestamp_now() / S / 10, time(NULL) / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_formatted_as_rfc3339nano),
        cmocka_unit_test(log_timestamps_have_nine_digits),
        cmocka_unit_test(every_day_of_three_centuries_agrees_with_gmtime),
        cmocka_unit_test(offsets_and_fractions_are_understood),
        cmocka_unit_test(what_is_not_rfc3339_is_refused),
        cmocka_unit_test(human_times_are_dockers),
        cmocka_unit_test(human_nonsense_is_refused),
        cmocka_unit_test(clocks_move_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
