/* What of a context a Dockerfile asks for. */
#include "tests/unit/base_test.h"

#include <string.h>

#include "base/strbuf.h"
#include "daemon/build/needs.h"

/* "base" has variables and triggers, "gone" cannot be had. */
static int base_config(const struct stage *stage, struct container_config *ret, void *data, struct error *err)
{
    (void)data;
    if (strcmp(stage->base, "gone") == 0)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "no image gone");
    if (strcmp(stage->base, "base") == 0)
        strv_add(&ret->env, "WHERE=from/env");
    if (strcmp(stage->base, "triggers") == 0) {
        strv_add(&ret->on_build, "COPY triggered /");
        strv_add(&ret->on_build, "COPY --from=aside /x /");
    }
    return 0;
}

/* "context: a b", "NAME: *" ..., parts separated by "; ". */
static char *needs_of(const char *text, const char *target)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP_DOCKERFILE struct dockerfile file = {0};
    CLEANUP_STAGES struct stages stages = {0};
    CLEANUP_STRMAP struct strmap args = STRMAP_INIT;
    CLEANUP_STRV struct strv contexts = STRV_INIT;
    CLEANUP_BUILD_NEEDS struct build_needs needs = {0};
    struct error err = {0};
    strmap_set(&args, "GIVEN", "given");
    strv_add(&contexts, "dir");
    const struct stages_options options = {.build_args = &args, .contexts = &contexts, .target = target};
    if (dockerfile_parse("Dockerfile", text, strlen(text), &file, &err) < 0 ||
        stages_collect(&file, &options, &stages, &err) < 0)
        return xasprintf("not read: %s", err.message);
    if (build_needs_collect(&file, &stages, &args, base_config, NULL, &needs, &err) < 0)
        return xasprintf("error: %s", err.message);
    for (size_t i = 0; i < needs.count; i++) {
        const struct build_need *need = &needs.items[i];
        assert_ptr_equal(build_needs_get(&needs, need->name), need);
        CLEANUP_FREE char *paths = strv_join(&need->paths, " ");
        strbuf_addf(&out, "%s%s: %s", i > 0 ? "; " : "", need->name != NULL ? need->name : "context",
                    need->all ? "*" : paths);
    }
    return strbuf_take(&out);
}

static void only_what_is_named_is_needed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *target, *expected;
    } rows[] = {
        {"FROM scratch\nRUN make", NULL, ""},
        {"FROM scratch\nCOPY a ./b/ /c/../d *.txt /x/", NULL, "context: a b d *.txt"},
        {"FROM scratch\nCOPY a /\nCOPY a /b\nADD a /c", NULL, "context: a"},
        {"FROM scratch\nCOPY . /x", NULL, "context: *"},
        {"FROM scratch\nCOPY a/.. /x", NULL, "context: *"},
        {"FROM scratch\nCOPY ../../a /x", NULL, "context: a"},
        {"FROM scratch\nCOPY [\"a b\", \"/x\"]", NULL, "context: a b"},
        /* what a pattern of ignore files would read in another way */
        {"FROM scratch\nCOPY \"a\\\\\\\\b\" /x", NULL, "context: *"},
        {"FROM scratch\nCOPY !a /x", NULL, "context: *"},
        {"FROM scratch\nCOPY [\" a\", \"/x\"]", NULL, "context: *"},
        /* what is not from the context */
        {"FROM scratch\nADD https://example.org/a git@example.org:x.git /x/", NULL, ""},
        {"FROM scratch\nCOPY <<E /x\nhello\nE\n", NULL, ""},
        {"FROM scratch\nCOPY --from=dir d/e /x\nCOPY --from=DIR f /x\nCOPY --from=image f /x", NULL, "dir: d/e f"},
        {"FROM scratch\nRUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t true", NULL, ""},
        /* mounts */
        {"FROM scratch\nRUN --mount=type=bind,target=/x true", NULL, "context: *"},
        {"FROM scratch\nRUN --mount=target=/x,source=src --mount=from=dir,target=/y true", NULL,
         "context: src; dir: *"},
        /* variables */
        {"ARG A=a\nFROM scratch\nARG A\nARG GIVEN=no\nENV B=b\nCOPY $A/$B ${GIVEN}.x ${UNSET:-u} /x/", NULL,
         "context: a/b given.x u"},
        {"FROM base\nCOPY $WHERE /x\nFROM scratch\nCOPY $WHERE /x", "0", "context: from/env"},
        {"FROM base AS one\nENV MORE=m\nFROM one\nCOPY $WHERE/$MORE /x", NULL, "context: from/env/m"},
        {"FROM scratch\nCOPY $UNSET /x", NULL, "context: *"},
        /* stages that are not built */
        {"FROM scratch AS a\nCOPY a /\nFROM scratch AS b\nCOPY b /\nFROM scratch\nCOPY c /\nCOPY --from=b / /", NULL,
         "context: b c"},
        {"FROM scratch AS a\nCOPY a /\nFROM gone AS b\nCOPY b /", "a", "context: a"},
        {"FROM gone\nCOPY a /", NULL, "error: no image gone"},
        /* triggers, which may want stages that nothing else does */
        {"FROM scratch AS aside\nCOPY more /x\nFROM triggers\nCOPY own /", NULL, "context: triggered own more"},
        {"FROM scratch AS aside\nCOPY more /x\nFROM base AS triggered\nONBUILD COPY later /\nFROM triggered", NULL,
         "context: later"},
        /* what the build will stumble over */
        {"FROM scratch\nCOPY a\nCOPY b /x", NULL, "context: *"},
        {"FROM scratch\nCOPY ${a /x", NULL, "context: *"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *found = needs_of(rows[i].text, rows[i].target);
        if (strcmp(found, rows[i].expected) != 0)
            fail_msg("%s\n  found:    %s\n  expected: %s", rows[i].text, found, rows[i].expected);
    }
}

static void many_paths_are_all(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "FROM scratch\n");
    for (int i = 0; i <= BUILD_NEED_PATHS_MAX; i++)
        strbuf_addf(&text, "COPY f%d /\n", i);
    CLEANUP_FREE char *found = needs_of(strbuf_str(&text), NULL);
    assert_string_equal(found, "context: *");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_named_is_needed),
        cmocka_unit_test(many_paths_are_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
