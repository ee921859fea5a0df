#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/filters.h"

static const char *const known[] = {"label", "status", NULL};

static void expect(const char *text, const char *normal)
{
    CLEANUP_JSON struct json *tree = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;

    assert_int_equal(filters_normalise(text, known, &tree, NULL), 0);
    json_writer_init(&w, &out);
    json_put_value(&w, tree);
    assert_string_equal(out.data, normal);
}

static void expect_refusal(const char *text, const char *message)
{
    CLEANUP_JSON struct json *tree = NULL;
    struct error error = {0};

    assert_true(filters_normalise(text, known, &tree, &error) < 0);
    assert_int_equal(error.kind, ERROR_INVALID);
    assert_non_null(strstr(error.message, message));
    assert_null(tree);
}

static void lists_stay_lists(void **state)
{
    (void)state;
    expect("{\"label\":[\"a\",\"b=c\"],\"status\":[]}", "{\"label\":[\"a\",\"b=c\"],\"status\":[]}");
    expect("{}", "{}");
}

static void maps_become_lists_of_what_is_true(void **state)
{
    (void)state;
    expect("{\"label\":{\"a\":true,\"b\":false,\"c\":true}}", "{\"label\":[\"a\",\"c\"]}");
}

static void nothing_gives_no_filters(void **state)
{
    struct json *tree = NULL;

    (void)state;
    assert_int_equal(filters_normalise(NULL, known, &tree, NULL), 0);
    assert_null(tree);
    assert_int_equal(filters_normalise("", known, &tree, NULL), 0);
    assert_null(tree);
    assert_int_equal(filters_normalise("null", known, &tree, NULL), 0);
    assert_null(tree);
}

static void unknown_names_are_refused_in_dockers_words(void **state)
{
    (void)state;
    expect_refusal("{\"colour\":[\"red\"]}", "invalid filter 'colour'");
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    expect_refusal("{", "invalid filter");
    expect_refusal("[]", "invalid filter");
    expect_refusal("7", "invalid filter");
    expect_refusal("{\"label\":\"a\"}", "invalid filter");
    expect_refusal("{\"label\":[1]}", "invalid filter");
    expect_refusal("{\"label\":{\"a\":1}}", "invalid filter");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_stay_lists),         cmocka_unit_test(maps_become_lists_of_what_is_true),
        cmocka_unit_test(nothing_gives_no_filters), cmocka_unit_test(unknown_names_are_refused_in_dockers_words),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
