/* `dory compose create`, and `scale`, which is a create and a start. */
#include <string.h>

#include "cmd/dory/compose/create_options.h"
#include "cmd/dory/compose/model.h"

#define AT(member) offsetof(struct create_flags, member)
static const struct option create_options_table[] = {
    {"build", 0, OPTION_BOOL, AT(build), NULL, "Build images before starting containers", 0, 0, NULL},
    {"force-recreate", 0, OPTION_BOOL, AT(force_recreate), NULL,
     "Recreate containers even if their configuration and image haven't changed", 0, 0, NULL},
    {"no-build", 0, OPTION_BOOL, AT(no_build), NULL, "Don't build an image, even if it's policy", 0, 0, NULL},
    {"no-recreate", 0, OPTION_BOOL, AT(no_recreate), NULL,
     "If containers already exist, don't recreate them. Incompatible with --force-recreate.", 0, 0, NULL},
    {"pull", 0, OPTION_STRING, AT(pull), "string",
     "Pull image before running (\"always\"|\"missing\"|\"never\"|\"build\")", 0, 0, NULL},
    {"quiet-pull", 0, OPTION_BOOL, AT(quiet_pull), NULL, "Pull without printing progress information", 0, 0, NULL},
    {"remove-orphans", 0, OPTION_BOOL, AT(remove_orphans), NULL,
     "Remove containers for services not defined in the Compose file", 0, AT(remove_orphans_given), NULL},
    {"scale", 0, OPTION_LIST, AT(scale), "scale",
     "Scale SERVICE to NUM instances. Overrides the `scale` setting in the Compose file if present.", 0, 0, NULL},
    {"yes", 'y', OPTION_BOOL, AT(yes), NULL, "Assume \"yes\" as answer to all prompts and run non-interactively", 0, 0,
     NULL},
    {0},
};

static int run_create(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    CLEANUP_APP struct app app = {0};
    struct converge_options options = {0};
    app_init(&app, cli, "Creating");
    int r = create_flags_run(&app, data, arguments, &options, err);
    board_finish(&app.board);
    converge_options_release(&options);
    return r;
}

const struct command command_compose_create = {
    .name = "compose create",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Creates containers for a service",
    .options = create_options_table,
    .flags_size = sizeof(struct create_flags),
    .max_arguments = -1,
    .run = run_create,
};

struct scale_flags {
    bool no_dependencies;
};

static const struct option scale_options[] = {
    {"no-deps", 0, OPTION_BOOL, offsetof(struct scale_flags, no_dependencies), NULL, "Don't start linked services", 0,
     0, NULL},
    {0},
};

static int run_scale(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct scale_flags *given = data;
    CLEANUP_APP struct app app = {0};
    CLEANUP_STRV struct strv services = STRV_INIT;
    struct converge_options options = {0};
    struct create_flags flags = {.no_dependencies = given->no_dependencies};
    for (size_t i = 0; i < arguments->count; i++) {
        const char *text = arguments->items[i], *value = strchr(text, '=');
        if (!value || value == text || !value[1])
            return error_set(err, ERROR_INVALID, 0, "invalid scale specifier: %s", text);
        strv_add_take(&services, xstrndup(text, (size_t)(value - text)));
    }
    app_init(&app, cli, "Running");
    int r = create_flags_load(&app, &flags, &services, err);
    for (size_t i = 0; r == 0 && i < arguments->count; i++) {
        r = create_scale_apply(&app, arguments->items[i],
                               "invalid scale specifier: can't parse replica value as int: %s", err);
        struct app_service *service = r == 0 ? app_service(&app, services.items[i]) : NULL;
        if (service) { /* it was taken before */
            json_free(service->config);
            service->config = json_copy(compose_service(&app.project, service->name));
        }
    }
    if (r == 0)
        r = create_flags_converge(&app, &flags, &services, &options, err);
    if (r == 0)
        r = converge_start(&app, &(struct start_options){0}, err);
    board_finish(&app.board);
    converge_options_release(&options);
    return r;
}

const struct command command_compose_scale = {
    .name = "compose scale",
    .usage = "[OPTIONS] SERVICE=REPLICAS...",
    .summary = "Scale services",
    .options = scale_options,
    .flags_size = sizeof(struct scale_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_scale,
};
