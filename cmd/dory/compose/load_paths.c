/* Relative paths of a tree. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/path_match.h"
#include "cmd/dory/compose/load.h"

struct resolving {
    struct yaml_pool *pool;
    const char *base;
};

char *load_relative(const char *from, const char *to)
{
    CLEANUP_STRV struct strv a = STRV_INIT, b = STRV_INIT, parts = STRV_INIT;
    strv_split(&a, from, '/');
    strv_split(&b, to, '/');
    size_t same = 0;
    while (same < a.count && same < b.count && strcmp(a.items[same], b.items[same]) == 0)
        same++;
    for (size_t i = same; i < a.count; i++) {
        if (*a.items[i])
            strv_add(&parts, "..");
    }
    for (size_t i = same; i < b.count; i++) {
        if (*b.items[i])
            strv_add(&parts, b.items[i]);
    }
    return parts.count ? strv_join(&parts, "/") : xstrdup(".");
}

/* "~" and "~/x" become the home directory's; the caller frees. */
static char *expand_home(const char *path)
{
    const char *home = getenv("HOME");
    return *path == '~' && home ? xasprintf("%s/%s", home, path + 1) : xstrdup(path);
}

static void resolve(const struct resolving *resolving, struct yaml *node)
{
    if (!yaml_is(node, YAML_STRING) || !*node->text || node->mark == YAML_RESET)
        return;
    const char *text = node->text;
    /* "C:\\x" is a path of the machine that the daemon is on, perhaps. */
    if (isalpha((unsigned char)text[0]) && text[1] == ':' && (text[2] == '\\' || text[2] == '/'))
        return;
    CLEANUP_FREE char *path = expand_home(text);
    if (*path == '/' && *node->text == '/')
        return;
    CLEANUP_FREE char *whole = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", resolving->base, path);
    CLEANUP_FREE char *clean = path_clean(whole);
    node->text = yaml_pool_strdup(resolving->pool, clean);
}

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Contexts that are no directories stay. */
static void resolve_context(const struct resolving *resolving, struct yaml *node)
{
    static const char *const elsewhere[] = {"service:", "https://",    "http://", "git://",
                                            "ssh://",   "github.com/", "git@"};
    const char *text = yaml_text(node);
    if (!text || strstr(text, "://"))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
        if (begins(text, elsewhere[i]))
            return;
    }
    resolve(resolving, node);
}

static void resolve_build(const struct resolving *resolving, struct yaml *build)
{
    struct yaml *contexts = yaml_get(build, "additional_contexts"), *ssh = yaml_get(build, "ssh");
    if (yaml_get(build, "context"))
        resolve_context(resolving, yaml_get(build, "context"));
    for (size_t i = 0; yaml_is(contexts, YAML_MAPPING) && i < contexts->count; i++)
        resolve_context(resolving, contexts->pairs[i].value);
    for (size_t i = 0; yaml_is(ssh, YAML_MAPPING) && i < ssh->count; i++)
        resolve(resolving, ssh->pairs[i].value);
}

/* The path itself, with symbolic links resolved where it exists: what is watched is what it leads to. */
static void resolve_watched(const struct resolving *resolving, struct yaml *node)
{
    char real[PATH_MAX];
    resolve(resolving, node);
    if (yaml_text(node) && *node->text == '/' && realpath(node->text, real))
        node->text = yaml_pool_strdup(resolving->pool, real);
}

static void resolve_service(const struct resolving *resolving, struct yaml *service)
{
    struct yaml *env = yaml_get(service, "env_file"), *labels = yaml_get(service, "label_file");
    struct yaml *volumes = yaml_get(service, "volumes"), *extends = yaml_get(service, "extends");
    struct yaml *watch = yaml_get(yaml_get(service, "develop"), "watch");
    resolve_build(resolving, yaml_get(service, "build"));
    for (size_t i = 0; i < yaml_count(env); i++)
        resolve(resolving, yaml_get(env->pairs[i].value, "path"));
    for (size_t i = 0; i < yaml_count(labels); i++)
        resolve(resolving, labels->pairs[i].value);
    for (size_t i = 0; i < yaml_count(volumes); i++) {
        const char *type = yaml_get_text(volumes->pairs[i].value, "type");
        struct yaml *source = yaml_get(volumes->pairs[i].value, "source");
        if (type && strcmp(type, "bind") == 0) {
            /* No path at all is the directory itself. */
            if (yaml_text(source) && !*source->text)
                source->text = ".";
            resolve(resolving, source);
        }
    }
    for (size_t i = 0; i < yaml_count(watch); i++)
        resolve_watched(resolving, yaml_get(watch->pairs[i].value, "path"));
    if (yaml_get(extends, "file"))
        resolve(resolving, yaml_get(extends, "file"));
}

/* A local volume that is really a bind mount. */
static void resolve_volume(const struct resolving *resolving, struct yaml *volume)
{
    const char *driver = yaml_get_text(volume, "driver");
    struct yaml *options = yaml_get(volume, "driver_opts");
    const char *o = yaml_get_text(options, "o");
    if (driver && strcmp(driver, "local") == 0 && o && strcmp(o, "bind") == 0)
        resolve(resolving, yaml_get(options, "device"));
}

void load_resolve_paths(struct yaml_pool *pool, struct yaml *root, const char *base)
{
    const struct resolving resolving = {pool, base};
    static const char *const with_files[] = {"configs", "secrets"};
    struct yaml *services = yaml_get(root, "services"), *volumes = yaml_get(root, "volumes");
    for (size_t i = 0; i < yaml_count(services); i++)
        resolve_service(&resolving, services->pairs[i].value);
    for (size_t i = 0; i < yaml_count(volumes); i++)
        resolve_volume(&resolving, volumes->pairs[i].value);
    for (size_t s = 0; s < ARRAY_SIZE(with_files); s++) {
        struct yaml *objects = yaml_get(root, with_files[s]);
        for (size_t i = 0; i < yaml_count(objects); i++)
            resolve(&resolving, yaml_get(objects->pairs[i].value, "file"));
    }
}
