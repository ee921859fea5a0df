#include "daemon/build/needs.h"

#include <string.h>
#include <strings.h>

#include "base/path_match.h"
#include "daemon/build/step.h"
#include "image/container_config.h"

struct collector {
    const struct dockerfile *file;
    const struct stages *stages;
    const struct strmap *build_args;
    build_base_config_fn base;
    void *data;
    struct build_needs *needs;
    size_t capacity;
    bool *wanted, *done;              /* of each stage */
    struct container_config *configs; /* behind each stage that is done */
};

/* ---- the result ---- */

static struct build_need *find(const struct build_needs *needs, const char *name)
{
    for (size_t i = 0; i < needs->count; i++) {
        const char *other = needs->items[i].name;
        if (name != NULL && other != NULL ? strcasecmp(name, other) == 0 : name == other)
            return &needs->items[i];
    }
    return NULL;
}

const struct build_need *build_needs_get(const struct build_needs *needs, const char *name)
{
    return find(needs, name);
}

void build_needs_release(struct build_needs *needs)
{
    for (size_t i = 0; i < needs->count; i++) {
        free(needs->items[i].name);
        strv_release(&needs->items[i].paths);
    }
    free(needs->items);
    *needs = (struct build_needs){0};
}

/* As a pattern of what is included it means the same as here. */
static bool is_plain(const char *path)
{
    size_t size = strlen(path);
    return size > 0 && *path != '!' && strchr(path, '\\') == NULL && strspn(path, " \t\r\n\v\f") == 0 &&
           strchr(" \t\r\n\v\f", path[size - 1]) == NULL;
}

static void add_path(struct collector *c, const char *name, const char *source)
{
    struct build_need *need = find(c->needs, name);
    CLEANUP_FREE char *rooted = xasprintf("/%s", source);
    CLEANUP_FREE char *path = path_clean(rooted);
    if (need == NULL) {
        xgrow((void **)&c->needs->items, c->needs->count, &c->capacity, sizeof(*c->needs->items));
        need = &c->needs->items[c->needs->count++];
        *need = (struct build_need){.name = name != NULL ? xstrdup(name) : NULL};
    }
    if (!is_plain(path + 1) || need->paths.count >= BUILD_NEED_PATHS_MAX)
        need->all = true;
    else if (!strv_contains(&need->paths, path + 1))
        strv_add(&need->paths, path + 1);
}

/* ---- steps ---- */

static void want(struct collector *c, size_t index)
{
    c->wanted[index] = true;
    for (size_t i = index + 1; i-- > 0;) /* stages only take from earlier ones */
        for (size_t k = 0; c->wanted[i] && k < c->stages->items[i].needs_count; k++)
            c->wanted[c->stages->items[i].needs[k]] = true;
}

/* Something of `from`, or of the build context, is needed by stage `at`. */
static int take(struct collector *c, size_t at, const char *from, const char *source, struct error *err)
{
    int index = -1;
    if (from == NULL) {
        add_path(c, NULL, source);
        return 0;
    }
    for (size_t i = 0; i < c->stages->contexts.count; i++) {
        if (strcasecmp(c->stages->contexts.items[i], from) == 0) {
            add_path(c, c->stages->contexts.items[i], source);
            return 0;
        }
    }
    int r = stages_find(c->stages, at, from, &index, err);
    if (r == 0 && index >= 0)
        want(c, (size_t)index); /* a trigger's */
    return r;
}

static int take_copy(struct collector *c, size_t at, const struct step_copy *copy, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < copy->sources.count; i++) {
        const char *source = copy->sources.items[i];
        if (!copy->add || (!copy_source_is_url(source) && !copy_source_is_git(source)))
            r = take(c, at, copy->from, source, err);
    }
    return r;
}

static int take_mounts(struct collector *c, size_t at, const struct step_run *run, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < run->mount_count; i++) {
        const struct run_mount *mount = &run->mounts[i];
        if (mount->kind == RUN_MOUNT_BIND || mount->from != NULL)
            r = take(c, at, mount->from, mount->source != NULL ? mount->source : "/", err);
    }
    return r;
}

static int take_step(struct collector *c, size_t at, const struct instruction *in, struct build_scope *scope,
                     struct container_config *config, struct error *err)
{
    CLEANUP_BUILD_STEP struct build_step step = {0};
    bool cmd_set = false;
    int r = build_step_evaluate(in, scope, config, &step, NULL, err);
    if (r < 0)
        return r;
    if (step.kind == INSTRUCTION_COPY || step.kind == INSTRUCTION_ADD)
        r = take_copy(c, at, &step.copy, err);
    else if (step.kind == INSTRUCTION_RUN)
        r = take_mounts(c, at, &step.run, err);
    return r < 0 ? r : build_config_apply(&step, scope, config, &cmd_set, err);
}

/* ---- stages ---- */

static int take_triggers(struct collector *c, size_t at, struct build_scope *scope, struct container_config *config,
                         struct error *err)
{
    CLEANUP_STRV struct strv triggers = STRV_INIT;
    strv_copy(&triggers, &config->on_build);
    strv_clear(&config->on_build);
    int r = 0;
    for (size_t i = 0; r == 0 && i < triggers.count; i++) {
        struct instruction in = {0};
        r = instruction_parse(triggers.items[i], '\\', &in, err);
        if (r == 0)
            r = take_step(c, at, &in, scope, config, err);
        instruction_release(&in);
    }
    return r;
}

static int take_instructions(struct collector *c, const struct stage *stage, struct error *err)
{
    CLEANUP_BUILD_SCOPE struct build_scope scope = {0};
    struct container_config *config = &c->configs[stage->index];
    build_scope_init(&scope, c->stages, c->build_args, c->file->escape);
    int r = take_triggers(c, stage->index, &scope, config, err);
    for (size_t i = 0; r == 0 && i < stage->instruction_count; i++)
        r = take_step(c, stage->index, &stage->instructions[i], &scope, config, err);
    return r;
}

/* *ret_wrong: something that the build will stumble over. */
static int take_stage(struct collector *c, const struct stage *stage, bool *ret_wrong, struct error *err)
{
    struct container_config *config = &c->configs[stage->index];
    struct error wrong = {0};
    int r = 0;
    c->done[stage->index] = true;
    if (stage->base_stage >= 0)
        json_table_copy(&container_config_table, config, &c->configs[stage->base_stage]);
    else if (!stage->scratch)
        r = c->base(stage, config, c->data, err);
    if (r < 0)
        return r;
    build_scope_default_path(config);
    *ret_wrong = take_instructions(c, stage, &wrong) < 0;
    error_clear(&wrong);
    return 0;
}

static int take_all(struct collector *c, struct error *err)
{
    bool more = true, wrong = false;
    for (size_t i = 0; i < c->stages->count; i++)
        c->wanted[i] = c->stages->items[i].needed;
    /* Again where a trigger wants a stage that was passed over. */
    while (more) {
        more = false;
        for (size_t i = 0; i < c->stages->count; i++) {
            if (!c->wanted[i] || c->done[i])
                continue;
            int r = take_stage(c, &c->stages->items[i], &wrong, err);
            if (r < 0)
                return r;
            if (wrong) {
                add_path(c, NULL, "/");
                return 0;
            }
            more = true;
        }
    }
    return 0;
}

int build_needs_collect(const struct dockerfile *file, const struct stages *stages, const struct strmap *build_args,
                        build_base_config_fn base, void *data, struct build_needs *ret, struct error *err)
{
    struct build_needs needs = {0};
    struct collector c = {.file = file,
                          .stages = stages,
                          .build_args = build_args,
                          .base = base,
                          .data = data,
                          .needs = &needs,
                          .wanted = xcalloc(stages->count, sizeof(bool)),
                          .done = xcalloc(stages->count, sizeof(bool)),
                          .configs = xcalloc(stages->count, sizeof(struct container_config))};
    int r = take_all(&c, err);
    for (size_t i = 0; i < stages->count; i++)
        container_config_release(&c.configs[i]);
    free(c.configs);
    free(c.wanted);
    free(c.done);
    if (r < 0)
        build_needs_release(&needs);
    else
        *ret = needs;
    return r;
}
