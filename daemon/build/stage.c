/* One stage, instruction after instruction. */
#include <errno.h>

#include "base/db.h"
#include "daemon/build/cache_from.h"
#include "daemon/build/cache_import.h"
#include "daemon/build/execute.h"
#include "daemon/build/key.h"
#include "daemon/engine.h"

/* A name for what is there behind a step; the image's id comes with the last one. */
static void state_id(const struct build_state *state, char ret[DIGEST_HEX_MAX])
{
    struct key key;
    key_begin(&key, "state");
    key_text(&key, state->key);
    key_text(&key, state->config_key);
    key_final(&key, ret);
}

/* ---- Steps that only change the config ---- */

static void new_row(struct build *build, struct cache_row *row)
{
    pthread_mutex_lock(&build->lock);
    xgrow((void **)&build->new_rows, build->new_row_count, &build->new_row_capacity, sizeof(*build->new_rows));
    build->new_rows[build->new_row_count++] = row;
    pthread_mutex_unlock(&build->lock);
}

/* Their results are nothing but the time at which they first happened, which an image that is built again shows. */
static int config_time(const struct step_context *step, const char *config_key, const char *created_by,
                       int64_t *ret_created, struct error *err)
{
    struct build *build = step->run->build;
    CLEANUP_CACHE_ROW struct cache_row *row = NULL;
    const char *none;
    char id[DIGEST_HEX_MAX];
    struct key key;
    key_begin(&key, "config result");
    key_text(&key, step->state->key);
    key_text(&key, config_key);
    key_int(&key, build->options->source_date_epoch != NULL ? *build->options->source_date_epoch : -1);
    key_final(&key, id);
    strv_add(&step->run->keys, id);
    int r = step->no_cache ? 0 : cache_import_find(build, id, &row, err);
    if (r < 0)
        return r;
    bool found = row != NULL && step->state->reused && cache_from_permits(step->run, created_by);
    if (found)
        build_touch(build, id);
    if (found || cache_from_find(step->run, created_by, &none, ret_created)) {
        build_progress_cached(&build->progress, step->info);
        *ret_created = found ? row->created : build->options->source_date_epoch ? build_time(build) : *ret_created;
        return 0;
    }
    *ret_created = build_time(build);
    step->state->reused = false;
    struct cache_row *made = cache_row_new(id, step->state->record, step->info->text, NULL);
    made->result_only = true;
    made->created = *ret_created;
    new_row(build, made);
    return 0;
}

static int step_config(const struct step_context *step, struct error *err)
{
    struct build_state *state = step->state;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    char config_key[DIGEST_HEX_MAX];
    struct key key;
    int64_t created = 0;
    key_begin(&key, "config");
    key_text(&key, state->config_key);
    key_text(&key, step->step->shown);
    key_final(&key, config_key);
    build_step_history(step->step, &step->run->scope, &state->config, NULL, &text);
    int r = config_time(step, config_key, strbuf_str(&text), &created, err);
    if (r < 0)
        return r;
    memcpy(state->config_key, config_key, sizeof(config_key));
    if (step->step->kind == INSTRUCTION_MAINTAINER)
        xstrset(&state->author, step->step->text);
    cache_from_advance(step->run, strbuf_str(&text));
    build_state_add_line(state, strbuf_take(&text), created, NULL);
    return 0;
}

/* ---- Any step ---- */

static int execute(const struct step_context *step, struct error *err)
{
    switch (step->step->kind) {
    case INSTRUCTION_RUN:
        return step_run(step, err);
    case INSTRUCTION_ADD:
    case INSTRUCTION_COPY:
        return step_copy(step, err);
    case INSTRUCTION_WORKDIR:
        return step_workdir(step, err);
    default:
        return step_config(step, err);
    }
}

static int run_evaluated(struct stage_run *run, const struct build_step_info *info, const struct build_step *step,
                         struct error *err)
{
    const struct step_context context = {
        .run = run, .info = info, .step = step, .state = &run->state, .no_cache = run->no_cache};
    /* WORKDIR's directory and line come from the config before and behind it alike. */
    int r = execute(&context, err);
    return r < 0 ? r : build_config_apply(step, &run->scope, &run->state.config, &run->state.cmd_set, err);
}

static int evaluate(struct stage_run *run, const struct build_step_info *info, const struct instruction *instruction,
                    struct build_step *ret, struct error *err)
{
    CLEANUP_STRV struct strv warnings = STRV_INIT;
    int r = build_step_evaluate(instruction, &run->scope, &run->state.config, ret, &warnings, err);
    for (size_t i = 0; i < warnings.count; i++)
        build_progress_warning(&run->build->progress, info, warnings.items[i]);
    return r;
}

static int run_instruction(struct stage_run *run, const struct build_step_info *info,
                           const struct instruction *instruction, struct error *err)
{
    CLEANUP_BUILD_STEP struct build_step step = {0};
    const struct dockerfile *file = info->first_line != 0 ? &run->build->file : NULL;
    struct error failed = {0};
    build_progress_started(&run->build->progress, info);
    int r = evaluate(run, info, instruction, &step, &failed);
    if (r < 0)
        instruction_error(file, instruction, &failed);
    if (r == 0)
        r = run_evaluated(run, info, &step, &failed);
    if (r < 0) {
        build_progress_done(&run->build->progress, info, NULL, &failed);
        return error_propagate(err, &failed);
    }
    return 0;
}

static void done(struct stage_run *run, const struct build_step_info *info)
{
    char id[DIGEST_HEX_MAX];
    state_id(&run->state, id);
    build_progress_done(&run->build->progress, info, id, NULL);
}

/* ---- FROM and what it brings ---- */

/* How many of the triggers make files. What cannot be read is said when it is its turn. */
static int count_places(const struct strv *triggers)
{
    int count = 0;
    for (size_t i = 0; i < triggers->count; i++) {
        struct instruction instruction = {0};
        if (instruction_parse(triggers->items[i], '\\', &instruction, NULL) == 0)
            count += build_makes_files(instruction.kind);
        instruction_release(&instruction);
    }
    return count;
}

/* The steps behind FROM, of which nothing was told yet, make room for those of the triggers. */
static void shift_places(struct stage_run *run, int count)
{
    for (size_t i = 1; i <= run->stage->instruction_count; i++) {
        run->infos[i].places += count;
        if (run->infos[i].place > 0)
            run->infos[i].place += count;
    }
}

/* Triggers of the base run in this stage and are not handed on (docker's reference, ONBUILD). */
static int run_triggers(struct stage_run *run, struct error *err)
{
    CLEANUP_STRV struct strv triggers = STRV_INIT;
    strv_copy(&triggers, &run->state.config.on_build);
    strv_clear(&run->state.config.on_build);
    int r = 0, place = run->infos[0].place, count = count_places(&triggers);
    shift_places(run, count);
    for (size_t i = 0; r == 0 && i < triggers.count; i++) {
        struct instruction instruction = {0};
        struct build_step_info *info = build_trigger_info(run, triggers.items[i]);
        r = instruction_parse(triggers.items[i], '\\', &instruction, err);
        if (r < 0)
            return error_context(err, "ONBUILD %s", triggers.items[i]);
        info->place = build_makes_files(instruction.kind) ? ++place : 0;
        info->places = run->infos[0].places + count;
        if (instruction.kind == INSTRUCTION_ONBUILD || instruction.kind == INSTRUCTION_FROM ||
            instruction.kind == INSTRUCTION_MAINTAINER)
            r = error_set(err, ERROR_INVALID, 0, "%s isn't allowed as an ONBUILD trigger",
                          instruction_kind_name(instruction.kind));
        if (r == 0)
            r = run_instruction(run, info, &instruction, err);
        if (r == 0)
            done(run, info);
        instruction_release(&instruction);
    }
    return r;
}

static int run_from(struct stage_run *run, struct error *err)
{
    const struct build_step_info *info = &run->infos[0];
    struct error failed = {0};
    build_progress_started(&run->build->progress, info);
    int r = build_base(run, &failed);
    if (r == 0 && run->stage->base_stage < 0)
        cache_from_begin(run);
    if (r == 0)
        r = run_triggers(run, &failed);
    if (r < 0) {
        build_progress_done(&run->build->progress, info, NULL, &failed);
        return error_propagate(err, &failed);
    }
    return 0;
}

/* --label, as a LABEL behind the last instruction. */
static int run_labels(struct stage_run *run, const struct build_step_info *info, struct error *err)
{
    struct strbuf CLEANUP_STRBUF shown = STRBUF_INIT;
    struct instruction instruction = {.kind = INSTRUCTION_LABEL};
    struct build_step step = {
        .kind = INSTRUCTION_LABEL, .instruction = &instruction, .pairs = run->build->options->labels};
    strbuf_adds(&shown, info->text);
    step.shown = (char *)strbuf_str(&shown);
    build_progress_started(&run->build->progress, info);
    return run_evaluated(run, info, &step, err);
}

int stage_run_build(struct stage_run *run, struct error *err)
{
    const struct stage *stage = run->stage;
    struct build *build = run->build;
    bool target = stage->index == build->stages.target;
    size_t count = 1 + stage->instruction_count + (target && build->options->labels.count > 0);
    int r = run_from(run, err);
    for (size_t i = 1; r == 0 && i < count; i++) {
        done(run, &run->infos[i - 1]);
        if (build_given_up(build))
            return error_set(err, ERROR_CANCELLED, ECANCELED, "build cancelled");
        r = i <= stage->instruction_count ? run_instruction(run, &run->infos[i], &stage->instructions[i - 1], err)
                                          : run_labels(run, &run->infos[i], err);
    }
    /* The end of the target's last step is told with the image's id. */
    if (r == 0 && !target)
        done(run, &run->infos[count - 1]);
    return r;
}

int stage_wait(struct stage_run *by, size_t index, const struct build_state **ret, struct error *err)
{
    struct build *build = by->build;
    struct stage_run *run = &build->runs[index];
    build_need_stage(by, index);
    pthread_mutex_lock(&build->lock);
    while (run->status == STAGE_WAITING && !build->failed)
        pthread_cond_wait(&build->changed, &build->lock);
    bool done = run->status == STAGE_DONE;
    pthread_mutex_unlock(&build->lock);
    if (!done)
        return error_propagate(err, &build->error);
    *ret = &run->state;
    return 0;
}
