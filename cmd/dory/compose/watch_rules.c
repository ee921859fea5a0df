#include "cmd/dory/compose/watch_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/path_match.h"
#include "cmd/dory/compose/board.h"

/* What version control and editors leave for a moment. */
static const char *const never[] = {
    "**/.git", "**/.idea",  "**/*___jb_old___", "**/*___jb_tmp___", "**/.#*",    "**/#*#",         "**/4913",
    "**/*~",   "**/.*.swp", "**/.*.swx",        "**/.*.swo",        "**/.*.swn", "**/.*.kate-swp", "**/*-go-tmp-umask"};

static void rule_release(struct watch_rule *rule)
{
    free(rule->clean_path);
    free(rule->context);
    ignore_release(&rule->include);
    ignore_release(&rule->ignore);
    ignore_release(&rule->context_ignore);
}

void watch_rules_release(struct watch_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        rule_release(&rules->items[i]);
    free(rules->items);
    *rules = (struct watch_rules){0};
}

/* "" when they are the same; NULL when `path` is not in `directory`. */
static const char *relative(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    if (size == 1)
        return path + 1;
    if (strncmp(directory, path, size) != 0 || (path[size] != '/' && path[size] != '\0'))
        return NULL;
    return path[size] == '/' ? path + size + 1 : path + size;
}

/* The name to hold against patterns: that of a rule's file itself is its last component. */
static const char *subject(const struct watch_rule *rule, const char *path)
{
    const char *rest = relative(rule->clean_path, path);
    return rest && !*rest ? strrchr(path, '/') + 1 : rest;
}

static bool is_hidden(const struct watch_rule *rule, const char *path, const char *name)
{
    const char *in_context = rule->context ? relative(rule->context, path) : NULL;
    return ignore_match(&rule->ignore, name) ||
           (in_context && *in_context && ignore_match(&rule->context_ignore, in_context));
}

bool watch_rule_matches(const struct watch_rule *rule, const char *path)
{
    const char *name = subject(rule, path);
    if (!name || !*name || is_hidden(rule, path, name))
        return false;
    return !rule->has_include || ignore_match(&rule->include, name);
}

bool watch_rule_prunes(const struct watch_rule *rule, const char *directory)
{
    const char *name = relative(rule->clean_path, directory);
    const char *in_context = rule->context ? relative(rule->context, directory) : NULL;
    if (!name)
        return true;
    if (!*name)
        return false;
    return (ignore_match(&rule->ignore, name) && ignore_prunes(&rule->ignore, name)) ||
           (in_context && *in_context && ignore_match(&rule->context_ignore, in_context) &&
            ignore_prunes(&rule->context_ignore, in_context));
}

char *watch_rule_target(const struct watch_rule *rule, const char *path)
{
    const char *rest = relative(rule->clean_path, path);
    CLEANUP_FREE char *joined = rest && *rest ? xasprintf("%s/%s", rule->target, rest) : xstrdup(rule->target);
    return path_clean(joined);
}

static int add_patterns(struct ignore *ignore, const struct json *list, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < json_count(list) && r == 0; i++)
        r = ignore_add(ignore, json_string(json_at(list, i)), err);
    return r;
}

/* The .dockerignore beside the Dockerfile, or that of the context. */
static int load_context(struct watch_rule *rule, const struct json *build, struct error *err)
{
    const char *context = json_get_string(build, "context"), *dockerfile = json_get_string(build, "dockerfile");
    CLEANUP_STRV struct strv names = STRV_INIT;
    if (!context || *context != '/')
        return 0;
    rule->context = path_clean(context);
    ignore_file_names(dockerfile && *dockerfile != '/' ? dockerfile : "Dockerfile", &names);
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_FREE char *path = xasprintf("%s/%s", rule->context, names.items[i]), *text = NULL;
        size_t size = 0;
        int r = file_read(AT_FDCWD, path, IGNORE_SIZE_MAX, &text, &size, err);
        if (r == -ENOENT || r == -ENOTDIR) {
            error_clear(err);
            continue;
        }
        if (r < 0)
            return r;
        r = ignore_parse(text, size, &rule->context_ignore, err);
        return r < 0 ? error_context(err, "%s", path) : 0;
    }
    return 0;
}

static unsigned actions_of(const char *text)
{
    static const struct {
        const char *name;
        unsigned actions;
    } names[] = {{"sync", WATCH_SYNC},
                 {"restart", WATCH_RESTART},
                 {"rebuild", WATCH_REBUILD},
                 {"sync+restart", WATCH_SYNC | WATCH_RESTART},
                 {"sync+exec", WATCH_SYNC | WATCH_EXEC}};
    for (size_t i = 0; text && i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i].name, text) == 0)
            return names[i].actions;
    }
    return 0;
}

static int check(const struct watch_rule *rule, const char *action, const struct json *service, struct error *err)
{
    const struct json *command = json_get(rule->exec, "command");
    if (!rule->actions)
        return error_set(err, ERROR_INVALID, 0, "service \"%s\": unknown watch action \"%s\"", rule->service,
                         action ? action : "");
    if (!rule->path || *rule->path != '/')
        return error_set(err, ERROR_INVALID, 0, "service \"%s\": watch rules MUST define a path", rule->service);
    if ((rule->actions & WATCH_REBUILD) && !json_get(service, "build"))
        return error_set(err, ERROR_INVALID, 0,
                         "can't watch service \"%s\" with action rebuild without a build context", rule->service);
    if ((rule->actions & WATCH_SYNC) && (!rule->target || *rule->target != '/'))
        return error_set(err, ERROR_INVALID, 0, "service \"%s\": the watch action %s of %s needs an absolute target",
                         rule->service, action, rule->path);
    if ((rule->actions & WATCH_EXEC) && json_count(command) == 0)
        return error_set(err, ERROR_INVALID, 0, "can't watch with action \"%s\" on service %s without a command",
                         action, rule->service);
    return 0;
}

/* A change in a bind mount is in the container already. */
static bool is_bind_mounted(const struct json *service, const char *path)
{
    const struct json *volumes = json_get(service, "volumes");
    for (size_t i = 0; i < json_count(volumes); i++) {
        const char *type = json_get_string(json_at(volumes, i), "type");
        const char *source = json_get_string(json_at(volumes, i), "source");
        if (type && strcmp(type, "bind") == 0 && source && relative(source, path))
            return true;
    }
    return false;
}

static int fill(struct watch_rule *rule, const char *name, const struct json *service, const struct json *trigger,
                struct error *err)
{
    const char *action = json_get_string(trigger, "action");
    const struct json *include = json_get(trigger, "include");
    rule->service = name;
    rule->path = json_get_string(trigger, "path");
    rule->target = json_get_string(trigger, "target");
    rule->actions = actions_of(action);
    rule->initial_sync = json_get_bool(trigger, "initial_sync", false);
    rule->exec = json_get(trigger, "exec");
    rule->has_include = json_count(include) > 0;
    int r = check(rule, action, service, err);
    if (r < 0)
        return r;
    rule->clean_path = path_clean(rule->path);
    for (size_t i = 0; i < ARRAY_SIZE(never) && r == 0; i++)
        r = ignore_add(&rule->ignore, never[i], err);
    if (r == 0)
        r = add_patterns(&rule->include, include, err);
    if (r == 0)
        r = add_patterns(&rule->ignore, json_get(trigger, "ignore"), err);
    if (r < 0)
        return error_context(err, "service \"%s\": patterns of %s", name, rule->path);
    return json_get(service, "build") ? load_context(rule, json_get(service, "build"), err) : 0;
}

static int load_service(const struct compose_project *project, const char *name, struct watch_rules *ret,
                        struct error *err)
{
    const struct json *service = compose_service(project, name);
    const struct json *watch = json_get(json_get(service, "develop"), "watch");
    for (size_t i = 0; i < json_count(watch); i++) {
        struct watch_rule rule = {0};
        int r = fill(&rule, name, service, json_at(watch, i), err);
        if (r < 0) {
            rule_release(&rule);
            return r;
        }
        if ((rule.actions & WATCH_SYNC) && is_bind_mounted(service, rule.clean_path)) {
            CLEANUP_FREE char *text =
                xasprintf("path '%s' also declared by a bind mount volume, this path won't be monitored!", rule.path);
            compose_warn(text);
            rule_release(&rule);
            continue;
        }
        xgrow((void **)&ret->items, ret->count, &ret->capacity, sizeof(*ret->items));
        ret->items[ret->count++] = rule;
    }
    return 0;
}

int watch_rules_load(const struct compose_project *project, const struct strv *services, struct watch_rules *ret,
                     struct error *err)
{
    const struct json *all = json_get(project->model, "services");
    int r = 0;
    for (size_t i = 0; i < services->count && r == 0; i++)
        r = load_service(project, services->items[i], ret, err);
    for (size_t i = 0; services->count == 0 && all && i < all->object.count && r == 0; i++)
        r = load_service(project, all->object.keys[i], ret, err);
    if (r == 0 && ret->count == 0)
        r = error_set(err, ERROR_INVALID, 0,
                      "none of the selected services is configured for watch, consider setting a 'develop' section");
    if (r < 0)
        watch_rules_release(ret);
    return r;
}
