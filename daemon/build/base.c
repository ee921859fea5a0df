/* What a stage starts from, and the images that steps take files from. */
#include <errno.h>

#include "daemon/build/execute.h"
#include "daemon/build/key.h"
#include "daemon/engine.h"
#include "image/platform.h"

/* ---- Images ---- */

struct pulling {
    struct build *build;
    const struct build_step_info *info;
};

static int on_progress(const char *id, const char *status, int64_t current, int64_t total, void *data)
{
    struct pulling *p = data;
    build_progress_line(&p->build->progress, p->info, id, status, current, total);
    return build_given_up(p->build);
}

static int pull_image(struct build *build, const struct build_step_info *info, const char *name, const char *platform,
                      struct error *err)
{
    static const struct registry_config none;
    const struct build_options *options = build->options;
    struct pulling pulling = {.build = build, .info = info};
    struct reference ref = {0};
    int r = reference_parse(name, &ref, err);
    if (r < 0)
        return r;
    reference_default_tag(&ref);
    const struct image_pull_options pull = {
        .ref = &ref,
        .auth = options->suppliers.credentials != NULL
                    ? options->suppliers.credentials(ref.domain, options->suppliers.data)
                    : NULL,
        .registries = options->registries != NULL ? options->registries : &none,
        .platform = platform != NULL && platform[0] != 0 ? platform : NULL,
        .concurrent_downloads = (int)engine_options(build->engine)->max_concurrent_downloads,
        .progress = on_progress,
        .data = &pulling};
    r = image_pull(engine_images(build->engine), &pull, err);
    if (r == 0) {
        CLEANUP_FREE char *familiar = reference_familiar(&ref);
        engine_image_event(build->engine, "pull", familiar, familiar);
    }
    reference_release(&ref);
    return r;
}

static bool platform_fits(const struct image *image, const char *platform, struct error *err)
{
    struct platform want, have;
    if (platform == NULL || platform[0] == 0)
        return true;
    if (platform_parse(platform, &want, err) < 0)
        return false;
    platform_set(&have, image->os, image->architecture, image->variant);
    return platform_distance(&want, &have) >= 0;
}

static int find_image(struct build *build, const struct build_step_info *info, const char *name, const char *platform,
                      bool pull, struct image **ret, struct error *err)
{
    struct image_store *store = engine_images(build->engine);
    struct error missing = {0};
    CLEANUP_IMAGE struct image *image = NULL;
    bool by_id = strncmp(name, "sha256:", 7) == 0;
    int r = pull && !by_id ? -ENOENT : image_lookup(store, name, &image, &missing);
    if (r < 0 && missing.kind != ERROR_NOT_FOUND && missing.kind != ERROR_NONE)
        return error_propagate(err, &missing);
    if (r == 0 && !platform_fits(image, platform, err)) {
        image_unref(TAKE_PTR(image));
        r = -ENOENT;
    }
    if (r < 0 && by_id)
        return error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", name);
    if (r < 0) {
        r = pull_image(build, info, name, platform, err);
        if (r == 0)
            r = image_lookup(store, name, &image, err);
    }
    if (r == 0)
        *ret = TAKE_PTR(image);
    return r;
}

/* The id that a name got in this build: it gets `found` when it has none yet. The caller frees; NULL: none. */
static char *resolved_id(struct build *build, const char *name, const char *found)
{
    char *id = NULL;
    pthread_mutex_lock(&build->lock);
    for (size_t i = 0; id == NULL && i + 1 < build->resolved.count; i += 2)
        if (strcmp(build->resolved.items[i], name) == 0)
            id = xstrdup(build->resolved.items[i + 1]);
    if (id == NULL && found != NULL) {
        strv_add(&build->resolved, name);
        strv_add(&build->resolved, found);
        id = xstrdup(found);
    }
    pthread_mutex_unlock(&build->lock);
    return id;
}

int build_image(struct build *build, const struct build_step_info *info, const char *name, const char *platform,
                bool pull, struct image **ret, struct error *err)
{
    CLEANUP_FREE char *asked = xasprintf("%s %s", name, platform != NULL ? platform : "");
    CLEANUP_FREE char *id = resolved_id(build, asked, NULL);
    CLEANUP_IMAGE struct image *found = NULL;
    if (id == NULL) {
        int r = find_image(build, info, name, platform, pull, &found, err);
        if (r < 0)
            return r;
        /* Another stage may have been quicker, and the tag may have moved in between: both get the same image. */
        id = resolved_id(build, asked, found->id);
        if (strcmp(id, found->id) == 0) {
            *ret = TAKE_PTR(found);
            return 0;
        }
    }
    return image_lookup(engine_images(build->engine), id, ret, err);
}

/* ---- FROM ---- */

static const struct build_context *find_context(const struct build_options *options, const char *name)
{
    for (size_t i = 0; i < options->context_count; i++)
        if (strcasecmp(options->contexts[i].name, name) == 0)
            return &options->contexts[i];
    return NULL;
}

static void begin_key(struct build_state *state, const char *kind, const char *text)
{
    struct key key;
    key_begin(&key, kind);
    key_text(&key, text);
    key_final(&key, state->key);
}

static const char *stage_platform(const struct stage_run *run)
{
    return run->stage->platform != NULL ? run->stage->platform : run->build->options->platform;
}

/* docker gives every image one. */
static void default_path(struct build_state *state)
{
    if (strv_env_get(&state->config.env, "PATH") == NULL)
        strv_add(&state->config.env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

static int from_image(struct stage_run *run, struct error *err)
{
    struct build_state *state = &run->state;
    const struct build_options *options = run->build->options;
    const struct build_context *context = find_context(options, run->stage->base);
    const char *name = context != NULL ? context->image : run->stage->base;
    if (name == NULL)
        return error_set(err, ERROR_INVALID, 0, "build context \"%s\" is a directory, and no image to build FROM",
                         run->stage->base);
    int r = build_image(run->build, &run->infos[0], name, stage_platform(run), options->pull, &state->base, err);
    if (r < 0)
        return r;
    r = build_state_pin(state, engine_images(run->build->engine), err);
    if (r < 0)
        return r;
    json_table_copy(&container_config_table, &state->config, &state->base->config);
    state->base_name = xstrdup(name);
    default_path(state);
    snprintf(state->record, sizeof(state->record), "%s", state->base->id + strlen("sha256:"));
    begin_key(state, "image", state->base->id); /* the id is of config and layers: nothing else is believed */
    return 0;
}

int build_base(struct stage_run *run, struct error *err)
{
    struct build_state *state = &run->state;
    const struct stage *stage = run->stage;
    if (stage->base_stage >= 0) {
        const struct build_state *base = NULL;
        int r = stage_wait(run, (size_t)stage->base_stage, &base, err);
        if (r == 0)
            build_state_copy(state, base);
        state->cmd_set = false;
        return r < 0 ? r : build_state_pin(state, engine_images(run->build->engine), err);
    }
    state->reused = true;
    state->platform = xstrdup(stage_platform(run));
    if (!stage->scratch)
        return from_image(run, err);
    state->base_name = xstrdup("scratch");
    begin_key(state, "scratch", state->platform);
    default_path(state);
    return 0;
}
