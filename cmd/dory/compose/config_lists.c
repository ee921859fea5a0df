/* Names and other lists of a model, one a line. */
#include <stdio.h>
#include <string.h>

#include "base/json_edit.h"
#include "cmd/dory/compose/config.h"
#include "cmd/dory/compose/hash.h"
#include "cmd/dory/compose/interpolate.h"
#include "cmd/dory/compose/model.h"
#include "cmd/dory/compose/table.h"

struct json *config_model(const struct compose_project *project, bool as_json)
{
    if (project->source->raw)
        return json_copy(project->model);
    return render_project(compose_source_view(project), as_json ? RENDER_JSON : RENDER_YAML);
}

static void print_keys(const struct json *object)
{
    for (size_t i = 0; object && object->kind == JSON_OBJECT && i < object->object.count; i++)
        printf("%s\n", object->object.keys[i]);
}

/* Each service behind those that it depends on. */
static void print_service(const struct json *services, const char *name, struct strv *done)
{
    const struct json *service = json_get(services, name), *depends = json_get(service, "depends_on");
    if (!service || strv_contains(done, name))
        return;
    strv_add(done, name);
    for (size_t i = 0; depends && depends->kind == JSON_OBJECT && i < depends->object.count; i++)
        print_service(services, depends->object.keys[i], done);
    printf("%s\n", name);
}

static void print_services(const struct json *services)
{
    CLEANUP_STRV struct strv done = STRV_INIT;
    for (size_t i = 0; services && i < services->object.count; i++)
        print_service(services, services->object.keys[i], &done);
}

static void print_images(const struct compose_project *project)
{
    const struct json *services = json_get(project->model, "services");
    for (size_t i = 0; services && i < services->object.count; i++) {
        CLEANUP_FREE char *image = model_image(project, services->object.keys[i]);
        printf("%s\n", image);
    }
}

static void print_profiles(const struct compose_project *project)
{
    CLEANUP_STRV struct strv all = STRV_INIT;
    const struct yaml *services = project->source->services;
    for (size_t i = 0; i < yaml_count(services); i++) {
        const struct yaml *own = yaml_get(services->pairs[i].value, "profiles");
        for (size_t p = 0; p < yaml_count(own); p++) {
            if (!strv_contains(&all, own->pairs[p].value->text))
                strv_add(&all, own->pairs[p].value->text);
        }
    }
    strv_sort(&all);
    for (size_t i = 0; i < all.count; i++)
        printf("%s\n", all.items[i]);
}

static void print_hash(const char *name, const struct json *service)
{
    char hash[DIGEST_HEX_MAX];
    compose_service_hash(service, hash);
    printf("%s %s\n", name, hash);
}

static int print_hashes(const char *wanted, const struct compose_project *project, struct error *err)
{
    const struct json *services = json_get(project->model, "services");
    CLEANUP_STRV struct strv names = STRV_INIT;
    if (strcmp(wanted, "*") != 0)
        strv_split(&names, wanted, ',');
    for (size_t i = 0; names.count == 0 && services && i < services->object.count; i++)
        print_hash(services->object.keys[i], &services->object.values[i]);
    strv_sort(&names);
    for (size_t i = 0; i < names.count; i++) {
        if (!json_get(services, names.items[i]))
            return error_set(err, ERROR_NOT_FOUND, 0, "no such service: %s", names.items[i]);
        print_hash(names.items[i], json_get(services, names.items[i]));
    }
    return 0;
}

static void print_environment(const struct compose_project *project)
{
    CLEANUP_STRV struct strv sorted = STRV_INIT;
    strv_copy(&sorted, &project->environment);
    strv_sort(&sorted);
    for (size_t i = 0; i < sorted.count; i++)
        printf("%s\n", sorted.items[i]);
}

static void add_variable(void *data, const char *name, const char *operator, const char * value)
{
    struct json *variable = json_object_of(data, name);
    bool colon = *operator== ':';
    char kind = operator[colon];
    json_set(variable, "Name", json_new_string(name));
    json_set(variable, "DefaultValue", json_new_string(kind == '-' ? value : ""));
    json_set(variable, "PresenceValue", json_new_string(kind == '+' ? value : ""));
    json_set(variable, "Required", json_new_bool(kind == '?'));
}

static void collect_variables(const struct json *value, struct json *into)
{
    for (size_t i = 0; value->kind == JSON_OBJECT && i < value->object.count; i++)
        collect_variables(&value->object.values[i], into);
    for (size_t i = 0; value->kind == JSON_ARRAY && i < value->array.count; i++)
        collect_variables(&value->array.items[i], into);
    if (value->kind == JSON_STRING)
        interpolate_variables(value->string.data, add_variable, into);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Members of Go's structure in YAML are in lower case. */
static struct json *lower_case(const struct json *variables)
{
    static const char *const names[][2] = {{"Name", "name"},
                                           {"DefaultValue", "defaultvalue"},
                                           {"PresenceValue", "presencevalue"},
                                           {"Required", "required"}};
    struct json *all = json_new_object();
    for (size_t i = 0; i < variables->object.count; i++) {
        struct json *one = json_object_of(all, variables->object.keys[i]);
        for (size_t n = 0; n < ARRAY_SIZE(names); n++)
            json_set(one, names[n][1], json_copy(json_get(&variables->object.values[i], names[n][0])));
    }
    return all;
}

static int print_variables(const struct config_flags *flags, const struct compose_project *project, struct error *err)
{
    CLEANUP_JSON struct json *found = json_new_object(), *variables = json_new_object();
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    bool as_json = false, as_yaml = flags->format && strcmp(flags->format, "yaml") == 0;
    int r = as_yaml ? 0 : compose_table_format(flags->format, &as_json, err);
    if (r < 0)
        return r;
    collect_variables(project->model, found);
    CLEANUP_FREE const char **keys = xcalloc(found->object.count + 1, sizeof(char *));
    memcpy(keys, found->object.keys, found->object.count * sizeof(char *));
    if (found->object.count > 1)
        qsort(keys, found->object.count, sizeof(char *), by_key);
    CLEANUP_STRV struct strv lines = STRV_INIT;
    strv_add(&lines, "NAME\tREQUIRED\tDEFAULT VALUE\tALTERNATE VALUE");
    for (size_t i = 0; i < found->object.count; i++) {
        const struct json *one = json_get(found, keys[i]);
        json_set(variables, keys[i], json_copy(one));
        strv_addf(&lines, "%s\t%s\t%s\t%s", keys[i], json_get_bool(one, "Required", false) ? "true" : "false",
                  json_get_string(one, "DefaultValue"), json_get_string(one, "PresenceValue"));
    }
    if (as_yaml) {
        CLEANUP_JSON struct json *lower = lower_case(variables);
        render_yaml_text(lower, &text);
        fputs(strbuf_str(&text), stdout);
    } else if (as_json) {
        json_print(variables, "    ", 0, &text);
        puts(strbuf_str(&text));
    } else {
        compose_table_print(&lines);
    }
    return 0;
}

int config_print_list(const struct config_flags *flags, struct compose_project *project, struct error *err)
{
    if (flags->services)
        print_services(json_get(project->model, "services"));
    else if (flags->volumes)
        print_keys(json_get(project->model, "volumes"));
    else if (flags->networks)
        print_keys(json_get(project->model, "networks"));
    else if (flags->hash)
        return print_hashes(flags->hash, project, err);
    else if (flags->profiles)
        print_profiles(project);
    else if (flags->images)
        print_images(project);
    else if (flags->variables)
        return print_variables(flags, project, err);
    else if (flags->environment)
        print_environment(project);
    else if (!flags->models)
        return 1;
    /* Models are refused by the schema: there are none to print. */
    return 0;
}
