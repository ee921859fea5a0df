/* Stages of a Dockerfile: what they are made from, what they need, what the target leaves out. */
#include "tests/unit/base_test.h"

#include <string.h>

#include "base/strbuf.h"
#include "daemon/build/stages.h"

struct row {
    const char *text, *target, *expected;
};

/* "NUMBER[=NAME] BASE [->STAGE] [@PLATFORM] (NEEDS) [!]" for each; ! is needed. */
static char *shown(const struct row *row)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP_DOCKERFILE struct dockerfile file = {0};
    CLEANUP_STAGES struct stages stages = {0};
    CLEANUP_STRMAP struct strmap args = STRMAP_INIT;
    CLEANUP_STRV struct strv contexts = STRV_INIT;
    struct error err = {0};
    strmap_set(&args, "given", "busybox:given");
    strv_add(&contexts, "ctx");
    const struct stages_options options = {
        .build_args = &args, .contexts = &contexts, .target = row->target, .platform = "linux/arm64"};
    if (dockerfile_parse("Dockerfile", row->text, strlen(row->text), &file, &err) < 0 ||
        stages_collect(&file, &options, &stages, &err) < 0)
        return xasprintf("error: %.*s", (int)strcspn(err.message, "\n"), err.message);
    for (size_t i = 0; i < stages.count; i++) {
        const struct stage *s = &stages.items[i];
        strbuf_addf(&out, "%s%zu", i > 0 ? "; " : "", s->index);
        strbuf_addf(&out, s->name ? "=%s " : " ", s->name);
        strbuf_adds(&out, s->scratch ? "(scratch)" : s->base);
        if (s->base_stage >= 0)
            strbuf_addf(&out, "->%d", s->base_stage);
        if (s->platform != NULL)
            strbuf_addf(&out, "@%s", s->platform);
        for (size_t j = 0; j < s->needs_count; j++)
            strbuf_addf(&out, " %zu", s->needs[j]);
        strbuf_adds(&out, s->needed ? " !" : "");
    }
    return strbuf_take(&out);
}

static void stages_depend_on_what_they_take(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"FROM a", NULL, "0 a !"},
        {"FROM scratch", NULL, "0 (scratch) !"},
        {"FROM a AS B\nFROM b\nFROM c", NULL, "0=b a; 1 b->0 0; 2 c !"},
        {"FROM a AS b\nFROM x\nCOPY --from=b /a /b\nCOPY --from=0 /a /b\nCOPY --from=img /a /b", NULL,
         "0=b a !; 1 x 0 !"},
        {"FROM a AS b\nFROM c AS d\nFROM x\nRUN --mount=type=bind,target=/m,from=d --mount=type=cache,target=/c,from=0 "
         "y",
         NULL, "0=b a !; 1=d c !; 2 x 0 1 !"},
        {"FROM a AS b\nFROM c AS d\nFROM x", "B", "0=b a !; 1=d c; 2 x"},
        {"FROM a AS b\nFROM c AS d\nFROM x", "1", "0=b a; 1=d c !; 2 x"},
        {"FROM a AS n\nFROM n AS n\nFROM n", NULL, "0=n a !; 1=n n->0 0 !; 2 n->1 1 !"},
        {"ARG v=1\nARG w=a:${v}\nFROM $w", NULL, "0 a:1 !"},
        {"ARG given=busybox\nFROM $given", NULL, "0 busybox:given !"},
        {"FROM a AS ctx\nFROM ctx\nCOPY --from=ctx / /", NULL, "0=ctx a; 1 ctx !"},
        {"RUN a", NULL,
         "error: dockerfile parse error on line 1: no build stage in current context: RUN comes before FROM"},
        {"ARG a", NULL, "error: No build stage in current context"},
        {"FROM $unset", NULL, "error: dockerfile parse error on line 1: base name ($unset) should not be blank"},
        {"FROM a b", NULL, "error: dockerfile parse error on line 1: FROM requires either one or three arguments"},
        {"FROM a AS 1b", NULL,
         "error: dockerfile parse error on line 1: invalid name for build stage: \"1b\", name can't "
         "start with a number or contain symbols"},
        {"FROM a AS b\nCOPY --from=b / /", NULL,
         "error: dockerfile parse error on line 2: circular dependency detected on stage: b"},
        {"FROM a\nCOPY --from=0 / /", NULL,
         "error: dockerfile parse error on line 2: invalid from flag value 0: refers to "
         "current build stage"},
        {"FROM a\nCOPY --from=7 / /", NULL,
         "error: dockerfile parse error on line 2: invalid from flag value 7: index out of bounds"},
        {"FROM a\nCOPY --from=l / /\nFROM b AS l", NULL,
         "error: dockerfile parse error on line 2: invalid from flag value l: the "
         "stage comes behind the one that takes from it"},
        {"FROM a AS build", "biuld", "error: target stage \"biuld\" could not be found (did you mean build?)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *have = shown(&rows[i]);
        if (strcmp(have, rows[i].expected) != 0)
            print_error("row %zu: %s\n", i, rows[i].text);
        assert_string_equal(have, rows[i].expected);
    }
}

static void platforms_are_expanded_and_checked(void **state)
{
    (void)state;
    const struct row good = {.text =
                                 "FROM --platform=$BUILDPLATFORM ${x:-a} AS b\nFROM --platform=linux/$TARGETARCH c"};
    const struct row bad = {.text = "FROM --platform=x/y/z/w a"};
    const struct row empty = {.text = "FROM --platform=$none a"};
    CLEANUP_FREE char *have = shown(&good), *refused = shown(&bad), *blank = shown(&empty);
    assert_true(strncmp(have, "0=b a@linux/", 12) == 0);
    assert_non_null(strstr(have, "1 c@linux/arm64 !"));
    assert_true(strncmp(refused, "error: dockerfile parse error on line 1: ", 41) == 0);
    assert_string_equal(blank, "error: dockerfile parse error on line 1: empty platform value from expression $none");
}

static void build_args_that_nothing_declares_are_named(void **state)
{
    (void)state;
    const char *text = "ARG global\nFROM a AS x\nARG dropped\nFROM b\nARG used=1 also\nRUN c";
    CLEANUP_DOCKERFILE struct dockerfile file = {0};
    CLEANUP_STAGES struct stages stages = {0};
    CLEANUP_STRMAP struct strmap args = STRMAP_INIT;
    CLEANUP_STRV struct strv unused = STRV_INIT;
    static const char *const names[] = {
        "zz", "global", "used", "also", "dropped", "HTTP_PROXY", "use", "TARGETARCH", "BUILDKIT_INLINE_CACHE"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        strmap_set(&args, names[i], "v");
    const struct stages_options options = {.build_args = &args};
    assert_int_equal(dockerfile_parse("Dockerfile", text, strlen(text), &file, NULL), 0);
    assert_int_equal(stages_collect(&file, &options, &stages, NULL), 0);
    stages_unused_args(&stages, &file, &args, &unused);
    CLEANUP_FREE char *joined = strv_join(&unused, " ");
    assert_string_equal(joined, "dropped use zz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_depend_on_what_they_take),
        cmocka_unit_test(platforms_are_expanded_and_checked),
        cmocka_unit_test(build_args_that_nothing_declares_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
