#include "daemon/build/check.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "base/strbuf.h"
#include "daemon/build/check_internal.h"

#define URL(name) "https://docs.docker.com/go/dockerfile/rule/" name "/"

static const struct {
    const char *name, *description, *url;
    bool experimental; /* off unless it is asked for */
} rules[CHECK_RULES] = {
    [CHECK_STAGE_NAME_CASING] = {"StageNameCasing", "Stage names should be lowercase", URL("stage-name-casing"), false},
    [CHECK_FROM_AS_CASING] = {"FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword",
                              URL("from-as-casing"), false},
    [CHECK_NO_EMPTY_CONTINUATION] = {"NoEmptyContinuation",
                                     "Empty continuation lines will become errors in a future release",
                                     URL("no-empty-continuation"), false},
    [CHECK_CONSISTENT_INSTRUCTION_CASING] =
        {"ConsistentInstructionCasing",
         "All commands within the Dockerfile should use the same casing (either upper or lower)",
         URL("consistent-instruction-casing"), false},
    [CHECK_DUPLICATE_STAGE_NAME] = {"DuplicateStageName", "Stage names should be unique", URL("duplicate-stage-name"),
                                    false},
    [CHECK_RESERVED_STAGE_NAME] = {"ReservedStageName", "Reserved words should not be used as stage names",
                                   URL("reserved-stage-name"), false},
    [CHECK_JSON_ARGS_RECOMMENDED] =
        {"JSONArgsRecommended",
         "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
         URL("json-args-recommended"), false},
    [CHECK_MAINTAINER_DEPRECATED] =
        {"MaintainerDeprecated",
         "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
         URL("maintainer-deprecated"), false},
    [CHECK_UNDEFINED_ARG_IN_FROM] = {"UndefinedArgInFrom", "FROM command must use declared ARGs",
                                     URL("undefined-arg-in-from"), false},
    [CHECK_WORKDIR_RELATIVE_PATH] = {"WorkdirRelativePath",
                                     "Relative workdir without an absolute workdir declared within the build can have "
                                     "unexpected results if the base image changes",
                                     URL("workdir-relative-path"), false},
    [CHECK_UNDEFINED_VAR] = {"UndefinedVar", "Variables should be defined before their use", URL("undefined-var"),
                             false},
    [CHECK_MULTIPLE_INSTRUCTIONS_DISALLOWED] =
        {"MultipleInstructionsDisallowed",
         "Multiple instructions of the same type should not be used in the same stage",
         URL("multiple-instructions-disallowed"), false},
    [CHECK_LEGACY_KEY_VALUE_FORMAT] = {"LegacyKeyValueFormat",
                                       "Legacy key/value format with whitespace separator should not be used",
                                       URL("legacy-key-value-format"), false},
    [CHECK_REDUNDANT_TARGET_PLATFORM] =
        {"RedundantTargetPlatform",
         "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
         URL("redundant-target-platform"), false},
    [CHECK_SECRETS_USED_IN_ARG_OR_ENV] = {"SecretsUsedInArgOrEnv",
                                          "Sensitive data should not be used in the ARG or ENV commands",
                                          URL("secrets-used-in-arg-or-env"), false},
    [CHECK_INVALID_DEFAULT_ARG_IN_FROM] =
        {"InvalidDefaultArgInFrom", "Default value for global ARG results in an empty or invalid base image name",
         URL("invalid-default-arg-in-from"), false},
    [CHECK_FROM_PLATFORM_FLAG_CONST_DISALLOWED] = {"FromPlatformFlagConstDisallowed",
                                                   "FROM --platform flag should not use a constant value",
                                                   URL("from-platform-flag-const-disallowed"), false},
    [CHECK_COPY_IGNORED_FILE] = {"CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore",
                                 URL("copy-ignored-file"), true},
    [CHECK_INVALID_DEFINITION_DESCRIPTION] =
        {"InvalidDefinitionDescription",
         "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is "
         "not intended to be a description comment, add an empty line or comment between the instruction and the "
         "comment.",
         URL("invalid-definition-description"), true},
    [CHECK_EXPOSE_PROTO_CASING] = {"ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase",
                                   URL("expose-proto-casing"), false},
    [CHECK_EXPOSE_INVALID_FORMAT] = {"ExposeInvalidFormat",
                                     "IP address and host-port mapping should not be used in EXPOSE instruction. This "
                                     "will become an error in a future release",
                                     URL("expose-invalid-format"), false},
};

void check_find(struct checker *c, enum check_rule rule, const struct instruction *in, const char *format, ...)
{
    va_list args;
    if (!c->on[rule])
        return;
    xgrow((void **)&c->result->items, c->result->count, &c->capacity, sizeof(*c->result->items));
    struct check_finding *finding = &c->result->items[c->result->count++];
    *finding = (struct check_finding){.rule = rules[rule].name,
                                      .description = rules[rule].description,
                                      .url = rules[rule].url,
                                      .first_line = in->first_line,
                                      .last_line = in->last_line};
    va_start(args, format);
    finding->text = xvasprintf(format, args);
    va_end(args);
}

/* ---- the directive ---- */

static int set_rules(struct checker *c, const char *names, bool on, struct error *err)
{
    CLEANUP_STRV struct strv list = STRV_INIT;
    strv_split(&list, names, ',');
    for (size_t i = 0; i < list.count; i++) {
        const char *name = list.items[i] + strspn(list.items[i], " ");
        size_t size = strcspn(name, " "), found = 0;
        for (size_t rule = 0; rule < CHECK_RULES; rule++) {
            bool all = size == 3 && strncasecmp(name, "all", 3) == 0;
            bool meant = strlen(rules[rule].name) == size && strncasecmp(rules[rule].name, name, size) == 0;
            if (meant || (all && (!on || rules[rule].experimental)))
                c->on[rule] = on;
            found += meant || all;
        }
        if (found == 0)
            return error_set(err, ERROR_INVALID, EINVAL, "invalid check directive: there is no rule \"%s\"", name);
    }
    return 0;
}

/* "skip=A,B;error=true;experimental=C" */
static int set_directive(struct checker *c, const char *text, struct error *err)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    const char *experimental = NULL;
    strv_split(&parts, text, ';');
    for (size_t i = 0; i < parts.count; i++) {
        const char *part = parts.items[i] + strspn(parts.items[i], " ");
        int r = 0;
        if (strncasecmp(part, "skip=", 5) == 0)
            r = set_rules(c, part + 5, false, err);
        else if (strncasecmp(part, "experimental=", 13) == 0)
            experimental = part + 13;
        else if (strncasecmp(part, "error=", 6) != 0 || parse_bool(part + 6, &c->result->error) < 0)
            return error_set(err, ERROR_INVALID, EINVAL, "invalid check option \"%s\"", part);
        if (r < 0)
            return r;
    }
    return experimental != NULL ? set_rules(c, experimental, true, err) : 0;
}

/* ---- the whole ---- */

static int by_line(const void *a, const void *b)
{
    const struct check_finding *x = a, *y = b;
    if (x->first_line != y->first_line)
        return x->first_line < y->first_line ? -1 : 1;
    return strcmp(x->text, y->text);
}

static int check_all(struct checker *c, struct error *err)
{
    CLEANUP_STAGES struct stages globals = {0};
    const struct stages_options defaults = {.platform = strmap_get(&c->options->stages->platform, "TARGETPLATFORM")};
    const char *directive = c->options->directive != NULL ? c->options->directive : c->file->check;
    for (size_t i = 0; i < CHECK_RULES; i++)
        c->on[i] = !rules[i].experimental;
    int r = directive != NULL ? set_directive(c, directive, err) : 0;
    if (r < 0)
        return r;
    bool have_defaults = stages_collect_globals(c->file, &defaults, &globals, NULL) == 0;
    for (size_t i = 0; i < c->options->stages->count; i++)
        check_from(c, have_defaults ? &globals : NULL, &c->options->stages->items[i]);
    check_casing(c);
    check_names(c);
    check_descriptions(c);
    check_stage_instructions(c);
    if (c->result->count > 1)
        qsort(c->result->items, c->result->count, sizeof(*c->result->items), by_line);
    c->result->error = c->result->error && c->result->count > 0;
    return 0;
}

int build_check(const struct dockerfile *file, const struct check_options *options, struct check_result *ret,
                struct error *err)
{
    struct check_result result = {0};
    struct checker checker = {.file = file, .options = options, .result = &result};
    int r = check_all(&checker, err);
    if (r < 0)
        check_result_release(&result);
    else
        *ret = result;
    return r;
}

void check_result_release(struct check_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        free(result->items[i].text);
    free(result->items);
    *result = (struct check_result){0};
}
