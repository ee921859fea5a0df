#include "cmd/dory/compose/project.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json_edit.h"
#include "base/parse.h"
#include "cmd/dory/compose/environment.h"
#include "cmd/dory/compose/files.h"
#include "cmd/dory/compose/load.h"
#include "cmd/dory/compose/normalize.h"
#include "cmd/dory/compose/source.h"
#include "cmd/dory/compose/validate.h"

extern char **environ;

void compose_project_release(struct compose_project *project)
{
    free(project->name);
    free(project->directory);
    strv_release(&project->files);
    strv_release(&project->environment);
    strv_release(&project->included);
    strv_release(&project->profiles);
    strv_release(&project->warnings);
    json_free(project->model);
    json_free(project->disabled);
    compose_source_free(project->source);
    *project = (struct compose_project){0};
}

/* Once each, in the form of Compose's logger: short on a terminal, with time and level elsewhere. */
void compose_project_warn(struct compose_project *project)
{
    char now[64];
    time_t seconds = time(NULL);
    struct tm tm;
    bool terminal = isatty(STDERR_FILENO);
    CLEANUP_STRV struct strv printed = STRV_INIT;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    for (size_t i = 0; i < project->warnings.count; i++) {
        const char *text = project->warnings.items[i];
        CLEANUP_STRBUF struct strbuf quoted = STRBUF_INIT;
        if (strv_contains(&printed, text))
            continue;
        strv_add(&printed, text);
        json_quote(&quoted, text, strlen(text));
        if (terminal)
            fprintf(stderr, "WARN[0000] %s \n", text);
        else
            fprintf(stderr, "time=\"%s\" level=warning msg=%s\n", now, strbuf_str(&quoted));
    }
    strv_clear(&project->warnings);
}

/* --project-directory, or where the first file is, or here. */
static char *find_directory(const struct compose_options *options, const struct strv *files)
{
    CLEANUP_FREE char *here = getcwd(NULL, 0);
    if (options->project_directory && *options->project_directory)
        return compose_path_join(here ? here : "/", options->project_directory);
    for (size_t i = 0; i < files->count; i++) {
        CLEANUP_FREE char *path =
            strcmp(files->items[i], "-") == 0 ? NULL : compose_path_join(here ? here : "/", files->items[i]);
        if (path)
            return compose_path_parent(path);
    }
    return xstrdup(here ? here : "/");
}

/* --env-file, or COMPOSE_ENV_FILES. */
static void named_env_files(const struct compose_options *options, struct strv *ret)
{
    const char *variable = getenv("COMPOSE_ENV_FILES");
    strv_copy(ret, &options->env_files);
    if (ret->count > 0 || !variable)
        return;
    CLEANUP_STRV struct strv all = STRV_INIT;
    strv_split(&all, variable, ',');
    for (size_t i = 0; i < all.count; i++) {
        if (*all.items[i])
            strv_add(ret, all.items[i]);
    }
}

/* --compatibility, or COMPOSE_COMPATIBILITY, also of .env; what is no boolean is a no to Compose, "y" a yes. */
static bool wants_compatibility(const struct compose_options *options, const struct strv *environment)
{
    const char *text = strv_env_get(environment, "COMPOSE_COMPATIBILITY");
    bool value;
    if (options->compatibility || (text && strcasecmp(text, "y") == 0))
        return true;
    return text && parse_bool(text, &value) == 0 && value;
}

/* The environment, the files, the directory: each decides about the next. */
static int find_everything(const struct compose_options *options, struct compose_project *project, struct error *err)
{
    CLEANUP_STRV struct strv env_files = STRV_INIT;
    for (char **entry = environ; *entry; entry++)
        strv_add(&project->environment, *entry);
    named_env_files(options, &env_files);
    CLEANUP_FREE char *first = find_directory(options, &options->files);
    int r = environment_add_files(&project->environment, &env_files, first, &project->warnings, err);
    if (r == 0)
        r = compose_files_find(options, &project->environment, &project->files, &project->warnings, err);
    if (r < 0)
        return r;
    project->directory = find_directory(options, &project->files);
    if (env_files.count == 0 && strcmp(first, project->directory) != 0)
        r = environment_add_files(&project->environment, &env_files, project->directory, &project->warnings, err);
    project->compatibility = wants_compatibility(options, &project->environment);
    return r;
}

/* A pipe can be read once only: what it has is for the project. */
static bool is_no_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

void compose_environment_prepare(const struct compose_options *options)
{
    CLEANUP_STRV struct strv environment = STRV_INIT, env_files = STRV_INIT, warnings = STRV_INIT;
    struct error ignored = {0};
    for (char **entry = environ; *entry; entry++)
        strv_add(&environment, *entry);
    named_env_files(options, &env_files);
    CLEANUP_FREE char *directory = find_directory(options, &options->files);
    CLEANUP_FREE char *beside = xasprintf("%s/.env", directory);
    size_t own = environment.count;
    for (size_t i = 0; i < env_files.count; i++) {
        if (is_no_file(env_files.items[i]))
            return;
    }
    if (env_files.count == 0 && is_no_file(beside))
        return;
    if (environment_add_files(&environment, &env_files, directory, &warnings, &ignored) < 0)
        error_clear(&ignored);
    for (size_t i = own; i < environment.count; i++) {
        char *entry = environment.items[i], *equals = strchr(entry, '=');
        CLEANUP_FREE char *name = xstrndup(entry, (size_t)(equals - entry));
        bool too_late = strcmp(name, "COMPOSE_ENV_FILES") == 0 || strcmp(name, "COMPOSE_PROGRESS") == 0;
        if (strncmp(name, "COMPOSE_", 8) == 0 && !too_late)
            setenv(name, equals + 1, false);
    }
}

static int invalid_name(const char *name, struct error *err)
{
    return error_set(
        err, ERROR_INVALID, 0,
        "invalid project name \"%s\": must consist only of lowercase alphanumeric characters, hyphens, and "
        "underscores as well as start with a letter or number",
        name);
}

/* "name" of the files: the last one that has it; interpolated. NULL in *ret without one; the caller frees. */
static int name_of_files(struct compose_project *project, const struct load_documents *parsed, bool raw, char **ret,
                         struct error *err)
{
    struct interpolation how = {interpolate_from_list, &project->environment, NULL};
    const char *last = NULL;
    for (size_t i = 0; i < project->files.count; i++) {
        for (size_t d = 0; d < parsed[i].count; d++) {
            const char *name = yaml_get_text(parsed[i].items[d], "name");
            if (name && *name)
                last = name;
        }
    }
    if (last && !raw)
        return interpolate_text(&how, last, ret, err);
    *ret = last ? xstrdup(last) : NULL;
    return 0;
}

static int find_name(const struct compose_options *options, struct compose_project *project,
                     const struct load_documents *parsed, bool raw, struct error *err)
{
    const char *given = options->project_name && *options->project_name
                            ? options->project_name
                            : strv_env_get(&project->environment, "COMPOSE_PROJECT_NAME");
    CLEANUP_FREE char *in_file = NULL;
    if (given && *given) {
        CLEANUP_FREE char *normal = normalize_project_name(given);
        if (strcmp(normal, given) != 0)
            return invalid_name(given, err);
        project->name = xstrdup(given);
    } else {
        int r = name_of_files(project, parsed, raw, &in_file, err);
        if (r < 0)
            return r;
        const char *base = strrchr(project->directory, '/') + 1;
        project->name = normalize_project_name(in_file ? in_file : base);
    }
    if (!*project->name)
        return error_set(err, ERROR_INVALID, 0,
                         "project name can't be empty. Use `--project-name` to set a valid name");
    CLEANUP_FREE char *entry = xasprintf("COMPOSE_PROJECT_NAME=%s", project->name);
    strv_env_set(&project->environment, entry);
    return 0;
}

static void find_profiles(const struct compose_options *options, struct compose_project *project)
{
    const char *variable = strv_env_get(&project->environment, "COMPOSE_PROFILES");
    strv_copy(&project->profiles, &options->profiles);
    if (project->profiles.count > 0)
        return;
    /* Without any, the profile "" is active: "${PROFILE:-}" of a file. */
    CLEANUP_STRV struct strv all = STRV_INIT;
    strv_split(&all, variable ? variable : "", ',');
    for (size_t i = 0; i < all.count; i++) {
        char *name = all.items[i] + strspn(all.items[i], " \t");
        name[strcspn(name, " \t")] = '\0';
        strv_add(&project->profiles, name);
    }
}

static int make_tree(struct load *load, struct compose_project *project, const struct load_documents *parsed,
                     const struct compose_load *flags, struct error *err)
{
    struct compose_source *source = project->source;
    /* Where variables stay what they are, the environment does not count. */
    CLEANUP_STRV struct strv nothing = STRV_INIT;
    const struct strv *environment = flags->keep_variables ? &nothing : &project->environment;
    struct load_set set = {
        &project->files, project->directory, flags->keep_paths ? NULL : project->directory, environment, NULL, parsed};
    int r = load_files(load, &set, &source->root, err);
    if (r < 0)
        return r;
    if (yaml_count(source->root) == 0)
        return error_set(err, ERROR_INVALID, 0, "empty compose file");
    if (!flags->keep_names)
        normalize_project(&source->pool, source->root, project->name, environment);
    yaml_set(&source->pool, source->root, "name", yaml_new_string(&source->pool, project->name, NULL));
    source->services = yaml_get(source->root, "services");
    if (!source->services)
        source->services = yaml_new(&source->pool, YAML_MAPPING, NULL);
    yaml_remove(source->root, "services");
    return 0;
}

/* The files' name, then what is in them. */
static int read_files(const struct compose_options *options, const struct compose_load *flags,
                      struct compose_project *project, struct error *err)
{
    struct load load = {&project->source->pool, &project->warnings, flags->keep_variables, 0, &project->included};
    CLEANUP_FREE struct load_documents *parsed = xcalloc(project->files.count + 1, sizeof(*parsed));
    int r = 0;
    for (size_t i = 0; r == 0 && i < project->files.count; i++)
        r = load_parse(&load, project->files.items[i], &parsed[i], err);
    if (r == 0)
        r = find_name(options, project, parsed, flags->keep_variables, err);
    return r == 0 ? make_tree(&load, project, parsed, flags, err) : r;
}

static int check(struct compose_project *project, struct error *err)
{
    struct compose_source *source = project->source;
    struct yaml *whole = yaml_new(&source->pool, YAML_MAPPING, NULL);
    for (size_t i = 0; i < source->root->count; i++)
        yaml_add_pair(&source->pool, whole, &source->root->pairs[i]);
    yaml_set(&source->pool, whole, "services", source->active);
    int r = validate_project(whole, source->inactive, err);
    return r == 0 ? validate_container_names(whole, err) : r;
}

static int load(const struct compose_options *options, const struct compose_load *flags,
                struct compose_project *project, struct error *err)
{
    project->source = xcalloc(1, sizeof(*project->source));
    project->source->raw = flags->keep_variables;
    project->source->keep_env_files = flags->keep_env_files;
    project->all_resources = options->all_resources || flags->keep_variables;
    int r = find_everything(options, project, err);
    if (r == 0)
        r = read_files(options, flags, project, err);
    if (r < 0)
        return r;
    find_profiles(options, project);
    compose_source_apply_profiles(project);
    if (flags->keep_variables)
        project->source->active = project->source->services;
    else if (!flags->keep_inconsistent)
        r = check(project, err);
    if (r < 0)
        return r;
    if (flags->services && flags->services->count > 0 && !flags->keep_variables)
        return compose_project_select(project, flags->services, flags->no_dependencies, err);
    return compose_source_refresh(project, err);
}

int compose_project_load_with(const struct compose_options *options, const struct compose_load *flags,
                              struct compose_project *project, struct error *err)
{
    *project = (struct compose_project){0};
    int r = load(options, flags, project, err);
    if (r < 0) {
        compose_project_warn(project);
        compose_project_release(project);
    }
    return r;
}

int compose_project_load(const struct compose_options *options, struct compose_project *project, struct error *err)
{
    static const struct compose_load everything;
    return compose_project_load_with(options, &everything, project, err);
}

int compose_project_name(const struct compose_options *options, char **ret_name, struct error *err)
{
    const char *variable = getenv("COMPOSE_PROJECT_NAME");
    if (options->project_name || (variable && *variable)) {
        *ret_name = xstrdup(options->project_name ? options->project_name : variable);
        return 0;
    }
    CLEANUP_COMPOSE_PROJECT struct compose_project project = {0};
    int r = compose_project_load(options, &project, err);
    if (r == 0)
        *ret_name = TAKE_PTR(project.name);
    return r;
}

const char *compose_project_value(const struct compose_project *project, const char *name)
{
    const char *value = strv_env_get(&project->environment, name);
    return value ? value : strv_env_get(&project->included, name);
}

const struct json *compose_service(const struct compose_project *project, const char *name)
{
    return json_get(json_get(project->model, "services"), name);
}
