#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/progress.h"
#include "base/base64.h"

static void expect_line(const char *id, const char *status, int64_t current, int64_t total, const char *line)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

    progress_line(&out, id, status, current, total);
    assert_string_equal(out.data, line);
}

static void lines_about_a_layer_have_details(void **state)
{
    (void)state;
    expect_line("0123456789ab", "Pulling fs layer", -1, -1,
                "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"0123456789ab\"}\r\n");
    expect_line("0123456789ab", "Downloading", 512, 1024,
                "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":512,\"total\":1024},\"progress\":"
                "\"[=========================>                         ]     512B/1.024kB\",\"id\":\"0123456789ab\"}"
                "\r\n");
}

static void lines_about_the_whole_have_none(void **state)
{
    (void)state;
    expect_line("latest", "Pulling from library/busybox", -1, -1,
                "{\"status\":\"Pulling from library/busybox\",\"id\":\"latest\"}\r\n");
    expect_line(NULL, "Status: Image is up to date for busybox:latest", -1, -1,
                "{\"status\":\"Status: Image is up to date for busybox:latest\"}\r\n");
}

static void without_a_total_only_the_count_is_shown(void **state)
{
    (void)state;
    expect_line("a", "Downloading", 2000, -1,
                "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":2000},\"progress\":\"     2kB\",\"id\":"
                "\"a\"}\r\n");
}

static void an_error_ends_the_stream_in_both_forms(void **state)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    const struct error error = {.kind = ERROR_SYSTEM, .message = "no \"space\""};

    (void)state;
    progress_error_line(&out, &error);
    assert_string_equal(out.data,
                        "{\"errorDetail\":{\"message\":\"no \\\"space\\\"\"},\"error\":\"no \\\"space\\\"\"}\r\n");
}

static void base64_of_both_alphabets_is_read(void **state)
{
    static const struct {
        const char *text, *plain;
    } cases[] = {{"e30=", "{}"}, {"e30", "{}"}, {"Pz8_", "???"}, {"Pz8/", "???"}, {"", ""}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

        assert_int_equal(base64_decode(cases[i].text, &out), 0);
        assert_string_equal(strbuf_str(&out), cases[i].plain);
    }
}

static void what_is_no_base64_is_refused(void **state)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

    (void)state;
    assert_true(base64_decode("e3!0", &out) < 0);
    assert_true(base64_decode("e30=x", &out) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_about_a_layer_have_details),
        cmocka_unit_test(lines_about_the_whole_have_none),
        cmocka_unit_test(without_a_total_only_the_count_is_shown),
        cmocka_unit_test(an_error_ends_the_stream_in_both_forms),
        cmocka_unit_test(base64_of_both_alphabets_is_read),
        cmocka_unit_test(what_is_no_base64_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
