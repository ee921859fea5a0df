#include "tests/unit/base_test.h"

#include "base/strv.h"

/* The vector as one text, so that a failed comparison shows all of it. */
#define assert_items(v, expected)                                                                                      \
    do {                                                                                                               \
        CLEANUP_FREE char *joined_ = strv_join((v), "|");                                                              \
        assert_string_equal(joined_, (expected));                                                                      \
        if ((v)->items)                                                                                                \
            assert_null((v)->items[(v)->count]);                                                                       \
    } while (0)

static void added_strings_are_copies_and_end_with_null(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    char text[] = "one";
    strv_add(&v, text);
    text[0] = 'X';
    strv_add_take(&v, xstrdup("two"));
    strv_addf(&v, "%d", 3);
    assert_items(&v, "one|two|3");
    for (int i = 0; i < 100; i++) {
        strv_addf(&v, "%d", i);
        assert_null(v.items[v.count]);
    }
}

static void adding_null_adds_nothing(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_add(&v, NULL);
    strv_add_take(&v, NULL);
    assert_int_equal(v.count, 0);
}

static void add_all_also_adds_a_vector_to_itself(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_split(&v, "a,b", ',');
    strv_add_all(&v, &v);
    assert_items(&v, "a|b|a|b");
}

static void copy_replaces_what_was_there(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv a = STRV_INIT;
    CLEANUP_STRV struct strv b = STRV_INIT;
    strv_split(&a, "x,y", ',');
    strv_add(&b, "old");
    strv_copy(&b, &a);
    strv_copy(&b, &b);
    assert_items(&b, "x|y");
    assert_ptr_not_equal(a.items[0], b.items[0]);
}

static void remove_keeps_the_order_and_the_end(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_split(&v, "a,b,c", ',');
    strv_remove(&v, 1);
    assert_items(&v, "a|c");
    strv_remove(&v, 1);
    strv_remove(&v, 0);
    assert_int_equal(v.count, 0);
    assert_null(v.items[0]);
}

static void clear_empties_but_stays_an_argv(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_clear(&v);
    strv_add(&v, "a");
    strv_clear(&v);
    assert_int_equal(v.count, 0);
    assert_null(v.items[0]);
}

static void contains_compares_whole_strings(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    assert_int_equal(strv_contains(&v, ""), false);
    strv_split(&v, "abc,d", ',');
    assert_int_equal(strv_contains(&v, "abc"), true);
    assert_int_equal(strv_contains(&v, "ab"), false);
}

static void sort_is_bytewise(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_sort(&v);
    strv_split(&v, "b,a,B,_,aa", ',');
    strv_sort(&v);
    assert_items(&v, "B|_|a|aa|b");
}

static void split_keeps_empty_pieces(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_split(&v, ",a,,b,", ',');
    assert_items(&v, "|a||b|");
    assert_int_equal(v.count, 5);
    strv_clear(&v);
    strv_split(&v, "", ',');
    assert_int_equal(v.count, 1);
    assert_string_equal(v.items[0], "");
}

static void join_of_nothing_is_empty(void **state)
{
    (void)state;
    struct strv v = STRV_INIT;
    CLEANUP_FREE char *s = strv_join(&v, ", ");
    assert_string_equal(s, "");
}

static void env_get_finds_the_value_of_exactly_that_name(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_split(&v, "PATHS=no,PATH,PATH=/bin=x,EMPTY=", ',');
    assert_string_equal(strv_env_get(&v, "PATH"), "/bin=x");
    assert_string_equal(strv_env_get(&v, "EMPTY"), "");
    assert_null(strv_env_get(&v, "PAT"));
    assert_null(strv_env_get(&v, "OTHER"));
}

static void env_set_replaces_in_place_or_adds(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_split(&v, "A=1,B=2,C", ',');
    strv_env_set(&v, "A=9");
    strv_env_set(&v, "D=4");
    strv_env_set(&v, "C=3");
    assert_items(&v, "A=9|B=2|C=3|D=4");
}

static void env_unset_removes_every_entry_of_the_name(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_env_unset(&v, "A");
    strv_split(&v, "A=1,AB=2,A=3,A", ',');
    strv_env_unset(&v, "A");
    assert_items(&v, "AB=2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(added_strings_are_copies_and_end_with_null),
        cmocka_unit_test(adding_null_adds_nothing),
        cmocka_unit_test(add_all_also_adds_a_vector_to_itself),
        cmocka_unit_test(copy_replaces_what_was_there),
        cmocka_unit_test(remove_keeps_the_order_and_the_end),
        cmocka_unit_test(clear_empties_but_stays_an_argv),
        cmocka_unit_test(contains_compares_whole_strings),
        cmocka_unit_test(sort_is_bytewise),
        cmocka_unit_test(split_keeps_empty_pieces),
        cmocka_unit_test(join_of_nothing_is_empty),
        cmocka_unit_test(env_get_finds_the_value_of_exactly_that_name),
        cmocka_unit_test(env_set_replaces_in_place_or_adds),
        cmocka_unit_test(env_unset_removes_every_entry_of_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
