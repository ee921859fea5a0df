/* compose build: the images of services that are built. */
#include <stdio.h>
#include <string.h>

#include "cmd/dory/compose/build_print.h"
#include "cmd/dory/compose/images.h"
#include "cmd/dory/compose/project.h"

struct build_command_flags {
    struct compose_build_options build;
    bool dependencies, print, ssh_given;
    char *ssh;
    bool deprecated; /* the value of flags that mean nothing any more */
    bool compress_given, force_rm_given, no_rm_given, parallel_given;
};

#define AT(member) offsetof(struct build_command_flags, member)
#define DEPRECATED(name, given, help)                                                                                  \
    {                                                                                                                  \
        name, 0, OPTION_BOOL, AT(deprecated), NULL, help " DEPRECATED", OPTION_HIDDEN, AT(given), NULL                 \
    }
static const struct option build_command_options[] = {
    {"build-arg", 0, OPTION_LIST, AT(build.args), "stringArray", "Set build-time variables for services", 0, 0, NULL},
    {"builder", 0, OPTION_STRING, 0, "string", "Set builder to use", OPTION_REFUSED, 0, NULL},
    {"check", 0, OPTION_BOOL, AT(build.check), NULL, "Check build configuration", 0, 0, NULL},
    DEPRECATED("compress", compress_given, "Compress the build context using gzip."),
    DEPRECATED("force-rm", force_rm_given, "Always remove intermediate containers."),
    {"memory", 'm', OPTION_BYTES, AT(build.memory), "bytes", "Set memory limit for the build container", 0, 0, NULL},
    {"no-cache", 0, OPTION_BOOL, AT(build.no_cache), NULL, "Do not use cache when building the image", 0, 0, NULL},
    DEPRECATED("no-rm", no_rm_given, "Do not remove intermediate containers after a successful build."),
    DEPRECATED("parallel", parallel_given, "Build images in parallel."),
    {"print", 0, OPTION_BOOL, AT(print), NULL, "Print equivalent bake file", 0, 0, NULL},
    {"provenance", 0, OPTION_STRING, 0, "string", "Add a provenance attestation", OPTION_REFUSED, 0, NULL},
    {"pull", 0, OPTION_BOOL, AT(build.pull), NULL, "Always attempt to pull a newer version of the image", 0, 0, NULL},
    {"push", 0, OPTION_BOOL, AT(build.push), NULL, "Push service images", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(build.quiet), NULL, "Suppress the build output", 0, 0, NULL},
    {"sbom", 0, OPTION_STRING, 0, "string", "Add a SBOM attestation", OPTION_REFUSED, 0, NULL},
    {"ssh", 0, OPTION_STRING, AT(ssh), "string",
     "Set SSH authentications used when building service images. (use 'default' for using your default SSH Agent)", 0,
     AT(ssh_given), NULL},
    {"with-dependencies", 0, OPTION_BOOL, AT(dependencies), NULL, "Also build dependencies (transitively)", 0, 0, NULL},
    {0},
};

static void warn_of_deprecated(const struct build_command_flags *flags)
{
    const struct {
        const char *name;
        bool given;
    } deprecated[] = {{"compress", flags->compress_given},
                      {"force-rm", flags->force_rm_given},
                      {"no-rm", flags->no_rm_given},
                      {"parallel", flags->parallel_given}};
    for (size_t i = 0; i < ARRAY_SIZE(deprecated); i++) {
        if (deprecated[i].given)
            fprintf(stderr, "option '--%s' is DEPRECATED and will be ignored.\n", deprecated[i].name);
    }
}

/* Adds the service behind those whose images it needs, and with `dependencies` behind those that it depends on. */
static void add_service(const struct compose_project *project, const char *name, bool dependencies, struct strv *seen,
                        struct strv *order)
{
    const struct json *service = compose_service(project, name);
    const struct json *depends = json_get(service, "depends_on");
    CLEANUP_STRV struct strv needed = STRV_INIT;
    if (!service || strv_contains(seen, name))
        return;
    strv_add(seen, name);
    compose_build_dependencies(service, &needed);
    for (size_t i = 0; dependencies && depends && depends->kind == JSON_OBJECT && i < depends->object.count; i++)
        strv_add(&needed, depends->object.keys[i]);
    for (size_t i = 0; i < needed.count; i++)
        add_service(project, needed.items[i], dependencies, seen, order);
    if (json_get(service, "build"))
        strv_add(order, name);
}

static void choose(const struct compose_project *project, const struct strv *names, bool dependencies,
                   struct strv *order)
{
    CLEANUP_STRV struct strv seen = STRV_INIT;
    const struct json *services = json_get(project->model, "services");
    for (size_t i = 0; i < names->count; i++)
        add_service(project, names->items[i], dependencies, &seen, order);
    for (size_t i = 0; names->count == 0 && services && i < services->object.count; i++)
        add_service(project, services->object.keys[i], dependencies, &seen, order);
}

/* "default", "ID=PATH" */
static int read_ssh(struct build_command_flags *flags, struct error *err)
{
    const char *ssh = flags->ssh && *flags->ssh ? flags->ssh : "default";
    if (!flags->ssh_given)
        return 0;
    if (!strchr(ssh, '=') && strcmp(ssh, "default") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid ssh key \"%s\"", ssh);
    strv_add(&flags->build.ssh, ssh);
    return 0;
}

static int build_all(struct cli *cli, const struct compose_project *project, const struct build_command_flags *flags,
                     const struct strv *order, struct error *err)
{
    CLEANUP(board_release) struct board board = {0};
    int status = 0, r = 0;
    board_init(&board, compose_options(cli), "Building");
    if (flags->build.quiet)
        board.mode = BOARD_QUIET;
    for (size_t i = 0; i < order->count && r == 0; i++) {
        if (!board.dry_run)
            r = compose_build_service(cli, project, order->items[i], &flags->build, &status, err);
        if (r == 0 && !flags->build.check)
            board_event(&board, order->items[i], BOARD_DONE, "Built");
    }
    board_finish(&board);
    /* What went wrong inside of the build is on the screen already, but not which service it was. */
    if (r < 0 && status > 1) {
        fprintf(stderr, "%s\n", err->message);
        return status;
    }
    return r;
}

static int run_build(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct build_command_flags *flags = data;
    CLEANUP_COMPOSE_PROJECT struct compose_project project = {0};
    CLEANUP_STRV struct strv order = STRV_INIT;
    warn_of_deprecated(flags);
    int r = read_ssh(flags, err);
    if (r == 0)
        r = compose_project_load(compose_options(cli), &project, err);
    if (r < 0)
        return r;
    compose_project_warn(&project);
    r = compose_project_enable(&project, arguments, err);
    if (r == 0) {
        choose(&project, arguments, flags->dependencies, &order);
        if (flags->print)
            build_print(&project, &order, &flags->build);
        else if (order.count == 0)
            compose_warn("No services to build");
        else
            r = build_all(cli, &project, flags, &order, err);
    }
    strv_release(&flags->build.ssh);
    return r;
}

const struct command command_compose_build = {
    .name = "compose build",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Build or rebuild services",
    .options = build_command_options,
    .flags_size = sizeof(struct build_command_flags),
    .max_arguments = -1,
    .run = run_build,
};
