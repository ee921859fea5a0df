/* `dory compose run`: a container of a service for one command. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/client.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/json_edit.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/create_options.h"
#include "cmd/dory/compose/load.h"
#include "cmd/dory/compose/model.h"
#include "cmd/dory/compose/schema.h"
#include "cmd/dory/container_flags.h"
#include "cmd/dory/container_wait.h"
#include "cmd/dory/each.h"
#include "cmd/dory/env_file.h"
#include "cmd/dory/session.h"

struct run_flags {
    bool build, detach, interactive, interactive_given, no_dependencies, no_tty, no_tty_given, tty, tty_given, quiet,
        quiet_build, quiet_pull, remove_orphans, remove, service_ports, use_aliases, entrypoint_given;
    char *entrypoint, *name, *pull, *user, *workdir;
    struct strv cap_add, cap_drop, environment, env_files, labels, publish, volumes;
};

#define AT(member) offsetof(struct run_flags, member)
static const struct option run_options_table[] = {
    {"build", 0, OPTION_BOOL, AT(build), NULL, "Build image before starting container", 0, 0, NULL},
    {"cap-add", 0, OPTION_LIST, AT(cap_add), "list", "Add Linux capabilities", 0, 0, NULL},
    {"cap-drop", 0, OPTION_LIST, AT(cap_drop), "list", "Drop Linux capabilities", 0, 0, NULL},
    {"detach", 'd', OPTION_BOOL, AT(detach), NULL, "Run container in background and print container ID", 0, 0, NULL},
    {"entrypoint", 0, OPTION_STRING, AT(entrypoint), "string", "Override the entrypoint of the image", 0,
     AT(entrypoint_given), NULL},
    {"env", 'e', OPTION_LIST, AT(environment), "stringArray", "Set environment variables", 0, 0, NULL},
    {"env-from-file", 0, OPTION_LIST, AT(env_files), "stringArray", "Set environment variables from file", 0, 0, NULL},
    {"interactive", 'i', OPTION_BOOL, AT(interactive), NULL, "Keep STDIN open even if not attached (default true)", 0,
     AT(interactive_given), NULL},
    {"label", 'l', OPTION_LIST, AT(labels), "stringArray", "Add or override a label", 0, 0, NULL},
    {"name", 0, OPTION_STRING, AT(name), "string", "Assign a name to the container", 0, 0, NULL},
    {"no-TTY", 'T', OPTION_BOOL, AT(no_tty), NULL, "Disable pseudo-TTY allocation (default: auto-detected)", 0,
     AT(no_tty_given), NULL},
    {"no-deps", 0, OPTION_BOOL, AT(no_dependencies), NULL, "Don't start linked services", 0, 0, NULL},
    {"publish", 'p', OPTION_LIST, AT(publish), "stringArray", "Publish a container's port(s) to the host", 0, 0, NULL},
    {"pull", 0, OPTION_STRING, AT(pull), "string", "Pull image before running (\"always\"|\"missing\"|\"never\")", 0, 0,
     NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Don't print anything to STDOUT", 0, 0, NULL},
    {"quiet-build", 0, OPTION_BOOL, AT(quiet_build), NULL, "Suppress progress output from the build process", 0, 0,
     NULL},
    {"quiet-pull", 0, OPTION_BOOL, AT(quiet_pull), NULL, "Pull without printing progress information", 0, 0, NULL},
    {"remove-orphans", 0, OPTION_BOOL, AT(remove_orphans), NULL,
     "Remove containers for services not defined in the Compose file", 0, 0, NULL},
    {"rm", 0, OPTION_BOOL, AT(remove), NULL, "Automatically remove the container when it exits", 0, 0, NULL},
    {"service-ports", 'P', OPTION_BOOL, AT(service_ports), NULL,
     "Run command with all service's ports enabled and mapped to the host", 0, 0, NULL},
    {"tty", 't', OPTION_BOOL, AT(tty), NULL, "Allocate a pseudo-TTY", OPTION_HIDDEN, AT(tty_given), NULL},
    {"use-aliases", 0, OPTION_BOOL, AT(use_aliases), NULL,
     "Use the service's network useAliases in the network(s) the container connects to", 0, 0, NULL},
    {"user", 'u', OPTION_STRING, AT(user), "string", "Run as specified username or uid", 0, 0, NULL},
    {"volume", 'v', OPTION_LIST, AT(volumes), "stringArray", "Bind mount a volume", 0, 0, NULL},
    {"workdir", 'w', OPTION_STRING, AT(workdir), "string", "Working directory inside the container", 0, 0, NULL},
    {0},
};

static void run_defaults(void *flags)
{
    ((struct run_flags *)flags)->interactive = true;
}

/* A terminal is what one wants where there is one. */
static int decide_tty(struct run_flags *flags, struct error *err)
{
    if (flags->tty_given && flags->no_tty_given)
        return error_set(err, ERROR_INVALID, 0, "--tty and --no-TTY can't be used together");
    if (flags->tty_given)
        flags->no_tty = !flags->tty;
    else if (!flags->no_tty_given)
        flags->no_tty = !isatty(STDOUT_FILENO) || (!flags->interactive_given && !isatty(STDIN_FILENO));
    return 0;
}

/* ---- what the flags change in the service ---- */

static struct json *parse(struct strbuf *text)
{
    struct json *tree = NULL;
    json_parse(text->data, text->size, &tree, NULL);
    return tree;
}

static int set_ports(struct json *config, const struct run_flags *flags, struct error *err)
{
    struct port_mappings ports = {0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    int r = 0;
    if (flags->service_ports)
        return flags->publish.count == 0
                   ? 0
                   : error_set(err, ERROR_INVALID, 0, "--service-ports and --publish are incompatible");
    for (size_t i = 0; r == 0 && i < flags->publish.count; i++)
        r = port_mappings_parse(&ports, flags->publish.items[i], err);
    json_writer_init(&w, &text);
    json_begin_array(&w);
    for (size_t i = 0; r == 0 && i < ports.count; i++) {
        const char *slash = strchr(ports.items[i].container, '/');
        CLEANUP_FREE char *target = xstrndup(ports.items[i].container, strcspn(ports.items[i].container, "/"));
        json_begin_object(&w);
        json_member_string(&w, "host_ip", ports.items[i].host_ip);
        json_member_string(&w, "target", target);
        json_member_string(&w, "published", ports.items[i].host_port);
        json_member_string(&w, "protocol", slash ? slash + 1 : "tcp");
        json_end_object(&w);
    }
    json_end_array(&w);
    port_mappings_release(&ports);
    if (r == 0)
        json_set(config, "ports", parse(&text));
    return r;
}

/* -v as the file's short form of a volume, relative to the directory that the command was called in. */
static int read_volumes(const struct run_flags *flags, struct json **ret, struct error *err)
{
    static const struct schema_path path = {.name = "--volume"};
    CLEANUP_YAML_POOL struct yaml_pool pool = {0};
    CLEANUP_STRV struct strv warnings = STRV_INIT;
    CLEANUP_FREE char *here = getcwd(NULL, 0);
    const struct schema_walk walk = {.pool = &pool, .warnings = &warnings};
    struct yaml *volumes = yaml_new(&pool, YAML_SEQUENCE, NULL), *whole = volumes;
    static const char *const way[] = {"volumes", "run", "services"};
    for (size_t i = 0; i < flags->volumes.count; i++) {
        struct yaml *volume = yaml_new_string(&pool, flags->volumes.items[i], NULL);
        int r = schema_short_mount(&walk, volume, &path, err);
        if (r < 0)
            return r;
        yaml_append(&pool, volumes, volume);
    }
    for (size_t i = 0; i < ARRAY_SIZE(way); i++) {
        struct yaml *outer = yaml_new(&pool, YAML_MAPPING, NULL);
        yaml_set(&pool, outer, way[i], whole);
        whole = outer;
    }
    load_resolve_paths(&pool, whole, here ? here : "/");
    *ret = yaml_to_json(volumes);
    return 0;
}

/* One of the same target takes the place of the service's. */
static int add_volumes(struct json *config, const struct run_flags *flags, struct error *err)
{
    const struct json *there = json_get(config, "volumes");
    CLEANUP_JSON struct json *own = NULL;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    if (flags->volumes.count == 0)
        return 0;
    int r = read_volumes(flags, &own, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    for (size_t i = 0; i < json_count(own); i++)
        json_put_value(&w, json_at(own, i));
    for (size_t i = 0; i < json_count(there); i++)
        json_put_value(&w, json_at(there, i));
    json_end_array(&w);
    json_set(config, "volumes", parse(&text));
    return 0;
}

static int set_environment(const struct app *app, struct json *config, const struct run_flags *flags, struct error *err)
{
    CLEANUP_STRV struct strv entries = STRV_INIT;
    for (size_t i = 0; i < flags->env_files.count; i++) {
        int r = env_file_read(flags->env_files.items[i], true, &entries, err);
        if (r < 0)
            return r;
    }
    strv_add_all(&entries, &flags->environment);
    for (size_t i = 0; i < entries.count; i++) {
        const char *entry = entries.items[i], *value = strchr(entry, '=');
        CLEANUP_FREE char *name = xstrndup(entry, strcspn(entry, "="));
        value = value ? value + 1 : strv_env_get(&app->project.environment, name);
        if (value)
            json_set(json_object_of(config, "environment"), name, json_new_string(value));
    }
    return 0;
}

/* Added ones are not dropped any more, and the other way round. */
static void set_capabilities(struct json *config, const struct strv *more, const char *key, const char *other)
{
    CLEANUP_STRV struct strv list = STRV_INIT, rest = STRV_INIT, kept = STRV_INIT;
    if (more->count == 0)
        return;
    model_entries(json_get(config, key), &list);
    model_entries(json_get(config, other), &rest);
    strv_add_all(&list, more);
    for (size_t i = 0; i < rest.count; i++) {
        if (!strv_contains(more, rest.items[i]))
            strv_add(&kept, rest.items[i]);
    }
    json_set(config, key, model_list(&list));
    json_set(config, other, model_list(&kept));
}

static int set_command(struct json *config, const struct run_flags *flags, const struct strv *arguments,
                       struct error *err)
{
    CLEANUP_STRV struct strv command = STRV_INIT, entrypoint = STRV_INIT;
    for (size_t i = 1; i < arguments->count; i++)
        strv_add(&command, arguments->items[i]);
    if (flags->entrypoint_given) {
        int r = schema_split_words(flags->entrypoint, &entrypoint, err);
        if (r < 0)
            return r;
        json_set(config, "entrypoint", model_list(&entrypoint));
    }
    if (command.count > 0 || flags->entrypoint_given)
        json_set(config, "command", model_list(&command));
    return 0;
}

static void set_text(struct json *config, const char *key, const char *value)
{
    if (value && *value)
        json_set(config, key, json_new_string(value));
}

static int change_service(const struct app *app, struct json *config, const struct run_flags *flags,
                          const struct strv *arguments, struct error *err)
{
    json_set(config, "tty", json_new_bool(!flags->no_tty));
    json_set(config, "stdin_open", json_new_bool(flags->interactive));
    json_remove(config, "container_name");
    json_remove(config, "restart");
    if (json_get(config, "deploy"))
        json_remove(json_object_of(config, "deploy"), "restart_policy");
    set_text(config, "user", flags->user);
    set_text(config, "working_dir", flags->workdir);
    set_capabilities(config, &flags->cap_add, "cap_add", "cap_drop");
    set_capabilities(config, &flags->cap_drop, "cap_drop", "cap_add");
    int r = set_ports(config, flags, err);
    if (r == 0)
        r = add_volumes(config, flags, err);
    if (r == 0)
        r = set_environment(app, config, flags, err);
    return r < 0 ? r : set_command(config, flags, arguments, err);
}

static int read_labels(const struct run_flags *flags, struct strmap *ret, struct error *err)
{
    for (size_t i = 0; i < flags->labels.count; i++) {
        const char *label = flags->labels.items[i];
        CLEANUP_FREE char *key = xstrndup(label, strcspn(label, "="));
        if (!strchr(label, '='))
            return error_set(err, ERROR_INVALID, 0, "label must be set as KEY=VALUE");
        strmap_set(ret, key, strchr(label, '=') + 1);
    }
    return 0;
}

/* ---- before ---- */

/* What the service needs: networks, volumes, and the services that it depends on, started. */
static int prepare(struct app *app, const struct run_flags *flags, const char *name, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    struct converge_options options = {.recreate = RECREATE_CHANGED,
                                       .recreate_dependencies = RECREATE_CHANGED,
                                       .quiet_pull = flags->quiet_pull,
                                       .quiet_build = flags->quiet_build,
                                       .remove_orphans = flags->remove_orphans,
                                       .ignore_orphans = app_environment_flag(app, "COMPOSE_IGNORE_ORPHANS")};
    strv_add(&names, name);
    int r = app_load(app, &names, !flags->no_dependencies, err);
    if (r == 0 && flags->pull)
        json_set(json_object_of(json_object_of(app->project.model, "services"), name), "pull_policy",
                 json_new_string(flags->pull));
    if (r == 0 && flags->build && json_get(compose_service(&app->project, name), "build"))
        json_set(json_object_of(json_object_of(app->project.model, "services"), name), "pull_policy",
                 json_new_string("build"));
    if (r == 0)
        r = app_list(app, err);
    if (r < 0)
        return r;
    for (size_t i = names.count; i-- > 0;) {
        if (strcmp(names.items[i], name) == 0)
            strv_remove(&names, i);
    }
    app_take_services(app, &names);
    r = converge_create(app, &options, err);
    if (r == 0)
        r = converge_start(app, &(struct start_options){0}, err);
    return r;
}

static int ensure_image(struct app *app, const struct run_flags *flags, struct app_service *service, struct error *err)
{
    const struct compose_images_policy policy = {
        .quiet_pull = flags->quiet_pull, .quiet_build = flags->quiet_build, .parallel = app->options->parallel};
    CLEANUP_STRV struct strv names = STRV_INIT;
    CLEANUP_FREE char *image = model_image(&app->project, service->name);
    strv_add(&names, service->name);
    int r = compose_images_ensure(app->cli, &app->project, &names, &policy, &app->board, &app->images, err);
    return r < 0 ? r
                 : compose_images_get(app->cli, &app->images, image, compose_platform(&app->project, service->config),
                                      &service->image, err);
}

/* Behind those that it depends on, for which app_take_services() left room. */
static struct app_service *add_service(struct app *app, const char *name)
{
    struct app_service *service = &app->services[app->count++];
    *service = (struct app_service){
        .app = app, .name = xstrdup(name), .config = json_copy(compose_service(&app->project, name))};
    return service;
}

/* ---- the container ---- */

/* One that never ran has nobody else to remove it. */
static void forget(struct cli *cli, const char *id, bool remove)
{
    if (remove)
        container_request(cli, "DELETE", id, "?v=1&force=1", NULL);
}

static int make_container(struct app *app, struct creation *creation, struct error *err)
{
    struct work *work = work_new(app->cli, &app->board, 1);
    work_add(work,
             &(struct work_item){
                 .name = creation->container->name, .run = creation_task, .done = creation_done, .data = creation});
    int r = work_run(work, err);
    work_free(work);
    board_finish(&app->board);
    if (r < 0 || app->options->dry_run)
        return r;
    const struct app_service *service = creation->container->service;
    r = container_files_inject(app->cli, creation->container->id, &app->project, service->name, service->config, err);
    if (r < 0)
        forget(app->cli, creation->container->id, creation->auto_remove);
    return r;
}

static int run_attached(struct cli *cli, const struct run_flags *flags, const char *id, struct error *err)
{
    struct session session = {.client = cli_client(cli),
                              .container = id,
                              .tty = !flags->no_tty,
                              .use_stdin = flags->interactive,
                              .use_stdout = true,
                              .use_stderr = true,
                              .forward_signals = flags->no_tty};
    struct container_wait wait = {0};
    bool detached = false;
    int status = 0, r = session_attach(&session, err);
    if (r == 0)
        r = container_wait_begin(cli_client(cli), id, flags->remove ? "removed" : "next-exit", &wait, err);
    if (r == 0)
        r = container_op_post(cli, id, "/start", err);
    if (r < 0)
        forget(cli, id, flags->remove);
    if (r == 0) {
        session_started(&session);
        r = session_run(&session, &detached, err);
    }
    session_release(&session);
    if (r == 0 && !detached)
        r = container_wait_end(&wait, &status, err);
    container_wait_release(&wait);
    return r < 0 ? r : status;
}

static int run_container(struct cli *cli, const struct run_flags *flags, const char *id, struct error *err)
{
    if (!flags->detach)
        return run_attached(cli, flags, id, err);
    int r = container_op_post(cli, id, "/start", err);
    if (r < 0)
        forget(cli, id, flags->remove);
    else
        printf("%s\n", id);
    return r;
}

/* --quiet: neither what is done nor what the command says. */
static int silence(struct app *app, struct error *err)
{
    CLEANUP_CLOSE int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    app->board.mode = BOARD_QUIET;
    fflush(stdout);
    if (null < 0 || dup3(null, STDOUT_FILENO, 0) < 0)
        return error_set(err, ERROR_SYSTEM, 0, "/dev/null cannot be opened");
    return 0;
}

static int run_service(struct app *app, const struct run_flags *flags, const struct strv *arguments,
                       const struct strmap *labels, struct error *err)
{
    const char *name = arguments->items[0];
    char slug[ID_SIZE + 1];
    int r = prepare(app, flags, name, err);
    if (r < 0)
        return r;
    struct app_service *service = add_service(app, name);
    r = change_service(app, service->config, flags, arguments, err);
    struct session check = {.tty = !flags->no_tty, .use_stdin = flags->interactive};
    if (r == 0 && !flags->detach)
        r = session_check_tty(&check, err);
    if (r == 0)
        r = ensure_image(app, flags, service, err);
    if (r == 0 && !flags->no_dependencies)
        r = converge_wait_dependencies(app, name, err);
    if (r < 0)
        return r;
    id_generate(slug);
    char c = compose_separator(&app->project);
    CLEANUP_FREE char *own =
        flags->name ? xstrdup(flags->name) : xasprintf("%s%c%s%crun%c%.12s", app->project.name, c, name, c, c, slug);
    struct creation creation = {.app = app,
                                .container = app_add_container(service, NULL, own, 1),
                                .oneoff = true,
                                .auto_remove = flags->remove,
                                .attach_stdin = flags->interactive,
                                .no_aliases = !flags->use_aliases,
                                .slug = slug,
                                .extra_labels = labels};
    r = make_container(app, &creation, err);
    return r < 0 || app->options->dry_run ? r : run_container(app->cli, flags, creation.container->id, err);
}

static int run_run(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct run_flags *flags = data;
    CLEANUP_APP struct app app = {0};
    CLEANUP_STRMAP struct strmap labels = STRMAP_INIT;
    app_init(&app, cli, "Running");
    int r = decide_tty(flags, err);
    if (r == 0)
        r = create_pull_check(flags->pull, err);
    if (r == 0)
        r = read_labels(flags, &labels, err);
    if (r == 0 && flags->quiet)
        r = silence(&app, err);
    if (r == 0)
        r = run_service(&app, flags, arguments, &labels, err);
    board_finish(&app.board);
    return r;
}

const struct command command_compose_run = {
    .name = "compose run",
    .usage = "[OPTIONS] SERVICE [COMMAND] [ARGS...]",
    .summary = "Run a one-off command on a service",
    .options = run_options_table,
    .flags_size = sizeof(struct run_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .stop_at_argument = true,
    .run = run_run,
    .defaults = run_defaults,
};
