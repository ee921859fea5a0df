/* The tree: pool, accessors, changes. */
#include "cmd/dory/compose/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json_edit.h"

#define BLOCK_SIZE 16384

struct yaml_block {
    struct yaml_block *next;
    size_t used, size;
    char data[] __attribute__((aligned(16)));
};

void yaml_pool_release(struct yaml_pool *pool)
{
    while (pool->blocks) {
        struct yaml_block *next = pool->blocks->next;
        free(pool->blocks);
        pool->blocks = next;
    }
    pool->nodes = 0;
}

void *yaml_pool_alloc(struct yaml_pool *pool, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct yaml_block *block = pool->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = xcalloc(1, sizeof(*block) + room);
        block->size = room;
        block->next = pool->blocks;
        pool->blocks = block;
    }
    void *place = block->data + block->used;
    block->used += size;
    return place;
}

char *yaml_pool_strdup(struct yaml_pool *pool, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(yaml_pool_alloc(pool, size), text, size);
}

char *yaml_pool_printf(struct yaml_pool *pool, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CLEANUP_FREE char *text = xvasprintf(format, args);
    va_end(args);
    return yaml_pool_strdup(pool, text);
}

bool yaml_pool_full(const struct yaml_pool *pool)
{
    return pool->nodes > YAML_NODES_MAX;
}

struct yaml *yaml_new(struct yaml_pool *pool, enum yaml_kind kind, const struct yaml *at)
{
    struct yaml *node = yaml_pool_alloc(pool, sizeof(*node));
    node->kind = kind;
    node->text = "";
    if (at)
        node->place = at->place;
    pool->nodes++;
    return node;
}

struct yaml *yaml_new_string(struct yaml_pool *pool, const char *text, const struct yaml *at)
{
    struct yaml *node = yaml_new(pool, YAML_STRING, at);
    node->text = yaml_pool_strdup(pool, text);
    return node;
}

struct yaml *yaml_new_integer(struct yaml_pool *pool, int64_t value, const struct yaml *at)
{
    struct yaml *node = yaml_new(pool, YAML_INTEGER, at);
    node->integer = value;
    node->text = yaml_pool_printf(pool, "%lld", (long long)value);
    return node;
}

struct yaml *yaml_new_bool(struct yaml_pool *pool, bool value, const struct yaml *at)
{
    struct yaml *node = yaml_new(pool, YAML_BOOL, at);
    node->boolean = value;
    node->text = value ? "true" : "false";
    return node;
}

struct yaml *yaml_copy(struct yaml_pool *pool, const struct yaml *node)
{
    if (!node)
        return NULL;
    struct yaml *copy = yaml_pool_alloc(pool, sizeof(*copy));
    *copy = *node;
    pool->nodes++;
    if (node->kind != YAML_SEQUENCE && node->kind != YAML_MAPPING)
        return copy;
    copy->pairs = NULL;
    copy->count = copy->capacity = 0;
    for (size_t i = 0; i < node->count && !yaml_pool_full(pool); i++) {
        struct yaml_pair pair = node->pairs[i];
        pair.value = yaml_copy(pool, pair.value);
        yaml_add_pair(pool, copy, &pair);
    }
    return copy;
}

bool yaml_is(const struct yaml *node, enum yaml_kind kind)
{
    return node && node->kind == kind;
}

bool yaml_is_scalar(const struct yaml *node)
{
    return node && node->kind != YAML_NULL && node->kind != YAML_SEQUENCE && node->kind != YAML_MAPPING;
}

size_t yaml_count(const struct yaml *node)
{
    return yaml_is(node, YAML_SEQUENCE) || yaml_is(node, YAML_MAPPING) ? node->count : 0;
}

struct yaml_pair *yaml_pair_of(const struct yaml *mapping, const char *key)
{
    for (size_t i = 0; yaml_is(mapping, YAML_MAPPING) && i < mapping->count; i++) {
        if (strcmp(mapping->pairs[i].key, key) == 0)
            return &mapping->pairs[i];
    }
    return NULL;
}

struct yaml *yaml_get(const struct yaml *mapping, const char *key)
{
    struct yaml_pair *pair = yaml_pair_of(mapping, key);
    return pair ? pair->value : NULL;
}

const char *yaml_text(const struct yaml *scalar)
{
    return yaml_is_scalar(scalar) ? scalar->text : NULL;
}

const char *yaml_get_text(const struct yaml *mapping, const char *key)
{
    return yaml_text(yaml_get(mapping, key));
}

void yaml_add_pair(struct yaml_pool *pool, struct yaml *node, const struct yaml_pair *pair)
{
    if (node->count == node->capacity) {
        size_t capacity = node->capacity ? node->capacity * 2 : 4;
        struct yaml_pair *pairs = yaml_pool_alloc(pool, capacity * sizeof(*pairs));
        if (node->count)
            memcpy(pairs, node->pairs, node->count * sizeof(*pairs));
        node->pairs = pairs;
        node->capacity = capacity;
    }
    node->pairs[node->count++] = *pair;
}

void yaml_set(struct yaml_pool *pool, struct yaml *mapping, const char *key, struct yaml *value)
{
    struct yaml_pair *pair = yaml_pair_of(mapping, key);
    if (pair) {
        pair->value = value;
        return;
    }
    struct yaml_pair fresh = {yaml_pool_strdup(pool, key), value->place, value};
    yaml_add_pair(pool, mapping, &fresh);
}

void yaml_append(struct yaml_pool *pool, struct yaml *sequence, struct yaml *value)
{
    struct yaml_pair pair = {NULL, value->place, value};
    yaml_add_pair(pool, sequence, &pair);
}

void yaml_remove_at(struct yaml *node, size_t i)
{
    memmove(node->pairs + i, node->pairs + i + 1, (node->count - i - 1) * sizeof(*node->pairs));
    node->count--;
}

bool yaml_remove(struct yaml *mapping, const char *key)
{
    struct yaml_pair *pair = yaml_pair_of(mapping, key);
    if (pair)
        yaml_remove_at(mapping, (size_t)(pair - mapping->pairs));
    return pair != NULL;
}

static void fill_json(const struct yaml *node, struct json *ret)
{
    *ret = (struct json){0};
    switch (node->kind) {
    case YAML_NULL:
        ret->kind = JSON_NULL;
        return;
    case YAML_BOOL:
        ret->kind = JSON_BOOL;
        ret->boolean = node->boolean;
        return;
    case YAML_INTEGER:
        ret->kind = JSON_INTEGER;
        ret->integer = node->integer;
        return;
    case YAML_REAL:
        ret->kind = JSON_REAL;
        ret->real = node->real;
        return;
    case YAML_STRING:
        ret->kind = JSON_STRING;
        ret->string.data = xstrdup(node->text);
        ret->string.size = strlen(node->text);
        return;
    case YAML_SEQUENCE:
        ret->kind = JSON_ARRAY;
        ret->array.count = node->count;
        ret->array.items = node->count ? xcalloc(node->count, sizeof(struct json)) : NULL;
        for (size_t i = 0; i < node->count; i++)
            fill_json(node->pairs[i].value, &ret->array.items[i]);
        return;
    case YAML_MAPPING:
        ret->kind = JSON_OBJECT;
        ret->object.count = node->count;
        ret->object.keys = node->count ? xcalloc(node->count, sizeof(char *)) : NULL;
        ret->object.values = node->count ? xcalloc(node->count, sizeof(struct json)) : NULL;
        for (size_t i = 0; i < node->count; i++) {
            ret->object.keys[i] = xstrdup(node->pairs[i].key);
            fill_json(node->pairs[i].value, &ret->object.values[i]);
        }
        return;
    }
}

struct json *yaml_to_json(const struct yaml *node)
{
    struct json *json = xcalloc(1, sizeof(*json));
    fill_json(node, json);
    return json;
}

int yaml_error(const struct yaml_place *place, struct error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CLEANUP_FREE char *text = xvasprintf(format, args);
    va_end(args);
    if (!place || !place->file)
        return error_set(err, ERROR_INVALID, 0, "%s", text);
    if (place->line == 0)
        return error_set(err, ERROR_INVALID, 0, "%s: %s", place->file, text);
    return error_set(err, ERROR_INVALID, 0, "%s:%u:%u: %s", place->file, place->line, place->column, text);
}
