/* docker's build checks (check.h) over a build's Dockerfile, with what is known here of its context and images. */
#include "archive/ignore.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "daemon/build/check.h"
#include "daemon/build/finish.h"
#include "daemon/engine.h"

struct lint {
    struct build *build;
    struct ignore ignore;
    struct image **images; /* looked up for their Env */
    size_t count, capacity;
};

/* A file that is not there hides nothing; one that cannot be understood is told when the context is made. */
static void read_ignore(struct lint *lint)
{
    const struct build_options *o = lint->build->options;
    CLEANUP_STRV struct strv names = STRV_INIT;
    if (o->context_fd < 0)
        return;
    ignore_file_names(o->dockerfile_name != NULL ? o->dockerfile_name : "Dockerfile", &names);
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_FREE char *text = NULL;
        size_t size;
        if (beneath_read_file(o->context_fd, names.items[i], IGNORE_SIZE_MAX, &text, &size) < 0)
            continue;
        if (ignore_parse(text, size, &lint->ignore, NULL) < 0)
            ignore_release(&lint->ignore);
        return;
    }
}

static bool ignored(const char *path, void *data)
{
    struct lint *lint = data;
    return ignore_match(&lint->ignore, path);
}

/* Nothing is pulled for a check. */
static const struct strv *base_env(const char *name, void *data)
{
    struct lint *lint = data;
    struct image *image = NULL;
    if (image_lookup(engine_images(lint->build->engine), name, &image, NULL) < 0)
        return NULL;
    xgrow((void **)&lint->images, lint->count, &lint->capacity, sizeof(*lint->images));
    lint->images[lint->count++] = image;
    return &image->config.env;
}

static void tell(struct build *build, const struct check_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct check_finding *f = &result->items[i];
        if (build->events->finding != NULL) {
            build->events->finding(f, build->events->data);
            continue;
        }
        CLEANUP_FREE char *text = xasprintf("%s: %s (line %d)", f->rule, f->text, f->first_line);
        build_progress_warning(&build->progress, NULL, text);
    }
}

static int violations(const struct check_result *result, struct error *err)
{
    CLEANUP_STRV struct strv rules = STRV_INIT;
    for (size_t i = 0; i < result->count; i++)
        if (!strv_contains(&rules, result->items[i].rule))
            strv_add(&rules, result->items[i].rule);
    CLEANUP_FREE char *names = strv_join(&rules, ", ");
    return error_set(err, ERROR_INVALID, 0, "lint violation found for rules: %s", names);
}

/* Only a directive makes findings fail a build that is no check. */
static bool matters(const struct build *build, const char *directive)
{
    return build->options->check_only || build->events->finding != NULL || directive != NULL ||
           build->file.check != NULL;
}

int build_lint(struct build *build, struct error *err)
{
    const struct build_options *o = build->options;
    const char *directive = strmap_get(&o->build_args, "BUILDKIT_DOCKERFILE_CHECK");
    struct lint lint = {.build = build};
    CLEANUP_CHECK_RESULT struct check_result result = {0};
    if (!matters(build, directive))
        return 0;
    read_ignore(&lint);
    const struct check_options options = {.stages = &build->stages,
                                          .build_args = &o->build_args,
                                          /* with exceptions the patterns do not tell what is missing */
                                          .ignored =
                                              lint.ignore.count > 0 && !lint.ignore.has_exceptions ? ignored : NULL,
                                          .base_env = base_env,
                                          .data = &lint,
                                          .directive = directive};
    int r = build_check(&build->file, &options, &result, err);
    if (r == 0 && (o->check_only || build->events->finding != NULL))
        tell(build, &result);
    if (r == 0 && result.error && result.count > 0)
        r = violations(&result, err);
    for (size_t i = 0; i < lint.count; i++)
        image_unref(lint.images[i]);
    free(lint.images);
    ignore_release(&lint.ignore);
    return r;
}
