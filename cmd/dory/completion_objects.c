/* Names of the daemon's objects for completion. */
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "cmd/dory/completion.h"
#include "cmd/dory/compose/project.h"
#include "cmd/dory/context_store.h"

static void print_name(const char *name, const char *prefix)
{
    if (name && strncmp(name, prefix, strlen(prefix)) == 0)
        printf("%s\n", name);
}

static struct json *get(struct cli *cli, const char *path)
{
    struct json *answer = NULL;
    struct error err = {0};
    if (!cli->client || client_json(cli->client, &(struct client_request){.path = path}, &answer, &err) < 0)
        return NULL;
    return answer;
}

static void containers(struct cli *cli, bool all, const char *prefix)
{
    CLEANUP_JSON struct json *rows = get(cli, all ? "/containers/json?all=1" : "/containers/json");
    for (size_t i = 0; i < json_count(rows); i++) {
        const char *name = json_string(json_at(json_get(json_at(rows, i), "Names"), 0));
        print_name(name && name[0] == '/' ? name + 1 : name, prefix);
    }
}

static void images(struct cli *cli, const char *prefix)
{
    CLEANUP_JSON struct json *rows = get(cli, "/images/json");
    for (size_t i = 0; i < json_count(rows); i++) {
        const struct json *tags = json_get(json_at(rows, i), "RepoTags");
        for (size_t n = 0; n < json_count(tags); n++)
            print_name(json_string(json_at(tags, n)), prefix);
    }
}

static void named(const struct json *list, const char *prefix)
{
    for (size_t i = 0; i < json_count(list); i++)
        print_name(json_get_string(json_at(list, i), "Name"), prefix);
}

static void volumes(struct cli *cli, const char *prefix)
{
    CLEANUP_JSON struct json *answer = get(cli, "/volumes");
    named(json_get(answer, "Volumes"), prefix);
}

static void networks(struct cli *cli, const char *prefix)
{
    CLEANUP_JSON struct json *answer = get(cli, "/networks");
    named(answer, prefix);
}

static void contexts(struct cli *cli, const char *prefix)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    struct error err = {0};
    print_name(CONTEXT_DEFAULT, prefix);
    if (context_list(cli, &names, &err) < 0)
        return;
    for (size_t i = 0; i < names.count; i++)
        print_name(names.items[i], prefix);
}

static void services(struct cli *cli, const char *prefix)
{
    CLEANUP_COMPOSE_PROJECT struct compose_project project = {0};
    const struct json *active;
    if (!cli->group_flags || compose_project_load(cli->group_flags, &project, NULL) < 0)
        return;
    active = json_get(project.model, "services");
    for (size_t i = 0; active && i < active->object.count; i++)
        print_name(active->object.keys[i], prefix);
    for (size_t i = 0; i < project.disabled->object.count; i++)
        print_name(project.disabled->object.keys[i], prefix);
}

void completion_objects(struct cli *cli, enum complete what, const char *prefix)
{
    if (what == COMPLETE_CONTAINERS || what == COMPLETE_RUNNING || what == COMPLETE_OBJECTS)
        containers(cli, what != COMPLETE_RUNNING, prefix);
    if (what == COMPLETE_IMAGES || what == COMPLETE_OBJECTS)
        images(cli, prefix);
    if (what == COMPLETE_VOLUMES || what == COMPLETE_OBJECTS)
        volumes(cli, prefix);
    if (what == COMPLETE_NETWORKS || what == COMPLETE_OBJECTS)
        networks(cli, prefix);
    if (what == COMPLETE_SERVICES)
        services(cli, prefix);
    if (what == COMPLETE_CONTEXTS)
        contexts(cli, prefix);
}
