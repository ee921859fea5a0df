/* Checks of instructions that depend on what came before in their stage. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/path_match.h"
#include "daemon/build/check_internal.h"
#include "daemon/build/expand.h"
#include "daemon/build/step.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What a stage hands on to those that are made from it. */
struct stage_facts {
    struct strmap names;                               /* variables, with a value where one is known */
    bool names_known;                                  /* all are: the base's Env was told */
    bool shell, workdir;                               /* SHELL was set; an absolute WORKDIR */
    const struct instruction *last[INSTRUCTION_KINDS]; /* of CMD, ENTRYPOINT and HEALTHCHECK in this stage */
};

struct stage_check {
    struct checker *c;
    struct stage_facts *facts;
};

static const char *lookup(const char *name, void *data)
{
    const struct stage_facts *facts = data;
    return strmap_get(&facts->names, name);
}

/* ---- variables ---- */

static void report_unset(struct stage_check *s, const struct instruction *in, const struct strv *unset)
{
    const struct strmap *known = &s->facts->names;
    for (size_t i = 0; i < unset->count; i++) {
        const char **names = xcalloc(known->count + 1, sizeof(*names));
        for (size_t j = 0; j < known->count; j++)
            names[j] = known->items[j].key;
        const char *meant = suggest_word(unset->items[i], names);
        free(names);
        check_find(s->c, CHECK_UNDEFINED_VAR, in, "Usage of undefined variable '$%s'%s%s%s", unset->items[i],
                   meant ? " (did you mean $" : "", meant ? meant : "", meant ? "?)" : "");
    }
}

static void expand_into(struct stage_check *s, const char *text, struct strv *unset)
{
    CLEANUP_FREE char *value = NULL;
    const struct expand_options options = {
        .lookup = lookup, .data = s->facts, .escape = s->c->file->escape, .unset = unset};
    (void)expand_word(text, &options, &value, NULL); /* an error is the step's to tell */
}

static void check_variables(struct stage_check *s, const struct instruction *in)
{
    static const enum instruction_kind expanding[] = {
        INSTRUCTION_ADD,   INSTRUCTION_ARG,        INSTRUCTION_COPY, INSTRUCTION_ENV,    INSTRUCTION_EXPOSE,
        INSTRUCTION_LABEL, INSTRUCTION_STOPSIGNAL, INSTRUCTION_USER, INSTRUCTION_VOLUME, INSTRUCTION_WORKDIR};
    CLEANUP_STRV struct strv unset = STRV_INIT;
    bool expands = false;
    if (!s->facts->names_known)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(expanding); i++)
        expands |= in->kind == expanding[i];
    for (size_t i = 0; expands && i < in->words.count; i++)
        expand_into(s, in->words.items[i], &unset);
    for (size_t i = 0; i < in->flag_count; i++)
        if (in->flags[i].value != NULL && strcmp(in->flags[i].name, "from") != 0)
            expand_into(s, in->flags[i].value, &unset);
    report_unset(s, in, &unset);
}

/* "api_key", "TOKEN": one of the words between underscores, unless another says that it is none. */
static bool is_secret(const char *name)
{
    static const char *const secrets[] = {"apikey",   "auth",  "credential", "credentials", "key",
                                          "password", "pword", "passwd",     "secret",      "token"};
    static const char *const harmless[] = {"public", "file", "version"};
    CLEANUP_STRV struct strv words = STRV_INIT;
    bool secret = false;
    strv_split(&words, name, '_');
    for (size_t i = 0; i < words.count; i++) {
        for (size_t j = 0; j < ARRAY_SIZE(harmless); j++)
            if (strcasecmp(words.items[i], harmless[j]) == 0)
                return false;
        for (size_t j = 0; j < ARRAY_SIZE(secrets); j++)
            secret |= strcasecmp(words.items[i], secrets[j]) == 0;
    }
    return secret;
}

static void check_secret(struct checker *c, const struct instruction *in, const char *name)
{
    if (is_secret(name))
        check_find(c, CHECK_SECRETS_USED_IN_ARG_OR_ENV, in,
                   "Do not use ARG or ENV instructions for sensitive data (%s \"%s\")", instruction_kind_name(in->kind),
                   name);
}

/* ---- instructions ---- */

static void check_args(struct checker *c, struct strmap *names, const struct instruction *in)
{
    for (size_t i = 0; i < in->words.count; i++) {
        const char *equals = strchr(in->words.items[i], '=');
        CLEANUP_FREE char *name = xstrndup(in->words.items[i], strcspn(in->words.items[i], "="));
        check_secret(c, in, name);
        if (names != NULL)
            strmap_set(names, name, equals != NULL ? equals + 1 : "");
    }
}

static void check_env(struct stage_check *s, const struct instruction *in)
{
    for (size_t i = 0; i + 1 < in->words.count; i += 2) {
        check_secret(s->c, in, in->words.items[i]);
        strmap_set(&s->facts->names, in->words.items[i], in->words.items[i + 1]);
    }
}

static void check_legacy(struct stage_check *s, const struct instruction *in)
{
    const char *name = instruction_kind_name(in->kind);
    if (in->legacy_pair)
        check_find(s->c, CHECK_LEGACY_KEY_VALUE_FORMAT, in,
                   "\"%s key=value\" should be used instead of legacy \"%s key value\" format", name, name);
}

static void check_expose(struct stage_check *s, const struct instruction *in)
{
    for (size_t i = 0; i < in->words.count; i++) {
        const char *word = in->words.items[i], *slash = strchr(word, '/');
        if (strchr(word, '$') != NULL)
            continue;
        if (strchr(word, ':') != NULL)
            check_find(s->c, CHECK_EXPOSE_INVALID_FORMAT, in,
                       "EXPOSE instruction should not define an IP address or host-port mapping, found '%s'", word);
        while (slash != NULL && *slash != '\0' && !isupper((unsigned char)*slash))
            slash++;
        if (slash != NULL && *slash != '\0')
            check_find(s->c, CHECK_EXPOSE_PROTO_CASING, in,
                       "Defined protocol '%s' in EXPOSE instruction should be lowercase", word);
    }
}

static void check_copy(struct stage_check *s, const struct instruction *in)
{
    const struct check_options *options = s->c->options;
    if (options->ignored == NULL || instruction_flag(in, "from") != NULL)
        return;
    for (size_t i = 0; i + 1 < in->words.count; i++) {
        CLEANUP_FREE char *source = NULL;
        const struct expand_options expand = {.lookup = lookup, .data = s->facts, .escape = s->c->file->escape};
        if (instruction_heredoc(in, in->words.items[i]) != NULL ||
            expand_word(in->words.items[i], &expand, &source, NULL) < 0 || copy_source_is_url(source) ||
            copy_source_is_git(source))
            continue;
        CLEANUP_FREE char *path = path_clean(source);
        if (options->ignored(path + (*path == '/'), options->data))
            check_find(s->c, CHECK_COPY_IGNORED_FILE, in,
                       "Attempting to %s file \"%s\" that is excluded by .dockerignore",
                       in->kind == INSTRUCTION_ADD ? "Add" : "Copy", path);
    }
}

/* Only the last of them counts; the finding is about the one that does not. */
static void check_once(struct stage_check *s, const struct instruction *in)
{
    const struct instruction *before = s->facts->last[in->kind];
    if (before != NULL)
        check_find(s->c, CHECK_MULTIPLE_INSTRUCTIONS_DISALLOWED, before,
                   "Multiple %s instructions should not be used in the same stage because only the last one will be "
                   "used",
                   instruction_kind_name(in->kind));
    s->facts->last[in->kind] = in;
}

static void check_command(struct stage_check *s, const struct instruction *in)
{
    if (!in->json && !s->facts->shell)
        check_find(s->c, CHECK_JSON_ARGS_RECOMMENDED, in,
                   "JSON arguments recommended for %s to prevent unintended behavior related to OS signals",
                   instruction_kind_name(in->kind));
}

static void check_workdir(struct stage_check *s, const struct instruction *in)
{
    const char *path = in->words.count > 0 ? in->words.items[0] : "";
    if (*path == '/' || *path == '$' || *path == '"')
        s->facts->workdir = true;
    else if (!s->facts->workdir)
        check_find(s->c, CHECK_WORKDIR_RELATIVE_PATH, in,
                   "Relative workdir \"%s\" can have unexpected results if the base image changes", path);
}

static void check_instruction(struct stage_check *s, const struct instruction *in)
{
    check_variables(s, in);
    switch (in->kind) {
    case INSTRUCTION_ARG:
        check_args(s->c, &s->facts->names, in);
        break;
    case INSTRUCTION_ENV:
        check_env(s, in);
        check_legacy(s, in);
        break;
    case INSTRUCTION_LABEL:
        check_legacy(s, in);
        break;
    case INSTRUCTION_EXPOSE:
        check_expose(s, in);
        break;
    case INSTRUCTION_ADD:
    case INSTRUCTION_COPY:
        check_copy(s, in);
        break;
    case INSTRUCTION_CMD:
    case INSTRUCTION_ENTRYPOINT:
        check_command(s, in);
        check_once(s, in);
        break;
    case INSTRUCTION_HEALTHCHECK:
        check_once(s, in);
        break;
    case INSTRUCTION_SHELL:
        s->facts->shell = true;
        break;
    case INSTRUCTION_WORKDIR:
        check_workdir(s, in);
        break;
    case INSTRUCTION_MAINTAINER:
        check_find(s->c, CHECK_MAINTAINER_DEPRECATED, in,
                   "Maintainer instruction is deprecated in favor of using label");
        break;
    default:
        break;
    }
}

/* ---- stages ---- */

/* What the stage starts with: from the stage that it is made from, or from its image. */
static void begin_stage(const struct checker *c, const struct stage *stage, const struct stage_facts *all,
                        struct stage_facts *facts)
{
    const struct check_options *options = c->options;
    if (stage->base_stage >= 0) {
        const struct stage_facts *base = &all[stage->base_stage];
        strmap_copy(&facts->names, &base->names);
        facts->names_known = base->names_known;
        facts->shell = base->shell;
        facts->workdir = base->workdir;
        return;
    }
    const struct strv *env = NULL;
    if (!stage->scratch && options->base_env != NULL)
        env = options->base_env(stage->base, options->data);
    facts->names_known = stage->scratch || env != NULL;
    strmap_set(&facts->names, "PATH", DEFAULT_PATH);
    for (size_t i = 0; env != NULL && i < env->count; i++) {
        CLEANUP_FREE char *name = xstrndup(env->items[i], strcspn(env->items[i], "="));
        strmap_set(&facts->names, name, strchr(env->items[i], '=') ? strchr(env->items[i], '=') + 1 : "");
    }
    for (size_t i = 0; options->build_args != NULL && i < options->build_args->count; i++)
        if (build_arg_is_proxy(options->build_args->items[i].key))
            strmap_set(&facts->names, options->build_args->items[i].key, options->build_args->items[i].value);
}

void check_stage_instructions(struct checker *c)
{
    const struct stages *stages = c->options->stages;
    struct stage_facts *all = xcalloc(stages->count, sizeof(*all));
    for (const struct instruction *in = c->file->instructions; in < stages->items[0].from; in++)
        check_args(c, NULL, in);
    for (size_t i = 0; i < stages->count; i++) {
        struct stage_check check = {.c = c, .facts = &all[i]};
        begin_stage(c, &stages->items[i], all, &all[i]);
        for (size_t j = 0; j < stages->items[i].instruction_count; j++)
            check_instruction(&check, &stages->items[i].instructions[j]);
    }
    for (size_t i = 0; i < stages->count; i++)
        strmap_release(&all[i].names);
    free(all);
}
