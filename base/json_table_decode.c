/* The decoding half of json_table.h. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/json_table.h"

/* More members than any object of the API has. */
#define MEMBERS_MAX 256

/* Where in the document we are, innermost first; lives on the stack of the calls that lead there. */
struct place {
    const struct place *outer;
    const char *name; /* NULL: an array's item */
    size_t index;
};

static void add_place(struct strbuf *out, const struct place *place)
{
    if (place->outer)
        add_place(out, place->outer);
    if (!place->name)
        strbuf_addf(out, "[%zu]", place->index);
    else if (*place->name) {
        if (out->size > 0)
            strbuf_addc(out, '.');
        /* Names come from the client and land in messages: not too much of them. */
        strbuf_addf(out, "%.100s", place->name);
    }
}

static int __attribute__((format(printf, 3, 4)))
fail(struct error *err, const struct place *place, const char *format, ...)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    add_place(&text, place);
    if (text.size > 0)
        strbuf_adds(&text, ": ");
    va_list args;
    va_start(args, format);
    strbuf_vaddf(&text, format, args);
    va_end(args);
    return error_set(err, ERROR_INVALID, EINVAL, "%s", strbuf_str(&text));
}

static const char *kind_name(const struct json *v)
{
    switch (v->kind) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return "a boolean";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_STRING:
        return "a string";
    case JSON_ARRAY:
        return "an array";
    case JSON_OBJECT:
        return "an object";
    }
    return "nothing";
}

static int wrong_kind(struct error *err, const struct place *place, const char *expected, const struct json *got)
{
    return fail(err, place, "expected %s, got %s", expected, kind_name(got));
}

/* *ret points into the tree. null counts as "". */
static int get_string(const struct json *v, const struct place *place, const char **ret, struct error *err)
{
    if (v->kind == JSON_NULL) {
        *ret = "";
        return 0;
    }
    if (v->kind != JSON_STRING)
        return wrong_kind(err, place, "a string", v);
    if (strlen(v->string.data) != v->string.size)
        return fail(err, place, "the string contains a NUL");
    *ret = v->string.data;
    return 0;
}

static int get_bool(const struct json *v, const struct place *place, bool *ret, struct error *err)
{
    if (v->kind != JSON_BOOL)
        return wrong_kind(err, place, "a boolean", v);
    *ret = v->boolean;
    return 0;
}

static int get_int(const struct json *v, const struct place *place, int64_t *ret, struct error *err)
{
    if (v->kind == JSON_INTEGER) {
        *ret = v->integer;
        return 0;
    }
    if (v->kind != JSON_REAL)
        return wrong_kind(err, place, "a number", v);
    if (v->real != trunc(v->real))
        return fail(err, place, "expected a whole number, got %g", v->real);
    if (v->real < -0x1p63 || v->real >= 0x1p63)
        return fail(err, place, "the number %g is out of range", v->real);
    *ret = (int64_t)v->real;
    return 0;
}

static int get_uint(const struct json *v, const struct place *place, uint64_t max, uint64_t *ret, struct error *err)
{
    uint64_t n;
    if (v->kind == JSON_REAL && v->exact) {
        n = v->exact;
    } else if (v->kind == JSON_REAL && v->real >= 0x1p63 && v->real < 0x1p64) {
        n = (uint64_t)v->real;
    } else {
        int64_t i;
        int r = get_int(v, place, &i, err);
        if (r < 0)
            return r;
        if (i < 0)
            return fail(err, place, "the number %lld is out of range", (long long)i);
        n = (uint64_t)i;
    }
    if (n > max)
        return fail(err, place, "the number %llu is out of range", (unsigned long long)n);
    *ret = n;
    return 0;
}

static int get_double(const struct json *v, const struct place *place, double *ret, struct error *err)
{
    if (v->kind == JSON_INTEGER)
        *ret = (double)v->integer;
    else if (v->kind == JSON_REAL)
        *ret = v->real;
    else
        return wrong_kind(err, place, "a number", v);
    return 0;
}

static int decode_strv(const struct json *v, const struct place *place, struct strv *out, struct error *err)
{
    if (v->kind != JSON_ARRAY)
        return wrong_kind(err, place, "an array", v);
    strv_release(out);
    for (size_t i = 0; i < v->array.count; i++) {
        struct place here = {.outer = place, .index = i};
        const char *s;
        int r = get_string(&v->array.items[i], &here, &s, err);
        if (r < 0)
            return r;
        strv_add(out, s);
    }
    return 0;
}

/* Set through an index: strmap_set() alone would take quadratic time on what a client may send. */
static int fill_strmap(const struct json *v, const struct place *place, struct map *index, struct strmap *out,
                       struct error *err)
{
    for (size_t i = 0; i < v->object.count; i++) {
        const char *key = v->object.keys[i];
        struct place here = {.outer = place, .name = key};
        const char *s;
        int r = get_string(&v->object.values[i], &here, &s, err);
        if (r < 0)
            return r;
        /* Positions are stored one up, as NULL means absent. */
        size_t known = (size_t)(uintptr_t)map_set(index, key, (void *)(uintptr_t)(out->count + 1));
        if (known == 0) {
            strmap_append(out, key, s);
        } else {
            map_set(index, key, (void *)(uintptr_t)known);
            xstrset(&out->items[known - 1].value, s);
        }
    }
    return 0;
}

static int decode_strmap(const struct json *v, const struct place *place, struct strmap *out, struct error *err)
{
    if (v->kind != JSON_OBJECT)
        return wrong_kind(err, place, "an object", v);
    strmap_release(out);
    if (v->object.count > 32) {
        CLEANUP(map_release) struct map index = MAP_INIT;
        return fill_strmap(v, place, &index, out, err);
    }
    for (size_t i = 0; i < v->object.count; i++) {
        struct place here = {.outer = place, .name = v->object.keys[i]};
        const char *s;
        int r = get_string(&v->object.values[i], &here, &s, err);
        if (r < 0)
            return r;
        strmap_set(out, v->object.keys[i], s);
    }
    return 0;
}

static int decode_object(const struct json_table *table, const struct json *v, const struct place *place, void *out,
                         struct error *err);

static int decode_array(const struct json_field *f, const struct json *v, const struct place *place, void *object,
                        struct error *err)
{
    if (v->kind != JSON_ARRAY)
        return wrong_kind(err, place, "an array", v);
    json_table_release_field(f, object);
    if (v->array.count == 0)
        return 0;
    struct json_array *a = (struct json_array *)((char *)object + f->offset);
    a->items = xcalloc(v->array.count, f->table->size);
    a->count = v->array.count;
    for (size_t i = 0; i < v->array.count; i++) {
        struct place here = {.outer = place, .index = i};
        if (v->array.items[i].kind == JSON_NULL)
            continue;
        int r = decode_object(f->table, &v->array.items[i], &here, (char *)a->items + i * f->table->size, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int decode_custom(const struct json_field *f, const struct json *v, const struct place *place, void *p,
                         struct error *err)
{
    int r = f->custom->decode(v, p, err);
    if (r < 0 && err && err->kind != ERROR_NONE) {
        CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
        add_place(&path, place);
        error_context(err, "%s", strbuf_str(&path));
    }
    return r;
}

/* null is what Go makes of it: nothing for plain values, nil for what can be nil. */
static int decode_null(const struct json_field *f, void *object)
{
    switch (f->type) {
    case JSON_FIELD_STRV:
    case JSON_FIELD_STRMAP:
    case JSON_FIELD_ARRAY:
    case JSON_FIELD_OPT_BOOL:
    case JSON_FIELD_OPT_INT:
    case JSON_FIELD_OBJECT_PTR:
        json_table_release_field(f, object);
        break;
    default:
        break;
    }
    return 0;
}

static int decode_scalar(const struct json_field *f, const struct json *v, const struct place *place, void *p,
                         struct error *err)
{
    int r;
    switch (f->type) {
    case JSON_FIELD_STRING: {
        const char *s;
        r = get_string(v, place, &s, err);
        if (r == 0)
            xstrset(p, s);
        return r;
    }
    case JSON_FIELD_BOOL:
        return get_bool(v, place, p, err);
    case JSON_FIELD_INT:
        return get_int(v, place, p, err);
    case JSON_FIELD_UINT32: {
        uint64_t n;
        r = get_uint(v, place, UINT32_MAX, &n, err);
        if (r == 0)
            *(uint32_t *)p = (uint32_t)n;
        return r;
    }
    case JSON_FIELD_UINT64:
        return get_uint(v, place, UINT64_MAX, p, err);
    case JSON_FIELD_DOUBLE:
        return get_double(v, place, p, err);
    case JSON_FIELD_OPT_BOOL: {
        bool b;
        r = get_bool(v, place, &b, err);
        if (r == 0) {
            free(*(void **)p);
            *(bool **)p = xmemdup(&b, sizeof b);
        }
        return r;
    }
    case JSON_FIELD_OPT_INT: {
        int64_t n;
        r = get_int(v, place, &n, err);
        if (r == 0) {
            free(*(void **)p);
            *(int64_t **)p = xmemdup(&n, sizeof n);
        }
        return r;
    }
    default:
        abort(); /* a row without a known type */
    }
}

static int decode_field(const struct json_field *f, const struct json *v, const struct place *place, void *object,
                        struct error *err)
{
    void *p = (char *)object + f->offset;
    if (v->kind == JSON_NULL && f->type != JSON_FIELD_RAW && f->type != JSON_FIELD_CUSTOM)
        return decode_null(f, object);
    switch (f->type) {
    case JSON_FIELD_STRV:
        return decode_strv(v, place, p, err);
    case JSON_FIELD_STRMAP:
        return decode_strmap(v, place, p, err);
    case JSON_FIELD_OBJECT:
        return decode_object(f->table, v, place, p, err);
    case JSON_FIELD_OBJECT_PTR:
        if (v->kind != JSON_OBJECT)
            return wrong_kind(err, place, "an object", v);
        if (!*(void **)p)
            *(void **)p = xcalloc(1, f->table->size);
        return decode_object(f->table, v, place, *(void **)p, err);
    case JSON_FIELD_ARRAY:
        return decode_array(f, v, place, object, err);
    case JSON_FIELD_RAW:
        json_table_release_field(f, object);
        *(struct json **)p = json_copy(v);
        return 0;
    case JSON_FIELD_CUSTOM:
        return decode_custom(f, v, place, p, err);
    default:
        return decode_scalar(f, v, place, p, err);
    }
}

/* Members mostly come in the table's order, so the search starts where the last one ended. */
static const struct json_field *find_field(const struct json_table *table, const char *name, size_t start)
{
    for (size_t n = 0, i = start; n < table->count; n++, i++) {
        if (i >= table->count)
            i = 0;
        if (strcmp(table->fields[i].name, name) == 0)
            return &table->fields[i];
    }
    for (size_t i = 0; i < table->count; i++)
        if (strcasecmp(table->fields[i].name, name) == 0)
            return &table->fields[i];
    return NULL;
}

static int check_required(const struct json_table *table, const uint64_t *seen, const struct place *place,
                          struct error *err)
{
    for (size_t i = 0; i < table->count; i++) {
        if ((table->fields[i].flags & JSON_REQUIRED) && !(seen[i / 64] >> (i % 64) & 1)) {
            struct place here = {.outer = place, .name = table->fields[i].name};
            return fail(err, &here, "required, but missing");
        }
    }
    return 0;
}

static int decode_object(const struct json_table *table, const struct json *v, const struct place *place, void *out,
                         struct error *err)
{
    if (v->kind != JSON_OBJECT)
        return wrong_kind(err, place, "an object", v);
    if (table->count > MEMBERS_MAX)
        abort();
    uint64_t seen[MEMBERS_MAX / 64] = {0};
    size_t start = 0;
    for (size_t i = 0; i < v->object.count; i++) {
        const struct json *member = &v->object.values[i];
        struct place here = {.outer = place, .name = v->object.keys[i]};
        const struct json_field *f = find_field(table, v->object.keys[i], start);
        if (!f) {
            if (table->strict)
                return fail(err, &here, "unknown member");
            continue;
        }
        int r = decode_field(f, member, &here, out, err);
        if (r < 0)
            return r;
        size_t row = (size_t)(f - table->fields);
        start = row + 1;
        if (member->kind != JSON_NULL || f->type == JSON_FIELD_RAW || f->type == JSON_FIELD_CUSTOM)
            seen[row / 64] |= (uint64_t)1 << (row % 64);
    }
    return check_required(table, seen, place, err);
}

int json_table_decode(const struct json_table *table, const struct json *value, void *out, struct error *err)
{
    static const struct place root = {.name = ""};
    return decode_object(table, value, &root, out, err);
}

int json_table_decode_text(const struct json_table *table, const char *text, size_t size, void *out, struct error *err)
{
    CLEANUP_JSON struct json *value = NULL;
    int r = json_parse(text, size, &value, err);
    return r < 0 ? r : json_table_decode(table, value, out, err);
}
