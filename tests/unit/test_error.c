#include "tests/unit/base_test.h"

#include <string.h>

#include "base/error.h"

static void a_set_error_carries_kind_errno_and_message(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, ERROR_NOT_FOUND, ESRCH, "No such container: %s", "web"), -ESRCH);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_int_equal(err.errnum, ESRCH);
    assert_string_equal(err.message, "No such container: web");
}

static void errnum_zero_picks_the_natural_errno_of_the_kind(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, ERROR_NOT_FOUND, 0, "x"), -ENOENT);
    assert_int_equal(error_set(NULL, ERROR_INVALID, 0, "x"), -EINVAL);
    assert_int_equal(error_set(NULL, ERROR_CONFLICT, 0, "x"), -EEXIST);
    assert_int_equal(error_set(NULL, ERROR_SYSTEM, 0, "x"), -EIO);
    assert_int_equal(error_set(NULL, ERROR_FORBIDDEN, 0, "x"), -EPERM);
    assert_int_equal(error_set(NULL, ERROR_UNAUTHORIZED, 0, "x"), -EACCES);
    assert_int_equal(error_set(NULL, ERROR_NOT_IMPLEMENTED, 0, "x"), -ENOSYS);
    assert_int_equal(error_set(NULL, ERROR_CANCELLED, 0, "x"), -ECANCELED);
}

static void every_kind_returns_a_negative_number(void **state)
{
    (void)state;
    for (int kind = ERROR_SYSTEM; kind <= ERROR_CANCELLED; kind++)
        assert_true(error_set(NULL, (enum error_kind)kind, 0, "x") < 0);
}

static void error_errno_appends_the_systems_text_for_either_sign(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_errno(&err, -ENOENT, "open %s", "/x"), -ENOENT);
    assert_string_equal(err.message, "open /x: No such file or directory");
    assert_int_equal(err.kind, ERROR_SYSTEM);
    assert_int_equal(error_errno(&err, EPERM, "mount"), -EPERM);
    assert_string_equal(err.message, "mount: Operation not permitted");
}

static void an_errno_without_a_text_is_named_by_its_number(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_errno(&err, 4000, "x"), -4000);
    assert_string_equal(err.message, "x: Unknown error 4000");
}

static void context_goes_in_front_and_keeps_the_code(void **state)
{
    (void)state;
    struct error err = {0};
    error_set(&err, ERROR_INVALID, 0, "bad port");
    assert_int_equal(error_context(&err, "container %s", "web"), -EINVAL);
    assert_int_equal(error_context(&err, "start"), -EINVAL);
    assert_string_equal(err.message, "start: container web: bad port");
    assert_int_equal(err.kind, ERROR_INVALID);
}

static void context_of_no_error_is_eio_and_changes_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_context(&err, "start"), -EIO);
    assert_int_equal(error_context(NULL, "start"), -EIO);
    assert_string_equal(err.message, "");
}

static void a_message_may_be_made_from_the_message_itself(void **state)
{
    (void)state;
    struct error err = {0};
    error_set(&err, ERROR_INVALID, 0, "cause");
    error_set(&err, ERROR_CONFLICT, 0, "wrapped (%s)", err.message);
    assert_string_equal(err.message, "wrapped (cause)");
    error_context(&err, "%s", err.message);
    assert_string_equal(err.message, "wrapped (cause): wrapped (cause)");
}

static void a_message_that_is_too_long_is_cut_at_the_end(void **state)
{
    (void)state;
    struct error err = {0};
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    error_set(&err, ERROR_INVALID, 0, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    error_context(&err, "front");
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_memory_equal(err.message, "front: xxx", 10);
    error_errno(&err, EPERM, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void a_cut_does_not_split_a_character(void **state)
{
    (void)state;
    struct error err = {0};
    CLEANUP_FREE char *text = xmalloc(3001);
    for (int i = 0; i < 3000; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    text[3000] = '\0';
    for (int shift = 0; shift < 3; shift++) {
        error_set(&err, ERROR_INVALID, 0, "%.*s%s", shift, "ab", text);
        size_t size = strlen(err.message);
        assert_true(size <= sizeof err.message - 1 && size >= sizeof err.message - 3);
        assert_int_equal((size - (size_t)shift) % 3, 0);
    }
}

static void propagate_copies_and_returns_the_code(void **state)
{
    (void)state;
    struct error from = {0};
    struct error to = {0};
    error_set(&from, ERROR_FORBIDDEN, EPERM, "no");
    assert_int_equal(error_propagate(&to, &from), -EPERM);
    assert_int_equal(to.kind, ERROR_FORBIDDEN);
    assert_string_equal(to.message, "no");
    assert_int_equal(error_propagate(NULL, &from), -EPERM);
}

static void clear_makes_it_no_error(void **state)
{
    (void)state;
    struct error err = {0};
    error_set(&err, ERROR_INVALID, 0, "x");
    error_clear(&err);
    assert_int_equal(err.kind, ERROR_NONE);
    assert_int_equal(err.errnum, 0);
    assert_string_equal(err.message, "");
    error_clear(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_error_carries_kind_errno_and_message),
        cmocka_unit_test(errnum_zero_picks_the_natural_errno_of_the_kind),
        cmocka_unit_test(every_kind_returns_a_negative_number),
        cmocka_unit_test(error_errno_appends_the_systems_text_for_either_sign),
        cmocka_unit_test(an_errno_without_a_text_is_named_by_its_number),
        cmocka_unit_test(context_goes_in_front_and_keeps_the_code),
        cmocka_unit_test(context_of_no_error_is_eio_and_changes_nothing),
        cmocka_unit_test(a_message_may_be_made_from_the_message_itself),
        cmocka_unit_test(a_message_that_is_too_long_is_cut_at_the_end),
        cmocka_unit_test(a_cut_does_not_split_a_character),
        cmocka_unit_test(propagate_copies_and_returns_the_code),
        cmocka_unit_test(clear_makes_it_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
