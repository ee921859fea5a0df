/* Go's own functions (text/template, funcs.go): index, slice, len, not; the rest is in files of their own. */
#include "cmd/dory/template/functions.h"

#include <inttypes.h>
#include <string.h>

const struct function *function_find(const char *name)
{
    const struct function *tables[] = {docker_functions, builtin_functions};
    const size_t counts[] = {docker_function_count, builtin_function_count};
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            if (strcmp(tables[t][i].name, name) == 0)
                return &tables[t][i];
        }
    }
    return NULL;
}

/* A position: an integer between 0 and `limit`. */
static int index_argument(struct value v, size_t limit, size_t *ret, struct error *err)
{
    if (value_kind(v) == JSON_NULL)
        return error_set(err, ERROR_INVALID, 0, "cannot index slice/array with nil");
    if (value_kind(v) != JSON_INTEGER)
        return error_set(err, ERROR_INVALID, 0, "cannot index slice/array with type %s", value_type_name(v));
    if (v.json->integer < 0 || (uint64_t)v.json->integer > limit)
        return error_set(err, ERROR_INVALID, 0, "index out of range: %" PRId64, v.json->integer);
    *ret = (size_t)v.json->integer;
    return 0;
}

static int index_one(const struct call *call, struct value from, struct value by, struct value *ret, struct error *err)
{
    size_t i;
    int r;
    switch (value_kind(from)) {
    case JSON_NULL:
        if (from.type == GO_SLICE) {
            r = index_argument(by, 0, &i, err);
            return r < 0 ? r : error_set(err, ERROR_INVALID, 0, "reflect: slice index out of range");
        }
        if (from.json && from.type != GO_ANY && from.type != GO_FIELD) {
            *ret = value_zero_element(call->arena, from);
            return 0;
        }
        return error_set(err, ERROR_INVALID, 0,
                         from.json && from.type == GO_FIELD ? "index of nil pointer" : "index of untyped nil");
    case JSON_ARRAY:
        r = index_argument(by, from.json->array.count, &i, err);
        if (r == 0 && i == from.json->array.count)
            return error_set(err, ERROR_INVALID, 0, "reflect: slice index out of range");
        if (r == 0)
            *ret = value_element(from, i);
        return r;
    case JSON_STRING:
        r = index_argument(by, from.json->string.size, &i, err);
        if (r == 0 && i == from.json->string.size)
            return error_set(err, ERROR_INVALID, 0, "reflect: string index out of range");
        if (r == 0)
            *ret = value_integer(call->arena, (unsigned char)from.json->string.data[i]);
        return r;
    case JSON_OBJECT:
        if (!value_is_map(from))
            break;
        if (value_kind(by) != JSON_STRING)
            return error_set(err, ERROR_INVALID, 0, "value has type %s; should be string", value_type_name(by));
        *ret = value_member(from, by.json->string.data, false);
        if (!ret->json)
            *ret = value_zero_element(call->arena, from);
        return 0;
    default:
        break;
    }
    return error_set(err, ERROR_INVALID, 0, "can't index item of type %s", value_type_name(from));
}

static int function_index(const struct call *call, struct value *ret, struct error *err)
{
    struct value v = call->args[0];
    if (!v.json)
        return error_set(err, ERROR_INVALID, 0, "index of untyped nil");
    int r = 0;
    for (size_t i = 1; i < call->count && r == 0; i++)
        r = index_one(call, v, call->args[i], &v, err);
    if (r == 0)
        *ret = v;
    return r;
}

static int slice_list(const struct call *call, const struct json *list, size_t from, size_t to, struct value *ret)
{
    struct json *part = xcalloc(1, sizeof(*part));
    part->kind = JSON_ARRAY;
    part->array.count = to - from;
    part->array.items = xreallocarray(NULL, to - from + 1, sizeof(struct json));
    for (size_t i = from; i < to; i++) {
        CLEANUP_FREE struct json *copy = json_copy(&list->array.items[i]);
        part->array.items[i - from] = *copy;
    }
    *ret = value_take(call->arena, part);
    ret->type = call->args[0].type;
    return 0;
}

static int function_slice(const struct call *call, struct value *ret, struct error *err)
{
    struct value v = call->args[0];
    enum json_kind kind = value_kind(v);
    if (!v.json)
        return error_set(err, ERROR_INVALID, 0, "slice of untyped nil");
    if (kind != JSON_STRING && kind != JSON_ARRAY)
        return error_set(err, ERROR_INVALID, 0, "can't slice item of type %s", value_type_name(v));
    if (kind == JSON_STRING && call->count == 4)
        return error_set(err, ERROR_INVALID, 0, "cannot 3-index slice a string");
    size_t size = kind == JSON_STRING ? v.json->string.size : v.json->array.count, at[3] = {0, size, size};
    for (size_t i = 1; i < call->count; i++) {
        int r = index_argument(call->args[i], size, &at[i - 1], err);
        if (r < 0)
            return r;
    }
    if (at[0] > at[1])
        return error_set(err, ERROR_INVALID, 0, "invalid slice index: %zu > %zu", at[0], at[1]);
    if (call->count == 4 && at[1] > at[2])
        return error_set(err, ERROR_INVALID, 0, "invalid slice index: %zu > %zu", at[1], at[2]);
    if (kind == JSON_ARRAY)
        return slice_list(call, v.json, at[0], at[1], ret);
    *ret = value_string(call->arena, v.json->string.data + at[0], at[1] - at[0]);
    return 0;
}

static int function_len(const struct call *call, struct value *ret, struct error *err)
{
    struct value v = call->args[0];
    size_t n = 0;
    switch (value_kind(v)) {
    case JSON_STRING:
        n = v.json->string.size;
        break;
    case JSON_ARRAY:
        n = v.json->array.count;
        break;
    case JSON_OBJECT:
        n = v.json->object.count;
        break;
    case JSON_NULL:
        if (v.json && v.type != GO_ANY && v.type != GO_FIELD)
            break;
        return error_set(err, ERROR_INVALID, 0,
                         v.json && v.type == GO_FIELD ? "len of nil pointer" : "len of nil pointer");
    default:
        return error_set(err, ERROR_INVALID, 0, "len of type %s", value_type_name(v));
    }
    *ret = value_integer(call->arena, (int64_t)n);
    return 0;
}

static int function_not(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    *ret = value_bool(call->arena, !value_truth(call->args[0]));
    return 0;
}

static int function_call_value(const struct call *call, struct value *ret, struct error *err)
{
    (void)ret;
    if (value_kind(call->args[0]) == JSON_NULL)
        return error_set(err, ERROR_INVALID, 0, "call of nil");
    return error_set(err, ERROR_INVALID, 0, "non-function of type %s", value_type_name(call->args[0]));
}

const struct function builtin_functions[] = {
    {"and", NULL, 1, -1, {0}},
    {"call", function_call_value, 1, -1, {0}},
    {"eq", function_eq, 1, -1, {0}},
    {"ge", function_ge, 2, 2, {0}},
    {"gt", function_gt, 2, 2, {0}},
    {"html", function_html, 0, -1, {0}},
    {"index", function_index, 1, -1, {0}},
    {"js", function_js, 0, -1, {0}},
    {"le", function_le, 2, 2, {0}},
    {"len", function_len, 1, 1, {0}},
    {"lt", function_lt, 2, 2, {0}},
    {"ne", function_ne, 2, 2, {0}},
    {"not", function_not, 1, 1, {0}},
    {"or", NULL, 1, -1, {0}},
    {"print", function_print, 0, -1, {0}},
    {"printf", function_printf, 1, -1, {ARGUMENT_STRING}},
    {"println", function_println, 0, -1, {0}},
    {"slice", function_slice, 1, 4, {0}},
    {"urlquery", function_urlquery, 0, -1, {0}},
};
const size_t builtin_function_count = ARRAY_SIZE(builtin_functions);
