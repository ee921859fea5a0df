#include "cmd/dory/compose/load.h"

#include <errno.h>
#include <string.h>

#include "cmd/dory/compose/files.h"
#include "cmd/dory/compose/interpolate.h"
#include "cmd/dory/compose/merge.h"
#include "cmd/dory/compose/validate.h"

static const char *const object_sections[] = {"networks", "volumes", "secrets", "configs"};

/* external: {name: X}, the older form of external: true with name: X. */
static int fix_external(struct load *load, const char *section, const struct yaml_pair *pair, struct error *err)
{
    struct yaml *object = pair->value, *external = yaml_get(object, "external");
    if (!yaml_is(external, YAML_MAPPING))
        return 0;
    const char *old = yaml_get_text(external, "name"), *name = yaml_get_text(object, "name");
    if (old) {
        strv_addf(load->warnings, "%s.%s: external.name is deprecated. Please set name and external: true", section,
                  pair->key);
        if (name && strcmp(name, old) != 0)
            return yaml_error(&external->place, err, "%s.%s: name and external.name conflict; only use name", section,
                              pair->key);
        yaml_set(load->pool, object, "name", yaml_new_string(load->pool, old, external));
    }
    yaml_set(load->pool, object, "external", yaml_new_bool(load->pool, true, external));
    return 0;
}

/* Variables that a list names without a value take that of the environment which the included files have. In a mapping
 * they do not: Compose looks for them in the project's own. */
static void fill_variables(struct load *load, struct yaml *list, const struct strv *environment)
{
    for (size_t i = 0; yaml_is(list, YAML_SEQUENCE) && i < list->count; i++) {
        struct yaml *item = list->pairs[i].value;
        const char *value = !yaml_text(item) || strchr(item->text, '=') ? NULL : strv_env_get(environment, item->text);
        if (value)
            item->text = yaml_pool_printf(load->pool, "%s=%s", item->text, value);
    }
}

/* The variables that the secrets and configs of included files stand for. */
static void keep_values(struct load *load, const struct yaml *objects, const struct strv *environment)
{
    for (size_t i = 0; i < yaml_count(objects); i++) {
        const char *name = yaml_get_text(objects->pairs[i].value, "environment");
        const char *value = name ? strv_env_get(environment, name) : NULL;
        if (value && !strv_env_get(load->included, name))
            strv_addf(load->included, "%s=%s", name, value);
    }
}

static int interpolate(const struct load *load, const struct load_set *set, struct yaml *document, struct error *err)
{
    struct interpolation how = {interpolate_from_list, (void *)set->environment, load->warnings};
    return load->raw ? 0 : interpolate_tree(&how, load->pool, document, err);
}

/* What has been interpolated into the canonical form. */
static int prepare(struct load *load, const struct load_set *set, const char *path, struct yaml *document,
                   struct error *err)
{
    struct schema_walk walk = {load->pool, load->warnings, load->raw};
    struct yaml *services = yaml_get(document, "services");
    for (size_t i = 0; set->up && i < yaml_count(services); i++)
        fill_variables(load, yaml_get(services->pairs[i].value, "environment"), set->environment);
    int r = schema_apply(&walk, document, err);
    for (size_t s = 0; r == 0 && s < ARRAY_SIZE(object_sections); s++) {
        const struct yaml *objects = yaml_get(document, object_sections[s]);
        for (size_t i = 0; r == 0 && i < yaml_count(objects); i++)
            r = fix_external(load, object_sections[s], &objects->pairs[i], err);
    }
    if (r == 0 && yaml_remove(document, "version"))
        strv_addf(load->warnings,
                  "%s: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential "
                  "confusion",
                  path);
    return r;
}

int load_parse(struct load *load, const char *path, struct load_documents *ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    if (++load->files > LOAD_FILES_MAX)
        return error_set(err, ERROR_INVALID, 0, "more than %d files", LOAD_FILES_MAX);
    int r = compose_file_read(path, &text, &size, err);
    return r < 0 ? r : yaml_parse(load->pool, path, text, size, &ret->items, &ret->count, err);
}

/* The service itself, and what it extends in its file: more than can be extended is not followed. */
static void add_extended(const struct load_documents *documents, const char *service, struct strv *names)
{
    if (strv_contains(names, service) || names->count > 2 * LOAD_EXTENDS_MAX)
        return;
    strv_add(names, service);
    for (size_t i = 0; i < documents->count; i++) {
        const struct yaml *extends = yaml_get(yaml_get(yaml_get(documents->items[i], "services"), service), "extends");
        const char *other = yaml_is(extends, YAML_MAPPING) ? yaml_get_text(extends, "service") : yaml_text(extends);
        if (other && !(yaml_is(extends, YAML_MAPPING) && yaml_get(extends, "file")))
            add_extended(documents, other, names);
    }
}

/* Leaves the services that are asked for and no other object: what else is in the file does not count. */
static void leave(const struct load_documents *documents, const struct strv *names)
{
    for (size_t d = 0; d < documents->count; d++) {
        struct yaml *document = documents->items[d], *services = yaml_get(document, "services");
        for (size_t i = yaml_is(document, YAML_MAPPING) ? document->count : 0; i-- > 0;) {
            if (strcmp(document->pairs[i].key, "services") != 0 && strcmp(document->pairs[i].key, "version") != 0)
                yaml_remove_at(document, i);
        }
        for (size_t i = yaml_is(services, YAML_MAPPING) ? services->count : 0; i-- > 0;) {
            if (!strv_contains(names, services->pairs[i].key))
                yaml_remove_at(services, i);
        }
    }
}

int load_service_file(struct load *load, const struct load_set *set, const char *path, const char *service,
                      struct yaml **ret, struct error *err)
{
    struct load_documents documents;
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = load_parse(load, path, &documents, err);
    *ret = NULL;
    for (size_t i = 0; r == 0 && i < documents.count; i++)
        r = interpolate(load, set, documents.items[i], err);
    if (r < 0)
        return r;
    add_extended(&documents, service, &names);
    leave(&documents, &names);
    for (size_t i = 0; r == 0 && i < documents.count; i++) {
        r = prepare(load, set, path, documents.items[i], err);
        if (r == 0 && *ret)
            r = merge_documents(load->pool, *ret, documents.items[i], err);
        else if (r == 0)
            *ret = documents.items[i];
    }
    return r;
}

/* A file of the set onto what the earlier ones made. */
static int add_file(struct load *load, const struct load_set *set, size_t file, struct yaml *root, struct error *err)
{
    const char *path = set->files->items[file];
    struct load_documents documents;
    int r = 0;
    if (set->parsed)
        documents = set->parsed[file];
    else
        r = load_parse(load, path, &documents, err);
    for (size_t i = 0; r == 0 && i < documents.count; i++) {
        r = interpolate(load, set, documents.items[i], err);
        if (r == 0)
            r = prepare(load, set, path, documents.items[i], err);
        if (r == 0)
            r = load_extends(load, set, path, documents.items[i], err);
        if (r == 0)
            r = load_include(load, set, documents.items[i], err);
        if (r == 0)
            r = merge_documents(load->pool, root, documents.items[i], err);
    }
    if (r == 0 && yaml_pool_full(load->pool))
        r = error_set(err, ERROR_INVALID, 0, "%s: yaml: the document has too many nodes", path);
    return r;
}

static void set_default(struct load *load, struct yaml *mapping, const char *key, const char *text)
{
    if (mapping->kind == YAML_MAPPING && !yaml_get(mapping, key))
        yaml_set(load->pool, mapping, key, yaml_new_string(load->pool, text, mapping));
}

static void set_service_defaults(struct load *load, struct yaml *service)
{
    struct yaml *build = yaml_get(service, "build"), *secrets = yaml_get(service, "secrets");
    struct yaml *ports = yaml_get(service, "ports"), *depends = yaml_get(service, "depends_on");
    if (build)
        set_default(load, build, "context", ".");
    for (size_t i = 0; i < yaml_count(secrets); i++) {
        const char *source = yaml_get_text(secrets->pairs[i].value, "source");
        CLEANUP_FREE char *target = xasprintf("/run/secrets/%s", source ? source : "");
        set_default(load, secrets->pairs[i].value, "target", target);
    }
    for (size_t i = 0; i < yaml_count(ports); i++) {
        set_default(load, ports->pairs[i].value, "protocol", "tcp");
        set_default(load, ports->pairs[i].value, "mode", "ingress");
    }
    struct yaml *devices =
        yaml_get(yaml_get(yaml_get(yaml_get(service, "deploy"), "resources"), "reservations"), "devices");
    for (size_t i = 0; i < yaml_count(devices); i++) {
        struct yaml *request = devices->pairs[i].value;
        if (!yaml_get(request, "count") && !yaml_get(request, "device_ids"))
            yaml_set(load->pool, request, "count",
                     load->raw ? yaml_new_string(load->pool, "all", request)
                               : yaml_new_integer(load->pool, -1, request));
    }
    for (size_t i = 0; i < yaml_count(depends); i++) {
        struct yaml *one = depends->pairs[i].value;
        if (one->kind == YAML_MAPPING && !yaml_get(one, "required"))
            yaml_set(load->pool, one, "required", yaml_new_bool(load->pool, true, one));
    }
}

int load_files(struct load *load, const struct load_set *set, struct yaml **ret, struct error *err)
{
    struct yaml *root = yaml_new(load->pool, YAML_MAPPING, NULL);
    int r = 0;
    for (size_t i = 0; r == 0 && i < set->files->count; i++)
        r = add_file(load, set, i, root, err);
    if (r < 0)
        return r;
    merge_finish(root);
    struct yaml *services = yaml_get(root, "services");
    for (size_t i = 0; i < yaml_count(services); i++)
        set_service_defaults(load, services->pairs[i].value);
    r = schema_check_complete(root, err);
    if (r == 0)
        r = validate_objects(root, err);
    if (r < 0)
        return r;
    if (set->base)
        load_resolve_paths(load->pool, root, set->base);
    if (set->up) {
        keep_values(load, yaml_get(root, "secrets"), set->environment);
        keep_values(load, yaml_get(root, "configs"), set->environment);
    }
    *ret = root;
    return 0;
}
