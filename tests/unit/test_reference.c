/* The grammar of references, after the tables of the distribution project and docker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/strbuf.h"
#include "image/reference.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA "sha256:" HEX

struct valid {
    const char *text, *domain, *path, *tag, *digest, *familiar;
};

static const struct valid valid[] = {
    {"busybox", "docker.io", "library/busybox", NULL, NULL, "busybox"},
    {"busybox:1.36", "docker.io", "library/busybox", "1.36", NULL, "busybox:1.36"},
    {"library/busybox", "docker.io", "library/busybox", NULL, NULL, "busybox"},
    {"docker.io/busybox", "docker.io", "library/busybox", NULL, NULL, "busybox"},
    {"index.docker.io/library/busybox", "docker.io", "library/busybox", NULL, NULL, "busybox"},
    {"docker.io/library/a/b", "docker.io", "library/a/b", NULL, NULL, "library/a/b"},
    {"user/app:Tag_1.0-x", "docker.io", "user/app", "Tag_1.0-x", NULL, "user/app:Tag_1.0-x"},
    {"busybox@" SHA, "docker.io", "library/busybox", NULL, SHA, "busybox@" SHA},
    {"busybox:a@" SHA, "docker.io", "library/busybox", "a", SHA, "busybox:a@" SHA},
    {"localhost/app", "localhost", "app", NULL, NULL, "localhost/app"},
    {"localhost:5000/app:1", "localhost:5000", "app", "1", NULL, "localhost:5000/app:1"},
    {"127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", NULL, NULL, "127.0.0.1:5000/a/b/c"},
    {"[::1]:5000/app", "[::1]:5000", "app", NULL, NULL, "[::1]:5000/app"},
    {"[2001:db8::1]/app:x", "[2001:db8::1]", "app", "x", NULL, "[2001:db8::1]/app:x"},
    {"Registry/app", "Registry", "app", NULL, NULL, "Registry/app"},
    {"test.example:80/a_b/c__d/e-f/g---h", "test.example:80", "a_b/c__d/e-f/g---h", NULL, NULL,
     "test.example:80/a_b/c__d/e-f/g---h"},
    {"xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", NULL,
     "xn--n3h.com/myimage:xn--n3h.com"},
    {"foo.com:8080", "docker.io", "library/foo.com", "8080", NULL, "foo.com:8080"},
    {"test_app:latest", "docker.io", "library/test_app", "latest", NULL, "test_app:latest"},
};

static void every_part_of_a_valid_reference_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(valid); i++) {
        const struct valid *v = &valid[i];
        struct reference ref = {0};
        struct error err = {0};
        if (reference_parse(v->text, &ref, &err) < 0)
            fail_msg("%s: %s", v->text, err.message);
        assert_string_equal(ref.domain, v->domain);
        assert_string_equal(ref.path, v->path);
        assert_string_equal(ref.tag ? ref.tag : "-", v->tag ? v->tag : "-");
        assert_string_equal(ref.digest ? ref.digest : "-", v->digest ? v->digest : "-");
        CLEANUP_FREE char *familiar = reference_familiar(&ref);
        assert_string_equal(familiar, v->familiar);
        reference_release(&ref);
    }
}

static const struct {
    const char *text, *message;
} invalid[] = {
    {"", "invalid reference format"},
    {":tag", "invalid reference format"},
    {"@" SHA, "invalid reference format"},
    {"a:", "invalid reference format"},
    {"a@", "invalid reference format"},
    {"a/", "invalid reference format"},
    {"/a", "invalid reference format"},
    {"a//b", "invalid reference format"},
    {"a b", "invalid reference format"},
    {"-a", "invalid reference format"},
    {"a-", "invalid reference format"},
    {"a..b", "invalid reference format"},
    {"a___b", "invalid reference format"},
    {"a._b", "invalid reference format"},
    {"a/.b", "invalid reference format"},
    {"a:-t", "invalid reference format"},
    {"a:.t", "invalid reference format"},
    {"a:t:u", "invalid reference format"},
    {"a:t/b", "invalid reference format"},
    {"a\nb", "invalid reference format"},
    {"a:t\xc3\xa4", "invalid reference format"},
    {"https://example.com/a", "invalid reference format"},
    {"-host.com/a", "invalid reference format"},
    {"host-.com/a", "invalid reference format"},
    {"host..com/a", "invalid reference format"},
    {"host.com:/a", "invalid reference format"},
    {"host.com:x/a", "invalid reference format"},
    {"[::1/a", "invalid reference format"},
    {"[::g]/a", "invalid reference format"},
    {"[]:80/a", "invalid reference format"},
    {"[fe80::1%25eth0]:5000/a", "invalid reference format"},
    {"../../etc/passwd", "invalid reference format"},
    {"a@sha256:0123", "invalid reference format"},
    {"a@md5:0123456789abcdef0123456789abcdef", "unsupported digest algorithm"},
    {"a@sha256:" HEX "00", "invalid checksum digest length"},
    {"a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", "invalid checksum digest format"},
    {"Uppercase", "invalid reference format: repository name (library/Uppercase) must be lowercase"},
    {"Uppercase:tag", "invalid reference format: repository name (library/Uppercase) must be lowercase"},
    {"localhost:5000/App", "invalid reference format: repository name (App) must be lowercase"},
    {HEX, "invalid repository name (" HEX "), cannot specify 64-byte hexadecimal strings"},
};

static void an_invalid_reference_is_refused_in_dockers_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
        struct reference ref = {0};
        struct error err = {0};
        if (reference_parse(invalid[i].text, &ref, &err) == 0)
            fail_msg("accepted: %s", invalid[i].text);
        assert_string_equal(err.message, invalid[i].message);
        assert_int_equal(err.kind, ERROR_INVALID);
        assert_null(ref.domain);
    }
}

/* `prefix` followed by `count` times 'a'. */
static char *filled(const char *prefix, size_t count)
{
    struct strbuf out = STRBUF_INIT;
    strbuf_adds(&out, prefix);
    for (size_t i = 0; i < count; i++)
        strbuf_addc(&out, 'a');
    return strbuf_take(&out);
}

static int parses(const char *prefix, size_t count)
{
    CLEANUP_FREE char *text = filled(prefix, count);
    struct reference ref = {0};
    int rc = reference_parse(text, &ref, NULL);
    reference_release(&ref);
    return rc == 0;
}

static void names_and_tags_have_dockers_limits(void **state)
{
    (void)state;
    assert_true(parses("x/", 253));
    assert_false(parses("x/", 254));
    assert_true(parses("", 247)); /* library/ belongs to it */
    assert_false(parses("", 248));
    assert_true(parses("x:", 128));
    assert_false(parses("x:", 129));
    assert_false(parses("x", 100000));
}

static void the_default_tag_is_added_only_where_nothing_is(void **state)
{
    (void)state;
    static const struct {
        const char *text, *full;
    } rows[] = {
        {"busybox", "docker.io/library/busybox:latest"},
        {"busybox:1", "docker.io/library/busybox:1"},
        {"busybox@" SHA, "docker.io/library/busybox@" SHA},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reference ref = {0};
        assert_int_equal(reference_parse(rows[i].text, &ref, NULL), 0);
        reference_default_tag(&ref);
        CLEANUP_FREE char *full = reference_full(&ref);
        assert_string_equal(full, rows[i].full);
        reference_release(&ref);
    }
}

static void a_digest_is_sha256_in_lower_case_and_nothing_else(void **state)
{
    (void)state;
    assert_true(digest_is_valid(SHA));
    assert_false(digest_is_valid(NULL));
    assert_false(digest_is_valid(""));
    assert_false(digest_is_valid(HEX));
    assert_false(digest_is_valid("sha256:"));
    assert_false(digest_is_valid(SHA "0"));
    assert_false(digest_is_valid("sha512:" HEX));
    assert_false(digest_is_valid("sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"));
    assert_false(digest_is_valid("sha256:../../../../../../../../../../../../../../../../../../../etc/passwd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_of_a_valid_reference_is_found),
        cmocka_unit_test(an_invalid_reference_is_refused_in_dockers_words),
        cmocka_unit_test(names_and_tags_have_dockers_limits),
        cmocka_unit_test(the_default_tag_is_added_only_where_nothing_is),
        cmocka_unit_test(a_digest_is_sha256_in_lower_case_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
