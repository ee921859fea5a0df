#include "cmd/dory/compose/build_print.h"

#include <stdio.h>

#include "base/json_edit.h"
#include "cmd/dory/compose/labels.h"
#include "cmd/dory/compose/model.h"

/* Members that bake has under a name of its own, and takes as they are. */
static const struct {
    const char *build, *bake;
} same[] = {{"additional_contexts", "contexts"},
            {"target", "target"},
            {"cache_from", "cache-from"},
            {"cache_to", "cache-to"},
            {"ssh", "ssh"},
            {"platforms", "platforms"},
            {"network", "network"},
            {"shm_size", "shm-size"},
            {"entitlements", "entitlements"}};

static struct json *parsed(struct strbuf *text)
{
    struct json *tree = NULL;
    return json_parse(strbuf_str(text), text->size, &tree, NULL) == 0 ? tree : json_new_object();
}

static struct json *list_of(const char *item)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    json_put_string(&w, item);
    json_end_array(&w);
    return parsed(&text);
}

/* Those of `tags`, then the image's own name. */
static struct json *tags_of(const struct compose_project *project, const char *name, const struct json *service)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    const struct json *tags = json_get(json_get(service, "build"), "tags");
    CLEANUP_FREE char *own = model_image(project, name);
    json_writer_init(&w, &text);
    json_begin_array(&w);
    for (size_t i = 0; i < json_count(tags); i++)
        json_put_value(&w, json_at(tags, i));
    json_put_string(&w, own);
    json_end_array(&w);
    return parsed(&text);
}

static struct json *labels_of(const struct compose_project *project, const char *name, const struct json *build)
{
    const struct json *own = json_get(build, "labels");
    struct json *labels = own && own->kind == JSON_OBJECT ? json_copy(own) : json_new_object();
    json_set(labels, COMPOSE_LABEL_PROJECT, json_new_string(project->name));
    json_set(labels, COMPOSE_LABEL_SERVICE, json_new_string(name));
    json_set(labels, COMPOSE_LABEL_VERSION, json_new_string(COMPOSE_REFERENCE_VERSION));
    return labels;
}

static void set_arguments(struct json *target, const struct compose_project *project, const struct json *build,
                          const struct strv *given)
{
    CLEANUP_STRV struct strv entries = STRV_INIT;
    compose_build_arguments(project, build, given, &entries);
    for (size_t i = 0; i < entries.count; i++) {
        const char *equals = strchr(entries.items[i], '=');
        CLEANUP_FREE char *name = xstrndup(entries.items[i], (size_t)(equals - entries.items[i]));
        json_set(json_object_of(target, "args"), name, json_new_string(equals + 1));
    }
}

static void set_dockerfile(struct json *target, const struct json *build, const char *context)
{
    const char *text = json_get_string(build, "dockerfile_inline"), *file = json_get_string(build, "dockerfile");
    if (text) {
        json_set(target, "dockerfile-inline", json_new_string(text));
        return;
    }
    bool remote = strstr(context, "://") || strncmp(context, "git@", 4) == 0;
    file = file ? file : "Dockerfile";
    CLEANUP_FREE char *path = *file == '/' || remote ? xstrdup(file) : xasprintf("%s/%s", context, file);
    json_set(target, "dockerfile", json_new_string(path));
}

static struct json *target_of(const struct compose_project *project, const char *name,
                              const struct compose_build_options *options)
{
    const struct json *service = compose_service(project, name), *build = json_get(service, "build");
    const char *context = json_get_string(build, "context");
    struct json *target = json_new_object();
    context = context ? context : project->directory;
    json_set(target, "context", json_new_string(context));
    set_dockerfile(target, build, context);
    set_arguments(target, project, build, &options->args);
    json_set(target, "labels", labels_of(project, name, build));
    json_set(target, "tags", tags_of(project, name, service));
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        if (json_get(build, same[i].build))
            json_set(target, same[i].bake, json_copy(json_get(build, same[i].build)));
    }
    if (options->pull || json_get_bool(build, "pull", false))
        json_set(target, "pull", json_new_bool(true));
    if (options->no_cache || json_get_bool(build, "no_cache", false))
        json_set(target, "no-cache", json_new_bool(true));
    if (options->check)
        json_set(target, "call", json_new_string("lint"));
    json_set(target, "output", list_of(options->push ? "type=registry" : "type=docker"));
    return target;
}

void build_print(const struct compose_project *project, const struct strv *services,
                 const struct compose_build_options *options)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, names = STRBUF_INIT;
    struct json_writer w;
    CLEANUP_JSON struct json *file = json_new_object();
    json_writer_init(&w, &names);
    json_begin_array(&w);
    for (size_t i = 0; i < services->count; i++)
        json_put_string(&w, services->items[i]);
    json_end_array(&w);
    json_set(json_object_of(json_object_of(file, "group"), "default"), "targets", parsed(&names));
    struct json *targets = json_object_of(file, "target");
    for (size_t i = 0; i < services->count; i++)
        json_set(targets, services->items[i], target_of(project, services->items[i], options));
    json_print(file, "  ", 0, &text);
    printf("%s\n", strbuf_str(&text));
}
