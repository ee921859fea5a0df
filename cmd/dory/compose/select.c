/* Which services of a project are meant. */
#include <string.h>

#include "cmd/dory/compose/source.h"

static int check_known(const struct compose_project *project, const struct strv *names, struct error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!yaml_get(project->source->services, names->items[i]))
            return error_set(err, ERROR_NOT_FOUND, 0, "no such service: %s", names->items[i]);
    }
    return 0;
}

/* Profiles of named services that are not active become so. */
static void add_profiles(struct compose_project *project, const struct strv *names)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct yaml *own = yaml_get(yaml_get(project->source->inactive, names->items[i]), "profiles");
        for (size_t p = 0; p < yaml_count(own); p++) {
            if (!strv_contains(&project->profiles, own->pairs[p].value->text))
                strv_add(&project->profiles, own->pairs[p].value->text);
        }
    }
}

int compose_project_enable(struct compose_project *project, const struct strv *names, struct error *err)
{
    int r = check_known(project, names, err);
    if (r < 0 || names->count == 0)
        return r;
    add_profiles(project, names);
    compose_source_apply_profiles(project);
    return compose_source_refresh(project, err);
}

static void add_selected(const struct yaml *services, const char *name, bool dependencies, struct strv *set)
{
    const struct yaml *service = yaml_get(services, name), *depends = yaml_get(service, "depends_on");
    if (!service || strv_contains(set, name))
        return;
    strv_add(set, name);
    for (size_t i = 0; dependencies && i < yaml_count(depends); i++)
        add_selected(services, depends->pairs[i].key, dependencies, set);
}

/* A copy without the dependencies that were not selected. */
static struct yaml *without_others(struct compose_source *source, const struct yaml *service, const struct strv *set)
{
    struct yaml *copy = yaml_copy(&source->pool, service), *depends = yaml_get(copy, "depends_on");
    for (size_t i = yaml_count(depends); i-- > 0;) {
        if (!strv_contains(set, depends->pairs[i].key))
            yaml_remove_at(depends, i);
    }
    return copy;
}

static int select_services(struct compose_project *project, const struct strv *names, bool no_dependencies,
                           struct error *err)
{
    struct compose_source *source = project->source;
    CLEANUP_STRV struct strv set = STRV_INIT;
    for (size_t i = 0; i < names->count; i++) {
        if (!yaml_get(source->active, names->items[i]))
            return error_set(err, ERROR_NOT_FOUND, 0, "no such service: %s", names->items[i]);
        add_selected(source->active, names->items[i], !no_dependencies, &set);
    }
    struct yaml *active = yaml_new(&source->pool, YAML_MAPPING, source->active);
    for (size_t i = 0; i < source->active->count; i++) {
        struct yaml_pair pair = source->active->pairs[i];
        bool selected = strv_contains(&set, pair.key);
        if (selected)
            pair.value = without_others(source, pair.value, &set);
        yaml_add_pair(&source->pool, selected ? active : source->inactive, &pair);
    }
    source->active = active;
    return 0;
}

int compose_project_select(struct compose_project *project, const struct strv *names, bool no_dependencies,
                           struct error *err)
{
    if (!names || names->count == 0)
        return 0;
    int r = check_known(project, names, err);
    if (r < 0)
        return r;
    add_profiles(project, names);
    compose_source_apply_profiles(project);
    r = select_services(project, names, no_dependencies, err);
    return r == 0 ? compose_source_refresh(project, err) : r;
}
