/* `dory compose config`: the canonical model, or one list of its names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json_edit.h"
#include "cmd/dory/compose/config.h"

#define AT(member) offsetof(struct config_flags, member)
#define FLAG(name, member, help)                                                                                       \
    {                                                                                                                  \
        name, 0, OPTION_BOOL, AT(member), NULL, help, 0, 0, NULL                                                       \
    }
static const struct option config_options[] = {
    FLAG("environment", environment, "Print environment used for interpolation."),
    {"format", 0, OPTION_STRING, AT(format), "string", "Format the output. Values: [yaml | json]", 0, 0, NULL},
    {"hash", 0, OPTION_STRING, AT(hash), "string", "Print the service config hash, one per line.", 0, 0, NULL},
    FLAG("images", images, "Print the image names, one per line."),
    FLAG("lock-image-digests", lock_digests, "Produces an override file with image digests"),
    FLAG("models", models, "Print the model names, one per line."),
    FLAG("networks", networks, "Print the network names, one per line."),
    FLAG("no-consistency", no_consistency,
         "Don't check model consistency - warning: may produce invalid Compose output"),
    FLAG("no-env-resolution", no_env_resolution, "Don't resolve service env files"),
    FLAG("no-interpolate", no_interpolate, "Don't interpolate environment variables"),
    FLAG("no-normalize", no_normalize, "Don't normalize compose model"),
    FLAG("no-path-resolution", no_path_resolution, "Don't resolve file paths"),
    {"output", 'o', OPTION_STRING, AT(output), "string", "Save to file (default to stdout)", 0, 0, NULL},
    FLAG("profiles", profiles, "Print the profile names, one per line."),
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only validate the configuration, don't print anything", 0, 0, NULL},
    FLAG("resolve-image-digests", resolve_digests, "Pin image tags to digests"),
    FLAG("services", services, "Print the service names, one per line."),
    FLAG("variables", variables, "Print model variables and default values."),
    FLAG("volumes", volumes, "Print the volume names, one per line."),
    {0},
};

static int load(struct cli *cli, const struct config_flags *flags, const struct strv *services,
                struct compose_project *project, struct error *err)
{
    const struct compose_options *options = compose_options(cli);
    bool list = flags->services || flags->volumes || flags->networks || flags->models || flags->hash != NULL ||
                flags->profiles || flags->images || flags->variables;
    bool all = flags->services || flags->volumes || flags->networks || flags->models || flags->hash != NULL;
    struct compose_load how = {.keep_variables = flags->no_interpolate || flags->variables,
                               .keep_paths = flags->no_path_resolution,
                               .keep_names = flags->no_normalize || options->compatibility,
                               .keep_inconsistent = flags->no_consistency,
                               .keep_env_files = list || flags->no_env_resolution,
                               .services = all ? NULL : services};
    int r = compose_project_load_with(options, &how, project, err);
    if (r == 0)
        compose_project_warn(project);
    return r;
}

static int check_format(const struct config_flags *flags, struct error *err)
{
    const char *format = flags->format;
    if (!format || !*format || strcmp(format, "yaml") == 0 || strcmp(format, "json") == 0)
        return 0;
    return error_set(err, ERROR_INVALID, 0, "unsupported format \"%s\"", format);
}

/* A dollar sign of the model is written twice, so that the output can be read again. */
static char *escape_dollars(const char *text)
{
    struct strbuf out = STRBUF_INIT;
    for (; *text; text++)
        strbuf_adds(&out, *text == '$' ? "$$" : (const char[]){*text, '\0'});
    return strbuf_take(&out);
}

/* The services with their images and nothing else. */
static struct json *images_only(const struct json *model)
{
    struct json *only = json_new_object();
    const struct json *services = json_get(model, "services");
    struct json *kept = json_object_of(only, "services");
    for (size_t i = 0; services && i < services->object.count; i++) {
        const char *image = json_get_string(&services->object.values[i], "image");
        struct json *service = json_object_of(kept, services->object.keys[i]);
        if (image)
            json_set(service, "image", json_new_string(image));
    }
    return only;
}

static int print_model(struct cli *cli, const struct config_flags *flags, const struct compose_project *project,
                       struct error *err)
{
    bool as_json = flags->format && strcmp(flags->format, "json") == 0;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *model = config_model(project, as_json);
    if (flags->resolve_digests || flags->lock_digests) {
        int r = config_pin_images(cli, model, err);
        if (r < 0)
            return r;
    }
    CLEANUP_JSON struct json *locked = flags->lock_digests ? images_only(model) : NULL;
    if (as_json)
        json_print(locked ? locked : model, "  ", 0, &text);
    else
        render_yaml_text(locked ? locked : model, &text);
    if (as_json && flags->no_interpolate)
        strbuf_addc(&text, '\n');
    CLEANUP_FREE char *escaped = flags->no_interpolate ? strbuf_take(&text) : escape_dollars(strbuf_str(&text));
    if (flags->quiet)
        return 0;
    if (flags->output)
        return file_write_atomic(AT_FDCWD, flags->output, escaped, strlen(escaped), 0666, err);
    fputs(escaped, stdout);
    if (as_json)
        putchar('\n');
    return 0;
}

static int run_config(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct config_flags *flags = data;
    CLEANUP_COMPOSE_PROJECT struct compose_project project = {0};
    int r = flags->variables ? 0 : check_format(flags, err);
    if (r == 0)
        r = load(cli, flags, arguments, &project, err);
    if (r < 0)
        return r;
    if (flags->quiet && !flags->resolve_digests && !flags->lock_digests)
        return 0;
    r = config_print_list(flags, &project, err);
    return r == 1 ? print_model(cli, flags, &project, err) : r;
}

const struct command command_compose_config = {
    .name = "compose config",
    .aliases = "compose convert",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Parse, resolve and render compose file in canonical format",
    .options = config_options,
    .flags_size = sizeof(struct config_flags),
    .max_arguments = -1,
    .run = run_config,
};
