/* The short form of a service's volumes: [SOURCE:]TARGET[:OPTIONS]. */
#include <ctype.h>
#include <string.h>

#include "base/path_match.h"
#include "cmd/dory/compose/schema.h"

/* Splits at colons, but not behind a drive's letter, and not inside of ${...}. */
static void split(const char *text, struct strv *parts)
{
    const char *start = text;
    unsigned depth = 0;
    for (const char *p = text;; p++) {
        depth += p[0] == '$' && p[1] == '{';
        depth -= p[0] == '}' && depth > 0;
        bool drive = *p == ':' && p - start == 1 && isalpha((unsigned char)*start);
        if (*p != '\0' && (*p != ':' || drive || depth > 0))
            continue;
        strv_add_take(parts, xstrndup(start, (size_t)(p - start)));
        if (*p == '\0')
            return;
        start = p + 1;
    }
}

static bool is_path(const char *source)
{
    return strchr("./~", *source) || strncmp(source, "\\\\", 2) == 0 ||
           (isalpha((unsigned char)source[0]) && source[1] == ':');
}

static void set(const struct schema_walk *walk, struct yaml *node, const char *key, const char *text)
{
    yaml_set(walk->pool, node, key, yaml_new_string(walk->pool, text, node));
}

static struct yaml *member(const struct schema_walk *walk, struct yaml *node, const char *key)
{
    struct yaml *there = yaml_get(node, key);
    if (!there) {
        there = yaml_new(walk->pool, YAML_MAPPING, node);
        yaml_set(walk->pool, node, key, there);
    }
    return there;
}

/* Unknown options are left to those that know them, as Compose does; "cached" and the like are of other platforms. */
static void apply_option(const struct schema_walk *walk, struct yaml *node, const char *option)
{
    static const char *const propagations[] = {"rprivate", "private", "rshared", "shared", "rslave", "slave"};
    if (strcmp(option, "ro") == 0)
        yaml_set(walk->pool, node, "read_only", yaml_new_bool(walk->pool, true, node));
    else if (strcmp(option, "nocopy") == 0)
        yaml_set(walk->pool, member(walk, node, "volume"), "nocopy", yaml_new_bool(walk->pool, true, node));
    else if (strcmp(option, "z") == 0 || strcmp(option, "Z") == 0)
        set(walk, member(walk, node, "bind"), "selinux", option);
    for (size_t i = 0; i < ARRAY_SIZE(propagations); i++) {
        if (strcmp(option, propagations[i]) == 0)
            set(walk, member(walk, node, "bind"), "propagation", option);
    }
}

static void set_type(const struct schema_walk *walk, struct yaml *node, const char *source)
{
    bool bind = *source && is_path(source);
    set(walk, node, "type", bind ? "bind" : "volume");
    if (bind)
        yaml_set(walk->pool, member(walk, node, "bind"), "create_host_path", yaml_new_bool(walk->pool, true, node));
    else
        member(walk, node, "volume");
}

int schema_short_mount(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path,
                       struct error *err)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    const char *text = node->text;
    split(text, &parts);
    if (!*text)
        return schema_wrong(path, node, err, ": invalid empty volume spec");
    if (strlen(text) > 2 && parts.count > 3)
        return walk->raw ? 0 : schema_wrong(path, node, err, ": invalid spec: %s: too many colons", text);
    for (size_t i = 0; strlen(text) > 2 && i < parts.count; i++) {
        if (!*parts.items[i])
            return walk->raw ? 0
                             : schema_wrong(path, node, err, ": invalid spec: %s: empty section between colons", text);
    }
    node->kind = YAML_MAPPING;
    node->pairs = NULL;
    node->count = node->capacity = 0;
    node->text = "";
    if (strlen(text) <= 2) {
        set(walk, node, "type", "volume");
        set(walk, node, "target", text);
        return 0;
    }
    const char *source = parts.count > 1 ? parts.items[0] : "";
    CLEANUP_FREE char *target = path_clean(parts.items[parts.count > 1]);
    if (*source)
        set(walk, node, "source", source);
    set(walk, node, "target", target);
    if (parts.count > 2) {
        CLEANUP_STRV struct strv options = STRV_INIT;
        strv_split(&options, parts.items[2], ',');
        for (size_t i = 0; i < options.count; i++)
            apply_option(walk, node, options.items[i]);
    }
    set_type(walk, node, source);
    return 0;
}
