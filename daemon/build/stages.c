#include "daemon/build/stages.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "daemon/build/expand.h"
#include "daemon/build/run_mount.h"
#include "image/platform.h"

struct collector {
    const struct dockerfile *file;
    const struct stages_options *options;
    struct stages *stages;
    size_t capacity;
};

/* ---- global ARGs ---- */

static const char *lookup_global(const char *name, void *data)
{
    const struct stages *stages = data;
    const char *value = strmap_get(&stages->globals, name);
    return value != NULL ? value : strmap_get(&stages->platform, name);
}

static int expand_global(const struct collector *c, const char *text, char **ret, struct error *err)
{
    const struct expand_options options = {.lookup = lookup_global, .data = c->stages, .escape = c->file->escape};
    return expand_word(text, &options, ret, err);
}

/* TARGETPLATFORM, TARGETOS... */
static void set_platform(struct strmap *map, const char *prefix, const struct platform *platform)
{
    char text[PLATFORM_TEXT_MAX];
    const char *const values[][2] = {
        {"PLATFORM", text}, {"OS", platform->os}, {"ARCH", platform->architecture}, {"VARIANT", platform->variant}};
    platform_format(platform, text);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        CLEANUP_FREE char *name = xasprintf("%s%s", prefix, values[i][0]);
        strmap_set(map, name, values[i][1]);
    }
}

static int set_platforms(struct collector *c, struct error *err)
{
    struct platform host, target;
    struct strmap *map = &c->stages->platform;
    const struct strmap *given = c->options->build_args;
    const char *target_stage = c->options->target;
    platform_host(&host);
    target = host;
    int r = c->options->platform != NULL && *c->options->platform != '\0'
                ? platform_parse(c->options->platform, &target, err)
                : 0;
    if (r < 0)
        return r;
    set_platform(map, "BUILD", &host);
    set_platform(map, "TARGET", &target);
    strmap_set(map, "TARGETSTAGE", target_stage != NULL && *target_stage != '\0' ? target_stage : "default");
    for (size_t i = 0; given != NULL && i < map->count; i++)
        if (strmap_get(given, map->items[i].key) != NULL)
            xstrset(&map->items[i].value, strmap_get(given, map->items[i].key));
    return 0;
}

/* ARG in front of the first FROM. */
static int add_globals(struct collector *c, const struct instruction *arg, struct error *err)
{
    for (size_t i = 0; i < arg->words.count; i++) {
        const char *word = arg->words.items[i], *equals = strchr(word, '=');
        CLEANUP_FREE char *name = xstrndup(word, equals != NULL ? (size_t)(equals - word) : strlen(word));
        CLEANUP_FREE char *value = NULL;
        const char *given = c->options->build_args != NULL ? strmap_get(c->options->build_args, name) : NULL;
        if (*name == '\0')
            return error_set(err, ERROR_INVALID, EINVAL, "ARG names can not be blank");
        int r = given == NULL && equals != NULL ? expand_global(c, equals + 1, &value, err) : 0;
        if (r < 0)
            return r;
        if (given != NULL || value != NULL)
            strmap_set(&c->stages->globals, name, given != NULL ? given : value);
    }
    if (arg->words.count == 0)
        return error_set(err, ERROR_INVALID, EINVAL, "ARG requires at least one argument");
    return 0;
}

/* ---- FROM ---- */

static int stage_name(const char *text, char **ret, struct error *err)
{
    bool good = isalpha((unsigned char)text[0]);
    CLEANUP_FREE char *name = xstrdup(text);
    for (char *p = name; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
        good = good && (isalnum((unsigned char)*p) || strchr("-_.", *p) != NULL);
    }
    if (!good)
        return error_set(err, ERROR_INVALID, EINVAL,
                         "invalid name for build stage: \"%s\", name can't start with a number or contain symbols",
                         text);
    *ret = TAKE_PTR(name);
    return 0;
}

static int stage_platform(const struct collector *c, const char *text, struct stage *stage, struct error *err)
{
    struct platform platform;
    int r = expand_global(c, text, &stage->platform, err);
    if (r == 0 && *stage->platform == '\0')
        return error_set(err, ERROR_INVALID, EINVAL, "empty platform value from expression %s", text);
    return r < 0 ? r : platform_parse(stage->platform, &platform, err);
}

/* The last stage of this name before `at`. */
static int find_name(const struct stages *stages, size_t at, const char *name)
{
    for (size_t i = at; i-- > 0;)
        if (stages->items[i].name != NULL && strcasecmp(stages->items[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int read_from(const struct collector *c, const struct instruction *from, struct stage *stage, struct error *err)
{
    const struct strv *words = &from->words;
    const char *platform = instruction_flag(from, "platform");
    bool named = words->count == 3 && strcasecmp(words->items[1], "AS") == 0;
    if (!named && words->count != 1)
        return error_set(err, ERROR_INVALID, EINVAL, "FROM requires either one or three arguments");
    int r = named ? stage_name(words->items[2], &stage->name, err) : 0;
    if (r == 0 && platform != NULL)
        r = stage_platform(c, platform, stage, err);
    if (r == 0)
        r = expand_global(c, words->items[0], &stage->base, err);
    if (r == 0 && *stage->base == '\0')
        r = error_set(err, ERROR_INVALID, EINVAL, "base name (%s) should not be blank", words->items[0]);
    if (r < 0)
        return r;
    stage->base_stage =
        strv_contains(&c->stages->contexts, stage->base) ? -1 : find_name(c->stages, stage->index, stage->base);
    stage->scratch = stage->base_stage < 0 && strcmp(stage->base, "scratch") == 0 &&
                     !strv_contains(&c->stages->contexts, stage->base);
    return 0;
}

static int add_stage(struct collector *c, const struct instruction *from, struct error *err)
{
    struct stages *stages = c->stages;
    struct stage stage = {.index = stages->count, .from = from, .instructions = from + 1, .base_stage = -1};
    int r = read_from(c, from, &stage, err);
    xgrow((void **)&stages->items, stages->count, &c->capacity, sizeof(stage));
    stages->items[stages->count++] = stage;
    return r;
}

static int add_instruction(struct collector *c, const struct instruction *in, struct error *err)
{
    if (in->kind == INSTRUCTION_FROM)
        return add_stage(c, in, err);
    if (c->stages->count > 0) {
        c->stages->items[c->stages->count - 1].instruction_count++;
        return 0;
    }
    if (in->kind == INSTRUCTION_ARG)
        return add_globals(c, in, err);
    return error_set(err, ERROR_INVALID, EINVAL, "no build stage in current context: %s comes before FROM", in->name);
}

/* ---- what needs what ---- */

static void add_need(struct stage *stage, int index)
{
    size_t at = 0;
    while (at < stage->needs_count && stage->needs[at] < (size_t)index)
        at++;
    if (index < 0 || (at < stage->needs_count && stage->needs[at] == (size_t)index))
        return;
    stage->needs = xreallocarray(stage->needs, stage->needs_count + 1, sizeof(*stage->needs));
    memmove(stage->needs + at + 1, stage->needs + at, (stage->needs_count - at) * sizeof(*stage->needs));
    stage->needs[at] = (size_t)index;
    stage->needs_count++;
}

static int need(const struct stages *stages, struct stage *stage, const char *name, struct error *err)
{
    int index = -1;
    int r = stages_find(stages, stage->index, name, &index, err);
    if (r == 0)
        add_need(stage, index);
    return r;
}

static int find_needs(const struct stages *stages, struct stage *stage, const struct instruction *in, struct error *err)
{
    const char *from = in->kind == INSTRUCTION_COPY ? instruction_flag(in, "from") : NULL;
    int r = from != NULL ? need(stages, stage, from, err) : 0;
    for (size_t i = 0; r == 0 && in->kind == INSTRUCTION_RUN && i < in->flag_count; i++) {
        CLEANUP_FREE char *source = NULL;
        if (strcmp(in->flags[i].name, "mount") != 0)
            continue;
        r = run_mount_from(in->flags[i].value, &source, err);
        if (r == 0 && source != NULL)
            r = need(stages, stage, source, err);
    }
    return r;
}

static int find_all_needs(struct collector *c, struct error *err)
{
    for (size_t i = 0; i < c->stages->count; i++) {
        struct stage *stage = &c->stages->items[i];
        add_need(stage, stage->base_stage);
        for (size_t j = 0; j < stage->instruction_count; j++) {
            int r = find_needs(c->stages, stage, &stage->instructions[j], err);
            if (r < 0)
                return instruction_error(c->file, &stage->instructions[j], err);
        }
    }
    return 0;
}

/* Stages only take from earlier ones: one pass backwards marks all. */
static void mark_needed(struct stages *stages)
{
    stages->items[stages->target].needed = true;
    for (size_t i = stages->target + 1; i-- > 0;)
        for (size_t j = 0; stages->items[i].needed && j < stages->items[i].needs_count; j++)
            stages->items[stages->items[i].needs[j]].needed = true;
}

static int find_target(struct collector *c, struct error *err)
{
    struct stages *stages = c->stages;
    const char *target = c->options->target;
    uint64_t number;
    stages->target = stages->count - 1;
    if (target == NULL || *target == '\0')
        return 0;
    int index = find_name(stages, stages->count, target);
    if (index < 0 && parse_uint64(target, stages->count - 1, &number) == 0)
        index = (int)number;
    if (index >= 0) {
        stages->target = (size_t)index;
        return 0;
    }
    const char **names = xcalloc(stages->count + 1, sizeof(*names));
    for (size_t i = 0, n = 0; i < stages->count; i++)
        if (stages->items[i].name != NULL)
            names[n++] = stages->items[i].name;
    const char *meant = suggest_word(target, names);
    free(names);
    return error_set(err, ERROR_INVALID, EINVAL, "target stage \"%s\" could not be found%s%s%s", target,
                     meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
}

static int collect(struct collector *c, struct error *err)
{
    int r = set_platforms(c, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < c->file->count; i++) {
        r = add_instruction(c, &c->file->instructions[i], err);
        if (r < 0)
            return instruction_error(c->file, &c->file->instructions[i], err);
    }
    if (c->stages->count == 0)
        return error_set(err, ERROR_INVALID, EINVAL, "No build stage in current context");
    r = find_all_needs(c, err);
    if (r == 0)
        r = find_target(c, err);
    if (r == 0)
        mark_needed(c->stages);
    return r;
}

int stages_collect(const struct dockerfile *file, const struct stages_options *options, struct stages *ret,
                   struct error *err)
{
    struct stages stages = {0};
    struct collector c = {.file = file, .options = options, .stages = &stages};
    struct error local = {0};
    if (options->contexts != NULL)
        strv_copy(&stages.contexts, options->contexts);
    int r = collect(&c, &local);
    if (r < 0) {
        stages_release(&stages);
        return error_propagate(err, &local);
    }
    *ret = stages;
    return 0;
}

int stages_collect_globals(const struct dockerfile *file, const struct stages_options *options, struct stages *ret,
                           struct error *err)
{
    struct stages stages = {0};
    struct collector c = {.file = file, .options = options, .stages = &stages};
    int r = set_platforms(&c, err);
    for (size_t i = 0; r == 0 && i < file->count && file->instructions[i].kind == INSTRUCTION_ARG; i++)
        r = add_globals(&c, &file->instructions[i], err);
    if (r < 0)
        stages_release(&stages);
    else
        *ret = stages;
    return r;
}

void stages_release(struct stages *stages)
{
    for (size_t i = 0; i < stages->count; i++) {
        free(stages->items[i].name);
        free(stages->items[i].base);
        free(stages->items[i].platform);
        free(stages->items[i].needs);
    }
    free(stages->items);
    strmap_release(&stages->globals);
    strmap_release(&stages->platform);
    strv_release(&stages->contexts);
    *stages = (struct stages){0};
}

int stages_find(const struct stages *stages, size_t at, const char *name, int *ret, struct error *err)
{
    uint64_t number;
    int index = strv_contains(&stages->contexts, name) ? -1 : find_name(stages, at, name);
    if (index < 0 && !strv_contains(&stages->contexts, name)) {
        if (parse_uint64(name, UINT32_MAX, &number) == 0) {
            if (number >= at)
                return error_set(err, ERROR_INVALID, EINVAL, "invalid from flag value %s: %s", name,
                                 number == at ? "refers to current build stage" : "index out of bounds");
            index = (int)number;
        } else if (find_name(stages, stages->count, name) >= 0) {
            bool itself = find_name(stages, stages->count, name) == (int)at;
            return error_set(err, ERROR_INVALID, EINVAL,
                             itself ? "circular dependency detected on stage: %s"
                                    : "invalid from flag value %s: the stage comes behind the one that takes from it",
                             name);
        }
    }
    *ret = index;
    return 0;
}

/* ---- build args that nothing declares ---- */

static bool declares(const struct instruction *in, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; in->kind == INSTRUCTION_ARG && i < in->words.count; i++)
        if (strncmp(in->words.items[i], name, size) == 0 && strchr("=", in->words.items[i][size]) != NULL)
            return true;
    return false;
}

static bool is_declared(const struct stages *stages, const struct dockerfile *file, const char *name)
{
    const struct instruction *first = stages->items[0].from;
    for (const struct instruction *in = file->instructions; in < first; in++)
        if (declares(in, name))
            return true;
    for (size_t i = 0; i < stages->count; i++)
        for (size_t j = 0; stages->items[i].needed && j < stages->items[i].instruction_count; j++)
            if (declares(&stages->items[i].instructions[j], name))
                return true;
    return false;
}

void stages_unused_args(const struct stages *stages, const struct dockerfile *file, const struct strmap *build_args,
                        struct strv *ret)
{
    for (size_t i = 0; build_args != NULL && i < build_args->count; i++) {
        const char *name = build_args->items[i].key;
        bool predefined = build_arg_is_proxy(name) || strncmp(name, "BUILDKIT_", 9) == 0 ||
                          strcmp(name, "SOURCE_DATE_EPOCH") == 0 || strmap_get(&stages->platform, name) != NULL;
        if (!predefined && !is_declared(stages, file, name))
            strv_add(ret, name);
    }
    strv_sort(ret);
}
