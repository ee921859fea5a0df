/* Shapes with a short and a long form: the long one is what stays. */
#include <errno.h>
#include <string.h>

#include "cmd/dory/compose/schema.h"
#include "cmd/dory/container_flags.h"

static void become_mapping(struct yaml *node)
{
    node->kind = YAML_MAPPING;
    node->pairs = NULL;
    node->count = node->capacity = 0;
    node->text = "";
}

static void set_text(const struct schema_walk *walk, struct yaml *mapping, const char *key, const char *text)
{
    yaml_set(walk->pool, mapping, key, yaml_new_string(walk->pool, text, mapping));
}

static void set_bool(const struct schema_walk *walk, struct yaml *mapping, const char *key, bool value)
{
    yaml_set(walk->pool, mapping, key, yaml_new_bool(walk->pool, value, mapping));
}

/* A mapping with the keys of row->rows. */
static int object(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                  const struct schema_path *path, struct error *err)
{
    const struct schema_row as_object = {row->name, SHAPE_OBJECT, 0, row->rows, NULL, NULL};
    return schema_value(walk, node, &as_object, path, err);
}

/* Text that stands for {key: text}. */
static int text_or_object(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                          const char *key, const struct schema_path *path, struct error *err)
{
    if (node->kind == YAML_STRING) {
        const char *text = node->text;
        become_mapping(node);
        set_text(walk, node, key, text);
    }
    if (node->kind != YAML_MAPPING)
        return schema_wrong(path, node, err, "must be a string or a mapping");
    return object(walk, node, row, path, err);
}

static int each_text_or_object(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                               const char *key, const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_SEQUENCE)
        return schema_wrong(path, node, err, "must be an array");
    int r = 0;
    for (size_t i = 0; i < node->count && r == 0; i++) {
        struct schema_path next = {path, NULL, i};
        if (node->pairs[i].value->mark != YAML_RESET)
            r = text_or_object(walk, node->pairs[i].value, row, key, &next, err);
    }
    return r;
}

/* A list of names as a mapping of each to null. */
static int names_to_mapping(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path,
                            struct error *err)
{
    static const struct schema_row names = {"", SHAPE_TEXTS, 0, NULL, NULL, NULL};
    int r = schema_value(walk, node, &names, path, err);
    if (r < 0)
        return r;
    struct yaml list = *node;
    become_mapping(node);
    for (size_t i = 0; i < list.count; i++) {
        struct yaml *null = yaml_new(walk->pool, YAML_NULL, list.pairs[i].value);
        yaml_set(walk->pool, node, list.pairs[i].value->text, null);
    }
    return 0;
}

static int named_map(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                     const struct schema_path *path, struct error *err)
{
    if (node->kind == YAML_SEQUENCE)
        return names_to_mapping(walk, node, path, err);
    const struct schema_row as_map = {row->name, SHAPE_OBJECT_MAP, SCHEMA_NULLABLE, row->rows, NULL, NULL};
    return schema_value(walk, node, &as_map, path, err);
}

static int depends_on(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                      const struct schema_path *path, struct error *err)
{
    if (node->kind == YAML_SEQUENCE) {
        int r = names_to_mapping(walk, node, path, err);
        for (size_t i = 0; r == 0 && i < node->count; i++) {
            become_mapping(node->pairs[i].value);
            set_text(walk, node->pairs[i].value, "condition", "service_started");
            set_bool(walk, node->pairs[i].value, "required", true);
        }
        return r;
    }
    const struct schema_row as_map = {row->name, SHAPE_OBJECT_MAP, 0, row->rows, NULL, NULL};
    return schema_value(walk, node, &as_map, path, err);
}

static int env_files(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                     const struct schema_path *path, struct error *err)
{
    if (node->kind == YAML_STRING) {
        struct yaml *item = yaml_new_string(walk->pool, node->text, node);
        become_mapping(node);
        node->kind = YAML_SEQUENCE;
        yaml_append(walk->pool, node, item);
    }
    int r = each_text_or_object(walk, node, row, "path", path, err);
    for (size_t i = 0; r == 0 && i < node->count; i++) {
        struct yaml *item = node->pairs[i].value;
        const char *format = yaml_get_text(item, "format");
        if (format && *format && strcmp(format, "raw") != 0)
            return schema_wrong(path, item, err, ": unsupported env_file format \"%s\"", format);
        if (item->kind == YAML_MAPPING && !yaml_get(item, "required"))
            set_bool(walk, item, "required", true);
    }
    return r;
}

/* "8080:80", "127.0.0.1:8000-8002:80-82/udp", 80: adds what it stands for. */
static int short_port(const struct schema_walk *walk, struct yaml *into, const struct yaml *item,
                      const struct schema_path *path, struct error *err)
{
    struct port_mappings ports = {0};
    struct error why = {0};
    int r = port_mappings_parse(&ports, item->text, &why);
    if (r < 0)
        r = schema_wrong(path, item, err, ": %s", why.message);
    for (size_t i = 0; r == 0 && i < ports.count; i++) {
        const struct port_mapping *port = &ports.items[i];
        struct yaml *object = yaml_new(walk->pool, YAML_MAPPING, item);
        CLEANUP_STRV struct strv target = STRV_INIT;
        strv_split(&target, port->container, '/');
        set_text(walk, object, "mode", "ingress");
        if (*port->host_ip)
            set_text(walk, object, "host_ip", port->host_ip);
        yaml_set(walk->pool, object, "target", yaml_new_integer(walk->pool, strtol(target.items[0], NULL, 10), item));
        if (*port->host_port)
            set_text(walk, object, "published", port->host_port);
        set_text(walk, object, "protocol", target.count > 1 ? target.items[1] : "tcp");
        yaml_append(walk->pool, into, object);
    }
    port_mappings_release(&ports);
    return r;
}

static int ports(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                 const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_SEQUENCE)
        return schema_wrong(path, node, err, "must be an array");
    struct yaml list = *node;
    node->pairs = NULL;
    node->count = node->capacity = 0;
    for (size_t i = 0; i < list.count; i++) {
        struct yaml *item = list.pairs[i].value;
        struct schema_path next = {path, NULL, i};
        int r = 0;
        if (item->mark == YAML_RESET)
            continue;
        if (item->kind == YAML_MAPPING)
            r = object(walk, item, row, &next, err);
        else if (item->kind != YAML_STRING && item->kind != YAML_INTEGER)
            r = schema_wrong(&next, item, err, "must be a number, a string or a mapping");
        if (r < 0)
            return r;
        if (item->kind == YAML_MAPPING || (walk->raw && strchr(item->text, '$')))
            yaml_append(walk->pool, node, item);
        else if ((r = short_port(walk, node, item, &next, err)) < 0)
            return r;
        if (yaml_pool_full(walk->pool))
            return schema_wrong(path, item, err, ": too many ports");
    }
    return 0;
}

static int mounts(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                  const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_SEQUENCE)
        return schema_wrong(path, node, err, "must be an array");
    int r = 0;
    for (size_t i = 0; i < node->count && r == 0; i++) {
        struct yaml *item = node->pairs[i].value;
        struct schema_path next = {path, NULL, i};
        if (item->mark == YAML_RESET)
            continue;
        if (item->kind == YAML_STRING)
            r = schema_short_mount(walk, item, &next, err);
        else if (item->kind == YAML_MAPPING)
            r = object(walk, item, row, &next, err);
        else
            r = schema_wrong(&next, item, err, "must be a string or a mapping");
    }
    return r;
}

static int short_device(const struct schema_walk *walk, struct yaml *item, const struct schema_path *path,
                        struct error *err)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    strv_split(&parts, item->text, ':');
    if (parts.count > 3)
        return walk->raw ? 0
                         : schema_wrong(path, item, err, ": confusing device mapping, please use long syntax: %s",
                                        item->text);
    become_mapping(item);
    set_text(walk, item, "source", parts.items[0]);
    set_text(walk, item, "target", parts.count > 1 && *parts.items[1] ? parts.items[1] : parts.items[0]);
    set_text(walk, item, "permissions", parts.count > 2 ? parts.items[2] : "rwm");
    return 0;
}

static int devices(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                   const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_SEQUENCE)
        return schema_wrong(path, node, err, "must be an array");
    int r = 0;
    for (size_t i = 0; i < node->count && r == 0; i++) {
        struct yaml *item = node->pairs[i].value;
        struct schema_path next = {path, NULL, i};
        if (item->kind == YAML_STRING)
            r = short_device(walk, item, &next, err);
        else
            r = object(walk, item, row, &next, err);
    }
    return r;
}

static int ulimit(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                  const struct schema_path *path, struct error *err)
{
    static const struct schema_row number = {"", SHAPE_INTEGER, 0, NULL, NULL, NULL};
    if (node->kind != YAML_MAPPING)
        return schema_value(walk, node, &number, path, err);
    if (!yaml_get(node, "soft") || !yaml_get(node, "hard"))
        return schema_wrong(path, node, err, "must have both \"soft\" and \"hard\"");
    if (yaml_get(node, "single"))
        return schema_wrong(path, node, err, "additional properties 'single' not allowed");
    return object(walk, node, row, path, err);
}

static int ulimits(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                   const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_MAPPING)
        return schema_wrong(path, node, err, "must be a mapping");
    int r = 0;
    for (size_t i = 0; i < node->count && r == 0; i++) {
        struct schema_path next = {path, node->pairs[i].key, 0};
        r = ulimit(walk, node->pairs[i].value, row, &next, err);
    }
    return r;
}

static int external(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path,
                    struct error *err)
{
    static const struct schema_row rows[] = {{"name", SHAPE_TEXT, 0, NULL, NULL, NULL}, {0}};
    static const struct schema_row boolean = {"", SHAPE_BOOL, 0, NULL, NULL, NULL};
    static const struct schema_row mapping = {"", SHAPE_OBJECT, 0, rows, NULL, NULL};
    return schema_value(walk, node, node->kind == YAML_MAPPING ? &mapping : &boolean, path, err);
}

static int ssh(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path, struct error *err)
{
    static const struct schema_row keys = {"", SHAPE_ENVIRONMENT, 0, NULL, NULL, NULL};
    int r = schema_value(walk, node, &keys, path, err);
    for (size_t i = 0; r == 0 && node->kind == YAML_MAPPING && i < node->count; i++) {
        if (node->pairs[i].value->kind == YAML_NULL && strcmp(node->pairs[i].key, "default") != 0)
            r = schema_wrong(path, node->pairs[i].value, err, ": invalid ssh key \"%s\"", node->pairs[i].key);
    }
    return r;
}

int schema_form(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                const struct schema_path *path, struct error *err)
{
    switch (row->shape) {
    case SHAPE_BUILD:
        return text_or_object(walk, node, row, "context", path, err);
    case SHAPE_EXTENDS:
        return text_or_object(walk, node, row, "service", path, err);
    case SHAPE_NAMED_MAP:
        return named_map(walk, node, row, path, err);
    case SHAPE_DEPENDS_ON:
        return depends_on(walk, node, row, path, err);
    case SHAPE_ENV_FILES:
        return env_files(walk, node, row, path, err);
    case SHAPE_PORTS:
        return ports(walk, node, row, path, err);
    case SHAPE_MOUNTS:
        return mounts(walk, node, row, path, err);
    case SHAPE_DEVICES:
        return devices(walk, node, row, path, err);
    case SHAPE_FILE_MOUNTS:
        return each_text_or_object(walk, node, row, "source", path, err);
    case SHAPE_INCLUDES:
        return each_text_or_object(walk, node, row, "path", path, err);
    case SHAPE_ULIMITS:
        return ulimits(walk, node, row, path, err);
    case SHAPE_EXTERNAL:
        return external(walk, node, path, err);
    case SHAPE_SSH:
        return ssh(walk, node, path, err);
    default:
        return 1;
    }
}
