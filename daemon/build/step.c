#include "daemon/build/step.h"

#include <errno.h>
#include <string.h>

#include "base/path_match.h"
#include "daemon/build/expand.h"
#include "daemon/build/step_internal.h"
#include "daemon/signals.h"

/* ---- shared ---- */

static const char *lookup(const char *name, void *data)
{
    const struct step_context *c = data;
    return build_scope_get(c->scope, c->config, name);
}

int step_expand(const struct step_context *c, const char *text, char **ret, struct error *err)
{
    const struct expand_options options = {.lookup = lookup, .data = (void *)c, .escape = c->scope->escape};
    return expand_word(text, &options, ret, err);
}

void step_shell(const struct container_config *config, struct strv *ret)
{
    if (config->shell.count > 0) {
        strv_add_all(ret, &config->shell);
        return;
    }
    strv_add(ret, "/bin/sh");
    strv_add(ret, "-c");
}

int step_needs_arguments(const struct step_context *c, struct error *err)
{
    return error_set(err, ERROR_INVALID, EINVAL, "%s requires at least one argument",
                     instruction_kind_name(c->instruction->kind));
}

/* ---- instructions ---- */

static int evaluate_pairs(const struct step_context *c, struct build_step *step, struct error *err)
{
    const struct strv *words = &c->instruction->words;
    if (words->count == 0)
        return step_needs_arguments(c, err);
    for (size_t i = 0; i + 1 < words->count; i += 2) {
        CLEANUP_FREE char *name = NULL, *value = NULL;
        int r = step_expand(c, words->items[i], &name, err);
        if (r == 0)
            r = step_expand(c, words->items[i + 1], &value, err);
        if (r < 0)
            return r;
        if (*name == '\0')
            return error_set(err, ERROR_INVALID, EINVAL, "%s names can not be blank",
                             instruction_kind_name(c->instruction->kind));
        strmap_append(&step->pairs, name, value);
    }
    return 0;
}

static int evaluate_arg(const struct step_context *c, struct build_step *step, struct error *err)
{
    const struct strv *words = &c->instruction->words;
    if (words->count == 0)
        return step_needs_arguments(c, err);
    for (size_t i = 0; i < words->count; i++) {
        const char *equals = strchr(words->items[i], '=');
        size_t size = equals != NULL ? (size_t)(equals - words->items[i]) : strlen(words->items[i]);
        CLEANUP_FREE char *written = xstrndup(words->items[i], size), *name = NULL, *value = NULL;
        int r = step_expand(c, written, &name, err);
        if (r == 0 && equals != NULL)
            r = step_expand(c, equals + 1, &value, err);
        if (r < 0)
            return r;
        if (*name == '\0')
            return error_set(err, ERROR_INVALID, EINVAL, "ARG names can not be blank");
        strv_add(&step->names, name);
        if (value != NULL)
            strmap_append(&step->pairs, name, value);
    }
    return 0;
}

static int evaluate_expose(const struct step_context *c, struct build_step *step, struct error *err)
{
    const struct expand_options options = {.lookup = lookup, .data = (void *)c, .escape = c->scope->escape};
    CLEANUP_STRV struct strv sorted = STRV_INIT, words = STRV_INIT;
    if (c->instruction->words.count == 0)
        return step_needs_arguments(c, err);
    strv_copy(&sorted, &c->instruction->words);
    strv_sort(&sorted);
    int r = 0;
    for (size_t i = 0; r == 0 && i < sorted.count; i++)
        r = expand_words(sorted.items[i], &options, &words, err);
    for (size_t i = 0; r == 0 && i < words.count; i++)
        r = step_expose_ports(words.items[i], &step->list, err);
    if (r == 0) {
        CLEANUP_FREE char *joined = strv_join(&words, " ");
        step->shown = xasprintf("EXPOSE %s", joined);
    }
    return r;
}

static int evaluate_volume(const struct step_context *c, struct build_step *step, struct error *err)
{
    const struct strv *words = &c->instruction->words;
    if (words->count == 0)
        return step_needs_arguments(c, err);
    for (size_t i = 0; i < words->count; i++) {
        char *path = NULL;
        int r = step_expand(c, words->items[i], &path, err);
        if (r < 0)
            return r;
        strv_add_take(&step->list, path);
        if (path[strspn(path, " \t")] == '\0')
            return error_set(err, ERROR_INVALID, EINVAL, "VOLUME specified can not be an empty string");
    }
    return 0;
}

static int evaluate_shell(const struct step_context *c, struct build_step *step, struct error *err)
{
    if (!c->instruction->json)
        return error_set(err, ERROR_INVALID, EINVAL, "SHELL requires the arguments to be in JSON form");
    if (c->instruction->words.count == 0)
        return step_needs_arguments(c, err);
    strv_copy(&step->list, &c->instruction->words);
    return 0;
}

static int evaluate_command(const struct step_context *c, struct build_step *step, struct error *err)
{
    const struct strv *words = &c->instruction->words;
    (void)err;
    step->command.shell_form = !c->instruction->json;
    if (step->command.shell_form) {
        step_shell(c->config, &step->command.argv);
        strv_add(&step->command.argv, words->count > 0 ? words->items[0] : "");
    } else {
        strv_copy(&step->command.argv, words);
    }
    return 0;
}

static int exactly_one(const struct step_context *c, struct error *err)
{
    if (c->instruction->words.count == 1)
        return 0;
    return error_set(err, ERROR_INVALID, EINVAL, "%s requires exactly one argument",
                     instruction_kind_name(c->instruction->kind));
}

static int evaluate_text(const struct step_context *c, struct build_step *step, struct error *err)
{
    int r = exactly_one(c, err);
    return r == 0 ? step_expand(c, c->instruction->words.items[0], &step->text, err) : r;
}

static int evaluate_maintainer(const struct step_context *c, struct build_step *step, struct error *err)
{
    int r = exactly_one(c, err);
    if (r == 0)
        step->text = xstrdup(c->instruction->words.items[0]);
    return r;
}

static int evaluate_stop_signal(const struct step_context *c, struct build_step *step, struct error *err)
{
    int r = evaluate_text(c, step, err);
    if (r == 0 && signal_parse(step->text) < 0)
        return error_set(err, ERROR_INVALID, EINVAL, "Invalid signal: %s", step->text);
    return r;
}

static int evaluate_workdir(const struct step_context *c, struct build_step *step, struct error *err)
{
    CLEANUP_FREE char *path = NULL;
    const char *before = c->config->working_dir != NULL ? c->config->working_dir : "";
    int r = exactly_one(c, err);
    if (r == 0)
        r = step_expand(c, c->instruction->words.items[0], &path, err);
    if (r < 0)
        return r;
    if (*path == '\0')
        return error_set(err, ERROR_INVALID, EINVAL, "cannot normalize nothing");
    if (*path == '/') { /* docker keeps it as it is written */
        step->text = TAKE_PTR(path);
        return 0;
    }
    CLEANUP_FREE char *joined = xasprintf("/%s/%s", before, path);
    step->text = path_clean(joined);
    return 0;
}

/* The trigger's text, heredocs put behind it, so that it can be read again. */
static int evaluate_onbuild(const struct step_context *c, struct build_step *step, struct error *err)
{
    const struct instruction *trigger = c->instruction->trigger;
    if (trigger == NULL)
        return step_needs_arguments(c, err);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, c->instruction->rest);
    for (size_t i = 0; i < trigger->heredoc_count; i++)
        strbuf_addf(&text, "\n%s%s", trigger->heredocs[i].content, trigger->heredocs[i].name);
    step->text = strbuf_take(&text);
    return 0;
}

static int evaluate_run(const struct step_context *c, struct build_step *step, struct error *err)
{
    return step_run_evaluate(c, &step->run, err);
}

static int evaluate_copy(const struct step_context *c, struct build_step *step, struct error *err)
{
    return step_copy_evaluate(c, &step->copy, err);
}

static int evaluate_health(const struct step_context *c, struct build_step *step, struct error *err)
{
    return step_health_evaluate(c, &step->health, err);
}

static int evaluate_from(const struct step_context *c, struct build_step *step, struct error *err)
{
    (void)c;
    (void)step;
    return error_set(err, ERROR_INVALID, EINVAL, "FROM begins a stage and is no step");
}

static const struct {
    int (*evaluate)(const struct step_context *c, struct build_step *step, struct error *err);
} evaluators[INSTRUCTION_KINDS] = {
    [INSTRUCTION_ADD] = {evaluate_copy},
    [INSTRUCTION_ARG] = {evaluate_arg},
    [INSTRUCTION_CMD] = {evaluate_command},
    [INSTRUCTION_COPY] = {evaluate_copy},
    [INSTRUCTION_ENTRYPOINT] = {evaluate_command},
    [INSTRUCTION_ENV] = {evaluate_pairs},
    [INSTRUCTION_EXPOSE] = {evaluate_expose},
    [INSTRUCTION_FROM] = {evaluate_from},
    [INSTRUCTION_HEALTHCHECK] = {evaluate_health},
    [INSTRUCTION_LABEL] = {evaluate_pairs},
    [INSTRUCTION_MAINTAINER] = {evaluate_maintainer},
    [INSTRUCTION_ONBUILD] = {evaluate_onbuild},
    [INSTRUCTION_RUN] = {evaluate_run},
    [INSTRUCTION_SHELL] = {evaluate_shell},
    [INSTRUCTION_STOPSIGNAL] = {evaluate_stop_signal},
    [INSTRUCTION_USER] = {evaluate_text},
    [INSTRUCTION_VOLUME] = {evaluate_volume},
    [INSTRUCTION_WORKDIR] = {evaluate_workdir},
};

int build_step_evaluate(const struct instruction *instruction, const struct build_scope *scope,
                        const struct container_config *config, struct build_step *ret, struct strv *warnings,
                        struct error *err)
{
    const struct step_context context = {
        .instruction = instruction, .scope = scope, .config = config, .warnings = warnings};
    struct build_step step = {.kind = instruction->kind, .instruction = instruction};
    int r = evaluators[instruction->kind].evaluate(&context, &step, err);
    if (r < 0) {
        build_step_release(&step);
        return r;
    }
    if (step.shown == NULL)
        step.shown = step_show(&step);
    *ret = step;
    return 0;
}

static void release_health(struct health_config *health)
{
    strv_release(&health->test);
}

void build_step_release(struct build_step *step)
{
    switch (step->kind) {
    case INSTRUCTION_RUN:
        step_run_release(&step->run);
        break;
    case INSTRUCTION_ADD:
    case INSTRUCTION_COPY:
        step_copy_release(&step->copy);
        break;
    case INSTRUCTION_ENV:
    case INSTRUCTION_LABEL:
    case INSTRUCTION_ARG:
        strmap_release(&step->pairs);
        break;
    case INSTRUCTION_EXPOSE:
    case INSTRUCTION_VOLUME:
    case INSTRUCTION_SHELL:
        strv_release(&step->list);
        break;
    case INSTRUCTION_CMD:
    case INSTRUCTION_ENTRYPOINT:
        strv_release(&step->command.argv);
        break;
    case INSTRUCTION_HEALTHCHECK:
        release_health(&step->health);
        break;
    default:
        free(step->text);
    }
    strv_release(&step->names);
    free(step->shown);
    *step = (struct build_step){0};
}

bool build_step_makes_layer(const struct build_step *step)
{
    return step->kind == INSTRUCTION_RUN || step->kind == INSTRUCTION_COPY || step->kind == INSTRUCTION_ADD ||
           step->kind == INSTRUCTION_WORKDIR;
}
