#include "tests/unit/base_test.h"

#include <string.h>

#include "base/utf8.h"

/* The encoding of a code point, written down independently of the code under test. */
static size_t encode(unsigned c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

static void every_code_point_but_surrogates_is_valid(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 0x120000; c++) {
        char text[4];
        size_t size = encode(c, text);
        bool valid = c < 0x110000 && (c < 0xd800 || c > 0xdfff);
        size_t got = utf8_sequence(text, size);
        if (got != (valid ? size : 0))
            fail_msg("U+%04X: %zu", c, got);
        for (size_t cut = 0; cut < size; cut++)
            if (utf8_sequence(text, cut) != 0)
                fail_msg("U+%04X cut to %zu", c, cut);
    }
}

static void exactly_the_valid_pairs_and_triples_of_bytes_are_accepted(void **state)
{
    (void)state;
    /* By count: 1920 characters of two bytes, 61440 of three (63488 less the surrogates). */
    int pairs = 0;
    int triples = 0;
    for (int a = 0x80; a < 0x100; a++) {
        for (int b = 0; b < 0x100; b++) {
            char text[3] = {(char)a, (char)b, 0};
            pairs += utf8_sequence(text, 2) == 2;
            for (int c = 0; c < 0x100; c++) {
                text[2] = (char)c;
                triples += utf8_sequence(text, 3) == 3;
            }
        }
    }
    assert_int_equal(pairs, 1920);
    assert_int_equal(triples, 61440);
}

static void a_cut_falls_between_characters(void **state)
{
    (void)state;
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    for (size_t limit = 0; limit < strlen(text); limit++)
        assert_int_equal(utf8_cut(text, limit), expected[limit]);
    /* What is no UTF-8 is cut where it must be. */
    assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80\x80\x80", 6), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_but_surrogates_is_valid),
        cmocka_unit_test(exactly_the_valid_pairs_and_triples_of_bytes_are_accepted),
        cmocka_unit_test(a_cut_falls_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
