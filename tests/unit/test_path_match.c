/* Go's filepath.Match. */
#include "tests/unit/base_test.h"

#include "base/path_match.h"

static void patterns_match_as_gos(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        int expected; /* 1, 0 or an error */
    } rows[] = {
        {"abc", "abc", 1},
        {"*", "abc", 1},
        {"*c", "abc", 1},
        {"a*", "a", 1},
        {"a*", "abc", 1},
        {"a*", "ab/c", 0},
        {"a*/b", "abc/b", 1},
        {"a*/b", "a/c/b", 0},
        {"a*b*c*d*e*/f", "axbxcxdxe/f", 1},
        {"a*b*c*d*e*/f", "axbxcxdxexxx/f", 1},
        {"a*b*c*d*e*/f", "axbxcxdxe/xxx/f", 0},
        {"a*b?c*x", "abxbbxdbxebxczzx", 1},
        {"ab[c]", "abc", 1},
        {"ab[b-d]", "abc", 1},
        {"ab[e-g]", "abc", 0},
        {"ab[^c]", "abc", 0},
        {"ab[^e-g]", "abc", 1},
        {"a\\*b", "a*b", 1},
        {"a\\*b", "ab", 0},
        {"a?b",
         "a\xe2\x98\xba"
         "b",
         1},
        {"a[^a]b",
         "a\xe2\x98\xba"
         "b",
         1},
        {"a???b",
         "a\xe2\x98\xba"
         "b",
         0},
        {"[a-\xce\xb6]*", "\xce\xb1", 1},
        {"*[a-\xce\xb6]", "A", 0},
        {"a?b", "a/b", 0},
        {"a*b", "a/b", 0},
        {"[\\]a]", "]", 1},
        {"[\\-]", "-", 1},
        {"[x\\-]", "x", 1},
        {"[\\-x]", "a", 0},
        {"[]a]", "]", -EINVAL},
        {"[-]", "-", -EINVAL},
        {"[x-]", "x", -EINVAL},
        {"[-x]", "x", -EINVAL},
        {"\\", "a", -EINVAL},
        {"[a-b-c]", "a", -EINVAL},
        {"[", "a", -EINVAL},
        {"[^", "a", -EINVAL},
        {"[^bc", "a", -EINVAL},
        {"a[", "ab", -EINVAL},
        {"*x", "xxx", 1},
        {"", "", 1},
        {"", "a", 0},
        {"**", "a/b", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool matched = false;
        int r = path_match(rows[i].pattern, rows[i].path, &matched);
        if ((r < 0 ? r : matched) != rows[i].expected)
            print_error("%s against %s\n", rows[i].pattern, rows[i].path);
        assert_int_equal(r < 0 ? r : matched, rows[i].expected);
    }
}

static void paths_are_cleaned_as_gos(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "."}, {"a//b/./c/..", "a/b"}, {"/../a", "/a"}, {"../a", "../a"}, {"a/../..", ".."}, {"/", "/"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *have = path_clean(rows[i][0]);
        assert_string_equal(have, rows[i][1]);
    }
    assert_true(path_is_pattern("a*") && path_is_pattern("a[b]") && path_is_pattern("?"));
    assert_false(path_is_pattern("a\\*") || path_is_pattern("a/b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_gos),
        cmocka_unit_test(paths_are_cleaned_as_gos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
