#include "cmd/dory/compose/validate.h"

#include <errno.h>
#include <string.h>

#include "base/strmap.h"

#define DEPTH_MAX 2000

struct project {
    const struct yaml *root, *services, *disabled;
};

/* A check of one service. */
typedef int (*check_fn)(const struct project *project, const char *name, const struct yaml *service, struct error *err);

static int check_image(const struct project *project, const char *name, const struct yaml *service, struct error *err)
{
    const struct yaml *build = yaml_get(service, "build");
    const char *image = yaml_get_text(service, "image");
    (void)project;
    if (!build && (!image || !*image))
        return yaml_error(&service->place, err, "service \"%s\" has neither an image nor a build context specified",
                          name);
    if (yaml_get(build, "dockerfile") && yaml_get(build, "dockerfile_inline"))
        return yaml_error(&build->place, err,
                          "service \"%s\" declares mutualy exclusive dockerfile and dockerfile_inline", name);
    return 0;
}

static int check_build(const struct project *project, const char *name, const struct yaml *service, struct error *err)
{
    const struct yaml *build = yaml_get(service, "build"), *contexts = yaml_get(build, "additional_contexts");
    const struct yaml *platforms = yaml_get(build, "platforms"), *secrets = yaml_get(build, "secrets");
    const char *platform = yaml_get_text(service, "platform");
    for (size_t i = 0; i < yaml_count(contexts); i++) {
        const char *context = yaml_text(contexts->pairs[i].value);
        if (!context || strncmp(context, "service:", 8) != 0)
            continue;
        const struct yaml *other = yaml_get(project->services, context + 8);
        if (!other || !yaml_get(other, "build"))
            return yaml_error(&contexts->pairs[i].place, err,
                              "service \"%s\" declares %s service \"%s\" as additional contexts %s", name,
                              other ? "non-buildable" : "unknown", context + 8, contexts->pairs[i].key);
    }
    bool found = !platform || yaml_count(platforms) == 0;
    for (size_t i = 0; i < yaml_count(platforms) && !found; i++)
        found = strcmp(platforms->pairs[i].value->text, platform) == 0;
    if (!found)
        return yaml_error(&platforms->place, err, "service.build.platforms MUST include service.platform \"%s\"",
                          platform);
    for (size_t i = 0; i < yaml_count(secrets); i++) {
        const char *source = yaml_get_text(secrets->pairs[i].value, "source");
        if (!yaml_get(yaml_get(project->root, "secrets"), source ? source : ""))
            return yaml_error(&secrets->pairs[i].value->place, err,
                              "service \"%s\" refers to undefined build secret %s", name, source ? source : "");
    }
    return 0;
}

static int check_networks(const struct project *project, const char *name, const struct yaml *service,
                          struct error *err)
{
    const struct yaml *networks = yaml_get(service, "networks"), *known = yaml_get(project->root, "networks");
    const char *mode = yaml_get_text(service, "network_mode");
    if (mode && yaml_count(networks) > 0)
        return yaml_error(&service->place, err, "service %s declares mutually exclusive `network_mode` and `networks`",
                          name);
    for (size_t i = 0; i < yaml_count(networks); i++) {
        if (!yaml_pair_of(known, networks->pairs[i].key))
            return yaml_error(&networks->pairs[i].place, err, "service \"%s\" refers to undefined network %s", name,
                              networks->pairs[i].key);
    }
    return 0;
}

static int check_healthcheck(const struct project *project, const char *name, const struct yaml *service,
                             struct error *err)
{
    const struct yaml *test = yaml_get(yaml_get(service, "healthcheck"), "test");
    (void)project, (void)name;
    if (yaml_count(test) == 0)
        return 0;
    const char *first = test->pairs[0].value->text;
    if (strcmp(first, "CMD") == 0 || strcmp(first, "CMD-SHELL") == 0 || strcmp(first, "NONE") == 0)
        return 0;
    return yaml_error(&test->place, err, "healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"");
}

static int check_dependencies(const struct project *project, const char *name, const struct yaml *service,
                              struct error *err)
{
    const struct yaml *depends = yaml_get(service, "depends_on");
    const char *mode = yaml_get_text(service, "network_mode");
    for (size_t i = 0; i < yaml_count(depends); i++) {
        const struct yaml_pair *pair = &depends->pairs[i];
        const struct yaml *required = yaml_get(pair->value, "required");
        bool optional = yaml_is(required, YAML_BOOL) && !required->boolean;
        if (!yaml_get(project->services, pair->key) && !(optional && yaml_get(project->disabled, pair->key)))
            return yaml_error(&pair->place, err, "service \"%s\" depends on undefined service \"%s\"", name, pair->key);
    }
    if (mode && strncmp(mode, "service:", 8) == 0 && !yaml_get(project->services, mode + 8))
        return yaml_error(&service->place, err, "service \"%s\" not found for network_mode 'service:%s'", mode + 8,
                          mode + 8);
    return 0;
}

static int check_sources(const struct project *project, const char *name, const struct yaml *service,
                         const char *section, const char *word, struct error *err)
{
    const struct yaml *used = yaml_get(service, section), *known = yaml_get(project->root, section);
    for (size_t i = 0; i < yaml_count(used); i++) {
        const char *source = yaml_get_text(used->pairs[i].value, "source");
        const char *type = yaml_get_text(used->pairs[i].value, "type");
        if (strcmp(section, "volumes") == 0 && (!type || strcmp(type, "volume") != 0 || !source || !*source))
            continue;
        if (!source || !yaml_pair_of(known, source))
            return yaml_error(&used->pairs[i].value->place, err, "service \"%s\" refers to undefined %s %s", name, word,
                              source ? source : "");
    }
    return 0;
}

static int check_references(const struct project *project, const char *name, const struct yaml *service,
                            struct error *err)
{
    int r = check_sources(project, name, service, "volumes", "volume", err);
    if (r == 0)
        r = check_sources(project, name, service, "configs", "config", err);
    return r == 0 ? check_sources(project, name, service, "secrets", "secret", err) : r;
}

static bool differ(const struct yaml *a, const struct yaml *b)
{
    const char *x = yaml_text(a), *y = yaml_text(b);
    return x && y && strcmp(x, y) != 0;
}

static int check_scale(const struct project *project, const char *name, const struct yaml *service, struct error *err)
{
    const struct yaml *scale = yaml_get(service, "scale");
    const struct yaml *replicas = yaml_get(yaml_get(service, "deploy"), "replicas");
    const struct yaml *count = scale ? scale : replicas;
    (void)project;
    if (scale && replicas && differ(scale, replicas))
        return yaml_error(&scale->place, err, "services.%s: can't set distinct values on 'scale' and 'deploy.replicas'",
                          name);
    if (yaml_is(count, YAML_INTEGER) && count->integer < 0)
        return yaml_error(&count->place, err, "services.%s.%s: must be greater than or equal to 0", name,
                          scale ? "scale" : "deploy.replicas");
    if (yaml_is(count, YAML_INTEGER) && count->integer > 1 && yaml_get(service, "container_name"))
        return yaml_error(&count->place, err,
                          "services.%s: can't set container_name and %s as container name must be unique", name,
                          scale ? "scale" : "deploy.replicas");
    return 0;
}

static int check_limits(const struct project *project, const char *name, const struct yaml *service, struct error *err)
{
    static const struct {
        const char *key, *section, *other;
    } pairs[] = {{"cpus", "limits", "cpus"},
                 {"mem_limit", "limits", "memory"},
                 {"mem_reservation", "reservations", "memory"},
                 {"pids_limit", "limits", "pids"}};
    const struct yaml *resources = yaml_get(yaml_get(service, "deploy"), "resources");
    (void)project;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        const struct yaml *value = yaml_get(service, pairs[i].key), *section = yaml_get(resources, pairs[i].section);
        if (value && section &&
            (!yaml_get(section, pairs[i].other) || differ(value, yaml_get(section, pairs[i].other))))
            return yaml_error(&value->place, err,
                              "services.%s: can't set distinct values on '%s' and 'deploy.resources.%s.%s'", name,
                              pairs[i].key, pairs[i].section, pairs[i].other);
    }
    return 0;
}

static int check_watch(const struct project *project, const char *name, const struct yaml *service, struct error *err)
{
    const struct yaml *watch = yaml_get(yaml_get(service, "develop"), "watch");
    (void)project;
    for (size_t i = 0; i < yaml_count(watch); i++) {
        const struct yaml *trigger = watch->pairs[i].value;
        const char *action = yaml_get_text(trigger, "action");
        if (!yaml_get(trigger, "target") && action && strcmp(action, "rebuild") != 0 && strcmp(action, "restart") != 0)
            return yaml_error(&trigger->place, err,
                              "services.%s.develop.watch: target is required for non-rebuild actions", name);
    }
    return 0;
}

static int mounted(struct map *mounts, const char *name, const char *kind, size_t i, const struct yaml *item,
                   const char *target, struct error *err)
{
    const struct yaml *other = map_set(mounts, target, (void *)item);
    if (!other)
        return 0;
    return yaml_error(&item->place, err, "services.%s.%s[%zu]: target %s already mounted (%s:%u:%u)", name, kind, i,
                      target, other->place.file ? other->place.file : "", other->place.line, other->place.column);
}

static int check_mounts(const struct project *project, const char *name, const struct yaml *service, struct error *err)
{
    const struct yaml *tmpfs = yaml_get(service, "tmpfs"), *volumes = yaml_get(service, "volumes");
    struct map mounts = MAP_INIT;
    int r = 0;
    (void)project;
    for (size_t i = 0; r == 0 && i < yaml_count(tmpfs); i++) {
        const char *text = tmpfs->pairs[i].value->text;
        CLEANUP_FREE char *target = xstrndup(text, strcspn(text, ":"));
        r = mounted(&mounts, name, "tmpfs", i, tmpfs->pairs[i].value, target, err);
    }
    for (size_t i = 0; r == 0 && i < yaml_count(volumes); i++) {
        const char *target = yaml_get_text(volumes->pairs[i].value, "target");
        r = target ? mounted(&mounts, name, "volumes", i, volumes->pairs[i].value, target, err) : 0;
    }
    map_release(&mounts);
    return r;
}

/* Services that are being gone through (1) and that are done (2). */
struct visit {
    const struct yaml *services;
    unsigned char *state;
    struct strv path;
};

static int visit(struct visit *walk, size_t i, struct error *err)
{
    const struct yaml_pair *pair = &walk->services->pairs[i];
    const struct yaml *depends = yaml_get(pair->value, "depends_on");
    if (walk->state[i] == 2)
        return 0;
    if (walk->path.count > DEPTH_MAX)
        return yaml_error(&pair->place, err, "services depend on each other more than %d levels deep", DEPTH_MAX);
    strv_add(&walk->path, pair->key);
    if (walk->state[i] == 1) {
        while (strcmp(walk->path.items[0], pair->key) != 0)
            strv_remove(&walk->path, 0);
        CLEANUP_FREE char *cycle = strv_join(&walk->path, " -> ");
        return yaml_error(&pair->place, err, "dependency cycle detected: %s", cycle);
    }
    walk->state[i] = 1;
    int r = 0;
    for (size_t d = 0; r == 0 && d < yaml_count(depends); d++) {
        const struct yaml_pair *other = yaml_pair_of(walk->services, depends->pairs[d].key);
        if (other)
            r = visit(walk, (size_t)(other - walk->services->pairs), err);
    }
    walk->state[i] = 2;
    if (r == 0)
        strv_remove(&walk->path, walk->path.count - 1);
    return r;
}

static int check_cycles(const struct yaml *services, struct error *err)
{
    size_t count = yaml_count(services);
    CLEANUP_FREE unsigned char *state = xcalloc(count + 1, 1);
    struct visit walk = {services, state, STRV_INIT};
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = visit(&walk, i, err);
    strv_release(&walk.path);
    return r;
}

int validate_project(const struct yaml *root, const struct yaml *disabled, struct error *err)
{
    static const check_fn checks[] = {check_image,        check_build,      check_networks, check_healthcheck,
                                      check_dependencies, check_references, check_scale,    check_limits,
                                      check_watch,        check_mounts};
    const struct project project = {root, yaml_get(root, "services"), disabled};
    for (size_t i = 0; i < yaml_count(project.services); i++) {
        const struct yaml_pair *pair = &project.services->pairs[i];
        for (size_t c = 0; c < ARRAY_SIZE(checks); c++) {
            int r = checks[c](&project, pair->key, pair->value, err);
            if (r < 0)
                return r;
        }
    }
    const struct yaml *secrets = yaml_get(root, "secrets");
    for (size_t i = 0; i < yaml_count(secrets); i++) {
        const struct yaml *secret = secrets->pairs[i].value, *external = yaml_get(secret, "external");
        if (!(external && external->boolean) && !yaml_get(secret, "file") && !yaml_get(secret, "environment"))
            return yaml_error(&secrets->pairs[i].place, err,
                              "secret \"%s\" must declare either `file` or `environment`", secrets->pairs[i].key);
    }
    return check_cycles(project.services, err);
}

int validate_container_names(const struct yaml *root, struct error *err)
{
    const struct yaml *services = yaml_get(root, "services");
    struct map names = MAP_INIT;
    int r = 0;
    for (size_t i = 0; r == 0 && i < yaml_count(services); i++) {
        const struct yaml *name = yaml_get(services->pairs[i].value, "container_name");
        const char *other =
            yaml_text(name) && *name->text ? map_set(&names, name->text, (void *)services->pairs[i].key) : NULL;
        if (other)
            r = yaml_error(&name->place, err, "services.%s: container name \"%s\" is already in use by service %s",
                           services->pairs[i].key, name->text, other);
    }
    map_release(&names);
    return r;
}
