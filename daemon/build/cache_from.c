#include "daemon/build/cache_from.h"

static bool continues(const struct image *image, const struct image *base)
{
    if (image->diff_ids.count < base->diff_ids.count || image->history_count < base->history_count)
        return false;
    for (size_t i = 0; i < base->diff_ids.count; i++)
        if (strcmp(image->diff_ids.items[i], base->diff_ids.items[i]) != 0)
            return false;
    return true;
}

void cache_from_begin(struct stage_run *run)
{
    const struct strv *images = &run->build->images;
    const struct image *base = run->state.base;
    if (run->no_cache)
        return;
    for (size_t i = 0; i < images->count; i++) {
        CLEANUP_IMAGE struct image *image = NULL;
        struct error err = {0};
        if (build_image(run->build, &run->infos[0], images->items[i], run->state.platform, false, &image, &err) < 0) {
            CLEANUP_FREE char *text = xasprintf("cache from %s: %s", images->items[i], err.message);
            build_progress_warning(&run->build->progress, &run->infos[0], text);
            continue;
        }
        if (base != NULL && !continues(image, base))
            continue;
        xgrow((void **)&run->candidates, run->candidate_count, &run->candidate_capacity, sizeof(*run->candidates));
        run->candidates[run->candidate_count++] =
            (struct cache_candidate){.image = TAKE_PTR(image),
                                     .line = base != NULL ? base->history_count : 0,
                                     .layer = base != NULL ? base->diff_ids.count : 0};
    }
}

static bool says(const struct cache_candidate *c, const char *created_by)
{
    const struct image *image = c->image;
    if (c->line >= image->history_count || image->history[c->line].created_by == NULL ||
        strcmp(image->history[c->line].created_by, created_by) != 0)
        return false;
    return image->history[c->line].empty_layer || c->layer < image->diff_ids.count;
}

bool cache_from_find(const struct stage_run *run, const char *created_by, const char **ret_diff_id,
                     int64_t *ret_created)
{
    for (size_t i = 0; i < run->candidate_count; i++) {
        const struct cache_candidate *c = &run->candidates[i];
        if (!says(c, created_by))
            continue;
        *ret_diff_id = c->image->history[c->line].empty_layer ? NULL : c->image->diff_ids.items[c->layer];
        *ret_created = c->image->history[c->line].created;
        return true;
    }
    return false;
}

bool cache_from_permits(const struct stage_run *run, const char *created_by)
{
    const struct build_options *o = run->build->options;
    const char *diff_id;
    int64_t created;
    return !o->cache_from_only || o->cache_from.count == 0 || cache_from_find(run, created_by, &diff_id, &created);
}

void cache_from_advance(struct stage_run *run, const char *created_by)
{
    size_t kept = 0;
    for (size_t i = 0; i < run->candidate_count; i++) {
        struct cache_candidate c = run->candidates[i];
        if (!says(&c, created_by)) {
            image_unref(c.image);
            continue;
        }
        c.layer += !c.image->history[c.line++].empty_layer;
        run->candidates[kept++] = c;
    }
    run->candidate_count = kept;
}

void cache_from_release(struct stage_run *run)
{
    for (size_t i = 0; i < run->candidate_count; i++)
        image_unref(run->candidates[i].image);
    free(run->candidates);
}
