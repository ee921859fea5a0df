#include "tests/unit/base_test.h"

#include <string.h>

#include "base/id.h"

static void an_id_is_64_hex_digits_and_never_the_same(void **state)
{
    (void)state;
    char a[ID_SIZE + 1];
    char b[ID_SIZE + 1];
    id_generate(a);
    id_generate(b);
    assert_int_equal(strlen(a), 64);
    assert_int_equal(id_is_hex(a, ID_SIZE), true);
    assert_string_not_equal(a, b);
}

static void a_short_id_is_never_all_digits(void **state)
{
    (void)state;
    /* One in 280 random ones would be. */
    for (int i = 0; i < 20000; i++) {
        char id[ID_SIZE + 1];
        id_generate(id);
        if (strspn(id, "0123456789") >= ID_SHORT_SIZE)
            fail_msg("%s", id);
    }
}

static void random_hex_fills_what_was_asked(void **state)
{
    (void)state;
    char text[401];
    memset(text, 'x', sizeof text);
    id_random_hex(text, 200);
    assert_int_equal(strlen(text), 400);
    assert_int_equal(id_is_hex(text, 400), true);
    id_random_hex(text, 0);
    assert_string_equal(text, "");
}

static void only_lower_case_hex_of_the_full_size_is_hex(void **state)
{
    (void)state;
    assert_int_equal(id_is_hex("0af9", 4), true);
    assert_int_equal(id_is_hex("0AF9", 4), false);
    assert_int_equal(id_is_hex("0ag9", 4), false);
    assert_int_equal(id_is_hex("0af", 4), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_64_hex_digits_and_never_the_same),
        cmocka_unit_test(a_short_id_is_never_all_digits),
        cmocka_unit_test(random_hex_fills_what_was_asked),
        cmocka_unit_test(only_lower_case_hex_of_the_full_size_is_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
