#include "cmd/dory/compose/source.h"

#include <errno.h>
#include <string.h>

#include "base/json_edit.h"
#include "cmd/dory/compose/environment.h"

void compose_source_free(struct compose_source *source)
{
    if (source)
        yaml_pool_release(&source->pool);
    free(source);
}

static bool has_profile(const struct yaml *service, const struct strv *profiles)
{
    const struct yaml *own = yaml_get(service, "profiles");
    if (yaml_count(own) == 0 || strv_contains(profiles, "*"))
        return true;
    for (size_t i = 0; i < own->count; i++) {
        if (strv_contains(profiles, own->pairs[i].value->text))
            return true;
    }
    return false;
}

void compose_source_apply_profiles(struct compose_project *project)
{
    struct compose_source *source = project->source;
    source->active = yaml_new(&source->pool, YAML_MAPPING, source->services);
    source->inactive = yaml_new(&source->pool, YAML_MAPPING, source->services);
    for (size_t i = 0; i < yaml_count(source->services); i++) {
        const struct yaml_pair *pair = &source->services->pairs[i];
        yaml_add_pair(&source->pool, has_profile(pair->value, &project->profiles) ? source->active : source->inactive,
                      pair);
    }
}

static bool names_source(const struct yaml *list, const char *name, bool volumes)
{
    for (size_t i = 0; i < yaml_count(list); i++) {
        const char *source = yaml_get_text(list->pairs[i].value, "source");
        const char *type = yaml_get_text(list->pairs[i].value, "type");
        if (source && strcmp(source, name) == 0 && (!volumes || (type && strcmp(type, "volume") == 0)))
            return true;
    }
    return false;
}

static bool is_used(const struct compose_source *source, const char *section, const char *name)
{
    for (size_t i = 0; i < yaml_count(source->active); i++) {
        const struct yaml *service = source->active->pairs[i].value, *used = yaml_get(service, section);
        if (strcmp(section, "networks") == 0 ? yaml_pair_of(used, name) != NULL
                                             : names_source(used, name, strcmp(section, "volumes") == 0))
            return true;
        if (strcmp(section, "secrets") == 0 &&
            names_source(yaml_get(yaml_get(service, "build"), "secrets"), name, false))
            return true;
    }
    return false;
}

static bool is_section(const char *key)
{
    return strcmp(key, "networks") == 0 || strcmp(key, "volumes") == 0 || strcmp(key, "secrets") == 0 ||
           strcmp(key, "configs") == 0;
}

struct yaml *compose_source_view(const struct compose_project *project)
{
    struct compose_source *source = project->source;
    struct yaml *view = yaml_new(&source->pool, YAML_MAPPING, source->root);
    for (size_t i = 0; i < yaml_count(source->root); i++) {
        struct yaml_pair pair = source->root->pairs[i];
        if (is_section(pair.key) && !project->all_resources) {
            struct yaml *kept = yaml_new(&source->pool, YAML_MAPPING, pair.value);
            for (size_t o = 0; o < yaml_count(pair.value); o++) {
                if (is_used(source, pair.key, pair.value->pairs[o].key))
                    yaml_add_pair(&source->pool, kept, &pair.value->pairs[o]);
            }
            pair.value = kept;
        }
        yaml_add_pair(&source->pool, view, &pair);
    }
    yaml_set(&source->pool, view, "services", source->active);
    return view;
}

int compose_source_refresh(struct compose_project *project, struct error *err)
{
    struct compose_source *source = project->source;
    int r = 0;
    for (size_t i = 0; r == 0 && !source->raw && i < yaml_count(source->active); i++) {
        struct yaml *service = source->active->pairs[i].value;
        r = environment_resolve_labels(&source->pool, service, &project->warnings, err);
        if (r == 0 && !source->keep_env_files)
            r = environment_resolve_service(&source->pool, service, &project->environment, &project->warnings, err);
    }
    if (r < 0)
        return r;
    struct yaml *disabled = yaml_new(&source->pool, YAML_MAPPING, NULL);
    yaml_set(&source->pool, disabled, "services", source->inactive);
    CLEANUP_JSON struct json *rendered = source->raw ? NULL : render_project(disabled, RENDER_JSON);
    json_free(project->model);
    json_free(project->disabled);
    project->model = source->raw ? render_raw(compose_source_view(project))
                                 : render_project(compose_source_view(project), RENDER_JSON);
    project->disabled = rendered ? json_copy(json_get(rendered, "services")) : json_new_object();
    return 0;
}
