/* URLs of git repositories and what of them git gets to see. */
#include "daemon/build/git.h"

#include "tests/unit/base_test.h"

static void a_url_is_a_repository_s_or_another_s(void **state)
{
    static const struct {
        const char *text;
        bool git;
    } rows[] = {
        {"git://host/repo", true},
        {"git@host:repo", true},
        {"ssh://host/repo", true},
        {"github.com/moby/moby", true},
        {"https://host/repo.git", true},
        {"https://host/repo.git#main:sub", true},
        {"http://host/repo.git", true},
        {"https://host/repo.git?branch=x", true},
        {"https://host/repo?x=.git", false},
        {"https://host/file.tar.gz", false},
        {"https://host/repo", false},
        {"https://host/x.git/file", false},
        {"ext::sh -c id", false},
        {"file:///repo.git", false},
        {"/repo.git", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (git_is_url(rows[i].text) != rows[i].git)
            fail_msg("git_is_url(\"%s\") is %d", rows[i].text, !rows[i].git);
    }
}

static void a_url_splits_into_repository_ref_and_subdirectory(void **state)
{
    static const struct {
        const char *text, *url, *ref, *subdir;
    } rows[] = {
        {"git://h/r", "git://h/r", NULL, NULL},
        {"git://h/r#v1", "git://h/r", "v1", NULL},
        {"git://h/r#:sub", "git://h/r", NULL, "sub"},
        {"https://h/r.git#v1:a/b", "https://h/r.git", "v1", "a/b"},
        {"github.com/a/b#main:", "https://github.com/a/b", "main", NULL},
        {"git@h:a/b#refs/tags/x", "git@h:a/b", "refs/tags/x", NULL},
        {"git@h:a?tag=b", "git@h:a?tag=b", NULL, NULL},
        {"https://h/r.git?branch=b&subdir=c%2Fd", "https://h/r.git", "refs/heads/b", "c/d"},
        {"https://h/r.git?tag=v1#:sub", "https://h/r.git", "refs/tags/v1", "sub"},
        {"ssh://g@h/r?ref=pull%2f4/head&&subdir=", "ssh://g@h/r", "pull/4/head", NULL},
        {"github.com/a/b?commit=abc123", "https://github.com/a/b", "abc123", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_GIT_SOURCE struct git_source source = {0};
        struct error err = {0};
        if (git_source_parse(rows[i].text, &source, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.message);
        assert_string_equal(source.url, rows[i].url);
        assert_string_equal(source.ref ? source.ref : "-", rows[i].ref ? rows[i].ref : "-");
        assert_string_equal(source.subdir ? source.subdir : "-", rows[i].subdir ? rows[i].subdir : "-");
    }
}

static void what_git_or_ssh_would_take_for_an_option_is_refused(void **state)
{
    static const char *const rows[] = {
        "git://h/r#--upload-pack=id",
        "ssh://-oProxyCommand=id/x",
        "git@-oProxyCommand=id:x",
        "ssh://u@-oX/x",
        "git://h/r#a b",
        "git://h/r\n",
        "https://h/r.git?ref=--upload-pack=id",
        "https://h/r.git?ref=a%0ab",
        "https://h/r.git?ref=a%00b",
        "https://h/r.git?ref=a%2",
        "https://h/r.git?ref=a%\x12\x13",
        "https://h/r.git?ref=a&tag=b",
        "https://h/r.git?tag=b#main",
        "https://h/r.git?subdir=b#:c",
        "https://h/r.git?checksum=xyz",
        "https://h/r.git?submodules=perhaps",
        "https://h/r.git?depth=3",
        "ext::sh -c id",
        "file:///r.git",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_GIT_SOURCE struct git_source source = {0};
        struct error err = {0};
        if (git_source_parse(rows[i], &source, &err) == 0)
            fail_msg("\"%s\" was accepted", rows[i]);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
}

static void a_query_says_what_stays_and_what_the_commit_is(void **state)
{
    CLEANUP_GIT_SOURCE struct git_source source = {0};
    (void)state;
    assert_int_equal(git_source_parse("https://h/r.git?tag=v1&checksum=0a1b&keep-git-dir&submodules=0", &source, NULL),
                     0);
    assert_string_equal(source.checksum, "0a1b");
    assert_string_equal(source.ref, "refs/tags/v1");
    assert_int_equal(source.keep_git_dir, GIT_YES);
    assert_int_equal(source.submodules, GIT_NO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_a_repository_s_or_another_s),
        cmocka_unit_test(a_url_splits_into_repository_ref_and_subdirectory),
        cmocka_unit_test(a_query_says_what_stays_and_what_the_commit_is),
        cmocka_unit_test(what_git_or_ssh_would_take_for_an_option_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
