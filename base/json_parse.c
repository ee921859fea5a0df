/* From text to tree. yajl finds the tokens; the tree grows on two stacks, of values and of member names, from which a
 * finished array or object takes its part in one piece. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/json.h"
#include "base/utf8.h"

/* Above any text we accept; yajl 2.1 computes some sizes in 32 bits. */
#define TEXT_MAX (1u << 30)

struct level {
    bool object;
    size_t first_value;
    size_t first_key;
};

struct builder {
    struct json *values;
    size_t value_count;
    size_t value_capacity;
    char **keys;
    size_t key_count;
    size_t key_capacity;
    struct level levels[JSON_DEPTH_MAX];
    size_t depth;
    const char *refusal; /* our own reason to stop */
};

static struct json *push(struct builder *b, enum json_kind kind)
{
    xgrow((void **)&b->values, b->value_count, &b->value_capacity, sizeof *b->values);
    struct json *v = &b->values[b->value_count++];
    v->kind = kind;
    return v;
}

static int refuse(struct builder *b, const char *why)
{
    b->refusal = why;
    return 0;
}

static int on_null(void *data)
{
    push(data, JSON_NULL);
    return 1;
}

static int on_boolean(void *data, int boolean)
{
    push(data, JSON_BOOL)->boolean = boolean;
    return 1;
}

/* Digits only, as the lexer promises. False when above 2^64 - 1. */
static bool parse_digits(const char *s, size_t size, uint64_t *ret)
{
    uint64_t n = 0;
    for (size_t i = 0; i < size; i++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(s[i] - '0'), &n))
            return false;
    *ret = n;
    return true;
}

static int on_number(void *data, const char *text, size_t size)
{
    struct builder *b = data;
    bool negative = text[0] == '-';
    uint64_t n = 0;
    bool integer = !memchr(text, '.', size) && !memchr(text, 'e', size) && !memchr(text, 'E', size);
    if (integer && parse_digits(text + negative, size - negative, &n)) {
        if (n <= INT64_MAX) {
            push(b, JSON_INTEGER)->integer = negative ? -(int64_t)n : (int64_t)n;
            return 1;
        }
        if (negative && n == (uint64_t)INT64_MAX + 1) {
            push(b, JSON_INTEGER)->integer = INT64_MIN;
            return 1;
        }
        if (negative)
            n = 0;
    } else {
        n = 0;
    }
    char room[64];
    CLEANUP_FREE char *heap = NULL;
    char *number = room;
    if (size >= sizeof room)
        number = heap = xmalloc(size + 1);
    memcpy(number, text, size);
    number[size] = '\0';
    double real = strtod(number, NULL);
    if (!isfinite(real))
        return refuse(b, "a number is out of range");
    struct json *v = push(b, JSON_REAL);
    v->real = real;
    v->exact = n;
    return 1;
}

static bool is_ascii(const char *s, size_t size)
{
    unsigned char all = 0;
    for (size_t i = 0; i < size; i++)
        all |= (unsigned char)s[i];
    return all < 0x80;
}

/* A copy with what is not UTF-8 replaced. The input was checked by the lexer, so that only halves of surrogate pairs
 * written as \uXXXX get here; they take three bytes, as many as U+FFFD does. */
static char *copy_text(const char *s, size_t size)
{
    char *copy = xmalloc(size + 1);
    if (size > 0)
        memcpy(copy, s, size);
    copy[size] = '\0';
    if (is_ascii(s, size))
        return copy;
    for (size_t i = 0; i < size;) {
        size_t n = utf8_sequence(copy + i, size - i);
        if (n == 0) {
            n = size - i < 3 ? size - i : 3;
            memcpy(copy + i, n == 3 ? "\xef\xbf\xbd" : "???", n);
        }
        i += n;
    }
    return copy;
}

static int on_string(void *data, const unsigned char *text, size_t size)
{
    struct json *v = push(data, JSON_STRING);
    v->string.data = copy_text((const char *)text, size);
    v->string.size = size;
    return 1;
}

static int on_key(void *data, const unsigned char *text, size_t size)
{
    struct builder *b = data;
    if (size > 0 && memchr(text, '\0', size))
        return refuse(b, "a member name contains a NUL");
    xgrow((void **)&b->keys, b->key_count, &b->key_capacity, sizeof *b->keys);
    b->keys[b->key_count++] = copy_text((const char *)text, size);
    return 1;
}

static int begin(struct builder *b, bool object)
{
    if (b->depth == JSON_DEPTH_MAX)
        return refuse(b, "nested too deeply");
    b->levels[b->depth++] = (struct level){
        .object = object,
        .first_value = b->value_count,
        .first_key = b->key_count,
    };
    return 1;
}

static int on_begin_object(void *data)
{
    return begin(data, true);
}

static int on_begin_array(void *data)
{
    return begin(data, false);
}

static int on_end(void *data)
{
    struct builder *b = data;
    struct level level = b->levels[--b->depth];
    size_t count = b->value_count - level.first_value;
    struct json *values = count > 0 ? xmemdup(b->values + level.first_value, count * sizeof *values) : NULL;
    b->value_count = level.first_value;
    if (level.object) {
        char **keys = count > 0 ? xmemdup(b->keys + level.first_key, count * sizeof *keys) : NULL;
        b->key_count = level.first_key;
        struct json *v = push(b, JSON_OBJECT);
        v->object.keys = keys;
        v->object.values = values;
        v->object.count = count;
    } else {
        struct json *v = push(b, JSON_ARRAY);
        v->array.items = values;
        v->array.count = count;
    }
    return 1;
}

static void builder_release(struct builder *b)
{
    /* What the stacks still hold is released as the one object they might have become. */
    for (size_t i = 0; i < b->key_count; i++)
        free(b->keys[i]);
    free(b->keys);
    struct json *rest = xmalloc(sizeof *rest);
    rest->kind = JSON_ARRAY;
    rest->array.items = b->values;
    rest->array.count = b->value_count;
    json_free(rest);
}

static int set_parse_error(struct error *err, const char *text, size_t size, size_t offset, const char *why)
{
    size_t line = 1;
    size_t column = 1;
    if (offset > size)
        offset = size;
    for (size_t i = 0; i < offset; i++) {
        column++;
        if (text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return error_set(err, ERROR_INVALID, EINVAL, "invalid JSON at line %zu, column %zu: %s", line, column, why);
}

/* "lexical error: invalid char in json text.\n" without its tail. */
static int set_yajl_error(struct error *err, yajl_handle handle, const char *text, size_t size, size_t offset)
{
    unsigned char *message = yajl_get_error(handle, 0, NULL, 0);
    if (!message)
        return error_set(err, ERROR_INVALID, EINVAL, "invalid JSON");
    size_t end = strlen((char *)message);
    while (end > 0 && (message[end - 1] == '\n' || message[end - 1] == '.'))
        end--;
    message[end] = '\0';
    int r = set_parse_error(err, text, size, offset, (char *)message);
    yajl_free_error(handle, message);
    return r;
}

int json_parse(const char *text, size_t size, struct json **ret, struct error *err)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_boolean,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_start_map = on_begin_object,
        .yajl_map_key = on_key,
        .yajl_end_map = on_end,
        .yajl_start_array = on_begin_array,
        .yajl_end_array = on_end,
    };
    if (size > TEXT_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "the JSON text is too large");
    CLEANUP(builder_release) struct builder b;
    b.values = NULL;
    b.keys = NULL;
    b.value_count = b.value_capacity = b.key_count = b.key_capacity = b.depth = 0;
    b.refusal = NULL;

    yajl_handle handle = yajl_alloc(&callbacks, NULL, &b);
    if (!handle)
        abort();
    yajl_status status = yajl_parse(handle, (const unsigned char *)text, size);
    size_t consumed = yajl_get_bytes_consumed(handle);
    if (status == yajl_status_ok) {
        status = yajl_complete_parse(handle);
        consumed = size;
    }
    int r = 0;
    if (b.refusal)
        r = set_parse_error(err, text, size, consumed, b.refusal);
    else if (status != yajl_status_ok)
        r = set_yajl_error(err, handle, text, size, consumed);
    else if (b.value_count != 1)
        r = error_set(err, ERROR_INVALID, EINVAL, "invalid JSON: the text is empty");
    yajl_free(handle);
    if (r < 0)
        return r;
    *ret = xmemdup(&b.values[0], sizeof b.values[0]);
    b.value_count = 0;
    return 0;
}
