#include "cmd/dory/compose/normalize.h"

#include <ctype.h>
#include <string.h>

#include "base/path_match.h"
#include "base/strbuf.h"

struct normalize {
    struct yaml_pool *pool;
    const struct strv *environment;
};

char *normalize_project_name(const char *text)
{
    struct strbuf name = STRBUF_INIT;
    for (; *text; text++) {
        char c = (char)tolower((unsigned char)*text);
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (name.size > 0 && (c == '_' || c == '-')))
            strbuf_addc(&name, c);
    }
    return strbuf_take(&name);
}

static struct yaml *section(struct yaml_pool *pool, struct yaml *root, const char *key)
{
    struct yaml *there = yaml_get(root, key);
    if (!yaml_is(there, YAML_MAPPING)) {
        there = yaml_new(pool, YAML_MAPPING, NULL);
        yaml_set(pool, root, key, there);
    }
    return there;
}

static void add_default_network(const struct normalize *normalize, struct yaml *root)
{
    struct yaml *services = yaml_get(root, "services");
    bool used = false;
    for (size_t i = 0; i < yaml_count(services); i++) {
        struct yaml *service = services->pairs[i].value;
        if (service->kind != YAML_MAPPING || yaml_get(service, "network_mode"))
            continue;
        if (yaml_count(yaml_get(service, "networks")) == 0) {
            struct yaml *networks = yaml_new(normalize->pool, YAML_MAPPING, service);
            yaml_set(normalize->pool, networks, "default", yaml_new(normalize->pool, YAML_NULL, service));
            yaml_set(normalize->pool, service, "networks", networks);
        }
        used = used || yaml_pair_of(yaml_get(service, "networks"), "default");
    }
    if (used && !yaml_pair_of(yaml_get(root, "networks"), "default"))
        yaml_set(normalize->pool, section(normalize->pool, root, "networks"), "default",
                 yaml_new(normalize->pool, YAML_MAPPING, NULL));
}

static void imply(const struct normalize *normalize, struct yaml *service, const struct yaml *at, const char *name,
                  bool restart)
{
    struct yaml *depends = section(normalize->pool, service, "depends_on");
    if (yaml_pair_of(depends, name))
        return;
    struct yaml *dependency = yaml_new(normalize->pool, YAML_MAPPING, at);
    yaml_set(normalize->pool, dependency, "condition", yaml_new_string(normalize->pool, "service_started", at));
    yaml_set(normalize->pool, dependency, "restart", yaml_new_bool(normalize->pool, restart, at));
    yaml_set(normalize->pool, dependency, "required", yaml_new_bool(normalize->pool, true, at));
    yaml_set(normalize->pool, depends, name, dependency);
}

static void add_dependencies(const struct normalize *normalize, struct yaml *service)
{
    static const char *const modes[] = {"network_mode", "ipc", "pid", "uts", "cgroup"};
    const struct yaml *links = yaml_get(service, "links"), *from = yaml_get(service, "volumes_from");
    for (size_t i = 0; i < yaml_count(links); i++) {
        const char *text = links->pairs[i].value->text, *colon = strchr(text, ':');
        bool alias = colon && !strchr(colon + 1, ':');
        CLEANUP_FREE char *name = xstrndup(text, alias ? (size_t)(colon - text) : strlen(text));
        imply(normalize, service, links->pairs[i].value, name, true);
    }
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        const struct yaml *mode = yaml_get(service, modes[i]);
        if (yaml_text(mode) && strncmp(mode->text, "service:", 8) == 0)
            imply(normalize, service, mode, mode->text + 8, true);
    }
    for (size_t i = 0; i < yaml_count(from); i++) {
        const char *text = from->pairs[i].value->text;
        CLEANUP_FREE char *name = xstrndup(text, strcspn(text, ":"));
        if (strncmp(text, "container:", 10) != 0)
            imply(normalize, service, from->pairs[i].value, name, false);
    }
}

/* Values that are not there are taken from the environment. */
static void fill_values(const struct normalize *normalize, struct yaml *mapping, bool keep)
{
    for (size_t i = yaml_is(mapping, YAML_MAPPING) ? mapping->count : 0; i-- > 0;) {
        struct yaml_pair *pair = &mapping->pairs[i];
        const char *value = pair->value->kind == YAML_NULL ? strv_env_get(normalize->environment, pair->key) : NULL;
        if (value)
            pair->value = yaml_new_string(normalize->pool, value, pair->value);
        else if (pair->value->kind == YAML_NULL && !keep)
            yaml_remove_at(mapping, i);
    }
    /* A list is there only where variables stay in it. */
    for (size_t i = yaml_is(mapping, YAML_SEQUENCE) && !keep ? mapping->count : 0; i-- > 0;) {
        if (!strchr(mapping->pairs[i].value->text, '='))
            yaml_remove_at(mapping, i);
    }
}

static void clean_targets(const struct normalize *normalize, struct yaml *volumes)
{
    for (size_t i = 0; i < yaml_count(volumes); i++) {
        struct yaml *target = yaml_get(volumes->pairs[i].value, "target");
        CLEANUP_FREE char *clean = yaml_text(target) ? path_clean(target->text) : NULL;
        if (clean)
            target->text = yaml_pool_strdup(normalize->pool, clean);
    }
}

static void normalize_service(const struct normalize *normalize, struct yaml *service)
{
    struct yaml *build = yaml_get(service, "build"), *policy = yaml_get(service, "pull_policy");
    if (yaml_text(policy) && strcmp(policy->text, "if_not_present") == 0)
        policy->text = "missing";
    if (yaml_is(build, YAML_MAPPING)) {
        if (!yaml_get(build, "dockerfile") && !yaml_get(build, "dockerfile_inline"))
            yaml_set(normalize->pool, build, "dockerfile", yaml_new_string(normalize->pool, "Dockerfile", build));
        fill_values(normalize, yaml_get(build, "args"), false);
    }
    fill_values(normalize, yaml_get(service, "environment"), true);
    add_dependencies(normalize, service);
    clean_targets(normalize, yaml_get(service, "volumes"));
}

static void name_objects(const struct normalize *normalize, struct yaml *objects, const char *project)
{
    for (size_t i = 0; yaml_is(objects, YAML_MAPPING) && i < objects->count; i++) {
        struct yaml_pair *pair = &objects->pairs[i];
        if (pair->value->kind != YAML_MAPPING)
            pair->value = yaml_new(normalize->pool, YAML_MAPPING, pair->value);
        const struct yaml *external = yaml_get(pair->value, "external");
        bool outside = external && strcmp(external->text, "true") == 0;
        CLEANUP_FREE char *name = outside ? xstrdup(pair->key) : xasprintf("%s_%s", project, pair->key);
        if (!yaml_get(pair->value, "name"))
            yaml_set(normalize->pool, pair->value, "name", yaml_new_string(normalize->pool, name, pair->value));
    }
}

void normalize_project(struct yaml_pool *pool, struct yaml *root, const char *project, const struct strv *environment)
{
    static const char *const sections[] = {"networks", "volumes", "secrets", "configs"};
    const struct normalize normalize = {pool, environment};
    struct yaml *services = yaml_get(root, "services");
    add_default_network(&normalize, root);
    for (size_t i = 0; i < yaml_count(services); i++) {
        if (services->pairs[i].value->kind == YAML_MAPPING)
            normalize_service(&normalize, services->pairs[i].value);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        name_objects(&normalize, yaml_get(root, sections[i]), project);
}
