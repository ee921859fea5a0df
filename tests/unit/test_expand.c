/* Words of a Dockerfile: quotes, escapes and variables. Rows are taken from what the language's reference documents. */
#include "tests/unit/base_test.h"

#include <string.h>

#include "daemon/build/expand.h"

static const char *value_of(const char *name, void *data)
{
    static const struct {
        const char *name, *value;
    } variables[] = {
        {"a", "b"},      {"path", "/usr/local/bin/x.tar.gz"}, {"empty", ""}, {"blank", "x  y"},
        {"star", "a*b"}, {"uni", "\xc3\xa4\xc3\xb6"},
    };
    (void)data;
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].value;
    return NULL;
}

static const struct {
    const char *text, *expected;
} rows[] = {
    {"", ""},
    {"a  b", "a  b"},
    {"'a'\"b\"c", "abc"},
    {"'$a'", "$a"},
    {"\"$a 'c'\"", "b 'c'"},
    {"\\$a", "$a"},
    {"\\\\$a", "\\b"},
    {"\"\\$a \\x \\\\ \\\"\"", "$a \\x \\ \""},
    {"a\\", "a"},
    {"$a-$a", "b-b"},
    {"${a}c", "bc"},
    {"$ac", ""},
    {"$", "$"},
    {"$ a", "$ a"},
    {"$1x$@", "x"},
    {"${unset}", ""},
    {"${unset:-w}", "w"},
    {"${empty:-w}", "w"},
    {"${empty-w}", ""},
    {"${unset-w}", "w"},
    {"${a:-w}", "b"},
    {"${a:+w}", "w"},
    {"${empty:+w}", ""},
    {"${empty+w}", "w"},
    {"${unset+w}", ""},
    {"${a:?no}", "b"},
    {"${a?no}", "b"},
    {"${unset:-${a}c}", "bc"},
    {"${unset:-'x}y'}", "x}y"},
    {"${unset:-\"$a\"}", "b"},
    {"${path#*/}", "usr/local/bin/x.tar.gz"},
    {"${path##*/}", "x.tar.gz"},
    {"${path%.*}", "/usr/local/bin/x.tar"},
    {"${path%%.*}", "/usr/local/bin/x"},
    {"${path#/usr/?ocal}", "/bin/x.tar.gz"},
    {"${path#nope}", "/usr/local/bin/x.tar.gz"},
    {"${star#a\\*}", "b"},
    {"${star%\\*?}", "a"},
    {"${uni#?}", "\xc3\xb6"},
    {"${uni%?}", "\xc3\xa4"},
    {"${path/local/opt}", "/usr/opt/bin/x.tar.gz"},
    {"${path/\\//_}", "_usr/local/bin/x.tar.gz"},
    {"${path//\\//_}", "_usr_local_bin_x.tar.gz"},
    {"${path//./$a}", "/usr/local/bin/xbtarbgz"},
    {"${path/u*l/}", "//bin/x.tar.gz"},
    {"${unset/a/b}", ""},
    {"${unset?}", "error: failed to process \"${unset?}\": unset: is not allowed to be unset"},
    {"${empty:?}", "error: failed to process \"${empty:?}\": empty: is not allowed to be empty"},
    {"${unset:?give it}", "error: failed to process \"${unset:?give it}\": unset: give it"},
    {"${a", "error: failed to process \"${a\": syntax error: missing '}'"},
    {"${a:-x", "error: failed to process \"${a:-x\": syntax error: missing '}'"},
    {"${", "error: failed to process \"${\": syntax error: missing '}'"},
    {"${}", "error: failed to process \"${}\": syntax error: bad substitution"},
    {"${a!x}", "error: failed to process \"${a!x}\": unsupported modifier (!) in substitution"},
    {"${a:x}", "error: failed to process \"${a:x}\": unsupported modifier (:x) in substitution"},
    {"${a/b}", "error: failed to process \"${a/b}\": syntax error: missing '/' in ${}"},
    {"${a#\\b}",
     "error: failed to process \"${a#\\\\b}\": invalid pattern (\\b) in substitution: invalid escape '\\b'"},
    {"'a", "error: failed to process \"'a\": unexpected end of statement while looking for matching single-quote"},
    {"\"a", "error: failed to process \"\\\"a\": unexpected end of statement while looking for matching double-quote"},
};

static void words_are_expanded_as_documented(void **state)
{
    (void)state;
    const struct expand_options options = {.lookup = value_of};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *have = NULL;
        struct error err = {0};
        if (expand_word(rows[i].text, &options, &have, &err) < 0)
            have = xasprintf("error: %s", err.message);
        if (strcmp(have, rows[i].expected) != 0)
            print_error("row %zu: %s\n", i, rows[i].text);
        assert_string_equal(have, rows[i].expected);
    }
}

static void options_change_what_is_kept(void **state)
{
    (void)state;
    static const struct {
        struct expand_options options;
        const char *text, *expected;
    } kept[] = {
        {{.escape = '`'}, "`$a \\$a", "$a \\b"},
        {{.keep_quotes = true}, "'x' \"$a\"", "'x' \"b\""},
        {{.keep_escapes = true}, "\\$a \"\\$\"", "\\$a \\$"},
        {{.keep_unset = true}, "$x ${x} ${x:-y} $a", "$x ${x} ${x:-y} b"},
        {{.heredoc = true}, "it's \"$a\" \\$a", "it's \"b\" $a"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        CLEANUP_FREE char *have = NULL;
        struct expand_options options = kept[i].options;
        options.lookup = value_of;
        assert_int_equal(expand_word(kept[i].text, &options, &have, NULL), 0);
        assert_string_equal(have, kept[i].expected);
    }
}

static void words_are_split_outside_quotes(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv words = STRV_INIT, unset = STRV_INIT;
    const struct expand_options options = {.lookup = value_of, .unset = &unset};
    assert_int_equal(expand_words(" a 'b c'  $blank \"$blank\" d\\ e $no ${or:-f}", &options, &words, NULL), 0);
    CLEANUP_FREE char *joined = strv_join(&words, "|"), *names = strv_join(&unset, " ");
    assert_string_equal(joined, "a|b c|x|y|x  y|d e|f");
    assert_string_equal(names, "no");
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf deep = STRBUF_INIT;
    CLEANUP_FREE char *have = NULL;
    const struct expand_options options = {.lookup = value_of};
    struct error err = {0};
    for (int i = 0; i < 1000; i++)
        strbuf_adds(&deep, "${x:-");
    assert_int_equal(expand_word(strbuf_str(&deep), &options, &have, &err), -E2BIG);
    strbuf_clear(&deep);
    for (int i = 0; i < EXPAND_SIZE_MAX / 20; i++)
        strbuf_adds(&deep, "$path");
    assert_int_equal(expand_word(strbuf_str(&deep), &options, &have, &err), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_expanded_as_documented),
        cmocka_unit_test(options_change_what_is_kept),
        cmocka_unit_test(words_are_split_outside_quotes),
        cmocka_unit_test(depth_and_size_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
