#include "base/json_edit.h"

#include <string.h>

struct json *json_new_object(void)
{
    struct json *v = xcalloc(1, sizeof(*v));
    v->kind = JSON_OBJECT;
    return v;
}

struct json *json_new_string(const char *text)
{
    struct json *v = xcalloc(1, sizeof(*v));
    v->kind = JSON_STRING;
    v->string.data = xstrdup(text);
    v->string.size = strlen(text);
    return v;
}

struct json *json_new_bool(bool value)
{
    struct json *v = xcalloc(1, sizeof(*v));
    v->kind = JSON_BOOL;
    v->boolean = value;
    return v;
}

bool json_remove(struct json *object, const char *key)
{
    for (size_t i = 0; i < object->object.count; i++) {
        if (strcmp(object->object.keys[i], key) != 0)
            continue;
        /* The value lies in an array; json_free wants one of its own. */
        json_free(xmemdup(&object->object.values[i], sizeof(struct json)));
        free(object->object.keys[i]);
        size_t rest = --object->object.count - i;
        memmove(&object->object.keys[i], &object->object.keys[i + 1], rest * sizeof(char *));
        memmove(&object->object.values[i], &object->object.values[i + 1], rest * sizeof(struct json));
        return true;
    }
    return false;
}

void json_set(struct json *object, const char *key, struct json *value)
{
    for (size_t i = 0; i < object->object.count; i++) {
        if (strcmp(object->object.keys[i], key) == 0) {
            struct json *old = xmemdup(&object->object.values[i], sizeof(struct json));
            object->object.values[i] = *value;
            json_free(old);
            free(value);
            return;
        }
    }
    size_t n = object->object.count;
    object->object.keys = xreallocarray(object->object.keys, n + 1, sizeof(char *));
    object->object.values = xreallocarray(object->object.values, n + 1, sizeof(struct json));
    object->object.keys[n] = xstrdup(key);
    object->object.values[n] = *value;
    object->object.count = n + 1;
    free(value);
}

struct json *json_object_of(struct json *object, const char *key)
{
    const struct json *member = json_get(object, key);
    if (!member || member->kind != JSON_OBJECT) {
        json_set(object, key, json_new_object());
        member = json_get(object, key);
    }
    return (struct json *)member;
}

static void new_line(struct strbuf *out, const char *indent, unsigned depth)
{
    strbuf_addc(out, '\n');
    for (unsigned i = 0; i < depth; i++)
        strbuf_adds(out, indent);
}

static void print(const struct json *v, const char *indent, unsigned depth, struct strbuf *out)
{
    bool object = v->kind == JSON_OBJECT;
    size_t count = object ? v->object.count : json_count(v);
    if ((!object && v->kind != JSON_ARRAY) || count == 0) {
        struct json_writer w;
        json_writer_init(&w, out);
        json_put_value(&w, v);
        return;
    }
    strbuf_addc(out, object ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_addc(out, ',');
        if (*indent)
            new_line(out, indent, depth + 1);
        if (object) {
            json_quote(out, v->object.keys[i], strlen(v->object.keys[i]));
            strbuf_adds(out, *indent ? ": " : ":");
        }
        print(object ? &v->object.values[i] : &v->array.items[i], indent, depth + 1, out);
    }
    if (*indent)
        new_line(out, indent, depth);
    strbuf_addc(out, object ? '}' : ']');
}

void json_print(const struct json *value, const char *indent, unsigned depth, struct strbuf *out)
{
    print(value, indent, depth, out);
}
