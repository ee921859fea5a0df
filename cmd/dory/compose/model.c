#include "cmd/dory/compose/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

int64_t model_int(const struct json *object, const char *key, int64_t fallback)
{
    const struct json *value = json_get(object, key);
    int64_t n;
    if (!value)
        return fallback;
    if (value->kind == JSON_INTEGER)
        return value->integer;
    if (value->kind == JSON_REAL)
        return (int64_t)value->real;
    if (value->kind == JSON_STRING && (parse_int64(value->string.data, INT64_MIN, INT64_MAX, &n) == 0 ||
                                       parse_size(value->string.data, true, &n) == 0))
        return n;
    return fallback;
}

int64_t model_nano(const struct json *object, const char *key)
{
    const struct json *value = json_get(object, key);
    int64_t n = 0;
    if (value && value->kind == JSON_INTEGER)
        return value->integer * 1000000000;
    if (value && value->kind == JSON_REAL)
        return (int64_t)llround(value->real * 1e9);
    if (value && value->kind == JSON_STRING && parse_nano_cpus(value->string.data, &n) == 0)
        return n;
    return 0;
}

bool model_bool(const struct json *object, const char *key, bool fallback)
{
    const char *text = json_get_string(object, key);
    bool value;
    if (text && parse_bool(text, &value) == 0)
        return value;
    return json_get_bool(object, key, fallback);
}

int64_t model_duration(const struct json *object, const char *key)
{
    const char *text = json_get_string(object, key);
    int64_t ns;
    return text && parse_duration(text, &ns) == 0 ? ns : -1;
}

size_t model_members(const struct json *object)
{
    return object && object->kind == JSON_OBJECT ? object->object.count : 0;
}

/* A scalar as text; "" for what is none. */
static void add_scalar(struct strbuf *out, const struct json *value)
{
    struct json_writer w;
    if (value->kind == JSON_STRING) {
        strbuf_add(out, value->string.data, value->string.size);
    } else if (value->kind == JSON_INTEGER || value->kind == JSON_REAL || value->kind == JSON_BOOL) {
        json_writer_init(&w, out);
        json_put_value(&w, value);
    }
}

void model_entries(const struct json *value, struct strv *out)
{
    for (size_t i = 0; i < json_count(value); i++)
        strv_add(out, json_string(json_at(value, i)));
    for (size_t i = 0; i < model_members(value); i++) {
        CLEANUP_STRBUF struct strbuf entry = STRBUF_INIT;
        strbuf_adds(&entry, value->object.keys[i]);
        if (value->object.values[i].kind != JSON_NULL) {
            strbuf_addc(&entry, '=');
            add_scalar(&entry, &value->object.values[i]);
        }
        strv_add(out, strbuf_str(&entry));
    }
}

char *model_image(const struct compose_project *project, const char *service)
{
    const char *image = json_get_string(compose_service(project, service), "image");
    return image && *image ? xstrdup(image) : xasprintf("%s%c%s", project->name, compose_separator(project), service);
}

char *model_container_name(const struct compose_project *project, const char *service, int number)
{
    const char *name = json_get_string(compose_service(project, service), "container_name");
    char c = compose_separator(project);
    return name && *name ? xstrdup(name) : xasprintf("%s%c%s%c%d", project->name, c, service, c, number);
}

int64_t model_scale(const struct json *service)
{
    int64_t replicas = model_int(json_get(service, "deploy"), "replicas", 1);
    return model_int(service, "scale", replicas);
}

void model_networks(const struct json *service, struct strv *out)
{
    const struct json *networks = json_get(service, "networks");
    CLEANUP_STRV struct strv names = STRV_INIT;
    for (size_t i = 0; i < model_members(networks); i++)
        strv_add(&names, networks->object.keys[i]);
    strv_sort(&names);
    while (names.count > 0) {
        size_t best = 0;
        for (size_t i = 1; i < names.count; i++) {
            if (model_int(json_get(networks, names.items[i]), "priority", 0) >
                model_int(json_get(networks, names.items[best]), "priority", 0))
                best = i;
        }
        strv_add(out, names.items[best]);
        strv_remove(&names, best);
    }
}

const char *model_shared_service(const struct json *service, const char *key)
{
    const char *mode = json_get_string(service, key);
    return mode && strncmp(mode, "service:", 8) == 0 ? mode + 8 : NULL;
}

static void add_once(struct strv *out, const char *name)
{
    if (name && !strv_contains(out, name))
        strv_add(out, name);
}

/* The part before the first colon. */
static void add_head(struct strv *out, const char *text)
{
    CLEANUP_FREE char *head = text ? xstrndup(text, strcspn(text, ":")) : NULL;
    add_once(out, head);
}

void model_dependencies(const struct json *service, struct strv *out)
{
    static const char *const modes[] = {"network_mode", "ipc", "pid"};
    const struct json *depends = json_get(service, "depends_on"), *links = json_get(service, "links"),
                      *volumes = json_get(service, "volumes_from");
    for (size_t i = 0; i < model_members(depends); i++)
        add_once(out, depends->object.keys[i]);
    for (size_t i = 0; i < json_count(links); i++)
        add_head(out, json_string(json_at(links, i)));
    for (size_t i = 0; i < json_count(volumes); i++) {
        const char *from = json_string(json_at(volumes, i));
        if (from && strncmp(from, "container:", 10) != 0)
            add_head(out, from);
    }
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        add_once(out, model_shared_service(service, modes[i]));
}

/* Adds what `name` needs, each once, to `seen`. */
static void gather(const struct compose_project *project, const char *name, struct strv *seen)
{
    CLEANUP_STRV struct strv needs = STRV_INIT;
    model_dependencies(compose_service(project, name), &needs);
    for (size_t i = 0; i < needs.count; i++) {
        if (!strv_contains(seen, needs.items[i]) && compose_service(project, needs.items[i])) {
            strv_add(seen, needs.items[i]);
            gather(project, needs.items[i], seen);
        }
    }
}

bool model_depends(const struct compose_project *project, const char *service, const char *other)
{
    CLEANUP_STRV struct strv seen = STRV_INIT;
    gather(project, service, &seen);
    return strv_contains(&seen, other);
}

void model_select(const struct compose_project *project, struct strv *names, bool dependencies)
{
    const struct json *services = json_get(project->model, "services");
    CLEANUP_STRV struct strv wanted = STRV_INIT;
    bool all = names->count == 0;
    strv_add_all(&wanted, names);
    for (size_t i = 0; dependencies && i < names->count; i++)
        gather(project, names->items[i], &wanted);
    strv_clear(names);
    for (size_t i = 0; i < model_members(services); i++) {
        if (all || strv_contains(&wanted, services->object.keys[i]))
            strv_add(names, services->object.keys[i]);
    }
}

struct json *model_list(const struct strv *words)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json *tree = NULL;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    for (size_t i = 0; i < words->count; i++)
        json_put_string(&w, words->items[i]);
    json_end_array(&w);
    json_parse(text.data, text.size, &tree, NULL);
    return tree;
}
