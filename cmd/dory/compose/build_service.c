/* The `build` of a service as flags of `dory build`. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "cmd/dory/build.h"
#include "cmd/dory/build_source.h"
#include "cmd/dory/compose/files.h"
#include "cmd/dory/compose/images.h"
#include "cmd/dory/compose/labels.h"
#include "cmd/dory/compose/model.h"

extern const struct command command_build;

void compose_build_dependencies(const struct json *service, struct strv *out)
{
    const struct json *contexts = json_get(json_get(service, "build"), "additional_contexts");
    for (size_t i = 0; i < model_members(contexts); i++) {
        const char *context = json_string(&contexts->object.values[i]);
        if (context && strncmp(context, "service:", 8) == 0 && !strv_contains(out, context + 8))
            strv_add(out, context + 8);
    }
}

/* A list of the model as values of a flag. */
static void add_all(struct strv *flag, const struct json *build, const char *key)
{
    model_entries(json_get(build, key), flag);
}

static void set(char **flag, const struct json *build, const char *key)
{
    const char *text = json_get_string(build, key);
    if (text && *text)
        xstrset(flag, text);
}

/* The contexts of other services are their images. */
static void add_contexts(const struct compose_project *project, const struct json *build, struct build_flags *flags)
{
    CLEANUP_STRV struct strv entries = STRV_INIT;
    add_all(&entries, build, "additional_contexts");
    for (size_t i = 0; i < entries.count; i++) {
        const char *value = strchr(entries.items[i], '=');
        if (value && strncmp(value + 1, "service:", 8) == 0) {
            CLEANUP_FREE char *image = model_image(project, value + 9);
            strv_addf(&flags->build_contexts, "%.*s=docker-image://%s", (int)(value - entries.items[i]),
                      entries.items[i], image);
        } else {
            strv_add(&flags->build_contexts, entries.items[i]);
        }
    }
}

static int add_secrets(const struct compose_project *project, const struct json *build, struct build_flags *flags,
                       struct error *err)
{
    const struct json *secrets = json_get(build, "secrets");
    for (size_t i = 0; i < json_count(secrets); i++) {
        const char *source = json_get_string(json_at(secrets, i), "source"),
                   *target = json_get_string(json_at(secrets, i), "target");
        const struct json *definition = json_get(json_get(project->model, "secrets"), source);
        const char *file = json_get_string(definition, "file"), *variable = json_get_string(definition, "environment");
        const char *value = variable ? compose_project_value(project, variable) : NULL;
        if (!file && !variable)
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                             "build.secrets only supports environment or file-based secrets: \"%s\"", source);
        /* The project's environment may know more than ours: the build reads the variable from ours. */
        if (!file && value)
            setenv(variable, value, 1);
        strv_addf(&flags->secrets, "id=%s,%s=%s", target ? target : source, file ? "src" : "env",
                  file ? file : variable);
    }
    return 0;
}

/* "nofile=1024:2048" of the model's object. */
static void add_ulimits(const struct json *build, struct build_flags *flags)
{
    const struct json *limits = json_get(build, "ulimits");
    for (size_t i = 0; i < model_members(limits); i++) {
        const char *name = limits->object.keys[i];
        const struct json *limit = &limits->object.values[i];
        if (limit->kind == JSON_OBJECT)
            strv_addf(&flags->ulimits, "%s=%lld:%lld", name, (long long)model_int(limit, "soft", 0),
                      (long long)model_int(limit, "hard", 0));
        else
            strv_addf(&flags->ulimits, "%s=%lld", name, (long long)model_int(limits, name, 0));
    }
}

static void add_hosts(const struct json *build, struct build_flags *flags)
{
    CLEANUP_STRV struct strv entries = STRV_INIT;
    add_all(&entries, build, "extra_hosts");
    for (size_t i = 0; i < entries.count; i++) {
        char *separator = strchr(entries.items[i], '=');
        if (separator)
            *separator = ':';
        strv_add(&flags->add_hosts, entries.items[i]);
    }
}

void compose_build_arguments(const struct compose_project *project, const struct json *build, const struct strv *given,
                             struct strv *out)
{
    CLEANUP_STRV struct strv entries = STRV_INIT;
    add_all(&entries, build, "args");
    for (size_t i = 0; i < given->count; i++) {
        CLEANUP_FREE char *name = xstrndup(given->items[i], strcspn(given->items[i], "="));
        strv_env_unset(&entries, name);
        strv_add(&entries, given->items[i]);
    }
    for (size_t i = 0; i < entries.count; i++) {
        const char *value =
            strchr(entries.items[i], '=') ? NULL : strv_env_get(&project->environment, entries.items[i]);
        if (value)
            strv_addf(out, "%s=%s", entries.items[i], value);
        else if (strchr(entries.items[i], '='))
            strv_add(out, entries.items[i]);
    }
}

/* The Dockerfile that stands in the Compose file comes from standard input, as with `-f -`. *ret_saved is what was
 * there before. */
static int inline_dockerfile(const char *text, struct build_flags *flags, int *ret_saved, struct error *err)
{
    CLEANUP_CLOSE int fd = memfd_create("Dockerfile", MFD_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "memfd for dockerfile_inline");
    int r = fd_write_all(fd, text, strlen(text));
    if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(err, r < 0 ? r : errno, "write dockerfile_inline");
    *ret_saved = fd_dup(STDIN_FILENO);
    if (dup3(fd, STDIN_FILENO, 0) < 0) /* stays open over exec, as standard input does */
        return error_errno(err, errno, "dup3");
    flags->file = xstrdup("-");
    return 0;
}

static void restore_input(int *saved)
{
    if (*saved >= 0)
        dup3(*saved, STDIN_FILENO, 0);
    fd_close_ptr(saved);
}

static int choose_dockerfile(const struct json *build, const char *context, struct build_flags *flags, int *ret_saved,
                             struct error *err)
{
    const char *text = json_get_string(build, "dockerfile_inline"), *name = json_get_string(build, "dockerfile");
    if (text)
        return inline_dockerfile(text, flags, ret_saved, err);
    if (name && build_source_is_remote(context))
        flags->file = xstrdup(name);
    else if (name)
        flags->file = compose_path_join(context, name);
    return 0;
}

/* Keys that mean something else with BuildKit than what dory could do. */
static int check_keys(const struct json *build, struct error *err)
{
    static const char *const refused[] = {"isolation", "sbom", "provenance"};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        const char *value = json_get_string(build, refused[i]);
        bool off = value && strcmp(value, "false") == 0;
        if (value && !off)
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "build.%s is not supported", refused[i]);
    }
    if (json_count(json_get(build, "platforms")) > 1)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "build.platforms with more than one platform is not supported");
    return 0;
}

static void set_platform(const struct compose_project *project, const struct json *service, struct build_flags *flags)
{
    const struct json *platforms = json_get(json_get(service, "build"), "platforms");
    const char *preset = strv_env_get(&project->environment, "DOCKER_DEFAULT_PLATFORM");
    set(&flags->platform, service, "platform");
    if (!flags->platform && json_count(platforms) == 1)
        xstrset(&flags->platform, json_string(json_at(platforms, 0)));
    if (!flags->platform && preset)
        xstrset(&flags->platform, preset);
}

static void set_names(const struct compose_project *project, const char *service, const struct json *build,
                      struct build_flags *flags)
{
    strv_add_take(&flags->tags, model_image(project, service));
    add_all(&flags->tags, build, "tags");
    add_all(&flags->labels, build, "labels");
    strv_addf(&flags->labels, "%s=%s", COMPOSE_LABEL_PROJECT, project->name);
    strv_addf(&flags->labels, "%s=%s", COMPOSE_LABEL_SERVICE, service);
    strv_addf(&flags->labels, "%s=%s", COMPOSE_LABEL_VERSION, COMPOSE_REFERENCE_VERSION);
}

static int fill_flags(struct cli *cli, const struct compose_project *project, const char *service,
                      const struct compose_build_options *options, struct build_flags *flags, struct error *err)
{
    const struct json *config = compose_service(project, service), *build = json_get(config, "build");
    const char *progress = compose_options(cli)->progress;
    set_names(project, service, build, flags);
    compose_build_arguments(project, build, &options->args, &flags->build_args);
    add_contexts(project, build, flags);
    add_ulimits(build, flags);
    add_hosts(build, flags);
    add_all(&flags->cache_from, build, "cache_from");
    add_all(&flags->cache_to, build, "cache_to");
    add_all(&flags->ssh, build, "ssh");
    strv_add_all(&flags->ssh, &options->ssh);
    add_all(&flags->allow, build, "entitlements");
    if (json_get_bool(build, "privileged", false))
        strv_add(&flags->allow, "security.insecure");
    set(&flags->network, build, "network");
    set(&flags->target, build, "target");
    set_platform(project, config, flags);
    flags->shm_size = model_int(build, "shm_size", 0);
    flags->memory = options->memory;
    flags->no_cache = options->no_cache || json_get_bool(build, "no_cache", false);
    flags->pull = options->pull || json_get_bool(build, "pull", false);
    flags->push = options->push && json_get_string(config, "image");
    flags->quiet = options->quiet;
    flags->check = options->check;
    if (progress && strcmp(progress, "json") == 0)
        progress = "rawjson";
    if (progress && strcmp(progress, "auto") != 0)
        xstrset(&flags->progress, progress);
    return add_secrets(project, build, flags, err);
}

int compose_build_service(struct cli *cli, const struct compose_project *project, const char *service,
                          const struct compose_build_options *options, int *ret_status, struct error *err)
{
    const struct json *build = json_get(compose_service(project, service), "build");
    const char *context = json_get_string(build, "context");
    struct build_flags flags = {0};
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    CLEANUP(restore_input) int saved_input = -1;
    build_flags_defaults(&flags);
    strv_add(&arguments, context ? context : project->directory);
    int r = check_keys(build, err);
    if (r == 0)
        r = fill_flags(cli, project, service, options, &flags, err);
    if (r == 0)
        r = choose_dockerfile(build, arguments.items[0], &flags, &saved_input, err);
    if (r == 0)
        r = command_build.run(cli, &flags, &arguments, err);
    options_release(build_options, &flags);
    if (ret_status)
        *ret_status = r < 0 ? 1 : r;
    if (r > 0)
        return error_set(err, ERROR_SYSTEM, 0, "service \"%s\" was not built", service);
    return r < 0 ? error_context(err, "service \"%s\"", service) : 0;
}
