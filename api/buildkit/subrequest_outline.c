/* frontend.outline: what a target can be given: build arguments with their values, secrets and ssh agents, of all the
 * stages that it needs. */
#include <stdlib.h>
#include <string.h>

#include "api/buildkit/subrequest.h"
#include "daemon/build/expand.h"
#include "daemon/build/step.h"

struct item {
    char *name, *value;
    const char *description; /* inside the file; NULL */
    bool required;
    const struct instruction *instruction;
};

struct items {
    struct item *list;
    size_t count, capacity;
};

struct outline {
    struct dockerfile file;
    struct stages stages;
    const struct strmap *build_args;
    struct container_config *configs; /* by stage: its Env */
    struct strv globals;              /* names of those in front of the stages that are used */
    struct items args, secrets, agents;
};

static void items_release(struct items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        free(items->list[i].name);
        free(items->list[i].value);
    }
    free(items->list);
}

static void outline_release(struct outline *o)
{
    for (size_t i = 0; o->configs && i < o->stages.count; i++)
        container_config_release(&o->configs[i]);
    free(o->configs);
    items_release(&o->args);
    items_release(&o->secrets);
    items_release(&o->agents);
    strv_release(&o->globals);
    stages_release(&o->stages);
    dockerfile_release(&o->file);
}

/* One of the same name is replaced: stages come behind those that they take from. */
static struct item *add_item(struct items *items, const char *name, const struct instruction *instruction)
{
    struct item *item = NULL;
    for (size_t i = 0; i < items->count && !item; i++)
        item = strcmp(items->list[i].name, name) == 0 ? &items->list[i] : NULL;
    if (!item) {
        xgrow((void **)&items->list, items->count, &items->capacity, sizeof(*items->list));
        item = &items->list[items->count++];
        *item = (struct item){.name = xstrdup(name)};
    }
    item->instruction = instruction;
    item->required = false;
    return item;
}

static void add_arg(struct outline *o, const struct instruction *in, const char *name, const char *value)
{
    struct item *item = add_item(&o->args, name, in);
    xstrset(&item->value, value);
    item->description = instruction_description(&o->file, in, name);
}

/* ---- arguments before the first stage ---- */

/* It is used. */
static const char *note_global(const char *name, void *data)
{
    struct outline *o = data;
    const char *value = strmap_get(&o->stages.globals, name);
    if (!strv_contains(&o->globals, name))
        strv_add(&o->globals, name);
    return value ? value : strmap_get(&o->stages.platform, name);
}

static int note_uses(struct outline *o, const char *text, struct error *err)
{
    CLEANUP_FREE char *value = NULL;
    const struct expand_options how = {.lookup = note_global, .data = o, .escape = o->file.escape};
    return expand_word(text, &how, &value, err);
}

static bool has_arg(const struct outline *o, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < o->args.count && !found; i++)
        found = strcmp(o->args.list[i].name, name) == 0;
    return found;
}

/* Those that are used belong to the outline, and so does what their defaults are made of. A default is made of what
 * stands before it, so that one pass backwards finds all. */
static int add_globals(struct outline *o, struct error *err)
{
    for (const struct instruction *in = o->stages.items[0].from; in-- > o->file.instructions;) {
        for (size_t i = in->words.count; i-- > 0;) {
            const char *word = in->words.items[i], *equals = strchr(word, '=');
            CLEANUP_FREE char *name = xstrndup(word, strcspn(word, "="));
            if (!strv_contains(&o->globals, name))
                continue;
            int r = equals && !strmap_get(o->build_args, name) ? note_uses(o, equals + 1, err) : 0;
            if (r < 0)
                return instruction_error(&o->file, in, err);
            if (!has_arg(o, name))
                add_arg(o, in, name, strmap_get(&o->stages.globals, name));
        }
    }
    return 0;
}

/* ---- stages ---- */

static void note_arg(struct outline *o, const struct build_scope *scope, const struct instruction *in, const char *word)
{
    CLEANUP_FREE char *name = xstrndup(word, strcspn(word, "="));
    bool inherits = !strchr(word, '=') && !strmap_get(o->build_args, name);
    if (inherits && (strmap_get(&o->stages.globals, name) || strmap_get(&o->stages.platform, name)))
        note_global(name, o);
    else
        add_arg(o, in, name, strmap_get(&scope->args, name));
}

static void note_mounts(struct outline *o, const struct build_step *step)
{
    for (size_t i = 0; i < step->run.mount_count; i++) {
        const struct run_mount *mount = &step->run.mounts[i];
        if (mount->kind == RUN_MOUNT_SECRET)
            add_item(&o->secrets, mount->id, step->instruction)->required = mount->required;
        else if (mount->kind == RUN_MOUNT_SSH)
            add_item(&o->agents, mount->id, step->instruction)->required = mount->required;
    }
}

static int note_instruction(struct outline *o, struct build_scope *scope, struct container_config *config,
                            const struct instruction *in, struct error *err)
{
    CLEANUP_BUILD_STEP struct build_step step = {0};
    bool cmd_set = false;
    if (in->kind != INSTRUCTION_ARG && in->kind != INSTRUCTION_ENV && in->kind != INSTRUCTION_RUN)
        return 0;
    int r = build_step_evaluate(in, scope, config, &step, NULL, err);
    if (r == 0)
        r = build_config_apply(&step, scope, config, &cmd_set, err);
    if (r < 0)
        return instruction_error(&o->file, in, err);
    for (size_t i = 0; in->kind == INSTRUCTION_ARG && i < in->words.count; i++)
        note_arg(o, scope, in, in->words.items[i]);
    if (in->kind == INSTRUCTION_RUN)
        note_mounts(o, &step);
    return 0;
}

static int note_stage(struct outline *o, const struct stage *stage, struct error *err)
{
    CLEANUP_BUILD_SCOPE struct build_scope scope;
    struct container_config *config = &o->configs[stage->index];
    const char *platform = instruction_flag(stage->from, "platform");
    build_scope_init(&scope, &o->stages, o->build_args, o->file.escape);
    if (stage->base_stage >= 0)
        json_table_copy(&container_config_table, config, &o->configs[stage->base_stage]);
    int r = note_uses(o, stage->from->words.items[0], err);
    if (r == 0 && platform)
        r = note_uses(o, platform, err);
    for (size_t i = 0; i < stage->instruction_count && r == 0; i++)
        r = note_instruction(o, &scope, config, &stage->instructions[i], err);
    return r;
}

static int collect(struct outline *o, const struct build_options *options, struct error *err)
{
    const struct stages_options how = {
        .build_args = &options->build_args, .target = options->target, .platform = options->platform};
    o->build_args = &options->build_args;
    int r = dockerfile_parse(options->dockerfile_name, options->dockerfile, options->dockerfile_size, &o->file, err);
    if (r == 0)
        r = stages_collect(&o->file, &how, &o->stages, err);
    if (r < 0)
        return r;
    o->configs = xcalloc(o->stages.count, sizeof(*o->configs));
    for (size_t i = 0; i < o->stages.count && r == 0; i++) {
        if (o->stages.items[i].needed)
            r = note_stage(o, &o->stages.items[i], err);
    }
    return r < 0 ? r : add_globals(o, err);
}

/* ---- the answer ---- */

/* As they stand in the file. */
static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->instruction != y->instruction)
        return x->instruction < y->instruction ? -1 : 1;
    return 0;
}

static void put_args(const struct items *items, struct json_writer *w, struct strbuf *text)
{
    CLEANUP_STRV struct strv cells = STRV_INIT;
    strv_add(&cells, "BUILD ARG");
    strv_add(&cells, "VALUE");
    strv_add(&cells, "DESCRIPTION");
    json_key(w, "args");
    json_begin_array(w);
    for (size_t i = 0; i < items->count; i++) {
        const struct item *item = &items->list[i];
        json_begin_object(w);
        json_member_string(w, "name", item->name);
        subrequest_put_optional(w, "description", item->description);
        subrequest_put_optional(w, "value", item->value);
        subrequest_put_location(w, item->instruction->first_line, item->instruction->last_line);
        json_end_object(w);
        strv_add(&cells, item->name);
        strv_add(&cells, item->value ? item->value : "");
        strv_add(&cells, item->description ? item->description : "");
    }
    json_end_array(w);
    subrequest_table(text, &cells, 3, 3);
    strbuf_addc(text, '\n');
}

static void put_mounts(const struct items *items, const char *key, const char *heading, struct json_writer *w,
                       struct strbuf *text)
{
    CLEANUP_STRV struct strv cells = STRV_INIT;
    strv_add(&cells, heading);
    strv_add(&cells, "REQUIRED");
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < items->count; i++) {
        const struct item *item = &items->list[i];
        json_begin_object(w);
        json_member_string(w, "name", item->name);
        if (item->required)
            json_member_bool(w, "required", true);
        subrequest_put_location(w, item->instruction->first_line, item->instruction->last_line);
        json_end_object(w);
        strv_add(&cells, item->name);
        strv_add(&cells, item->required ? "true" : "");
    }
    json_end_array(w);
    subrequest_table(text, &cells, 2, 3);
    strbuf_addc(text, '\n');
}

static void put_target(const struct outline *o, struct json_writer *w, struct strbuf *text)
{
    const struct stage *target = &o->stages.items[o->stages.target];
    const char *description = target->name ? instruction_description(&o->file, target->from, target->name) : NULL;
    if (!target->name)
        return;
    json_member_string(w, "name", target->name);
    subrequest_put_optional(w, "description", description);
    strbuf_addf(text, "%-*s%s\n", description ? 13 : 8, "TARGET:", target->name);
    if (description)
        strbuf_addf(text, "DESCRIPTION: %s\n", description);
    strbuf_addc(text, '\n');
}

static void sort_items(struct items *items)
{
    if (items->count > 1)
        qsort(items->list, items->count, sizeof(*items->list), compare_items);
}

static int answer(struct solve *solve, struct outline *o, const struct build_options *options, struct error *err)
{
    CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    sort_items(&o->args);
    sort_items(&o->secrets);
    sort_items(&o->agents);
    json_writer_init(&w, &json);
    json_begin_object(&w);
    put_target(o, &w, &text);
    if (o->args.count > 0)
        put_args(&o->args, &w, &text);
    if (o->secrets.count > 0)
        put_mounts(&o->secrets, "secrets", "SECRET", &w, &text);
    if (o->agents.count > 0)
        put_mounts(&o->agents, "ssh", "SSH", &w, &text);
    json_key(&w, "sources");
    json_begin_array(&w);
    subrequest_put_base64(&w, options->dockerfile, options->dockerfile_size);
    json_end_array(&w);
    json_end_object(&w);
    return subrequest_answer(solve, strbuf_str(&json), strbuf_str(&text), err);
}

int subrequest_outline(struct solve *solve, const struct build_options *options, struct error *err)
{
    struct outline o = {0};
    int r = collect(&o, options, err);
    if (r == 0)
        r = answer(solve, &o, options, err);
    outline_release(&o);
    return r;
}
