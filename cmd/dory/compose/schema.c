/* The walk: objects, their keys, and what each shape wants. */
#include "cmd/dory/compose/schema.h"

#include <errno.h>
#include <string.h>

const struct schema_row *schema_find(const struct schema_row *rows, const char *name)
{
    for (; rows && rows->name; rows++) {
        if (strcmp(rows->name, name) == 0)
            return rows;
    }
    return NULL;
}

static void add_path(const struct schema_path *path, struct strbuf *out)
{
    if (!path)
        return;
    add_path(path->up, out);
    if (out->size)
        strbuf_addc(out, '.');
    if (path->name)
        strbuf_adds(out, path->name);
    else
        strbuf_addf(out, "%zu", path->index);
}

char *schema_path_text(const struct schema_path *path)
{
    struct strbuf out = STRBUF_INIT;
    add_path(path, &out);
    return strbuf_take(&out);
}

int schema_wrong(const struct schema_path *path, const struct yaml *node, struct error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CLEANUP_FREE char *text = xvasprintf(format, args);
    va_end(args);
    CLEANUP_FREE char *where = schema_path_text(path);
    return yaml_error(&node->place, err, "%s%s%s", *where ? where : "the file", *text == ':' ? "" : " ", text);
}

/* How many letters two words differ in (Levenshtein), for words of less than 32 letters. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[33];
    size_t n = strlen(b);
    if (n > 32 || strlen(a) > 32)
        return 99;
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= n; j++) {
            unsigned best = corner + (a[i - 1] != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            corner = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

static const char *nearest(const struct schema_row *rows, const char *name)
{
    const char *best = NULL;
    unsigned least = strlen(name) > 5 ? 3 : 2;
    for (; rows->name; rows++) {
        unsigned n = distance(name, rows->name);
        if (n <= least && n < strlen(name)) {
            least = n - (n > 0);
            best = rows->name;
        }
    }
    return best;
}

static int unknown_key(const struct schema_row *rows, const struct yaml_pair *pair, const struct schema_path *path,
                       struct error *err)
{
    const struct yaml at = {.place = pair->place};
    const char *near = nearest(rows, pair->key);
    if (near)
        return schema_wrong(path, &at, err, "additional properties '%s' not allowed (did you mean '%s'?)", pair->key,
                            near);
    return schema_wrong(path, &at, err, "additional properties '%s' not allowed", pair->key);
}

static int walk_object(const struct schema_walk *walk, struct yaml *node, const struct schema_row *rows,
                       const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_MAPPING)
        return schema_wrong(path, node, err, "must be a mapping");
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_pair *pair = &node->pairs[i];
        if (strncmp(pair->key, "x-", 2) == 0)
            continue;
        const struct schema_row *row = schema_find(rows, pair->key);
        if (!row)
            return unknown_key(rows, pair, path, err);
        struct schema_path next = {path, pair->key, 0};
        int r = schema_value(walk, pair->value, row, &next, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Names of services, networks ...: [a-zA-Z0-9._-]+ */
static bool is_name(const char *text)
{
    for (; *text; text++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *text))
            return false;
    }
    return true;
}

static int walk_object_map(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                           const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_MAPPING)
        return schema_wrong(path, node, err, "must be a mapping");
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_pair *pair = &node->pairs[i];
        const struct yaml at = {.place = pair->place};
        struct schema_path next = {path, pair->key, 0};
        if (!*pair->key || !is_name(pair->key))
            return schema_wrong(path, &at, err, "additional properties '%s' not allowed: names are [a-zA-Z0-9._-]+",
                                pair->key);
        bool nothing = pair->value->kind == YAML_NULL && (row->flags & SCHEMA_NULLABLE);
        if (nothing || pair->value->mark == YAML_RESET)
            continue;
        int r = walk_object(walk, pair->value, row->rows, &next, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int walk_objects(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                        const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_SEQUENCE)
        return schema_wrong(path, node, err, "must be an array");
    int r = 0;
    for (size_t i = 0; i < node->count && r == 0; i++) {
        struct schema_path next = {path, NULL, i};
        r = walk_object(walk, node->pairs[i].value, row->rows, &next, err);
    }
    return r;
}

int schema_value(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                 const struct schema_path *path, struct error *err)
{
    if (node->mark == YAML_RESET)
        return 0;
    if (row->flags & SCHEMA_REFUSED)
        return schema_wrong(path, node, err, "is not supported: %s", row->words);
    if (node->kind == YAML_NULL && (row->flags & SCHEMA_NULLABLE) && row->shape != SHAPE_OBJECT_MAP)
        return 0;
    switch (row->shape) {
    case SHAPE_OBJECT:
        return walk_object(walk, node, row->rows, path, err);
    case SHAPE_OBJECTS:
        return walk_objects(walk, node, row, path, err);
    case SHAPE_OBJECT_MAP:
        return walk_object_map(walk, node, row, path, err);
    case SHAPE_ANY:
        return 0;
    default:
        break;
    }
    int r = schema_list(walk, node, row, path, err);
    if (r == 1)
        r = schema_form(walk, node, row, path, err);
    return r == 1 ? schema_scalar(walk, node, row, path, err) : r;
}

int schema_apply(const struct schema_walk *walk, struct yaml *document, struct error *err)
{
    if (document->kind != YAML_MAPPING)
        return yaml_error(&document->place, err, "top-level object must be a mapping");
    return walk_object(walk, document, schema_file.rows, NULL, err);
}

static int check_object(const struct yaml *node, const struct schema_row *rows, const struct schema_path *path,
                        struct error *err);

static int check_value(const struct yaml *node, const struct schema_row *row, const struct schema_path *path,
                       struct error *err)
{
    int r = 0;
    /* 2 and "2" are not the same to Compose: with numbers nothing is known here. */
    if ((row->shape == SHAPE_TEXTS || row->shape == SHAPE_ONE_OR_MORE) && node->kind == YAML_SEQUENCE &&
        !(row->flags & (SCHEMA_REPEATED | SCHEMA_BY_KEY)))
        return schema_check_different(node, path, err);
    bool items = row->shape == SHAPE_OBJECTS || row->shape == SHAPE_MOUNTS || row->shape == SHAPE_DEVICES ||
                 row->shape == SHAPE_INCLUDES || row->shape == SHAPE_ENV_FILES;
    bool members = row->shape == SHAPE_OBJECT_MAP || row->shape == SHAPE_NAMED_MAP || row->shape == SHAPE_DEPENDS_ON;
    if (!row->rows || (!items && !members))
        return row->rows && node->kind == YAML_MAPPING && row->shape != SHAPE_ULIMITS
                   ? check_object(node, row->rows, path, err)
                   : 0;
    for (size_t i = 0; i < yaml_count(node) && r == 0; i++) {
        struct schema_path next = {path, node->pairs[i].key, i};
        if (node->pairs[i].value->kind == YAML_MAPPING)
            r = check_object(node->pairs[i].value, row->rows, &next, err);
    }
    return r;
}

static int check_object(const struct yaml *node, const struct schema_row *rows, const struct schema_path *path,
                        struct error *err)
{
    for (const struct schema_row *row = rows; row->name; row++) {
        const struct yaml *value = yaml_get(node, row->name);
        struct schema_path next = {path, row->name, 0};
        if (!value && (row->flags & SCHEMA_REQUIRED))
            return schema_wrong(path, node, err, "is missing the property '%s'", row->name);
        int r = value ? check_value(value, row, &next, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int schema_check_complete(const struct yaml *document, struct error *err)
{
    return check_object(document, schema_file.rows, NULL, err);
}
