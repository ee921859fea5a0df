/* Build checks: each rule once where it holds and once where it does not, as docker documents them. */
#include "tests/unit/base_test.h"

#include <string.h>

#include "base/strbuf.h"
#include "daemon/build/check.h"

static bool is_ignored(const char *path, void *data)
{
    (void)data;
    return strcmp(path, "hidden") == 0;
}

static const struct strv *no_env(const char *image, void *data)
{
    return strcmp(image, "known") == 0 ? data : NULL;
}

/* "LINE Rule: text", one a line; "error" at the end when the findings are to fail the build. */
static char *findings(const char *text)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP_DOCKERFILE struct dockerfile file = {0};
    CLEANUP_STAGES struct stages stages = {0};
    CLEANUP_STRMAP struct strmap args = STRMAP_INIT;
    CLEANUP_CHECK_RESULT struct check_result result = {0};
    struct strv env = STRV_INIT;
    struct error err = {0};
    strmap_set(&args, "given", "busybox");
    const struct stages_options options = {.build_args = &args};
    if (dockerfile_parse("Dockerfile", text, strlen(text), &file, &err) < 0 ||
        stages_collect(&file, &options, &stages, &err) < 0)
        return xasprintf("not read: %s", err.message);
    const struct check_options check = {
        .stages = &stages, .build_args = &args, .ignored = is_ignored, .base_env = no_env, .data = &env};
    if (build_check(&file, &check, &result, &err) < 0)
        return xasprintf("error: %s", err.message);
    for (size_t i = 0; i < result.count; i++) {
        assert_non_null(strstr(result.items[i].url, "https://docs.docker.com/go/dockerfile/rule/"));
        strbuf_addf(&out, "%s%d %s: %s", i > 0 ? "\n" : "", result.items[i].first_line, result.items[i].rule,
                    result.items[i].text);
    }
    if (result.error)
        strbuf_adds(&out, "\nerror");
    return strbuf_take(&out);
}

static void rules_find_what_they_are_for(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"FROM scratch AS Bad", "1 StageNameCasing: Stage name 'Bad' should be lowercase"},
        {"FROM scratch as x", "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"},
        {"from scratch as x", ""},
        {"FROM scratch\nRUN a \\\n\n b", "2 NoEmptyContinuation: Empty continuation line"},
        {"FROM scratch\ncopy a /b\nCOPY a /b",
         "2 ConsistentInstructionCasing: Command 'copy' should match the case of the command majority (uppercase)"},
        {"from scratch\nCopy a /b",
         "2 ConsistentInstructionCasing: Command 'Copy' should match the case of the command majority (lowercase)"},
        {"FROM scratch AS b\nFROM scratch AS b",
         "2 DuplicateStageName: Duplicate stage name \"b\", stage names should be unique"},
        {"FROM scratch AS context",
         "1 ReservedStageName: Stage name should not use the same name as reserved stage \"context\""},
        {"FROM scratch\nCMD a",
         "2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior "
         "related to OS signals"},
        {"FROM scratch AS b\nSHELL [\"/x\"]\nFROM b\nENTRYPOINT a", ""},
        {"FROM scratch\nMAINTAINER me",
         "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label"},
        {"ARG tag=latest\nFROM busybox:${tag}${version}",
         "2 UndefinedArgInFrom: FROM argument 'version' is not declared"},
        {"FROM busybox:${tag:-latest}", ""},
        {"ARG MY_TAG=1\nFROM busybox:${MYTAG}x",
         "2 UndefinedArgInFrom: FROM argument 'MYTAG' is not declared (did you mean MY_TAG?)"},
        {"FROM scratch\nWORKDIR app/",
         "2 WorkdirRelativePath: Relative workdir \"app/\" can have unexpected results if the base image changes"},
        {"FROM scratch AS a\nWORKDIR /app\nFROM a\nWORKDIR sub", ""},
        {"FROM scratch\nARG foo\nCOPY x${foo} .", ""},
        {"FROM known AS base\nARG foo=x\nFROM base\nCOPY $foo .", ""},
        {"FROM known\nCOPY $foo .\nARG foo=bar\nRUN $foo $none", "2 UndefinedVar: Usage of undefined variable '$foo'"},
        {"FROM unknown\nCOPY $foo .", ""},
        {"FROM known\nENV PATH=$PAHT:/tmp",
         "2 UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)"},
        {"FROM scratch\nCMD [\"a\"]\nRUN x\nCMD [\"b\"]", "2 MultipleInstructionsDisallowed: Multiple CMD instructions "
                                                          "should not be used in the same stage because only "
                                                          "the last one will be used"},
        {"FROM scratch\nENV name value\nLABEL a=b",
         "2 LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key value\" format"},
        {"FROM --platform=${TARGETPLATFORM} scratch", "1 RedundantTargetPlatform: Setting platform to predefined "
                                                      "${TARGETPLATFORM} in FROM is redundant as this is the "
                                                      "default behavior"},
        {"FROM --platform=linux/amd64 scratch",
         "1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \"linux/amd64\""},
        {"FROM --platform=linux/amd64 scratch AS my_amd64_stage", ""},
        {"FROM scratch\nARG API_TOKEN\nENV git_key= PUBLIC_KEY=x keyboard=y",
         "2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG \"API_TOKEN\")\n"
         "3 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV \"git_key\")"},
        {"ARG given\nFROM $given",
         "2 InvalidDefaultArgInFrom: Default value for ARG $given results in empty or invalid "
         "base image name"},
        {"ARG given=x\nFROM $given", ""},
        {"FROM scratch\nCOPY hidden /", ""},
        {"# check=experimental=CopyIgnoredFile\nFROM scratch\nCOPY ./hidden shown /x/\nCOPY --from=a hidden /",
         "3 CopyIgnoredFile: Attempting to Copy file \"hidden\" that is excluded by .dockerignore"},
        {"# check=experimental=all\n# the base\nFROM scratch AS base\n# x is\nARG x\n\n# what\n\nARG y",
         "3 InvalidDefinitionDescription: Comment for FROM should follow the format: `# base <description>`"},
        {"FROM scratch\nEXPOSE 80/TCP",
         "2 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"},
        {"FROM scratch\nEXPOSE 80 1.2.3.4:80:80",
         "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found "
         "'1.2.3.4:80:80'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *have = findings(rows[i].text);
        if (strcmp(have, rows[i].expected) != 0)
            print_error("row %zu: %s\n", i, rows[i].text);
        assert_string_equal(have, rows[i].expected);
    }
}

static void the_directive_chooses_rules(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"# check=skip=all\nFROM scratch as x\ncopy a b", ""},
        {"# check=skip=ConsistentInstructionCasing,FromAsCasing;error=true\nFROM scratch as x\ncopy a b", ""},
        {"# check=skip=ConsistentInstructionCasing;error=true\nFROM scratch as x\ncopy a b",
         "2 FromAsCasing: 'as' and 'FROM' keywords' casing do not match\nerror"},
        {"# check=skip=Nothing\nFROM scratch", "error: invalid check directive: there is no rule \"Nothing\""},
        {"# check=x\nFROM scratch", "error: invalid check option \"x\""},
        {"# check=error=maybe\nFROM scratch", "error: invalid check option \"error=maybe\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *have = findings(rows[i].text);
        assert_string_equal(have, rows[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_find_what_they_are_for),
        cmocka_unit_test(the_directive_chooses_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
