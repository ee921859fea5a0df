#include "tests/unit/base_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"

static struct json *parsed(const char *text)
{
    struct json *v = NULL;
    struct error err = {0};
    if (json_parse(text, strlen(text), &v, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return v;
}

static char *written(const struct json *v)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_put_value(&w, v);
    return strbuf_take(&out);
}

static void assert_rewritten(const char *text, const char *expected)
{
    CLEANUP_JSON struct json *v = parsed(text);
    CLEANUP_FREE char *out = written(v);
    assert_string_equal(out, expected);
}

static void assert_refused(const char *text, size_t size, const char *message)
{
    struct json *v = NULL;
    struct error err = {0};
    int r = json_parse(text, size, &v, &err);
    if (r == 0)
        fail_msg("accepted: %s", text);
    assert_null(v);
    assert_int_equal(r, -EINVAL);
    assert_int_equal(err.kind, ERROR_INVALID);
    if (message)
        assert_string_equal(err.message, message);
}

static void every_kind_of_value_is_read(void **state)
{
    (void)state;
    CLEANUP_JSON struct json *v =
        parsed(" {\"n\":null,\"t\":true,\"f\":false,\"i\":-12,\"r\":1.5,\"s\":\"x\",\"a\":[1,[]],\"o\":{}} ");
    assert_int_equal(v->kind, JSON_OBJECT);
    assert_int_equal(v->object.count, 8);
    assert_int_equal(json_get(v, "n")->kind, JSON_NULL);
    assert_int_equal(json_get_bool(v, "t", false), true);
    assert_int_equal(json_get_bool(v, "f", true), false);
    assert_int_equal(json_get_int(v, "i", 0), -12);
    assert_true(json_get(v, "r")->kind == JSON_REAL && json_get(v, "r")->real == 1.5);
    assert_string_equal(json_get_string(v, "s"), "x");
    assert_int_equal(json_count(json_get(v, "a")), 2);
    assert_int_equal(json_at(json_get(v, "a"), 0)->integer, 1);
    assert_int_equal(json_count(json_at(json_get(v, "a"), 1)), 0);
    assert_int_equal(json_get(v, "o")->kind, JSON_OBJECT);
}

static void scalars_are_whole_texts_too(void **state)
{
    (void)state;
    assert_rewritten("null", "null");
    assert_rewritten(" 5 ", "5");
    assert_rewritten("\"a\"", "\"a\"");
    assert_rewritten("[]", "[]");
}

static void accessors_are_calm_about_null_and_wrong_kinds(void **state)
{
    (void)state;
    CLEANUP_JSON struct json *v = parsed("{\"s\":\"x\",\"i\":1,\"r\":1.5}");
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(json_get(v, "s"), "a"));
    assert_null(json_get(v, "none"));
    assert_null(json_get_string(v, "i"));
    assert_int_equal(json_get_int(v, "s", 7), 7);
    assert_int_equal(json_get_int(v, "r", 7), 7);
    assert_int_equal(json_get_bool(v, "i", true), true);
    assert_null(json_string(NULL));
    assert_int_equal(json_count(NULL), 0);
    assert_int_equal(json_count(v), 0);
    assert_null(json_at(v, 0));
    assert_null(json_at(NULL, 0));
    json_free(NULL);
    assert_null(json_copy(NULL));
}

static void the_last_member_of_a_name_counts(void **state)
{
    (void)state;
    CLEANUP_JSON struct json *v = parsed("{\"a\":1,\"b\":2,\"a\":3}");
    assert_int_equal(json_get_int(v, "a", 0), 3);
    assert_string_equal(v->object.keys[0], "a");
    assert_string_equal(v->object.keys[1], "b");
}

static void integers_keep_64_bits(void **state)
{
    (void)state;
    assert_rewritten("[9223372036854775807,-9223372036854775808,0,-0,-1]",
                     "[9223372036854775807,-9223372036854775808,0,0,-1]");
    assert_rewritten("[9223372036854775808,18446744073709551615]", "[9223372036854775808,18446744073709551615]");
    CLEANUP_JSON struct json *v = parsed("[18446744073709551615,9223372036854775807,18446744073709551616]");
    assert_int_equal(json_at(v, 0)->kind, JSON_REAL);
    assert_true(json_at(v, 0)->exact == UINT64_MAX);
    assert_int_equal(json_at(v, 1)->kind, JSON_INTEGER);
    assert_true(json_at(v, 1)->integer == INT64_MAX);
    assert_int_equal(json_at(v, 2)->kind, JSON_REAL);
    assert_int_equal(json_at(v, 2)->exact, 0);
}

static void numbers_beyond_every_range_are_reals_or_refused(void **state)
{
    (void)state;
    assert_rewritten("123456789012345678901234567890", "1.2345678901234568e+29");
    assert_rewritten("-9223372036854775809", "-9223372036854775808");
    assert_refused("[1e400]", 7, "invalid JSON at line 1, column 7: a number is out of range");
    assert_refused("-1e400", 6, NULL);
    assert_rewritten("1e-400", "0");
    char digits[5001];
    memset(digits, '9', 5000);
    digits[5000] = '\0';
    assert_refused(digits, 5000, NULL);
    digits[1] = '.';
    assert_rewritten(digits, "10");
}

static void reals_are_written_as_go_writes_them(void **state)
{
    (void)state;
    assert_rewritten("[0.1,1.0,-2.50,1e3,1.5e300,1e-7,0.000001,1e20,1e21,123456.789,5e-324,0.30000000000000004]",
                     "[0.1,1,-2.5,1000,1.5e+300,1e-7,0.000001,100000000000000000000,1e+21,123456.789,5e-324,"
                     "0.30000000000000004]");
    assert_rewritten("[1.7976931348623157e308,-0.0,99999999999999.9]", "[1.7976931348623157e+308,-0,99999999999999.9]");
}

static void malformed_texts_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          " ",        "{",         "}",         "[",           "]",          "[1",         "[1,",
        "[1,]",      "[,1]",     "{,}",       "{\"a\"}",   "{\"a\":}",    "{\"a\":1,}", "{a:1}",      "{'a':1}",
        "{\"a\" 1}", "[1 2]",    "nul",       "nulll",     "True",        "tru",        "+1",         "01",
        "1.",        ".5",       "1e",        "1e+",       "-",           "0x10",       "NaN",        "Infinity",
        "\"",        "\"a",      "\"\\x\"",   "\"\\u12\"", "\"\\",        "\"\n\"",     "\"\t\"",     "1 2",
        "{} {}",     "[]x",      "/* c */ 1", "// c\n1",   "\"a\" \"b\"", "[1]]",       "{\"a\":1}}", "\xef\xbb\xbf{}",
        "{1:2}",     "{null:1}", "[1}",       "{\"a\":1]", "[\"a\":1]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_refused(bad[i], strlen(bad[i]), NULL);
    assert_refused("1\0", 2, NULL);
    assert_refused("[\"a\0b\"]", 7, NULL);
}

static void a_message_says_where_it_went_wrong(void **state)
{
    (void)state;
    struct json *v = NULL;
    struct error err = {0};
    const char *text = "{\n  \"a\": 1,\n  \"b\": oops\n}";
    json_parse(text, strlen(text), &v, &err);
    assert_string_equal(err.message, "invalid JSON at line 3, column 9: lexical error: invalid char in json text");
    text = "{\"a\": [1, 2";
    json_parse(text, strlen(text), &v, &err);
    assert_string_equal(err.message, "invalid JSON at line 1, column 12: parse error: premature EOF");
    json_parse("", 0, &v, &err);
    assert_string_equal(err.message, "invalid JSON at line 1, column 1: parse error: premature EOF");
    assert_null(v);
    assert_int_equal(json_parse("oops", 4, &v, NULL), -EINVAL);
}

static void sixty_four_levels_are_read_and_sixty_five_refused(void **state)
{
    (void)state;
    char text[200];
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    assert_refused(text, 130, "invalid JSON at line 1, column 66: nested too deeply");
    struct json *v = NULL;
    assert_int_equal(json_parse(text + 1, 128, &v, NULL), 0);
    CLEANUP_FREE char *out = written(v);
    text[129] = '\0';
    assert_string_equal(out, text + 1);
    json_free(v);

    CLEANUP_STRBUF struct strbuf deep = STRBUF_INIT;
    for (int i = 0; i < 100000; i++)
        strbuf_adds(&deep, "{\"a\":[");
    assert_refused(deep.data, deep.size, NULL);
}

static void escapes_are_decoded(void **state)
{
    (void)state;
    CLEANUP_JSON struct json *v = parsed("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"");
    assert_string_equal(v->string.data, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void half_a_surrogate_pair_is_never_invalid_utf8(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"\\ud83d\"", "\"\\ud83dx\"", "\"\\ude00\"", "\"\\ude00\\ud83d\"",
                                        "\"\\ud83d\\u0041\""};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        CLEANUP_JSON struct json *v = parsed(texts[i]);
        for (const char *p = v->string.data; *p; p++)
            assert_int_not_equal((unsigned char)*p, 0xed);
        CLEANUP_FREE char *out = written(v);
        assert_null(strstr(out, "fffd")); /* the tree is valid, so the writer has nothing to replace */
    }
    CLEANUP_JSON struct json *v = parsed("[\"\\ude00\",{\"k\\ude00\":1}]");
    assert_string_equal(json_string(json_at(v, 0)), "\xef\xbf\xbd");
    assert_string_equal(json_at(v, 1)->object.keys[0], "k\xef\xbf\xbd");
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\"\xff\"",     "\"\x80\"",         "\"\xc3\"",         "\"\xc3(\"",
        "\"\xe2\x82\"", "\"\xe2\x28\xa1\"", "\"\xf0\x9f\x98\"", "{\"\xff\":1}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_refused(bad[i], strlen(bad[i]), NULL);
}

static void overlong_forms_never_get_through_as_they_are(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"\xc0\xaf\"",         "\"\xc1\x81\"",     "\"\xe0\x80\xaf\"",
                                        "\"\xf0\x80\x80\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
                                        "\"\xf5\x80\x80\x80\""};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct json *v = NULL;
        if (json_parse(texts[i], strlen(texts[i]), &v, NULL) < 0)
            continue;
        CLEANUP_FREE char *out = written(v);
        if (strcmp(out, texts[i]) == 0)
            fail_msg("row %zu was taken as it is", i);
        json_free(v);
    }
}

static void a_nul_inside_a_string_is_kept_and_inside_a_name_refused(void **state)
{
    (void)state;
    CLEANUP_JSON struct json *v = parsed("\"a\\u0000b\"");
    assert_int_equal(v->string.size, 3);
    assert_memory_equal(v->string.data, "a\0b", 4);
    CLEANUP_FREE char *out = written(v);
    assert_string_equal(out, "\"a\\u0000b\"");
    assert_refused("{\"a\\u0000b\":1}", 14, "invalid JSON at line 1, column 12: a member name contains a NUL");
}

static void a_copy_is_equal_and_independent(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1,2.5,\"x\\u0000y\",null,true,{}],\"b\":{\"c\":[]}}";
    struct json *v = parsed(text);
    CLEANUP_JSON struct json *copy = json_copy(v);
    json_free(v);
    CLEANUP_FREE char *out = written(copy);
    assert_string_equal(out, text);
}

static char *quoted(const char *s, size_t size)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    json_quote(&out, s, size);
    return strbuf_take(&out);
}

static void quoting_escapes_what_go_escapes_and_leaves_html_alone(void **state)
{
    (void)state;
    const struct {
        const char *text;
        size_t size;
        const char *expected;
    } rows[] = {
        {"", 0, "\"\""},
        {"plain text, long enough", 23, "\"plain text, long enough\""},
        {"\"\\/", 3, "\"\\\"\\\\/\""},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
        {"\0\1\v\x1f", 4, "\"\\u0000\\u0001\\u000b\\u001f\""},
        {"\x7f<>&'", 5, "\"\x7f<>&'\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 12, "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\""},
        {"a\xff"
         "b",
         3, "\"a\\ufffdb\""},
        {"\xe2\x82", 2, "\"\\ufffd\\ufffd\""},
        {"\xe2\x82"
         "A",
         3, "\"\\ufffd\\ufffdA\""},
        {"\xc0\xaf", 2, "\"\\ufffd\\ufffd\""},
        {"\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\""},
        {"\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        {"\xef\xbf\xbd", 3, "\"\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *out = quoted(rows[i].text, rows[i].size);
        assert_string_equal(out, rows[i].expected);
    }
}

static void every_byte_at_every_position_survives_quoting(void **state)
{
    (void)state;
    /* The run over plain text takes eight bytes at a time: no position in them may be special. */
    for (int c = 0; c < 128; c++) {
        for (size_t position = 0; position < 20; position++) {
            char text[21];
            memset(text, 'a', 20);
            text[20] = '\0';
            text[position] = (char)c;
            CLEANUP_FREE char *out = quoted(text, 20);
            struct json *v = NULL;
            assert_int_equal(json_parse(out, strlen(out), &v, NULL), 0);
            assert_int_equal(v->string.size, 20);
            assert_memory_equal(v->string.data, text, 20);
            json_free(v);
            bool escaped = strlen(out) > 22;
            if (escaped != (c < 0x20 || c == '"' || c == '\\'))
                fail_msg("byte %d at %zu: %s", c, position, out);
        }
    }
}

static void the_writer_places_commas_and_colons(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_member_string(&w, "s", "x\"y");
    json_member_int(&w, "i", INT64_MIN);
    json_member_bool(&w, "b", true);
    json_member_null(&w, "n");
    json_key(&w, "a");
    json_begin_array(&w);
    json_put_uint(&w, UINT64_MAX);
    json_put_double(&w, 0.5);
    json_begin_object(&w);
    json_end_object(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_put_raw(&w, "{\"r\":1}", 7);
    json_put_string(&w, NULL);
    json_put_string_n(&w, "a\0b", 3);
    json_put_value(&w, NULL);
    json_put_double(&w, INFINITY);
    json_put_double(&w, NAN);
    json_end_array(&w);
    json_key(&w, "");
    json_put_bool(&w, false);
    json_end_object(&w);
    assert_string_equal(out.data, "{\"s\":\"x\\\"y\",\"i\":-9223372036854775808,\"b\":true,\"n\":null,\"a\":["
                                  "18446744073709551615,0.5,{},[],{\"r\":1},\"\",\"a\\u0000b\",null,null,null],"
                                  "\"\":false}");
}

static void misuse(void *data)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    switch (*(int *)data) {
    case 0:
        json_begin_object(&w);
        json_put_int(&w, 1);
        break;
    case 1:
        json_key(&w, "a");
        break;
    case 2:
        json_begin_array(&w);
        json_key(&w, "a");
        break;
    case 3:
        json_begin_object(&w);
        json_key(&w, "a");
        json_end_object(&w);
        break;
    case 4:
        json_begin_object(&w);
        json_end_array(&w);
        break;
    case 5:
        json_end_array(&w);
        break;
    case 6:
        for (int i = 0; i < 65; i++)
            json_begin_array(&w);
        break;
    case 7:
        json_begin_object(&w);
        json_key(&w, "a");
        json_key(&w, "b");
        break;
    default:
        break;
    }
}

static void misuse_of_the_writer_aborts(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(signal_that_ends(misuse, &i), SIGABRT);
    int none = 8;
    assert_int_equal(signal_that_ends(misuse, &none), 0);
}

static void the_deepest_tree_can_be_written_inside_the_deepest_writer(void **state)
{
    (void)state;
    char text[129];
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    CLEANUP_JSON struct json *v = parsed(text);
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    for (int i = 0; i < 64; i++)
        json_begin_array(&w);
    json_put_value(&w, v);
    for (int i = 0; i < 64; i++)
        json_end_array(&w);
    assert_int_equal(out.size, 256);
}

static void every_cut_of_a_text_is_refused_without_a_leak(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1,-2.5e3,\"x\\n\\u00e9\",null,true],\"b\":{\"c\":{}}}";
    for (size_t size = 0; size < strlen(text); size++) {
        CLEANUP_FREE char *cut = xmemdup(text, size); /* exactly that long, for the address sanitizer */
        assert_refused(cut, size, NULL);
    }
}

static void random_damage_never_crashes(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1,-2.5e3,\"x\\n\\u00e9\",null,true],\"b\":{\"c\":{},\"d\":\"\\ud83d\\ude00\"}}";
    size_t size = strlen(text);
    unsigned random = 7;
    for (int i = 0; i < 50000; i++) {
        CLEANUP_FREE char *copy = xmemdup(text, size);
        for (int k = 0; k < 3; k++) {
            random = random * 1103515245 + 12345;
            copy[(random >> 8) % size] = (char)(random >> 20);
        }
        CLEANUP_JSON struct json *v = NULL;
        if (json_parse(copy, size, &v, NULL) == 0) {
            CLEANUP_FREE char *out = written(v);
            CLEANUP_JSON struct json *again = parsed(out);
            CLEANUP_FREE char *twice = written(again);
            assert_string_equal(out, twice);
        }
    }
}

static void a_large_configuration_parses_in_well_under_a_millisecond(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    for (int i = 0; out.size < 20000; i++) {
        char key[32];
        snprintf(key, sizeof key, "mount%d", i);
        json_key(&w, key);
        json_begin_object(&w);
        json_member_string(&w, "destination", "/proc/sys/net");
        json_member_int(&w, "uid", i);
        json_key(&w, "options");
        json_begin_array(&w);
        json_put_string(&w, "nosuid");
        json_put_string(&w, "noexec");
        json_end_array(&w);
        json_end_object(&w);
    }
    json_end_object(&w);
    int64_t best = INT64_MAX;
    for (int i = 0; i < 20; i++) {
        int64_t began = timestamp_monotonic();
        CLEANUP_JSON struct json *v = NULL;
        assert_int_equal(json_parse(out.data, out.size, &v, NULL), 0);
        int64_t took = timestamp_monotonic() - began;
        if (took < best)
            best = took;
    }
    print_message("20 KB in %lld us\n", (long long)best / 1000);
    assert_true(best < 10000000); /* loose: machines under load and sanitizers run this too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(scalars_are_whole_texts_too),
        cmocka_unit_test(accessors_are_calm_about_null_and_wrong_kinds),
        cmocka_unit_test(the_last_member_of_a_name_counts),
        cmocka_unit_test(integers_keep_64_bits),
        cmocka_unit_test(numbers_beyond_every_range_are_reals_or_refused),
        cmocka_unit_test(reals_are_written_as_go_writes_them),
        cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(a_message_says_where_it_went_wrong),
        cmocka_unit_test(sixty_four_levels_are_read_and_sixty_five_refused),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(half_a_surrogate_pair_is_never_invalid_utf8),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(overlong_forms_never_get_through_as_they_are),
        cmocka_unit_test(a_nul_inside_a_string_is_kept_and_inside_a_name_refused),
        cmocka_unit_test(a_copy_is_equal_and_independent),
        cmocka_unit_test(quoting_escapes_what_go_escapes_and_leaves_html_alone),
        cmocka_unit_test(every_byte_at_every_position_survives_quoting),
        cmocka_unit_test(the_writer_places_commas_and_colons),
        cmocka_unit_test(misuse_of_the_writer_aborts),
        cmocka_unit_test(the_deepest_tree_can_be_written_inside_the_deepest_writer),
        cmocka_unit_test(every_cut_of_a_text_is_refused_without_a_leak),
        cmocka_unit_test(random_damage_never_crashes),
        cmocka_unit_test(a_large_configuration_parses_in_well_under_a_millisecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
