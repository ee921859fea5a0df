#include "cmd/dory/compose/containers.h"

#include <errno.h>
#include <string.h>

#include "api/client.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "cmd/dory/filters_query.h"

void compose_containers_release(struct compose_containers *containers)
{
    free(containers->items);
    json_free(containers->rows);
    *containers = (struct compose_containers){0};
}

const char *compose_container_label(const struct compose_container *container, const char *label)
{
    return json_get_string(json_get(container->row, "Labels"), label);
}

/* The container's own name; others are those that links give it ("/other/alias"). */
static const char *own_name(const struct json *names)
{
    for (size_t i = 0; i < json_count(names); i++) {
        const char *name = json_string(json_at(names, i));
        if (name && name[0] == '/' && !strchr(name + 1, '/'))
            return name + 1;
    }
    return NULL;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static struct compose_container container_of(const struct json *row)
{
    struct compose_container container = {.row = row};
    const char *number = compose_container_label(&container, COMPOSE_LABEL_NUMBER);
    const char *oneoff = compose_container_label(&container, COMPOSE_LABEL_ONEOFF);
    container.id = or_empty(json_get_string(row, "Id"));
    container.name = own_name(json_get(row, "Names"));
    if (!container.name)
        container.name = container.id;
    container.service = or_empty(compose_container_label(&container, COMPOSE_LABEL_SERVICE));
    container.state = or_empty(json_get_string(row, "State"));
    container.image = or_empty(json_get_string(row, "Image"));
    container.oneoff = oneoff && strcmp(oneoff, "True") == 0;
    if (!number || parse_int64(number, 0, INT64_MAX, &container.number) < 0)
        container.number = 0;
    return container;
}

static bool is_wanted(const struct compose_container *container, const struct compose_query *query)
{
    if (query->services && query->services->count > 0 && !strv_contains(query->services, container->service))
        return false;
    return query->oneoff == COMPOSE_ONEOFF_INCLUDE || container->oneoff == (query->oneoff == COMPOSE_ONEOFF_ONLY);
}

int compose_container_compare_names(const void *a, const void *b)
{
    return strcmp(((const struct compose_container *)a)->name, ((const struct compose_container *)b)->name);
}

static int compare(const void *a, const void *b)
{
    const struct compose_container *x = a, *y = b;
    int r = strcmp(x->service, y->service);
    if (r == 0)
        r = x->oneoff - y->oneoff;
    if (r == 0)
        r = (x->number > y->number) - (x->number < y->number);
    return r != 0 ? r : compose_container_compare_names(a, b);
}

int compose_containers_take(struct json *rows, const struct compose_query *query, struct compose_containers *ret,
                            struct error *err)
{
    if (!rows || rows->kind != JSON_ARRAY) {
        json_free(rows);
        return error_set(err, ERROR_SYSTEM, EPROTO, "the daemon's list of containers is no list");
    }
    size_t count = json_count(rows);
    *ret = (struct compose_containers){.rows = rows, .items = xcalloc(count + 1, sizeof(*ret->items))};
    for (size_t i = 0; i < count; i++) {
        struct compose_container container = container_of(json_at(rows, i));
        if (is_wanted(&container, query))
            ret->items[ret->count++] = container;
    }
    qsort(ret->items, ret->count, sizeof(*ret->items), compare);
    return 0;
}

int compose_containers_list(struct client *client, const char *project, const struct compose_query *query,
                            struct compose_containers *ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_STRV struct strv filters = STRV_INIT;
    struct json *rows = NULL;
    strv_addf(&filters, "label=%s=%s", COMPOSE_LABEL_PROJECT, project);
    /* What has no hash was not made by a compose, though it may carry the project's label. */
    strv_addf(&filters, "label=%s", COMPOSE_LABEL_CONFIG_HASH);
    if (query->services && query->services->count == 1)
        strv_addf(&filters, "label=%s=%s", COMPOSE_LABEL_SERVICE, query->services->items[0]);
    strbuf_adds(&path, "/containers/json");
    client_query_add_bool(&path, "all", query->all);
    int r = filters_query_add(&path, &filters, err);
    if (r == 0)
        r = client_json(client, &(struct client_request){.path = strbuf_str(&path)}, &rows, err);
    return r < 0 ? r : compose_containers_take(rows, query, ret, err);
}

const struct compose_container *compose_containers_find(const struct compose_containers *containers,
                                                        const char *service, int64_t index)
{
    for (size_t i = 0; i < containers->count; i++) {
        const struct compose_container *container = &containers->items[i];
        if (strcmp(container->service, service) == 0 && (index == 0 || container->number == index))
            return container;
    }
    return NULL;
}

int compose_container_of(struct client *client, const char *project, const char *service, int64_t index,
                         const struct compose_query *query, struct compose_containers *ret_list,
                         const struct compose_container **ret, struct error *err)
{
    CLEANUP_STRV struct strv services = STRV_INIT;
    struct compose_query own = *query;
    *ret_list = (struct compose_containers){0};
    strv_add(&services, service);
    own.services = &services;
    int r = compose_containers_list(client, project, &own, ret_list, err);
    if (r < 0)
        return r;
    *ret = compose_containers_find(ret_list, service, index);
    if (*ret)
        return 0;
    if (index > 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "service \"%s\" is not running container #%lld", service,
                         (long long)index);
    return error_set(err, ERROR_NOT_FOUND, 0, "service \"%s\" is not running", service);
}

/* Is it PROJECT-SERVICE-NUMBER, with either separator? */
static bool has_default_name(const struct compose_container *container, const char *project)
{
    static const char separators[] = "-_";
    for (const char *c = separators; *c; c++) {
        CLEANUP_FREE char *name =
            xasprintf("%s%c%s%c%lld", project, *c, container->service, *c, (long long)container->number);
        if (strcmp(name, container->name) == 0)
            return true;
    }
    return false;
}

const char *compose_container_short_name(const struct compose_container *container, const char *project)
{
    return has_default_name(container, project) ? container->name + strlen(project) + 1 : container->name;
}
