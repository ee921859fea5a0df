#include "base/json.h"

#include <string.h>

static void release(struct json *v)
{
    switch (v->kind) {
    case JSON_STRING:
        free(v->string.data);
        break;
    case JSON_ARRAY:
        for (size_t i = 0; i < v->array.count; i++)
            release(&v->array.items[i]);
        free(v->array.items);
        break;
    case JSON_OBJECT:
        for (size_t i = 0; i < v->object.count; i++) {
            free(v->object.keys[i]);
            release(&v->object.values[i]);
        }
        free(v->object.keys);
        free(v->object.values);
        break;
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_INTEGER:
    case JSON_REAL:
        break;
    }
}

void json_free(struct json *value)
{
    if (!value)
        return;
    release(value);
    free(value);
}

void json_free_ptr(struct json **value)
{
    json_free(*value);
    *value = NULL;
}

static void copy(struct json *to, const struct json *from)
{
    *to = *from;
    switch (from->kind) {
    case JSON_STRING:
        to->string.data = xmalloc(from->string.size + 1);
        memcpy(to->string.data, from->string.data, from->string.size);
        to->string.data[from->string.size] = '\0';
        break;
    case JSON_ARRAY:
        to->array.items = xreallocarray(NULL, from->array.count, sizeof *to->array.items);
        for (size_t i = 0; i < from->array.count; i++)
            copy(&to->array.items[i], &from->array.items[i]);
        break;
    case JSON_OBJECT:
        to->object.keys = xreallocarray(NULL, from->object.count, sizeof *to->object.keys);
        to->object.values = xreallocarray(NULL, from->object.count, sizeof *to->object.values);
        for (size_t i = 0; i < from->object.count; i++) {
            to->object.keys[i] = xstrdup(from->object.keys[i]);
            copy(&to->object.values[i], &from->object.values[i]);
        }
        break;
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_INTEGER:
    case JSON_REAL:
        break;
    }
}

struct json *json_copy(const struct json *value)
{
    if (!value)
        return NULL;
    struct json *result = xmalloc(sizeof *result);
    copy(result, value);
    return result;
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    /* From the end: of members of the same name the last one counts. */
    for (size_t i = object->object.count; i-- > 0;)
        if (strcmp(object->object.keys[i], key) == 0)
            return &object->object.values[i];
    return NULL;
}

const char *json_get_string(const struct json *object, const char *key)
{
    return json_string(json_get(object, key));
}

int64_t json_get_int(const struct json *object, const char *key, int64_t fallback)
{
    const struct json *v = json_get(object, key);
    return v && v->kind == JSON_INTEGER ? v->integer : fallback;
}

bool json_get_bool(const struct json *object, const char *key, bool fallback)
{
    const struct json *v = json_get(object, key);
    return v && v->kind == JSON_BOOL ? v->boolean : fallback;
}

const char *json_string(const struct json *value)
{
    return value && value->kind == JSON_STRING ? value->string.data : NULL;
}

size_t json_count(const struct json *array)
{
    return array && array->kind == JSON_ARRAY ? array->array.count : 0;
}

const struct json *json_at(const struct json *array, size_t i)
{
    return i < json_count(array) ? &array->array.items[i] : NULL;
}
