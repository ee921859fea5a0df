#include "cmd/dory/compose/create_options.h"

#include <stdio.h>
#include <string.h>

#include "base/json_edit.h"
#include "base/parse.h"
#include "cmd/dory/compose/model.h"

int create_pull_check(const char *policy, struct error *err)
{
    static const char *const policies[] = {"always", "never", "build", "missing", "if_not_present"};
    for (size_t i = 0; policy && i < ARRAY_SIZE(policies); i++) {
        if (strcmp(policy, policies[i]) == 0)
            return 0;
    }
    return policy ? error_set(err, ERROR_INVALID, 0, "invalid --pull option \"%s\"", policy) : 0;
}

int create_flags_check(const struct create_flags *flags, struct error *err)
{
    const struct {
        bool clash;
        const char *what;
    } rows[] = {
        {flags->build && flags->no_build, "--build and --no-build"},
        {flags->renew_volumes && flags->no_recreate, "--no-recreate and --renew-anon-volumes"},
        {flags->force_recreate && flags->no_recreate, "--force-recreate and --no-recreate"},
        {flags->recreate_dependencies && flags->no_recreate, "--always-recreate-deps and --no-recreate"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].clash)
            return error_set(err, ERROR_INVALID, 0, "%s are incompatible", rows[i].what);
    }
    return create_pull_check(flags->pull, err);
}

static struct json *number(int64_t value)
{
    CLEANUP_FREE char *text = xasprintf("%lld", (long long)value);
    struct json *tree = NULL;
    json_parse(text, strlen(text), &tree, NULL);
    return tree;
}

static struct json *model_service(struct app *app, const char *name)
{
    return json_object_of(json_object_of(app->project.model, "services"), name);
}

int create_scale_apply(struct app *app, const char *text, const char *message, struct error *err)
{
    const char *value = strchr(text, '=');
    int64_t scale;
    if (!value || value == text || strchr(value + 1, '='))
        return error_set(err, ERROR_INVALID, 0, message, text);
    CLEANUP_FREE char *name = xstrndup(text, (size_t)(value - text));
    if (parse_int64(value + 1, 0, 100000, &scale) < 0)
        return error_set(err, ERROR_INVALID, 0, message, text);
    if (!compose_service(&app->project, name))
        return error_set(err, ERROR_NOT_FOUND, 0, "no such service: %s: not found", name);
    struct json *service = model_service(app, name);
    json_set(service, "scale", number(scale));
    return 0;
}

/* The model's pull_policy: the hash does not know it. */
static void apply_policies(struct app *app, const struct create_flags *flags)
{
    const struct json *services = json_get(app->project.model, "services");
    for (size_t i = 0; i < model_members(services); i++) {
        struct json *service = model_service(app, services->object.keys[i]);
        if (flags->pull)
            json_set(service, "pull_policy", json_new_string(flags->pull));
        if (flags->build && json_get(service, "build"))
            json_set(service, "pull_policy", json_new_string("build"));
    }
}

static void fill_options(const struct app *app, const struct create_flags *flags, const struct strv *services,
                         struct converge_options *options)
{
    bool force = flags->force_recreate || flags->renew_volumes;
    *options = (struct converge_options){
        .recreate = flags->no_recreate ? RECREATE_NEVER
                    : force            ? RECREATE_ALWAYS
                                       : RECREATE_CHANGED,
        .recreate_dependencies = flags->no_recreate             ? RECREATE_NEVER
                                 : flags->recreate_dependencies ? RECREATE_ALWAYS
                                                                : RECREATE_CHANGED,
        .renew_volumes = flags->renew_volumes,
        .no_build = flags->no_build,
        .quiet_pull = flags->quiet_pull,
        .quiet_build = flags->quiet_build,
        .assume_yes = flags->yes,
        .ignore_orphans = app_environment_flag(app, "COMPOSE_IGNORE_ORPHANS"),
    };
    options->remove_orphans =
        flags->remove_orphans_given ? flags->remove_orphans : app_environment_flag(app, "COMPOSE_REMOVE_ORPHANS");
    strv_add_all(&options->named, services);
}

int create_flags_load(struct app *app, const struct create_flags *flags, const struct strv *services, struct error *err)
{
    CLEANUP_STRV struct strv selected = STRV_INIT;
    strv_add_all(&selected, services);
    app->timeout = flags->timeout_given ? flags->timeout : TIMEOUT_OWN;
    int r = app_load(app, &selected, !flags->no_dependencies, err);
    for (size_t i = 0; r == 0 && i < flags->scale.count; i++)
        r = create_scale_apply(app, flags->scale.items[i], "invalid --scale option \"%s\". Should be SERVICE=NUM", err);
    if (r == 0)
        apply_policies(app, flags);
    if (r == 0)
        r = app_list(app, err);
    if (r == 0)
        app_take_services(app, &selected);
    return r;
}

int create_flags_converge(struct app *app, const struct create_flags *flags, const struct strv *services,
                          struct converge_options *options, struct error *err)
{
    fill_options(app, flags, services, options);
    if (options->ignore_orphans && options->remove_orphans)
        return error_set(err, ERROR_INVALID, 0, "cannot combine COMPOSE_IGNORE_ORPHANS and --remove-orphans");
    return converge_create(app, options, err);
}

int create_flags_run(struct app *app, const struct create_flags *flags, const struct strv *services,
                     struct converge_options *options, struct error *err)
{
    int r = create_flags_check(flags, err);
    if (r == 0)
        r = create_flags_load(app, flags, services, err);
    return r < 0 ? r : create_flags_converge(app, flags, services, options, err);
}
