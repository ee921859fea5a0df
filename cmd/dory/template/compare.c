/* eq, ne, lt, le, gt, ge. */
#include <string.h>

#include "cmd/dory/template/functions.h"

/* Go compares integers with integers and floating point numbers with such. */
static bool are_numbers(struct value a, struct value b)
{
    return value_kind(a) == value_kind(b) && (value_kind(a) == JSON_INTEGER || value_kind(a) == JSON_REAL);
}

static int incompatible(struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "incompatible types for comparison");
}

static int not_comparable(struct value v, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    value_print(v, &text);
    return error_set(err, ERROR_INVALID, 0, "non-comparable type %s: %s", strbuf_str(&text), value_type_name(v));
}

static int compare_text(const struct json *a, const struct json *b)
{
    size_t shorter = a->string.size < b->string.size ? a->string.size : b->string.size;
    int r = memcmp(a->string.data, b->string.data, shorter);
    return r != 0 ? r : (a->string.size > b->string.size) - (a->string.size < b->string.size);
}

static int compare_numbers(const struct json *a, const struct json *b)
{
    if (a->kind == JSON_INTEGER)
        return (a->integer > b->integer) - (a->integer < b->integer);
    return (a->real > b->real) - (a->real < b->real);
}

static int equal(struct value a, struct value b, bool *ret, struct error *err)
{
    enum json_kind x = value_kind(a), y = value_kind(b);
    if (x == JSON_ARRAY || x == JSON_OBJECT || y == JSON_ARRAY || y == JSON_OBJECT) {
        /* Only with nil. */
        if (x != JSON_NULL && y != JSON_NULL)
            return not_comparable(x == JSON_ARRAY || x == JSON_OBJECT ? a : b, err);
        *ret = false;
    } else if (x == JSON_NULL || y == JSON_NULL) {
        *ret = x == y;
    } else if (x == JSON_STRING && y == JSON_STRING) {
        *ret = compare_text(a.json, b.json) == 0;
    } else if (x == JSON_BOOL && y == JSON_BOOL) {
        *ret = a.json->boolean == b.json->boolean;
    } else if (are_numbers(a, b)) {
        *ret = compare_numbers(a.json, b.json) == 0;
    } else {
        return incompatible(err);
    }
    return 0;
}

int function_eq(const struct call *call, struct value *ret, struct error *err)
{
    bool same = false;
    if (call->count < 2)
        return error_set(err, ERROR_INVALID, 0, "missing argument for comparison");
    for (size_t i = 1; i < call->count && !same; i++) {
        int r = equal(call->args[0], call->args[i], &same, err);
        if (r < 0)
            return r;
    }
    *ret = value_bool(call->arena, same);
    return 0;
}

int function_ne(const struct call *call, struct value *ret, struct error *err)
{
    bool same;
    int r = equal(call->args[0], call->args[1], &same, err);
    if (r == 0)
        *ret = value_bool(call->arena, !same);
    return r;
}

/* -1, 0 or 1 in *ret_order. */
static int order(const struct call *call, int *ret_order, struct error *err)
{
    struct value a = call->args[0], b = call->args[1];
    if (value_kind(a) == JSON_STRING && value_kind(b) == JSON_STRING)
        *ret_order = compare_text(a.json, b.json);
    else if (are_numbers(a, b))
        *ret_order = compare_numbers(a.json, b.json);
    else if (value_kind(a) == value_kind(b))
        return error_set(err, ERROR_INVALID, 0, "invalid type for comparison");
    else
        return incompatible(err);
    return 0;
}

#define ORDER_FUNCTION(name, condition)                                                                                \
    int function_##name(const struct call *call, struct value *ret, struct error *err)                                 \
    {                                                                                                                  \
        int n;                                                                                                         \
        int r = order(call, &n, err);                                                                                  \
        if (r == 0)                                                                                                    \
            *ret = value_bool(call->arena, condition);                                                                 \
        return r;                                                                                                      \
    }
ORDER_FUNCTION(lt, n < 0)
ORDER_FUNCTION(le, n <= 0)
ORDER_FUNCTION(gt, n > 0)
ORDER_FUNCTION(ge, n >= 0)
