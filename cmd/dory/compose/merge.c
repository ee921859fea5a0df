#include "cmd/dory/compose/merge.h"

#include <errno.h>
#include <string.h>

#include "base/strmap.h"

static int merge_value(struct yaml_pool *pool, struct yaml_pair *base, struct yaml *over, const struct schema_row *row,
                       struct error *err);

/* The row of a member: objects have one for each key, maps of objects the same for all. */
static const struct schema_row *row_of_member(const struct schema_row *row, const char *key, struct schema_row *storage)
{
    static const struct schema_row variable = {"", SHAPE_ANY, SCHEMA_OVERRIDE, NULL, NULL, NULL};
    if (row && row->shape == SHAPE_ENVIRONMENT)
        return &variable;
    /* One number, or two: either in the other's place. */
    if (row && row->shape == SHAPE_ULIMITS)
        return row;
    if (!row || !row->rows)
        return NULL;
    switch (row->shape) {
    case SHAPE_OBJECT:
    case SHAPE_BUILD:
        return schema_find(row->rows, key);
    case SHAPE_OBJECT_MAP:
    case SHAPE_NAMED_MAP:
    case SHAPE_DEPENDS_ON:
        *storage = (struct schema_row){"", SHAPE_OBJECT, 0, row->rows, NULL, NULL};
        return storage;
    default:
        return NULL;
    }
}

static int merge_mappings(struct yaml_pool *pool, struct yaml *base, struct yaml *over, const struct schema_row *row,
                          struct error *err)
{
    for (size_t i = 0; i < over->count; i++) {
        struct yaml_pair *pair = yaml_pair_of(base, over->pairs[i].key);
        struct schema_row storage;
        if (!pair) {
            yaml_add_pair(pool, base, &over->pairs[i]);
            continue;
        }
        int r = merge_value(pool, pair, over->pairs[i].value, row_of_member(row, pair->key, &storage), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool has_pairs(const struct schema_row *row)
{
    return row && (row->shape == SHAPE_MAPPING || row->shape == SHAPE_ENVIRONMENT);
}

static bool same_text(const struct yaml *a, const struct yaml *b)
{
    const char *x = yaml_text(a), *y = yaml_text(b);
    return x == y || (x && y && strcmp(x, y) == 0);
}

static bool has_text(const struct yaml *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *item = yaml_text(list->pairs[i].value);
        if (item && strcmp(item, text) == 0)
            return true;
    }
    return false;
}

static struct yaml *pool_of_subnet(struct yaml *pools, const struct yaml *subnet)
{
    for (size_t i = 0; i < pools->count; i++) {
        if (same_text(yaml_get(pools->pairs[i].value, "subnet"), subnet))
            return pools->pairs[i].value;
    }
    return NULL;
}

/* The later file's pools, each onto the earlier one of its subnet; the other earlier ones are gone, as in Compose. */
static int merge_pools(struct yaml_pool *pool, struct yaml *base, struct yaml *over, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < over->count && r == 0; i++) {
        struct yaml *item = over->pairs[i].value, *same = pool_of_subnet(base, yaml_get(item, "subnet"));
        if (!same || same->kind != YAML_MAPPING || item->kind != YAML_MAPPING)
            continue;
        r = merge_mappings(pool, same, item, NULL, err);
        over->pairs[i].value = same;
    }
    return r;
}

static void append_list(struct yaml_pool *pool, struct yaml *base, const struct yaml *over,
                        const struct schema_row *row)
{
    for (size_t i = 0; i < over->count; i++) {
        struct yaml *item = over->pairs[i].value;
        if (!row || row->shape != SHAPE_HOSTS || !yaml_text(item) || !has_text(base, yaml_text(item)))
            yaml_append(pool, base, item);
    }
}

static void add_item(struct yaml_pool *pool, struct yaml *list, const char *key, const struct yaml *value)
{
    const char *text = value->kind == YAML_NULL ? key : yaml_pool_printf(pool, "%s=%s", key, value->text);
    struct yaml *item = yaml_new_string(pool, text, value);
    item->mark = value->mark;
    yaml_append(pool, list, item);
}

/* A mapping as a list of "key=value"; where the value is a list, one for each of its items. */
static void become_list(struct yaml_pool *pool, struct yaml *node)
{
    struct yaml mapping = *node;
    if (node->kind != YAML_MAPPING)
        return;
    node->kind = YAML_SEQUENCE;
    node->pairs = NULL;
    node->count = node->capacity = 0;
    for (size_t i = 0; i < mapping.count; i++) {
        const struct yaml_pair *pair = &mapping.pairs[i];
        if (pair->value->kind != YAML_SEQUENCE)
            add_item(pool, node, pair->key, pair->value);
        for (size_t n = 0; pair->value->kind == YAML_SEQUENCE && n < pair->value->count; n++)
            add_item(pool, node, pair->key, pair->value->pairs[n].value);
    }
}

static bool is_collection(const struct yaml *node)
{
    return node->kind == YAML_MAPPING || node->kind == YAML_SEQUENCE;
}

static int merge_value(struct yaml_pool *pool, struct yaml_pair *base, struct yaml *over, const struct schema_row *row,
                       struct error *err)
{
    struct yaml *there = base->value;
    /* Both forms are still there where variables are. */
    if ((has_pairs(row) || (row && row->shape == SHAPE_HOSTS)) && is_collection(there) && is_collection(over) &&
        there->kind != over->kind) {
        become_list(pool, there);
        become_list(pool, over);
    }
    /* A variable without a value in the later file takes that of the environment. */
    bool null_counts = (row && (row->flags & SCHEMA_OVERRIDE)) || over->mark != YAML_UNMARKED ||
                       there->mark == YAML_RESET || there->kind == YAML_NULL;
    if (over->kind == YAML_NULL && !null_counts)
        return 0;
    bool drivers = row && (row->flags & SCHEMA_DRIVER) && yaml_get(there, "driver") && yaml_get(over, "driver") &&
                   !same_text(yaml_get(there, "driver"), yaml_get(over, "driver"));
    bool mappings = there->kind == YAML_MAPPING && over->kind == YAML_MAPPING;
    bool lists = there->kind == YAML_SEQUENCE && over->kind == YAML_SEQUENCE;
    if (null_counts || drivers || (!mappings && !lists)) {
        bool mixed = !null_counts && !drivers && !(row && row->shape == SHAPE_ULIMITS) && is_collection(there);
        if (mixed)
            return yaml_error(&over->place, err, "cannot override %s", base->key);
        enum yaml_mark mark = there->mark == YAML_RESET && over->mark == YAML_UNMARKED ? YAML_OVERRIDE : over->mark;
        base->value = over;
        over->mark = mark;
        return 0;
    }
    if (mappings)
        return merge_mappings(pool, there, over, row, err);
    if (row && (row->flags & SCHEMA_POOLS)) {
        base->value = over;
        return merge_pools(pool, there, over, err);
    }
    append_list(pool, there, over, row);
    return 0;
}

int merge_documents(struct yaml_pool *pool, struct yaml *base, struct yaml *over, struct error *err)
{
    return merge_mappings(pool, base, over, &schema_file, err);
}

int merge_service(struct yaml_pool *pool, struct yaml *base, struct yaml *over, struct error *err)
{
    static const struct schema_row service = {"", SHAPE_OBJECT, 0, schema_service_rows, NULL, NULL};
    return merge_mappings(pool, base, over, &service, err);
}

static const char *text_or(const struct yaml *mapping, const char *key, const char *fallback)
{
    const char *text = yaml_get_text(mapping, key);
    return text ? text : fallback;
}

/* What entries of a list must differ in; NULL: they may be what they are. The caller frees. */
static char *identity(const struct yaml *item, const struct schema_row *row)
{
    if ((row->flags & SCHEMA_BY_KEY) || has_pairs(row)) {
        const char *text = yaml_text(item);
        return text ? xstrndup(text, strcspn(text, "=")) : NULL;
    }
    if (item->kind != YAML_MAPPING)
        return NULL;
    if (row->flags & SCHEMA_BY_PATH)
        return xstrdup(yaml_get_text(item, "path"));
    if (row->flags & SCHEMA_BY_PORT)
        return xasprintf("%s:%s:%s/%s", text_or(item, "host_ip", "0.0.0.0"), text_or(item, "published", ""),
                         text_or(item, "target", ""), text_or(item, "protocol", "tcp"));
    if (!(row->flags & SCHEMA_BY_TARGET))
        return NULL;
    const char *target = yaml_get_text(item, "target"), *source = yaml_get_text(item, "source");
    if (target || row->shape != SHAPE_FILE_MOUNTS)
        return xstrdup(target);
    return xasprintf("%s/%s", strcmp(row->name, "secrets") == 0 ? "/run/secrets" : "", source ? source : "");
}

/* The later one of equal entries takes the place of the first. */
static void drop_repeated(struct yaml *list, const struct schema_row *row)
{
    struct map seen = MAP_INIT;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        CLEANUP_FREE char *key = identity(list->pairs[i].value, row);
        struct yaml_pair *first = key ? map_get(&seen, key) : NULL;
        if (first) {
            *first = list->pairs[i];
            continue;
        }
        list->pairs[kept] = list->pairs[i];
        if (key)
            map_set(&seen, key, &list->pairs[kept]);
        kept++;
    }
    list->count = kept;
    map_release(&seen);
}

static void finish(struct yaml *node, const struct schema_row *row)
{
    node->mark = YAML_UNMARKED;
    for (size_t i = yaml_count(node); i-- > 0;) {
        struct schema_row storage;
        struct yaml_pair *pair = &node->pairs[i];
        if (pair->value->mark == YAML_RESET)
            yaml_remove_at(node, i);
        else
            finish(pair->value, pair->key ? row_of_member(row, pair->key, &storage) : NULL);
    }
    if (row && node->kind == YAML_SEQUENCE &&
        (has_pairs(row) || (row->flags & (SCHEMA_BY_KEY | SCHEMA_BY_PATH | SCHEMA_BY_PORT | SCHEMA_BY_TARGET))))
        drop_repeated(node, row);
}

void merge_finish(struct yaml *document)
{
    finish(document, &schema_file);
}
