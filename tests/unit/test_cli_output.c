/* Pure parts of what the CLI prints: progress bars, cases of letters, what arguments complete to, ssh's command line.
 */
#include "api/client_ssh.h"
#include "cmd/dory/completion.h"
#include "cmd/dory/progress_bar.h"
#include "cmd/dory/template/letter_case.h"
#include "tests/unit/base_test.h"

static void assert_bar(const char *detail, int width, const char *expected)
{
    CLEANUP_JSON struct json *tree = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct error err = {0};
    assert_int_equal(json_parse(detail, strlen(detail), &tree, &err), 0);
    progress_bar(tree, width, &out);
    assert_string_equal(strbuf_str(&out), expected);
}

static void bars_are_as_wide_as_the_terminal_allows(void **state)
{
    (void)state;
    assert_bar("{}", 200, "");
    assert_bar("{\"current\":2500000}", 200, "   2.5MB");
    assert_bar("{\"current\":0,\"total\":10}", 200,
               "[>                                                  ]       0B/10B");
    assert_bar("{\"current\":5000,\"total\":10000}", 200,
               "[=========================>                         ]      5kB/10kB");
    assert_bar("{\"current\":10000,\"total\":10000}", 200,
               "[==================================================>]     10kB/10kB");
    assert_bar("{\"current\":20000,\"total\":10000}", 200,
               "[==================================================>]     20kB");
    assert_bar("{\"current\":5000,\"total\":10000}", 80, "     5kB/10kB");
    assert_bar("{\"current\":3,\"total\":7,\"units\":\"layers\"}", 80, "3/7 layers");
    assert_bar("{\"current\":3,\"total\":7,\"hidecounts\":true}", 80, "");
    assert_bar("{\"current\":-5,\"total\":-7}", 200, "");
}

static void assert_case(const char *text, enum letter_case to, const char *expected)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    letter_case(text, strlen(text), to, &out);
    assert_string_equal(strbuf_str(&out), expected);
}

static void letters_have_cases_beyond_ascii(void **state)
{
    (void)state;
    assert_case("straße Éa ŽŁ Ωmega Жук \xff", CASE_UPPER, "STRAßE ÉA ŽŁ ΩMEGA ЖУК \xff");
    assert_case("ÀÖØÞ× ĀĲŽ ΑΩ ЀЯ", CASE_LOWER, "àöøþ× āĳž αω ѐя");
    assert_case("hello world-foo bar_x élan", CASE_TITLE, "Hello World-Foo Bar_x Élan");
}

static void usages_tell_what_arguments_are(void **state)
{
    (void)state;
    const struct command run = {.name = "run", .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]"};
    const struct command tag = {.name = "tag", .usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]"};
    const struct command rename = {.name = "rename", .usage = "CONTAINER NEW_NAME"};
    const struct command rm = {.name = "volume rm", .usage = "[OPTIONS] VOLUME [VOLUME...]"};
    const struct command stop = {.name = "stop", .usage = "[OPTIONS] CONTAINER [CONTAINER...]"};
    assert_int_equal(completion_of_argument(&run, 0), COMPLETE_IMAGES);
    assert_int_equal(completion_of_argument(&run, 1), COMPLETE_FILES);
    assert_int_equal(completion_of_argument(&run, 5), COMPLETE_FILES);
    assert_int_equal(completion_of_argument(&tag, 1), COMPLETE_IMAGES);
    assert_int_equal(completion_of_argument(&rename, 0), COMPLETE_CONTAINERS);
    assert_int_equal(completion_of_argument(&rename, 1), COMPLETE_NOTHING);
    assert_int_equal(completion_of_argument(&rm, 3), COMPLETE_VOLUMES);
    assert_int_equal(completion_of_argument(&stop, 0), COMPLETE_RUNNING);
}

static void assert_ssh(const char *destination, const char *expected)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    struct error err = {0};
    int r = client_ssh_arguments(destination, &words, &err);
    CLEANUP_FREE char *line = r < 0 ? xstrdup("refused") : strv_join(&words, " ");
    assert_string_equal(line, expected);
}

static void ssh_gets_plain_words_only(void **state)
{
    (void)state;
    assert_ssh("host", "ssh -o ConnectTimeout=30 -T -- host dory system dial-stdio");
    assert_ssh("me@host:22/", "ssh -l me -p 22 -o ConnectTimeout=30 -T -- host dory system dial-stdio");
    assert_ssh("[::1]:22", "ssh -p 22 -o ConnectTimeout=30 -T -- ::1 dory system dial-stdio");
    assert_ssh("h/run/x.sock", "ssh -o ConnectTimeout=30 -T -- h dory --host=unix:///run/x.sock system dial-stdio");
    static const char *const bad[] = {
        "", "-oProxyCommand=x", "a@-b", "u:p@h", "h?x", "h#x", "h;x", "h/$(x)", "h/a b", "@h", "u@", "h:2x", "h `x`"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_ssh(bad[i], "refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bars_are_as_wide_as_the_terminal_allows),
        cmocka_unit_test(letters_have_cases_beyond_ascii),
        cmocka_unit_test(usages_tell_what_arguments_are),
        cmocka_unit_test(ssh_gets_plain_words_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
