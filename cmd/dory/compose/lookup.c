#include "cmd/dory/compose/lookup.h"

#include <stdlib.h>

void compose_lookup_release(struct compose_lookup *lookup)
{
    free(lookup->name);
    if (lookup->loaded)
        compose_project_release(&lookup->project);
    *lookup = (struct compose_lookup){0};
}

static int load(const struct compose_options *options, const struct strv *services, struct compose_lookup *ret,
                struct error *err)
{
    const char *variable = getenv("COMPOSE_PROJECT_NAME");
    int r = compose_project_load(options, &ret->project, err);
    if (r < 0 && variable && *variable) {
        error_clear(err);
        ret->name = xstrdup(variable);
        return 0;
    }
    if (r < 0)
        return r;
    ret->loaded = true;
    compose_project_warn(&ret->project);
    ret->name = xstrdup(ret->project.name);
    return services && services->count > 0 ? compose_project_enable(&ret->project, services, err) : 0;
}

int compose_lookup(const struct cli *cli, const struct strv *services, struct compose_lookup *ret, struct error *err)
{
    const struct compose_options *options = compose_options(cli);
    *ret = (struct compose_lookup){0};
    if (options->project_name && options->files.count == 0) {
        ret->name = xstrdup(options->project_name);
        return 0;
    }
    int r = load(options, services, ret, err);
    if (r < 0)
        compose_lookup_release(ret);
    return r;
}

static void add_keys(const struct json *services, struct strv *names)
{
    for (size_t i = 0; services && services->kind == JSON_OBJECT && i < services->object.count; i++)
        strv_add(names, services->object.keys[i]);
}

void compose_lookup_services(const struct compose_lookup *lookup, bool disabled, struct strv *names)
{
    if (!lookup->loaded)
        return;
    add_keys(json_get(lookup->project.model, "services"), names);
    if (disabled)
        add_keys(lookup->project.disabled, names);
    strv_sort(names);
}

int compose_lookup_container(struct cli *cli, const char *service, int64_t index, struct compose_containers *ret_list,
                             const struct compose_container **ret, struct error *err)
{
    CLEANUP_FREE char *project = NULL;
    struct compose_query query = {.oneoff = COMPOSE_ONEOFF_INCLUDE};
    *ret_list = (struct compose_containers){0};
    int r = compose_project_name(compose_options(cli), &project, err);
    return r < 0 ? r : compose_container_of(cli_client(cli), project, service, index, &query, ret_list, ret, err);
}
