/* What a build needs of its directories, with what the store and registries know of its base images. */
#include "daemon/build/execute.h"
#include "daemon/build/needs.h"

struct finder {
    struct engine *engine;
    const struct build_options *options;
    const struct build_needs_events *events;
};

static int ask(const struct finder *f, const char *name, const char *platform, struct container_config *ret,
               struct error *err)
{
    struct error error = {0};
    f->events->asking(name, f->events->data);
    int r = build_config_ask(f->engine, f->options, name, platform, ret, &error);
    f->events->asked(r < 0 ? &error : NULL, f->events->data);
    return r < 0 ? error_propagate(err, &error) : 0;
}

static int base_config(const struct stage *stage, struct container_config *ret, void *data, struct error *err)
{
    const struct finder *f = data;
    const struct build_context *context = build_context_find(f->options, stage->base);
    const char *name = context != NULL ? context->image : stage->base;
    const char *platform = stage->platform != NULL ? stage->platform : f->options->platform;
    if (name == NULL) /* a directory: the build says that it is no image */
        return 0;
    int r = build_config_here(f->engine, f->options, name, platform, ret, err);
    return r != 0 ? (r < 0 ? r : 0) : ask(f, name, platform, ret, err);
}

int build_needs_find(struct engine *engine, const struct build_options *options,
                     const struct build_needs_events *events, struct build_needs *ret, struct error *err)
{
    CLEANUP_DOCKERFILE struct dockerfile file = {0};
    CLEANUP_STAGES struct stages stages = {0};
    struct finder finder = {.engine = engine, .options = options, .events = events};
    int r = build_read_dockerfile(options, &file, &stages, err);
    return r < 0 ? r : build_needs_collect(&file, &stages, &options->build_args, base_config, &finder, ret, err);
}
