#include "cmd/dory/compose/project.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_edit.h"
#include "cmd/dory/compose/files.h"
#include "cmd/dory/compose/yaml.h"

extern char **environ;

void compose_project_release(struct compose_project *project)
{
    free(project->name);
    free(project->directory);
    strv_release(&project->files);
    strv_release(&project->environment);
    strv_release(&project->profiles);
    strv_release(&project->warnings);
    json_free(project->model);
    json_free(project->disabled);
    *project = (struct compose_project){0};
}

void compose_project_warn(struct compose_project *project)
{
    for (size_t i = 0; i < project->warnings.count; i++)
        fprintf(stderr, "WARN: %s\n", project->warnings.items[i]);
    strv_clear(&project->warnings);
}

/* A directory's name as a project's: lower case, what is not allowed left out. */
static char *normalize_name(const char *text)
{
    CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
    for (; *text; text++) {
        char c = (char)tolower((unsigned char)*text);
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (name.size > 0 && (c == '_' || c == '-')))
            strbuf_addc(&name, c);
    }
    return strbuf_take(&name);
}

static void set_default_names(struct json *model, const char *section, const char *project)
{
    const struct json *there = json_get(model, section);
    if (!there || there->kind != JSON_OBJECT)
        return;
    struct json *objects = json_object_of(model, section);
    for (size_t i = 0; i < objects->object.count; i++) {
        struct json *object = json_object_of(objects, objects->object.keys[i]);
        if (json_get(object, "name"))
            continue;
        CLEANUP_FREE char *name = json_get_bool(object, "external", false)
                                      ? xstrdup(objects->object.keys[i])
                                      : xasprintf("%s_%s", project, objects->object.keys[i]);
        json_set(object, "name", json_new_string(name));
    }
}

static void add_default_network(struct json *model)
{
    struct json *services = json_object_of(model, "services");
    bool used = false;
    for (size_t i = 0; i < services->object.count; i++) {
        struct json *service = json_object_of(services, services->object.keys[i]);
        if (json_get(service, "networks") || json_get(service, "network_mode"))
            continue;
        struct json *null = xcalloc(1, sizeof(*null));
        json_set(json_object_of(service, "networks"), "default", null);
        used = true;
    }
    if (used)
        json_object_of(json_object_of(model, "networks"), "default");
}

static int read_model(struct compose_project *project, struct error *err)
{
    CLEANUP_YAML_POOL struct yaml_pool pool = {0};
    CLEANUP_FREE char *text = NULL;
    size_t size, count;
    struct yaml **documents;
    int r = compose_file_read(project->files.items[0], &text, &size, err);
    if (r == 0)
        r = yaml_parse(&pool, project->files.items[0], text, size, &documents, &count, err);
    if (r < 0)
        return r;
    if (count == 0 || !yaml_is(documents[0], YAML_MAPPING))
        return error_set(err, ERROR_INVALID, 0, "%s: no services", project->files.items[0]);
    project->model = yaml_to_json(documents[0]);
    return 0;
}

static int load(const struct compose_options *options, struct compose_project *project, struct error *err)
{
    for (char **entry = environ; *entry; entry++)
        strv_add(&project->environment, *entry);
    int r = compose_files_find(options, &project->environment, &project->files, &project->warnings, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *here = getcwd(NULL, 0);
    project->directory = options->project_directory ? compose_path_join(here ? here : "/", options->project_directory)
                                                    : compose_path_parent(project->files.items[0]);
    r = read_model(project, err);
    if (r < 0)
        return r;
    const char *name = options->project_name;
    if (!name)
        name = strv_env_get(&project->environment, "COMPOSE_PROJECT_NAME");
    if (!name)
        name = json_get_string(project->model, "name");
    project->name = name ? xstrdup(name) : normalize_name(strrchr(project->directory, '/') + 1);
    json_set(project->model, "name", json_new_string(project->name));
    add_default_network(project->model);
    set_default_names(project->model, "networks", project->name);
    set_default_names(project->model, "volumes", project->name);
    set_default_names(project->model, "secrets", project->name);
    set_default_names(project->model, "configs", project->name);
    project->disabled = json_new_object();
    return 0;
}

int compose_project_load(const struct compose_options *options, struct compose_project *project, struct error *err)
{
    *project = (struct compose_project){0};
    int r = load(options, project, err);
    if (r < 0)
        compose_project_release(project);
    return r;
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

const struct json *compose_service(const struct compose_project *project, const char *name)
{
    return json_get(json_get(project->model, "services"), name);
}

int compose_project_enable(struct compose_project *project, const struct strv *names, struct error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        const struct json *disabled = json_get(project->disabled, name);
        if (!compose_service(project, name) && !disabled)
            return error_set(err, ERROR_NOT_FOUND, 0, "no such service: %s", name);
        if (!disabled)
            continue;
        json_set(json_object_of(project->model, "services"), name, json_copy(disabled));
        json_remove(project->disabled, name);
    }
    return 0;
}
