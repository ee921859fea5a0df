/* .dockerignore. Rows follow what docker documents and what its matcher's own tests say. */
#include "tests/unit/base_test.h"

#include <string.h>

#include "archive/ignore.h"

static bool hides(const char *patterns, const char *path)
{
    CLEANUP_IGNORE struct ignore ignore = {0};
    struct error err = {0};
    if (ignore_parse(patterns, strlen(patterns), &ignore, &err) < 0)
        fail_msg("%s: %s", patterns, err.message);
    return ignore_match(&ignore, path);
}

static void patterns_hide_what_docker_hides(void **state)
{
    (void)state;
    static const struct {
        const char *patterns, *path;
        bool hidden;
    } rows[] = {
        {"**", "file", true},
        {"**", "dir/file", true},
        {"**/", "file", true},
        {"**/**", "dir/file", true},
        {"dir/**", "dir/file", true},
        {"dir/**", "dir/dir2/file", true},
        {"dir/**", "dir", false},
        {"**/dir", "dir", true},
        {"**/dir", "dir/file", true},
        {"**/dir2/*", "dir/dir2/file", true},
        {"**/dir2/*", "dir/dir2/dir2/file", true},
        {"**/dir2/**", "dir/dir2/dir2/file", true},
        {"**file", "file", true},
        {"**file", "dir/file", true},
        {"**file", "dir/xfile", true},
        {"**/file", "dir/dir/file", true},
        {"**/file*", "dir/dir/file.txt", true},
        {"**/file*txt", "dir/dir/file.txt", true},
        {"**/file*.txt*", "dir/dir/file.txt", true},
        {"**/**/*.txt", "dir/dir/file.txt", true},
        {"**/**/*.txt2", "dir/dir/file.txt", false},
        {"**/*.txt", "file.txt", true},
        {"a**/*.txt", "a/file.txt", true},
        {"a**/*.txt", "a/dir/dir/file.txt", true},
        {"a/**/*.txt", "a/file.txt", true},
        {"a/*.txt", "a/b/file.txt", false},
        {"a/*.txt/**", "a/file.txt", false},
        {"a[b-d]e", "ae", false},
        {"a[b-d]e", "ace", true},
        {"a[^b-d]e", "aze", true},
        {".*", ".foo", true},
        {".*", "foo", false},
        {"abc.def", "abcdef", false},
        {"abc?def", "abcZdef", true},
        {"a\\*b", "a*b", true},
        {"a\\*b", "axb", false},
        {"a.|)$(}+{bc", "a.|)$(}+{bc", true},
        {"dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true},
        {"/dir/", "dir/x", true},
        {"./a//b/../c", "a/c", true},
        {"  a b  ", "a b", true},
        {"#a", "#a", false},
        {" #a", "#a", true},
        {"\\#a", "#a", true},
        {"dir", "dirx", false},
        {"dir\n!dir/keep", "dir/keep", false},
        {"dir\n!dir/keep", "dir/keep/x", false},
        {"dir\n!dir/keep", "dir/other", true},
        {"*\n!*.md\nREADME-secret.md", "README.md", false},
        {"*\n!*.md\nREADME-secret.md", "README-secret.md", true},
        {"*\n!*.md\nREADME-secret.md", "src/a.md", true},
        {"*.md\n!README*.md\nREADME-secret.md", "README-x.md", false},
        {"*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false},
        {"! a\n*\n! a", "a", false},
        {"*\r\n!a\r\n", "a", false},
        {"\xef\xbb\xbf*.o", "a.o", true},
        {"?", "\xc3\xa4", true},
        {"\xc3\xa4[\xc3\xb6]", "\xc3\xa4\xc3\xb6", true},
        {".", "a", false},
        {"", "a", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (hides(rows[i].patterns, rows[i].path) != rows[i].hidden)
            fail_msg("row %zu: %s against %s", i, rows[i].patterns, rows[i].path);
    }
}

static void directories_are_pruned_unless_an_exception_may_reach_in(void **state)
{
    (void)state;
    static const struct {
        const char *patterns, *directory;
        bool prunes;
    } rows[] = {
        {"dir", "dir", true},
        {"dir", "other", false},
        {"dir\n!dir/a", "dir", false},
        {"dir\n!dir/a/b", "dir", false},
        {"dir\n!dir/a/b", "dir/c", true},
        {"dir\n!other", "dir", true},
        {"*\n!**/x", "dir", false},
        {"*\n!*.md", "dir", true},
        {"*\n!d*/x", "dir", false},
        {"*\n!src/**", "src", false},
        {"*\n!src/**", "srx", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_IGNORE struct ignore ignore = {0};
        assert_int_equal(ignore_parse(rows[i].patterns, strlen(rows[i].patterns), &ignore, NULL), 0);
        if (ignore_prunes(&ignore, rows[i].directory) != rows[i].prunes)
            fail_msg("row %zu: %s, %s", i, rows[i].patterns, rows[i].directory);
    }
}

static void malformed_patterns_are_errors(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"!", "illegal exclusion pattern: \"!\""},
        {"a\n!  \n", "illegal exclusion pattern: \"!\""},
        {"a\n[", "syntax error in pattern: \"[\""},
        {"a\\", "syntax error in pattern: \"a\\\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ignore ignore = {0};
        struct error err = {0};
        assert_int_equal(ignore_parse(rows[i][0], strlen(rows[i][0]), &ignore, &err), -EINVAL);
        assert_string_equal(err.message, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_hide_what_docker_hides),
        cmocka_unit_test(directories_are_pruned_unless_an_exception_may_reach_in),
        cmocka_unit_test(malformed_patterns_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
