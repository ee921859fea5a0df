#include "cmd/dory/compose/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_edit.h"

static struct json *render_value(const struct yaml *node, const struct schema_row *row, enum render_form form);

static struct json *new_kind(enum json_kind kind)
{
    struct json *json = xcalloc(1, sizeof(*json));
    json->kind = kind;
    return json;
}

static void append(struct json *array, struct json *item)
{
    array->array.items = xreallocarray(array->array.items, array->array.count + 1, sizeof(struct json));
    array->array.items[array->array.count++] = *item;
    free(item);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp((*(const struct yaml_pair *const *)a)->key, (*(const struct yaml_pair *const *)b)->key);
}

static int by_nature(const void *a, const void *b)
{
    return render_compare_natural((*(const struct yaml_pair *const *)a)->key,
                                  (*(const struct yaml_pair *const *)b)->key);
}

/* The pairs of a mapping in the order in which they are printed. The caller frees. */
static const struct yaml_pair **sorted(const struct yaml *node, enum render_form form)
{
    const struct yaml_pair **pairs = xcalloc(yaml_count(node) + 1, sizeof(const struct yaml_pair *));
    for (size_t i = 0; i < yaml_count(node); i++)
        pairs[i] = &node->pairs[i];
    if (yaml_count(node) > 1)
        qsort(pairs, yaml_count(node), sizeof(const struct yaml_pair *), form == RENDER_YAML ? by_nature : by_bytes);
    return pairs;
}

static struct json *map_of(const struct yaml *node, const struct schema_row *value_row, enum render_form form)
{
    struct json *object = json_new_object();
    CLEANUP_FREE const struct yaml_pair **pairs = sorted(node, form);
    for (size_t i = 0; i < yaml_count(node); i++)
        json_set(object, pairs[i]->key,
                 value_row ? render_value(pairs[i]->value, value_row, form) : yaml_to_json(pairs[i]->value));
    return object;
}

static struct json *list_of(const struct yaml *node, const struct schema_row *item_row, enum render_form form)
{
    struct json *array = new_kind(JSON_ARRAY);
    for (size_t i = 0; i < yaml_count(node); i++)
        append(array, render_value(node->pairs[i].value, item_row, form));
    return array;
}

static struct json *hosts(const struct yaml *node)
{
    CLEANUP_STRV struct strv list = STRV_INIT;
    struct json *array = new_kind(JSON_ARRAY);
    for (size_t i = 0; i < yaml_count(node); i++)
        strv_add(&list, node->pairs[i].value->text);
    strv_sort(&list);
    for (size_t i = 0; i < list.count; i++)
        append(array, json_new_string(list.items[i]));
    return array;
}

static struct json *ssh(const struct yaml *node, enum render_form form)
{
    struct json *array = new_kind(JSON_ARRAY);
    CLEANUP_FREE const struct yaml_pair **pairs = sorted(node, form);
    for (size_t i = 0; i < yaml_count(node); i++) {
        const char *path = yaml_text(pairs[i]->value);
        CLEANUP_FREE char *text = path && *path
                                      ? xasprintf("%s%s%s", pairs[i]->key, form == RENDER_YAML ? ": " : "=", path)
                                      : xstrdup(pairs[i]->key);
        append(array, json_new_string(text));
    }
    return array;
}

/* One number, or both. */
static struct json *ulimit(const struct yaml *node, enum render_form form)
{
    const struct yaml *soft = yaml_get(node, "soft"), *hard = yaml_get(node, "hard");
    static const struct yaml zero = {.kind = YAML_INTEGER};
    /* 0 for both is what Compose cannot tell from a mapping. */
    if (node->kind == YAML_INTEGER && node->integer == 0)
        soft = hard = &zero;
    else if (node->kind != YAML_MAPPING)
        return yaml_to_json(node);
    struct json *object = json_new_object();
    if (soft && (soft->integer != 0 || form == RENDER_YAML))
        json_set(object, "soft", yaml_to_json(soft));
    if (hard && (hard->integer != 0 || form == RENDER_YAML))
        json_set(object, "hard", yaml_to_json(hard));
    return object;
}

static struct json *ulimits(const struct yaml *node, enum render_form form)
{
    struct json *object = json_new_object();
    CLEANUP_FREE const struct yaml_pair **pairs = sorted(node, form);
    for (size_t i = 0; i < yaml_count(node); i++)
        json_set(object, pairs[i]->key, ulimit(pairs[i]->value, form));
    return object;
}

/* Files that are required are their paths alone. */
static struct json *env_files(const struct yaml *node, enum render_form form)
{
    struct json *array = new_kind(JSON_ARRAY);
    for (size_t i = 0; i < yaml_count(node); i++) {
        const struct yaml *file = node->pairs[i].value, *required = yaml_get(file, "required");
        append(array, yaml_is(required, YAML_BOOL) && !required->boolean
                          ? render_object(file, schema_env_file_rows, form)
                          : yaml_to_json(yaml_get(file, "path")));
    }
    return array;
}

static struct json *render_value(const struct yaml *node, const struct schema_row *row, enum render_form form)
{
    struct schema_row item = {"", SHAPE_OBJECT, 0, row->rows, NULL, NULL};
    if (node->kind == YAML_NULL && (row->flags & SCHEMA_STRUCT)) {
        const struct yaml nothing = {.kind = YAML_MAPPING};
        return render_object(&nothing, row->rows, form);
    }
    if (node->kind == YAML_NULL)
        return new_kind(JSON_NULL);
    switch (row->shape) {
    case SHAPE_OBJECT:
    case SHAPE_BUILD:
    case SHAPE_EXTENDS:
        return render_object(node, row->rows, form);
    case SHAPE_OBJECTS:
    case SHAPE_PORTS:
    case SHAPE_MOUNTS:
    case SHAPE_DEVICES:
    case SHAPE_FILE_MOUNTS:
        return list_of(node, &item, form);
    case SHAPE_OBJECT_MAP:
        item.flags = SCHEMA_STRUCT;
        return map_of(node, &item, form);
    case SHAPE_NAMED_MAP:
    case SHAPE_DEPENDS_ON:
        return map_of(node, &item, form);
    case SHAPE_MAPPING:
    case SHAPE_ENVIRONMENT:
    case SHAPE_OPTIONS:
        return map_of(node, NULL, form);
    case SHAPE_HOSTS:
        return hosts(node);
    case SHAPE_SSH:
        return ssh(node, form);
    case SHAPE_ULIMITS:
        return ulimits(node, form);
    case SHAPE_ENV_FILES:
        return env_files(node, form);
    default:
        return yaml_to_json(node);
    }
}

static bool is_empty(const struct json *value, const struct schema_row *row)
{
    const char *text = json_string(value);
    switch (value->kind) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return !value->boolean;
    case JSON_INTEGER:
        return value->integer == 0;
    case JSON_REAL:
        return value->real == 0;
    case JSON_STRING:
        return !*text || (row->shape == SHAPE_BYTES && strcmp(text, "0") == 0) ||
               (row->shape == SHAPE_DURATION && strcmp(text, "0s") == 0);
    case JSON_ARRAY:
        return value->array.count == 0 && row->shape != SHAPE_COMMAND;
    case JSON_OBJECT:
        return value->object.count == 0;
    }
    return false;
}

/* What stands for a value that was not given; NULL: nothing. */
static struct json *absent(const struct schema_row *row, enum render_form form)
{
    if (form == RENDER_YAML && (row->flags & (SCHEMA_KEEP | SCHEMA_ALWAYS)) != (SCHEMA_KEEP | SCHEMA_ALWAYS))
        return NULL;
    if (row->flags & SCHEMA_STRUCT) {
        const struct yaml nothing = {.kind = YAML_MAPPING};
        return render_object(&nothing, row->rows, form);
    }
    if (!(row->flags & SCHEMA_ALWAYS))
        return NULL;
    switch (row->shape) {
    case SHAPE_TEXT:
        return json_new_string("");
    case SHAPE_BYTES:
        return json_new_string("0");
    case SHAPE_BOOL:
        return json_new_bool(false);
    case SHAPE_INTEGER:
        return new_kind(JSON_INTEGER);
    default:
        return new_kind(JSON_NULL);
    }
}

struct json *render_object(const struct yaml *node, const struct schema_row *rows, enum render_form form)
{
    struct json *object = json_new_object();
    for (const struct schema_row *row = rows; row->name; row++) {
        const struct yaml *value = row->flags & SCHEMA_HIDDEN ? NULL : yaml_get(node, row->name);
        const char *name = form == RENDER_JSON && row->json_name ? row->json_name : row->name;
        bool nothing = !value || value->kind == YAML_NULL;
        struct json *json = nothing ? absent(row, form) : render_value(value, row, form);
        bool kept =
            (row->flags & (SCHEMA_KEEP | SCHEMA_ALWAYS)) || (form == RENDER_JSON && (row->flags & SCHEMA_STRUCT));
        if (json && (kept || nothing || !is_empty(json, row)))
            json_set(object, name, json);
        else
            json_free(json);
    }
    CLEANUP_FREE const struct yaml_pair **pairs = sorted(node, form);
    for (size_t i = 0; form == RENDER_YAML && i < yaml_count(node); i++) {
        if (strncmp(pairs[i]->key, "x-", 2) == 0)
            json_set(object, pairs[i]->key, render_raw(pairs[i]->value));
    }
    return object;
}

struct json *render_raw(const struct yaml *node)
{
    if (node->kind == YAML_SEQUENCE) {
        struct json *array = new_kind(JSON_ARRAY);
        for (size_t i = 0; i < node->count; i++)
            append(array, render_raw(node->pairs[i].value));
        return array;
    }
    if (node->kind != YAML_MAPPING)
        return yaml_to_json(node);
    struct json *object = json_new_object();
    CLEANUP_FREE const struct yaml_pair **pairs = sorted(node, RENDER_YAML);
    for (size_t i = 0; i < node->count; i++)
        json_set(object, pairs[i]->key, render_raw(pairs[i]->value));
    return object;
}

struct json *render_project(const struct yaml *root, enum render_form form)
{
    CLEANUP_JSON struct json *whole = render_object(root, schema_file.rows, form);
    if (form == RENDER_YAML)
        return TAKE_PTR(whole);
    /* At the top JSON is sorted, and has the x- keys too. */
    struct json *object = json_new_object();
    CLEANUP_FREE const struct yaml_pair **pairs = sorted(root, form);
    for (size_t i = 0; i < yaml_count(root); i++) {
        const struct json *there = json_get(whole, pairs[i]->key);
        if (strncmp(pairs[i]->key, "x-", 2) == 0)
            json_set(object, pairs[i]->key, render_raw(pairs[i]->value));
        else if (there)
            json_set(object, pairs[i]->key, json_copy(there));
    }
    return object;
}
