#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/target.h"
#include "base/strbuf.h"

static void the_version_prefix_is_cut_off(void **state)
{
    struct target target = {0};

    (void)state;
    assert_int_equal(target_parse("/v1.43/containers/json?all=1", 24, 47, &target, NULL), 0);
    assert_int_equal(target.version, 43);
    assert_string_equal(target.path, "/containers/json");
    assert_string_equal(target_query(&target, "all"), "1");
    target_release(&target);
}

static void without_a_version_there_is_none(void **state)
{
    struct target target = {0};

    (void)state;
    assert_int_equal(target_parse("/version", 24, 47, &target, NULL), 0);
    assert_int_equal(target.version, -1);
    assert_string_equal(target.path, "/version");
    target_release(&target);
}

static void a_path_that_only_looks_like_a_version_is_a_path(void **state)
{
    static const char *const paths[] = {"/v/x", "/vx/y", "/volumes/a", "/v1.43", "/v1.4x/y"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct target target = {0};

        assert_int_equal(target_parse(paths[i], 24, 47, &target, NULL), 0);
        assert_int_equal(target.version, -1);
        assert_string_equal(target.path, paths[i]);
        target_release(&target);
    }
}

static void expect_refusal(const char *text, const char *message)
{
    struct target target = {0};
    struct error error = {0};

    assert_true(target_parse(text, 24, 47, &target, &error) < 0);
    assert_int_equal(error.kind, ERROR_INVALID);
    assert_string_equal(error.message, message);
    target_release(&target);
}

static void versions_out_of_range_are_refused_in_dockers_words(void **state)
{
    (void)state;
    expect_refusal("/v1.99/info", "client version 1.99 is too new. Maximum supported API version is 1.47");
    expect_refusal("/v2.0/info", "client version 2.0 is too new. Maximum supported API version is 1.47");
    expect_refusal("/v1.23/info", "client version 1.23 is too old. Minimum supported API version is 1.24, please "
                                  "upgrade your client to a newer version");
    expect_refusal("/v1.99999999999/info",
                   "client version 1.99999999999 is too new. Maximum supported API version is 1.47");
}

static void bad_escapes_in_the_query_are_refused(void **state)
{
    (void)state;
    expect_refusal("/info?a=%", "invalid query: invalid URL escape");
    expect_refusal("/info?a=%4", "invalid query: invalid URL escape");
    expect_refusal("/info?a=%zz", "invalid query: invalid URL escape");
    expect_refusal("/info?a=%00", "invalid query: invalid URL escape");
}

static void too_many_parameters_are_refused(void **state)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

    (void)state;
    strbuf_adds(&text, "/info?");
    for (int i = 0; i <= TARGET_PARAMETERS_MAX; i++)
        strbuf_adds(&text, "a=1&");
    expect_refusal(text.data, "invalid query: too many parameters");
}

static void targets_that_are_no_path_are_refused(void **state)
{
    (void)state;
    expect_refusal("http://x/", "invalid request target");
    expect_refusal("*", "invalid request target");
    expect_refusal("", "invalid request target");
}

static void parameters_are_decoded(void **state)
{
    struct target target = {0};

    (void)state;
    assert_int_equal(target_parse("/x?a=1+2%2b3&b&c=&&%61=second#fragment", 24, 47, &target, NULL), 0);
    assert_string_equal(target_query(&target, "a"), "1 2+3");
    assert_string_equal(target_query(&target, "b"), "");
    assert_string_equal(target_query(&target, "c"), "");
    assert_null(target_query(&target, "d"));
    assert_int_equal(target.names.count, 4);
    target_release(&target);
}

static void expect_match(const char *path, const char *pattern, const char *first, const char *second)
{
    CLEANUP_STRV struct strv values = STRV_INIT;

    assert_int_equal(target_match(path, pattern, &values), 1);
    assert_int_equal(values.count, (first != NULL) + (second != NULL));
    if (first)
        assert_string_equal(values.items[0], first);
    if (second)
        assert_string_equal(values.items[1], second);
}

static void expect_no_match(const char *path, const char *pattern)
{
    CLEANUP_STRV struct strv values = STRV_INIT;

    assert_int_equal(target_match(path, pattern, &values), 0);
}

static void braces_match_one_segment(void **state)
{
    (void)state;
    expect_match("/containers/abc/json", "/containers/{}/json", "abc", NULL);
    expect_match("/containers/a%2Fb/json", "/containers/{}/json", "a/b", NULL);
    expect_match("/a/1/b/2", "/a/{}/b/{}", "1", "2");
    expect_no_match("/containers/a/b/json", "/containers/{}/json");
    expect_no_match("/containers//json", "/containers/{}/json");
    expect_no_match("/containers/abc/json/", "/containers/{}/json");
    expect_no_match("/containers/abc/jso", "/containers/{}/json");
}

static void starred_braces_match_slashes(void **state)
{
    (void)state;
    expect_match("/images/localhost:5000/a/b:t/json", "/images/{*}/json", "localhost:5000/a/b:t", NULL);
    expect_match("/images/json/json", "/images/{*}/json", "json", NULL);
    expect_match("/images/a/b", "/images/{*}", "a/b", NULL);
    expect_no_match("/images//json", "/images/{*}/json");
    expect_no_match("/images/json", "/images/{*}/json");
    expect_no_match("/images/", "/images/{*}");
}

static void bad_escapes_in_the_path_are_told_apart_from_no_match(void **state)
{
    CLEANUP_STRV struct strv values = STRV_INIT;

    (void)state;
    assert_true(target_match("/containers/%zz/json", "/containers/{}/json", &values) < 0);
    assert_true(target_match("/containers/a%00b/json", "/containers/{}/json", &values) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_prefix_is_cut_off),
        cmocka_unit_test(without_a_version_there_is_none),
        cmocka_unit_test(a_path_that_only_looks_like_a_version_is_a_path),
        cmocka_unit_test(versions_out_of_range_are_refused_in_dockers_words),
        cmocka_unit_test(bad_escapes_in_the_query_are_refused),
        cmocka_unit_test(too_many_parameters_are_refused),
        cmocka_unit_test(targets_that_are_no_path_are_refused),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(braces_match_one_segment),
        cmocka_unit_test(starred_braces_match_slashes),
        cmocka_unit_test(bad_escapes_in_the_path_are_told_apart_from_no_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
