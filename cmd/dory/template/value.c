#include "cmd/dory/template/value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/dory/template/number.h"

void arena_release(struct arena *arena)
{
    for (size_t i = 0; i < arena->count; i++)
        json_free(arena->made[i]);
    free(arena->made);
    *arena = (struct arena){0};
}

struct value value_take(struct arena *arena, struct json *tree)
{
    xgrow((void **)&arena->made, arena->count, &arena->capacity, sizeof(struct json *));
    arena->made[arena->count++] = tree;
    return (struct value){tree, GO_ANY};
}

static struct json *make(enum json_kind kind)
{
    struct json *v = xcalloc(1, sizeof(*v));
    v->kind = kind;
    return v;
}

struct value value_string(struct arena *arena, const char *text, size_t size)
{
    struct json *v = make(JSON_STRING);
    v->string.data = xmalloc(size + 1);
    memcpy(v->string.data, text, size);
    v->string.data[size] = '\0';
    v->string.size = size;
    return value_take(arena, v);
}

struct value value_bool(struct arena *arena, bool b)
{
    struct json *v = make(JSON_BOOL);
    v->boolean = b;
    return value_take(arena, v);
}

struct value value_integer(struct arena *arena, int64_t n)
{
    struct json *v = make(JSON_INTEGER);
    v->integer = n;
    return value_take(arena, v);
}

struct value value_real(struct arena *arena, double d)
{
    struct json *v = make(JSON_REAL);
    v->real = d;
    return value_take(arena, v);
}

enum json_kind value_kind(struct value v)
{
    return v.json ? v.json->kind : JSON_NULL;
}

bool value_truth(struct value v)
{
    switch (value_kind(v)) {
    case JSON_NULL:
        return false;
    case JSON_BOOL:
        return v.json->boolean;
    case JSON_INTEGER:
        return v.json->integer != 0;
    case JSON_REAL:
        return v.json->real != 0;
    case JSON_STRING:
        return v.json->string.size > 0;
    case JSON_ARRAY:
        return v.json->array.count > 0;
    case JSON_OBJECT:
        /* Structs are true, maps when there is something in them. */
        return v.json->object.count > 0 || (v.type == GO_FIELD);
    }
    return false;
}

bool value_is_map(struct value v)
{
    return v.type != GO_FIELD;
}

const char *value_type_name(struct value v)
{
    switch (value_kind(v)) {
    case JSON_NULL:
        return "<nil>";
    case JSON_BOOL:
        return "bool";
    case JSON_INTEGER:
        return "int";
    case JSON_REAL:
        return "float64";
    case JSON_STRING:
        return "string";
    case JSON_ARRAY:
        return v.type == GO_ANY ? "[]interface {}" : "[]string";
    case JSON_OBJECT:
        return v.type == GO_ANY ? "map[string]interface {}" : v.type == GO_MAP ? "map[string]string" : "struct";
    }
    return "";
}

struct value value_member(struct value object, const char *name, bool typed)
{
    const struct json *member = object.json ? json_get(object.json, name) : NULL;
    if (!member && typed && object.type == GO_FIELD) {
        const char *spelling = go_type_spelling(name);
        member = spelling && object.json ? json_get(object.json, spelling) : NULL;
        name = member ? spelling : name;
        member = member ? member : go_type_zero(name);
    }
    if (!member)
        return NO_VALUE;
    if (object.type == GO_MAP || object.type == GO_MAP_OF_POINTERS)
        return (struct value){member, GO_FIELD};
    if (object.type == GO_MAP_OF_SLICES)
        return (struct value){member, GO_SLICE};
    return (struct value){member, typed ? go_type_of(name) : GO_ANY};
}

/* The type of what a list or map of this type holds. */
static enum go_type element_type(enum go_type type)
{
    return type == GO_ANY ? GO_ANY : type == GO_MAP_OF_SLICES ? GO_SLICE : GO_FIELD;
}

struct value value_element(struct value list, size_t i)
{
    return (struct value){&list.json->array.items[i], element_type(list.type)};
}

struct value value_entry(struct value object, size_t i)
{
    if (object.type == GO_FIELD)
        return (struct value){&object.json->object.values[i], go_type_of(object.json->object.keys[i])};
    return (struct value){&object.json->object.values[i], element_type(object.type)};
}

struct value value_zero_element(struct arena *arena, struct value map)
{
    if (map.type == GO_MAP)
        return value_string(arena, "", 0);
    if (map.type == GO_ANY)
        return NO_VALUE;
    struct value null = value_take(arena, make(JSON_NULL));
    null.type = map.type == GO_MAP_OF_SLICES ? GO_SLICE : GO_FIELD;
    return null;
}

static int compare_keys(const void *a, const void *b, void *object)
{
    const struct json *o = object;
    return strcmp(o->object.keys[*(const size_t *)a], o->object.keys[*(const size_t *)b]);
}

size_t *value_sorted_keys(const struct json *object)
{
    size_t *order = xcalloc(object->object.count + 1, sizeof(*order));
    for (size_t i = 0; i < object->object.count; i++)
        order[i] = i;
    qsort_r(order, object->object.count, sizeof(*order), compare_keys, (void *)object);
    return order;
}

static void print_null(enum go_type type, struct strbuf *out)
{
    bool map = type == GO_MAP || type == GO_MAP_OF_POINTERS || type == GO_MAP_OF_SLICES;
    strbuf_adds(out, type == GO_SLICE ? "[]" : map ? "map[]" : "<nil>");
}

static void print_object(struct value v, struct strbuf *out)
{
    bool map = value_is_map(v);
    CLEANUP_FREE size_t *order = map ? value_sorted_keys(v.json) : NULL;
    strbuf_adds(out, map ? "map[" : "{");
    for (size_t i = 0; i < v.json->object.count; i++) {
        size_t at = order ? order[i] : i;
        strbuf_adds(out, i ? " " : "");
        if (map)
            strbuf_addf(out, "%s:", v.json->object.keys[at]);
        value_print(value_entry(v, at), out);
    }
    strbuf_adds(out, map ? "]" : "}");
}

void value_print(struct value v, struct strbuf *out)
{
    switch (value_kind(v)) {
    case JSON_NULL:
        print_null(v.type, out);
        break;
    case JSON_BOOL:
        strbuf_adds(out, v.json->boolean ? "true" : "false");
        break;
    case JSON_INTEGER:
        strbuf_addf(out, "%" PRId64, v.json->integer);
        break;
    case JSON_REAL:
        if (v.json->exact)
            strbuf_addf(out, "%" PRIu64, v.json->exact);
        else
            number_print(v.json->real, out);
        break;
    case JSON_STRING:
        strbuf_add(out, v.json->string.data, v.json->string.size);
        break;
    case JSON_ARRAY:
        strbuf_addc(out, '[');
        for (size_t i = 0; i < v.json->array.count; i++) {
            strbuf_adds(out, i ? " " : "");
            value_print(value_element(v, i), out);
        }
        strbuf_addc(out, ']');
        break;
    case JSON_OBJECT:
        print_object(v, out);
        break;
    }
}

void value_print_json(struct value v, struct strbuf *out)
{
    bool object = value_kind(v) == JSON_OBJECT;
    size_t count = object ? v.json->object.count : json_count(v.json);
    if (!object && value_kind(v) != JSON_ARRAY) {
        struct json_writer w;
        json_writer_init(&w, out);
        json_put_value(&w, v.json);
        return;
    }
    CLEANUP_FREE size_t *order = object && value_is_map(v) ? value_sorted_keys(v.json) : NULL;
    strbuf_addc(out, object ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        size_t at = order ? order[i] : i;
        strbuf_adds(out, i ? "," : "");
        if (object) {
            json_quote(out, v.json->object.keys[at], strlen(v.json->object.keys[at]));
            strbuf_addc(out, ':');
        }
        value_print_json(object ? value_entry(v, at) : value_element(v, at), out);
    }
    strbuf_addc(out, object ? '}' : ']');
}
