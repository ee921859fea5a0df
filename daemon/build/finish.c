#include "daemon/build/finish.h"

#include "archive/pack.h"
#include "base/db.h"
#include "base/fd.h"
#include "daemon/build/squash.h"
#include "daemon/engine_internal.h"
#include "image/compose.h"

/* "docker/dockerfile", from whatever registry, with any tag or digest: the language that is built in. */
static bool is_own_syntax(const char *name)
{
    static const char *const own[] = {"docker/dockerfile", "docker/dockerfile-upstream"};
    CLEANUP_FREE char *image = xstrndup(name, strcspn(name, " \t"));
    struct reference ref = {0};
    bool fits = strcmp(image, "dockerfile.v0") == 0;
    if (!fits && reference_parse(image, &ref, NULL) == 0)
        for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
            const char *end = strlen(ref.path) >= strlen(own[i]) ? ref.path + strlen(ref.path) - strlen(own[i]) : "";
            fits = fits || (strcmp(end, own[i]) == 0 && (end == ref.path || end[-1] == '/'));
        }
    reference_release(&ref);
    return fits;
}

/* A Dockerfile in another language is not for us to guess at. */
static int check_syntax(const struct build *build, struct error *err)
{
    const char *given = strmap_get(&build->options->build_args, "BUILDKIT_SYNTAX");
    const char *syntax = given != NULL && given[0] != 0 ? given : build->file.syntax;
    if (syntax == NULL || syntax[0] == 0 || is_own_syntax(syntax))
        return 0;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                     "syntax=%s is not supported: the language of docker/dockerfile is built in, and no other frontend "
                     "can be run",
                     syntax);
}

int build_check_options(struct build *build, struct error *err)
{
    const struct build_options *o = build->options;
    const char *network = o->host.network_mode;
    int r = check_syntax(build, err);
    if (r < 0)
        return r;
    if (network != NULL && strcmp(network, "host") == 0 && !o->allow_network_host)
        return error_set(err, ERROR_FORBIDDEN, 0, "build: the network of the host is not allowed");
    return 0;
}

/* ---- The image ---- */

/* Lines and layers of the target above its base. */
static int collect(struct build *build, const struct build_state *state, struct image_history *steps,
                   struct strv *diff_ids, int64_t *ret_created, struct error *err)
{
    (void)build;
    for (size_t i = 0; i < state->line_count; i++) {
        const struct build_line *line = &state->lines[i];
        const struct draft_info *info = NULL;
        int r = line->layer != NULL ? build_layer_wait(line->layer, &info, err) : 0;
        if (r < 0)
            return r;
        bool empty = info == NULL || info->empty;
        if (!empty)
            strv_add(diff_ids, info->diff_id);
        steps[i] = (struct image_history){.created = line->created,
                                          .created_by = line->created_by,
                                          .author = line->author,
                                          .comment = line->comment,
                                          .empty_layer = empty};
        *ret_created = line->created > *ret_created ? line->created : *ret_created;
    }
    return 0;
}

/* An image that nothing was added to is its base itself. */
static int name_base(struct build *build, const struct build_state *state, struct error *err)
{
    const struct build_options *o = build->options;
    snprintf(build->result->image_id, sizeof(build->result->image_id), "%s", state->base->id);
    return o->tag_count > 0 ? image_add_refs(engine_images(build->engine), state->base->id, o->tags, o->tag_count, err)
                            : 0;
}

/* The lines stay, the layers become one with a line of its own, as docker does it. */
static int squash(struct build *build, const struct build_state *state, struct image_history *steps, size_t *count,
                  struct strv *diff_ids, struct build_layer **ret, struct error *err)
{
    const struct draft_info *info;
    if (!build->options->squash || diff_ids->count == 0)
        return 0;
    int r = build_squash(build, state, ret, err);
    if (r == 0)
        r = build_layer_wait(*ret, &info, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < *count; i++)
        steps[i].empty_layer = true;
    strv_clear(diff_ids);
    if (info->empty)
        return 0;
    strv_add(diff_ids, info->diff_id);
    steps[(*count)++] = (struct image_history){.created = build_time(build), .comment = (char *)"squashed"};
    return 0;
}

static int make_image(struct build *build, const struct build_state *state, struct error *err)
{
    const struct build_options *o = build->options;
    CLEANUP_STRV struct strv diff_ids = STRV_INIT;
    CLEANUP_BUILD_LAYER struct build_layer *squashed = NULL;
    CLEANUP_FREE struct image_history *steps = xcalloc(state->line_count + 1, sizeof(*steps));
    size_t count = state->line_count;
    int64_t created = 0;
    if (state->line_count == 0 && state->base != NULL)
        return name_base(build, state, err);
    int r = collect(build, state, steps, &diff_ids, &created, err);
    if (r == 0)
        r = squash(build, state, steps, &count, &diff_ids, &squashed, err);
    if (r < 0)
        return r;
    const struct image_compose what = {.base = state->base,
                                       .platform = state->platform,
                                       .author = state->author,
                                       .config = &state->config,
                                       .steps = steps,
                                       .step_count = count,
                                       .diff_ids = &diff_ids,
                                       .created = created != 0 ? created : build_time(build),
                                       .refs = o->tags,
                                       .ref_count = o->tag_count};
    return image_compose(engine_images(build->engine), &what, build->result->image_id, err);
}

static void tell_image(struct build *build)
{
    const char *id = build->result->image_id;
    if (*id != '\0')
        engine_image_event(build->engine, "create", id, id);
    for (size_t i = 0; i < build->options->tag_count; i++) {
        CLEANUP_FREE char *name = reference_familiar(&build->options->tags[i]);
        engine_image_event(build->engine, "tag", id, name);
    }
}

/* ---- The tree ---- */

static int send_tree(struct build *build, const struct build_state *state, struct error *err)
{
    const struct build_options *o = build->options;
    const struct pack_options options = {.contents_only = true, .name = o->tree_name != NULL ? o->tree_name : ""};
    if (state->base == NULL && state->layer_count == 0)
        return 0;
    CLEANUP_CLOSE int view = build_state_view(build, state, false, err);
    return view < 0 ? view : pack_tree(o->tree, view, &options, err);
}

/* ---- The cache ---- */

static int write_rows(struct build *build, struct error *err)
{
    struct db *db = engine_db(build->engine);
    int r = db_begin(db, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < build->new_row_count; i++)
        r = cache_put(db, build->new_rows[i], err);
    if (r == 0)
        r = cache_touch(db, &build->touched, err);
    if (r < 0) {
        db_rollback(db);
        return r;
    }
    return db_commit(db, err);
}

int build_finish(struct build *build, struct error *err)
{
    struct stage_run *run = &build->runs[build->stages.target];
    const struct build_state *state = &run->state;
    size_t last = run->stage->instruction_count + (build->options->labels.count > 0);
    int r = 0;
    if (build->options->tree != NULL)
        r = send_tree(build, state, err);
    if (r == 0 && !build->options->no_image)
        r = make_image(build, state, err);
    if (r == 0)
        r = write_rows(build, err);
    if (r < 0)
        return r;
    const char *id = build->result->image_id;
    build_progress_done(&build->progress, &run->infos[last], id[0] != 0 ? id + strlen("sha256:") : state->key, NULL);
    tell_image(build);
    return 0;
}
