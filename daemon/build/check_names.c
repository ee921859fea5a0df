/* Checks of FROM, of names and of how things are written. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "daemon/build/check_internal.h"
#include "daemon/build/expand.h"
#include "image/platform.h"
#include "image/reference.h"

static bool is_lower(const char *s)
{
    while (*s != '\0' && !isupper((unsigned char)*s))
        s++;
    return *s == '\0';
}

static bool is_upper(const char *s)
{
    while (*s != '\0' && !islower((unsigned char)*s))
        s++;
    return *s == '\0';
}

/* ---- FROM ---- */

static const char *lookup_global(const char *name, void *data)
{
    const struct stages *stages = data;
    const char *value = strmap_get(&stages->globals, name);
    return value != NULL ? value : strmap_get(&stages->platform, name);
}

/* Names that FROM may use, whether they have a value or not. */
static void global_names(const struct checker *c, struct strv *ret)
{
    const struct stages *stages = c->options->stages;
    for (size_t i = 0; i < stages->platform.count; i++)
        strv_add(ret, stages->platform.items[i].key);
    for (const struct instruction *in = c->file->instructions; in < stages->items[0].from; in++)
        for (size_t i = 0; i < in->words.count; i++)
            strv_add_take(ret, xstrndup(in->words.items[i], strcspn(in->words.items[i], "=")));
}

static void check_undefined(struct checker *c, const struct instruction *from, const char *text)
{
    CLEANUP_STRV struct strv unset = STRV_INIT, names = STRV_INIT;
    CLEANUP_FREE char *value = NULL;
    const struct expand_options options = {
        .lookup = lookup_global, .data = (void *)c->options->stages, .escape = c->file->escape, .unset = &unset};
    if (expand_word(text, &options, &value, NULL) < 0)
        return;
    global_names(c, &names);
    for (size_t i = 0; i < unset.count; i++) {
        if (strv_contains(&names, unset.items[i]))
            continue;
        const char *meant = names.count > 0 ? suggest_word(unset.items[i], (const char *const *)names.items) : NULL;
        check_find(c, CHECK_UNDEFINED_ARG_IN_FROM, from, "FROM argument '%s' is not declared%s%s%s", unset.items[i],
                   meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
    }
}

static void check_platform(struct checker *c, const struct stage *stage, const char *text)
{
    struct platform platform;
    if (strcmp(text, "$TARGETPLATFORM") == 0 || strcmp(text, "${TARGETPLATFORM}") == 0)
        check_find(c, CHECK_REDUNDANT_TARGET_PLATFORM, stage->from,
                   "Setting platform to predefined %s in FROM is redundant as this is the default behavior", text);
    if (strchr(text, '$') != NULL || platform_parse(text, &platform, NULL) < 0)
        return;
    if (stage->name != NULL &&
        (strstr(stage->name, platform.os) != NULL || strstr(stage->name, platform.architecture) != NULL))
        return;
    check_find(c, CHECK_FROM_PLATFORM_FLAG_CONST_DISALLOWED, stage->from,
               "FROM --platform flag should not use constant value \"%s\"", text);
}

/* With the defaults alone. */
static void check_default(struct checker *c, const struct stages *globals, const struct stage *stage)
{
    CLEANUP_FREE char *base = NULL;
    struct reference reference = {0};
    const char *text = stage->from->words.items[0];
    const struct expand_options options = {.lookup = lookup_global, .data = (void *)globals, .escape = c->file->escape};
    if (strchr(text, '$') == NULL || expand_word(text, &options, &base, NULL) < 0)
        return;
    if (reference_parse(base, &reference, NULL) < 0)
        check_find(c, CHECK_INVALID_DEFAULT_ARG_IN_FROM, stage->from,
                   "Default value for ARG %s results in empty or invalid base image name", text);
    else
        reference_release(&reference);
}

void check_from(struct checker *c, const struct stages *globals, const struct stage *stage)
{
    const struct instruction *from = stage->from;
    const struct strv *words = &from->words;
    const char *platform = instruction_flag(from, "platform");
    check_undefined(c, from, words->items[0]);
    if (platform != NULL) {
        check_undefined(c, from, platform);
        check_platform(c, stage, platform);
    }
    if (globals != NULL)
        check_default(c, globals, stage);
    if (words->count < 3)
        return;
    if (!is_lower(words->items[2]))
        check_find(c, CHECK_STAGE_NAME_CASING, from, "Stage name '%s' should be lowercase", words->items[2]);
    bool lower = is_lower(from->name);
    if ((lower || is_upper(from->name)) && !(lower ? is_lower(words->items[1]) : is_upper(words->items[1])))
        check_find(c, CHECK_FROM_AS_CASING, from, "'%s' and '%s' keywords' casing do not match", words->items[1],
                   from->name);
}

/* ---- instructions' names, and stages' ---- */

void check_casing(struct checker *c)
{
    const struct instruction *first = c->options->stages->items[0].from;
    const struct instruction *end = c->file->instructions + c->file->count;
    int lower = 0, upper = 0;
    for (const struct instruction *in = first; in < end; in++) {
        lower += is_lower(in->name);
        upper += is_upper(in->name);
    }
    bool want_lower = lower > upper;
    for (const struct instruction *in = first; in < end; in++) {
        if (want_lower ? !is_lower(in->name) : !is_upper(in->name))
            check_find(c, CHECK_CONSISTENT_INSTRUCTION_CASING, in,
                       "Command '%s' should match the case of the command majority (%s)", in->name,
                       want_lower ? "lowercase" : "uppercase");
        if (in->empty_continuation)
            check_find(c, CHECK_NO_EMPTY_CONTINUATION, in, "Empty continuation line");
    }
}

void check_names(struct checker *c)
{
    const struct stages *stages = c->options->stages;
    for (size_t i = 0; i < stages->count; i++) {
        const struct stage *stage = &stages->items[i];
        if (stage->name == NULL)
            continue;
        if (strcmp(stage->name, "scratch") == 0 || strcmp(stage->name, "context") == 0)
            check_find(c, CHECK_RESERVED_STAGE_NAME, stage->from,
                       "Stage name should not use the same name as reserved stage \"%s\"", stage->name);
        for (size_t j = 0; j < i; j++) {
            if (stages->items[j].name == NULL || strcmp(stages->items[j].name, stage->name) != 0)
                continue;
            check_find(c, CHECK_DUPLICATE_STAGE_NAME, stage->from,
                       "Duplicate stage name \"%s\", stage names should be unique", stage->name);
            break;
        }
    }
}

/* ---- comments as descriptions ---- */

/* The comment in the line above; NULL: there is none that could be a description. */
static const char *comment_above(const struct dockerfile *file, const struct instruction *in)
{
    const char *text = dockerfile_comment(file, in->first_line - 1);
    bool directive = text && (strncasecmp(text, "syntax=", 7) == 0 || strncasecmp(text, "escape=", 7) == 0 ||
                              strncasecmp(text, "check=", 6) == 0);
    return text && *text != '\0' && !directive ? text : NULL;
}

void check_descriptions(struct checker *c)
{
    for (size_t i = 0; i < c->file->count; i++) {
        const struct instruction *in = &c->file->instructions[i];
        CLEANUP_STRV struct strv names = STRV_INIT;
        const char *comment = comment_above(c->file, in);
        if (comment == NULL)
            continue;
        if (in->kind == INSTRUCTION_FROM && in->words.count == 3)
            strv_add(&names, in->words.items[2]);
        for (size_t j = 0; in->kind == INSTRUCTION_ARG && j < in->words.count; j++)
            strv_add_take(&names, xstrndup(in->words.items[j], strcspn(in->words.items[j], "=")));
        CLEANUP_FREE char *first = xstrndup(comment, strcspn(comment, " \t"));
        if (names.count > 0 && !strv_contains(&names, first))
            check_find(c, CHECK_INVALID_DEFINITION_DESCRIPTION, in,
                       "Comment for %s should follow the format: `# %s <description>`", instruction_kind_name(in->kind),
                       names.count > 1 ? "<arg_key>" : names.items[0]);
    }
}
