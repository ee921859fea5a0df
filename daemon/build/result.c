/* The result of a step that makes files: from the cache, from another build that is at it, or made. */
#include <errno.h>

#include "base/db.h"
#include "base/id.h"
#include "base/timestamp.h"
#include "daemon/build/cache_from.h"
#include "daemon/build/cache_import.h"
#include "daemon/build/execute.h"
#include "daemon/build/key.h"
#include "daemon/engine.h"

struct found {
    struct build_layer *layer; /* a reference; NULL: the step changes no file */
    char *content;
    int64_t created;
    char nonce[CACHE_NONCE_MAX];
    bool there;
};

static void found_release(struct found *found)
{
    build_layer_unref(found->layer);
    free(found->content);
}

static int look_up(const struct step_context *step, const char *key, struct found *ret, struct error *err)
{
    struct build *build = step->run->build;
    CLEANUP_CACHE_ROW struct cache_row *row = NULL;
    struct error gone = {0};
    int r = cache_import_find(build, key, &row, err);
    if (r < 0 || row == NULL)
        return r;
    if (row->diff_id[0] != 0 && build_layer_open(build->service, row->diff_id, &ret->layer, &gone) < 0)
        return gone.kind == ERROR_NOT_FOUND ? 0 : error_propagate(err, &gone); /* pruned just now */
    ret->there = true;
    ret->content = xstrdup(row->content);
    ret->created = row->created;
    memcpy(ret->nonce, row->nonce, sizeof(ret->nonce));
    build_touch(build, key);
    return 0;
}

/* NULL: there is no such key. */
static struct cache_row *further_row(const struct step_context *step, const struct step_maker *maker, const char *key,
                                     int64_t created)
{
    if (key == NULL || key[0] == 0)
        return NULL;
    struct cache_row *row = cache_row_new(key, maker->key, step->info->text, maker->content);
    row->created = created;
    row->result_only = true;
    return row;
}

/* A result that was found by its contents gets the quicker key, too. */
static int put_second(const struct step_context *step, const struct step_maker *maker, const struct found *found,
                      struct error *err)
{
    struct build *build = step->run->build;
    struct db *db = engine_db(build->engine);
    CLEANUP_CACHE_ROW struct cache_row *row = further_row(step, maker, maker->second_key, found->created);
    if (row == NULL)
        return 0;
    int r = db_begin(db, err);
    if (r < 0)
        return r;
    if (found->layer != NULL)
        r = cache_row_use(row, engine_images(build->engine), &found->layer->info, err);
    if (r == 0)
        r = cache_put(db, row, err);
    if (r < 0) {
        db_rollback(db);
        return r;
    }
    return db_commit(db, err);
}

/* flying: others wait for it. */
static int make(const struct step_context *step, const struct step_maker *maker, bool flying, struct found *ret,
                struct error *err)
{
    struct build *build = step->run->build;
    build_work_begin(build);
    int r = build_given_up(build) ? error_set(err, ERROR_CANCELLED, ECANCELED, "build cancelled")
                                  : maker->make(step, &ret->layer, maker->data, err);
    build_work_end(build);
    if (r == 0) {
        ret->created = build_time(build);
        ret->layer->created = ret->created;
        if (maker->differs)
            id_random_hex(ret->nonce, (sizeof(ret->nonce) - 1) / 2);
        memcpy(ret->layer->nonce, ret->nonce, sizeof(ret->nonce));
        ret->content = xstrdup(maker->content);
        ret->there = true;
    }
    if (flying)
        build_flight_land(build->service, maker->key, ret->layer, ret->content);
    if (r < 0)
        return r;
    struct build_digest digest = {.record =
                                      cache_row_new(maker->key, step->state->record, step->info->text, maker->content),
                                  .second = further_row(step, maker, maker->second_key, ret->created),
                                  .place = further_row(step, maker, maker->place_key, ret->created),
                                  .flying = flying,
                                  .not_after = build->options->source_date_epoch};
    digest.record->created = ret->created;
    memcpy(digest.record->nonce, ret->nonce, sizeof(ret->nonce));
    build_layer_digest(ret->layer, &digest);
    return 0;
}

/* Makes it, or gets it from who is making it. */
static int fly(const struct step_context *step, const struct step_maker *maker, struct found *ret, bool *ret_cached,
               struct error *err)
{
    struct build *build = step->run->build;
    struct build_layer *layer = NULL;
    *ret_cached = false;
    if (step->no_cache)
        return make(step, maker, false, ret, err);
    int r = build_flight_enter(build->service, maker->key, build_given_up, build, &layer, &ret->content, err);
    if (r < 0)
        return r;
    if (layer != NULL) {
        *ret_cached = true;
        ret->layer = layer;
        ret->created = layer->created;
        memcpy(ret->nonce, layer->nonce, sizeof(ret->nonce));
        ret->there = true;
        return 0;
    }
    /* Between the first look and the take-off somebody may have landed. */
    r = look_up(step, maker->key, ret, err);
    if (r == 0 && !ret->there)
        return make(step, maker, true, ret, err);
    *ret_cached = r == 0;
    build_flight_land(build->service, maker->key, NULL, NULL);
    return r;
}

static char *history_line(const struct step_context *step, const char *content)
{
    struct strbuf text = STRBUF_INIT;
    build_step_history(step->step, &step->run->scope, &step->state->config, content, &text);
    return strbuf_take(&text);
}

/* Whether a line of history says all that the step's result comes from. What a RUN mounts it does not say. */
static bool line_says_all(const struct step_context *step)
{
    const struct step_run *run = &step->step->run;
    const struct host_config *host = &step->run->build->options->host;
    if (step->step->kind != INSTRUCTION_RUN)
        return true;
    return run->mount_count == 0 && !run->network_set && run->security == RUN_SECURITY_SANDBOX && run->script == NULL &&
           host->extra_hosts.count == 0;
}

/* In an image of --cache-from. The layer's digest is its nonce: what its history says is believed for this build only.
 */
static int look_elsewhere(const struct step_context *step, const struct step_maker *maker, struct found *ret,
                          struct error *err)
{
    CLEANUP_FREE char *line = history_line(step, maker->content);
    const char *diff_id = NULL;
    if (!line_says_all(step) || !cache_from_find(step->run, line, &diff_id, &ret->created))
        return 0;
    int r = diff_id != NULL ? build_layer_open(step->run->build->service, diff_id, &ret->layer, err) : 0;
    if (r < 0)
        return r;
    if (step->run->build->options->source_date_epoch != NULL)
        ret->created = build_time(step->run->build);
    snprintf(ret->nonce, sizeof(ret->nonce), "%.32s", diff_id != NULL ? diff_id + strlen("sha256:") : "none");
    ret->content = xstrdup(maker->content);
    ret->there = true;
    return 0;
}

/* The step's place in the state. */
static void keep(const struct step_context *step, const struct step_maker *maker, struct found *found)
{
    struct build_state *state = step->state;
    char *line = history_line(step, found->content);
    strv_add(&step->run->keys, maker->key);
    if (maker->second_key && maker->second_key[0] != 0)
        strv_add(&step->run->keys, maker->second_key);
    cache_from_advance(step->run, line);
    build_state_add_line(state, line, found->created, found->layer);
    if (found->layer != NULL)
        build_state_add_layer(state, TAKE_PTR(found->layer));
    snprintf(state->record, sizeof(state->record), "%s", maker->key);
    snprintf(state->key, sizeof(state->key), "%s", maker->chain_key != NULL ? maker->chain_key : maker->key);
    if (found->nonce[0] != 0) {
        struct key key;
        key_begin(&key, "result");
        key_text(&key, state->key);
        key_text(&key, found->nonce);
        key_final(&key, state->key);
    }
    state->config_key[0] = 0;
}

int step_second(const struct step_context *step, const char *second_key, char ret_key[DIGEST_HEX_MAX],
                char **ret_content, bool *ret_known, struct error *err)
{
    struct build *build = step->run->build;
    CLEANUP_CACHE_ROW struct cache_row *second = NULL;
    CLEANUP_CACHE_ROW struct cache_row *row = NULL;
    int r = cache_import_find(build, second_key, &second, err);
    if (r == 0 && second != NULL) {
        build_touch(build, second->parent); /* before it is looked for: from then on it stays */
        r = cache_import_find(build, second->parent, &row, err);
    }
    if (r < 0 || row == NULL)
        return r;
    memcpy(ret_key, row->key, sizeof(row->key));
    *ret_content = xstrdup(row->content);
    *ret_known = true;
    strv_add(&step->run->keys, second_key);
    build_touch(build, second_key);
    return 0;
}

int step_result(const struct step_context *asked, const struct step_maker *maker, struct error *err)
{
    CLEANUP(found_release) struct found found = {0};
    CLEANUP_FREE char *line = history_line(asked, maker->content);
    struct step_context context = *asked;
    const struct step_context *step = &context;
    bool cached = true;
    int r = 0;
    context.no_cache = asked->no_cache || !cache_from_permits(asked->run, line);
    if (!step->no_cache)
        r = look_up(step, maker->key, &found, err);
    bool quick = found.there;
    if (r == 0 && !quick && !step->no_cache)
        r = look_elsewhere(step, maker, &found, err);
    if (r == 0 && !found.there)
        r = fly(step, maker, &found, &cached, err);
    if (r == 0 && quick)
        r = put_second(step, maker, &found, err);
    if (r < 0)
        return r;
    if (cached)
        build_progress_cached(&step->run->build->progress, step->info);
    else
        step->state->reused = false;
    keep(step, maker, &found);
    return 0;
}
