/* `dory compose up`. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/dory/compose/create_options.h"
#include "cmd/dory/compose/follow.h"

#include "cmd/dory/compose/model.h"

struct up_flags {
    struct create_flags create;
    bool detach, no_start, abort_on_exit, abort_on_failure, no_color, no_prefix, timestamps, attach_dependencies, wait,
        watch, menu;
    char *exit_code_from;
    int64_t wait_timeout;
    struct strv attach, no_attach;
};

#define AT(member) offsetof(struct up_flags, member)
static const struct option up_options[] = {
    {"abort-on-container-exit", 0, OPTION_BOOL, AT(abort_on_exit), NULL,
     "Stops all containers if any container was stopped. Incompatible with -d", 0, 0, NULL},
    {"abort-on-container-failure", 0, OPTION_BOOL, AT(abort_on_failure), NULL,
     "Stops all containers if any container exited with failure. Incompatible with -d", 0, 0, NULL},
    {"always-recreate-deps", 0, OPTION_BOOL, AT(create.recreate_dependencies), NULL,
     "Recreate dependent containers. Incompatible with --no-recreate.", 0, 0, NULL},
    {"attach", 0, OPTION_LIST, AT(attach), "stringArray",
     "Restrict attaching to the specified services. Incompatible with --attach-dependencies.", 0, 0, NULL},
    {"attach-dependencies", 0, OPTION_BOOL, AT(attach_dependencies), NULL,
     "Automatically attach to log output of dependent services", 0, 0, NULL},
    {"build", 0, OPTION_BOOL, AT(create.build), NULL, "Build images before starting containers", 0, 0, NULL},
    {"detach", 'd', OPTION_BOOL, AT(detach), NULL, "Detached mode: Run containers in the background", 0, 0, NULL},
    {"exit-code-from", 0, OPTION_STRING, AT(exit_code_from), "string",
     "Return the exit code of the selected service container. Implies --abort-on-container-exit", 0, 0, NULL},
    {"force-recreate", 0, OPTION_BOOL, AT(create.force_recreate), NULL,
     "Recreate containers even if their configuration and image haven't changed", 0, 0, NULL},
    {"menu", 0, OPTION_BOOL, AT(menu), NULL, "Enable interactive shortcuts when running attached", OPTION_REFUSED, 0,
     NULL},
    {"no-attach", 0, OPTION_LIST, AT(no_attach), "stringArray", "Do not attach (stream logs) to the specified services",
     0, 0, NULL},
    {"no-build", 0, OPTION_BOOL, AT(create.no_build), NULL, "Don't build an image, even if it's policy", 0, 0, NULL},
    {"no-color", 0, OPTION_BOOL, AT(no_color), NULL, "Produce monochrome output", 0, 0, NULL},
    {"no-deps", 0, OPTION_BOOL, AT(create.no_dependencies), NULL, "Don't start linked services", 0, 0, NULL},
    {"no-log-prefix", 0, OPTION_BOOL, AT(no_prefix), NULL, "Don't print prefix in logs", 0, 0, NULL},
    {"no-recreate", 0, OPTION_BOOL, AT(create.no_recreate), NULL,
     "If containers already exist, don't recreate them. Incompatible with --force-recreate.", 0, 0, NULL},
    {"no-start", 0, OPTION_BOOL, AT(no_start), NULL, "Don't start the services after creating them", 0, 0, NULL},
    {"pull", 0, OPTION_STRING, AT(create.pull), "string",
     "Pull image before running (\"always\"|\"missing\"|\"never\")", 0, 0, NULL},
    {"quiet-build", 0, OPTION_BOOL, AT(create.quiet_build), NULL, "Suppress the build output", 0, 0, NULL},
    {"quiet-pull", 0, OPTION_BOOL, AT(create.quiet_pull), NULL, "Pull without printing progress information", 0, 0,
     NULL},
    {"remove-orphans", 0, OPTION_BOOL, AT(create.remove_orphans), NULL,
     "Remove containers for services not defined in the Compose file", 0, AT(create.remove_orphans_given), NULL},
    {"renew-anon-volumes", 'V', OPTION_BOOL, AT(create.renew_volumes), NULL,
     "Recreate anonymous volumes instead of retrieving data from the previous containers", 0, 0, NULL},
    {"scale", 0, OPTION_LIST, AT(create.scale), "scale",
     "Scale SERVICE to NUM instances. Overrides the `scale` setting in the Compose file if present.", 0, 0, NULL},
    {"timeout", 't', OPTION_INT, AT(create.timeout), "int",
     "Use this timeout in seconds for container shutdown when attached or when containers are already running", 0,
     AT(create.timeout_given), NULL},
    {"timestamps", 0, OPTION_BOOL, AT(timestamps), NULL, "Show timestamps", 0, 0, NULL},
    {"wait", 0, OPTION_BOOL, AT(wait), NULL, "Wait for services to be running|healthy. Implies detached mode.", 0, 0,
     NULL},
    {"wait-timeout", 0, OPTION_INT, AT(wait_timeout), "int",
     "Maximum duration in seconds to wait for the project to be running|healthy", 0, 0, NULL},
    {"watch", 'w', OPTION_BOOL, AT(watch), NULL,
     "Watch source code and rebuild/refresh containers when files are updated.", OPTION_REFUSED, 0, NULL},
    {"yes", 'y', OPTION_BOOL, AT(create.yes), NULL, "Assume \"yes\" as answer to all prompts and run non-interactively",
     0, 0, NULL},
    {0},
};

/* What contradicts itself, and what implies something. */
static int check_flags(struct up_flags *flags, struct error *err)
{
    if (flags->exit_code_from && !flags->abort_on_failure)
        flags->abort_on_exit = true;
    if (flags->abort_on_exit && flags->abort_on_failure)
        return error_set(err, ERROR_INVALID, 0,
                         "--abort-on-container-failure cannot be combined with --abort-on-container-exit");
    if (flags->wait && (flags->attach_dependencies || flags->abort_on_exit || flags->attach.count > 0))
        return error_set(err, ERROR_INVALID, 0,
                         "--wait cannot be combined with --abort-on-container-exit, --attach or --attach-dependencies");
    flags->detach = flags->detach || flags->wait;
    if (flags->detach &&
        (flags->attach_dependencies || flags->abort_on_exit || flags->abort_on_failure || flags->attach.count > 0))
        return error_set(err, ERROR_INVALID, 0,
                         "--%s cannot be combined with --abort-on-container-exit, --abort-on-container-failure, "
                         "--attach, --attach-dependencies or --watch",
                         flags->wait ? "wait" : "detach");
    if (flags->attach.count > 0 && flags->attach_dependencies)
        return error_set(err, ERROR_INVALID, 0, "cannot combine --attach and --attach-dependencies");
    return create_flags_check(&flags->create, err);
}

/* Services that flags name, before anything is made. */
static int check_names(const struct app *app, const struct up_flags *flags, struct error *err)
{
    if (flags->exit_code_from && !app_service(app, flags->exit_code_from))
        return error_set(err, ERROR_NOT_FOUND, 0, "no such service: %s: not found", flags->exit_code_from);
    for (size_t i = 0; i < flags->attach.count; i++) {
        if (!app_service(app, flags->attach.items[i]))
            return error_set(err, ERROR_NOT_FOUND, 0, "cannot attach to services not included in up: %s",
                             flags->attach.items[i]);
    }
    return 0;
}

/* The services whose output is shown. */
static void choose_attached(const struct app *app, const struct up_flags *flags, const struct strv *named,
                            struct strv *ret)
{
    for (size_t i = 0; i < app->count; i++) {
        const char *name = app->services[i].name;
        bool wanted = named->count == 0 || flags->attach_dependencies || strv_contains(named, name);
        wanted = wanted && model_bool(app->services[i].config, "attach", true);
        if (flags->attach.count > 0)
            wanted = strv_contains(&flags->attach, name);
        if (wanted && !strv_contains(&flags->no_attach, name))
            strv_add(ret, name);
    }
}

static int up_attached(struct app *app, const struct up_flags *flags, const struct strv *named, struct error *err)
{
    CLEANUP_STRV struct strv attached = STRV_INIT;
    struct follow_options options = {.attached = &attached,
                                     .watched = named,
                                     .no_color = flags->no_color,
                                     .no_prefix = flags->no_prefix,
                                     .timestamps = flags->timestamps,
                                     .abort_on_exit = flags->abort_on_exit,
                                     .abort_on_failure = flags->abort_on_failure,
                                     .exit_code_from = flags->exit_code_from};
    choose_attached(app, flags, named, &attached);
    board_finish(&app->board);
    if (app->options->dry_run) {
        printf("end of 'compose up' output, interactive run is not supported in dry-run mode\n");
        return 0;
    }
    return follow_application(app, &options, err);
}

static int run_up(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct up_flags *flags = data;
    CLEANUP_APP struct app app = {0};
    struct converge_options options = {0};
    app_init(&app, cli, flags->no_start ? "Creating" : "Running");
    int r = check_flags(flags, err);
    if (r == 0)
        r = create_flags_load(&app, &flags->create, arguments, err);
    if (r == 0 && app.count == 0 && !app.options->all_resources)
        r = error_set(err, ERROR_INVALID, 0, "no service selected");
    if (r == 0)
        r = check_names(&app, flags, err);
    if (r == 0)
        r = create_flags_converge(&app, &flags->create, arguments, &options, err);
    if (r == 0 && !flags->no_start && flags->detach)
        r = converge_start(&app, &(struct start_options){.wait = flags->wait, .wait_timeout = flags->wait_timeout},
                           err);
    else if (r == 0 && !flags->no_start)
        r = up_attached(&app, flags, arguments, err);
    board_finish(&app.board);
    converge_options_release(&options);
    return r;
}

const struct command command_compose_up = {
    .name = "compose up",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Create and start containers",
    .options = up_options,
    .flags_size = sizeof(struct up_flags),
    .max_arguments = -1,
    .run = run_up,
};
