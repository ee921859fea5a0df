/* What a stage starts from, and the images that steps take files from. */
#include <errno.h>
#include <poll.h>

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

/* All but who is told. ref is released by the caller, in every case. */
static int begin_pull(struct engine *engine, const struct build_options *options, const char *name,
                      const char *platform, struct reference *ref, struct image_pull_options *ret, struct error *err)
{
    static const struct registry_config none;
    int r = reference_parse(name, ref, err);
    if (r < 0)
        return r;
    reference_default_tag(ref);
    *ret =
        (struct image_pull_options){.ref = ref,
                                    .auth = options->suppliers.credentials != NULL
                                                ? options->suppliers.credentials(ref->domain, options->suppliers.data)
                                                : NULL,
                                    .registries = options->registries != NULL ? options->registries : &none,
                                    .platform = platform != NULL && platform[0] != 0 ? platform : NULL,
                                    .concurrent_downloads = (int)engine_options(engine)->max_concurrent_downloads,
                                    .attempts = (int)engine_options(engine)->max_download_attempts};
    return 0;
}

static int pull_image(struct build *build, const struct build_step_info *info, const char *name, const char *platform,
                      struct error *err)
{
    struct pulling pulling = {.build = build, .info = info};
    struct image_pull_options pull;
    struct reference ref = {0};
    int r = begin_pull(build->engine, build->options, name, platform, &ref, &pull, err);
    if (r == 0) {
        pull.progress = on_progress;
        pull.data = &pulling;
        r = image_pull(engine_images(build->engine), &pull, err);
    }
    if (r == 0) {
        CLEANUP_FREE char *familiar = reference_familiar(&ref);
        engine_image_event(build->engine, "pull", familiar, familiar);
    }
    reference_release(&ref);
    return r;
}

static bool is_id(const char *name)
{
    return strncmp(name, "sha256:", 7) == 0;
}

/* 1: the image is here, and may be used; 0: it has to be pulled. */
static int find_here(struct image_store *store, const char *name, const char *platform, bool pull, struct image **ret,
                     struct error *err)
{
    struct error missing = {0};
    int r = pull && !is_id(name) ? -ENOENT : image_lookup_platform(store, name, platform, false, ret, &missing);
    if (r < 0 && missing.kind != ERROR_NOT_FOUND && missing.kind != ERROR_NONE)
        return error_propagate(err, &missing);
    if (r < 0)
        return is_id(name) ? error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", name) : 0;
    return 1;
}

static int find_image(struct build *build, const struct build_step_info *info, const char *name, const char *platform,
                      bool pull, struct image **ret, struct error *err)
{
    struct image_store *store = engine_images(build->engine);
    int r = find_here(store, name, platform, pull, ret, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = pull_image(build, info, name, platform, err);
    return r < 0 ? r : image_lookup_platform(store, name, platform, false, ret, err);
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

/* ---- Configs before the build ---- */

int build_config_here(struct engine *engine, const struct build_options *options, const char *name,
                      const char *platform, struct container_config *ret, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    int r = find_here(engine_images(engine), name, platform, options->pull, &image, err);
    if (r > 0)
        json_table_copy(&container_config_table, ret, &image->config);
    return r;
}

static bool is_gone(void *data)
{
    const struct build_options *options = data;
    struct pollfd fd = {.fd = options->cancel_fd, .events = POLLIN | POLLRDHUP};
    return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

int build_config_ask(struct engine *engine, const struct build_options *options, const char *name, const char *platform,
                     struct container_config *ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    struct image_pull_options pull;
    struct reference ref = {0};
    int r = begin_pull(engine, options, name, platform, &ref, &pull, err);
    if (r == 0) {
        pull.config = &text;
        pull.gone = is_gone;
        pull.data = (void *)options;
        r = image_pull(engine_images(engine), &pull, err);
    }
    reference_release(&ref);
    if (r == 0)
        r = json_parse(strbuf_str(&text), text.size, &tree, err);
    const struct json *config = json_get(tree, "config");
    return r == 0 && config != NULL && config->kind != JSON_NULL
               ? json_table_decode(&container_config_table, config, ret, err)
               : r;
}

/* ---- FROM ---- */

const struct build_context *build_context_find(const struct build_options *options, const char *name)
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

static int from_image(struct stage_run *run, struct error *err)
{
    struct build_state *state = &run->state;
    const struct build_options *options = run->build->options;
    const struct build_context *context = build_context_find(options, run->stage->base);
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
    build_scope_default_path(&state->config);
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
    build_scope_default_path(&state->config);
    return 0;
}
