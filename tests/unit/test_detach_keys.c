#include "base/detach_keys.h"
#include "tests/unit/base_test.h"

static void docker_names_are_understood(void **state)
{
    struct detach_keys keys;

    (void)state;
    assert_int_equal(detach_keys_parse("ctrl-a,ctrl-z,ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,DEL,a,A", &keys, NULL),
                     0);
    assert_int_equal(keys.count, 11);
    assert_memory_equal(keys.codes,
                        "\x01\x1a\0\x1b\x1c\x1d\x1e\x1f\x7f"
                        "aA",
                        11);
}

static void without_text_the_default_applies(void **state)
{
    struct detach_keys keys;

    (void)state;
    assert_int_equal(detach_keys_parse(NULL, &keys, NULL), 0);
    assert_int_equal(keys.count, 2);
    assert_memory_equal(keys.codes, "\x10\x11", 2);
}

static void empty_text_is_no_keys(void **state)
{
    struct detach_keys keys;

    (void)state;
    assert_int_equal(detach_keys_parse("", &keys, NULL), 0);
    assert_int_equal(keys.count, 0);
}

static void bad_keys_are_refused_in_dockers_words(void **state)
{
    static const char *const bad[] = {"ctrl-", "ctrl-A", "ctrl-1", "ab", "ctrl-p,", ",a", "del", "ctrl-pp", "a,,b"};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char expected[100];

        snprintf(expected, sizeof(expected), "Invalid detach keys (%s) provided", bad[i]);
        assert_int_equal(detach_keys_parse(bad[i], NULL, &err), -EINVAL);
        assert_string_equal(err.message, expected);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
}

static void too_many_keys_are_refused(void **state)
{
    char text[3 * DETACH_KEYS_MAX];
    size_t size = 0;

    (void)state;
    for (int i = 0; i <= DETACH_KEYS_MAX; i++) {
        text[size++] = 'a';
        text[size++] = ',';
    }
    text[size - 1] = '\0';
    assert_int_equal(detach_keys_parse(text, NULL, NULL), -EINVAL);
    text[size - 3] = '\0';
    assert_int_equal(detach_keys_parse(text, NULL, NULL), 0);
}

static struct detach_matcher matcher(const char *keys)
{
    struct detach_matcher m = {.matched = 0};

    assert_int_equal(detach_keys_parse(keys, &m.keys, NULL), 0);
    return m;
}

static void assert_feed(struct detach_matcher *m, const char *in, const char *expected, bool complete)
{
    char out[256];
    size_t size = 99;

    assert_int_equal(detach_matcher_feed(m, in, strlen(in), out, &size), complete);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(out, expected, size);
}

static void what_is_no_sequence_passes(void **state)
{
    struct detach_matcher m = matcher(NULL);

    (void)state;
    assert_feed(&m, "hello\n", "hello\n", false);
    assert_feed(&m, "\x11", "\x11", false);
}

static void the_sequence_is_found_within_and_across_reads(void **state)
{
    struct detach_matcher m = matcher(NULL);

    (void)state;
    assert_feed(&m, "ab\x10\x11zz", "ab", true);
    m = matcher(NULL);
    assert_feed(&m, "ab\x10", "ab", false);
    assert_feed(&m, "\x11", "", true);
}

static void a_broken_beginning_is_given_back(void **state)
{
    struct detach_matcher m = matcher("a,b,c");

    (void)state;
    assert_feed(&m, "ab", "", false);
    assert_feed(&m, "x", "abx", false);
    assert_feed(&m, "abc", "", true);
}

static void as_with_docker_the_key_that_breaks_does_not_begin_anew(void **state)
{
    struct detach_matcher m = matcher(NULL);

    (void)state;
    assert_feed(&m, "\x10\x10\x11", "\x10\x10\x11", false);
}

static void without_keys_everything_passes(void **state)
{
    struct detach_matcher m = matcher("");

    (void)state;
    assert_feed(&m, "\x10\x11", "\x10\x11", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(docker_names_are_understood),
        cmocka_unit_test(without_text_the_default_applies),
        cmocka_unit_test(empty_text_is_no_keys),
        cmocka_unit_test(bad_keys_are_refused_in_dockers_words),
        cmocka_unit_test(too_many_keys_are_refused),
        cmocka_unit_test(what_is_no_sequence_passes),
        cmocka_unit_test(the_sequence_is_found_within_and_across_reads),
        cmocka_unit_test(a_broken_beginning_is_given_back),
        cmocka_unit_test(as_with_docker_the_key_that_breaks_does_not_begin_anew),
        cmocka_unit_test(without_keys_everything_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
