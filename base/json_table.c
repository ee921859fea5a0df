/* What encoding, releasing and copying by table need; decoding has its own file. */
#include "base/json_table.h"

#include <string.h>

static const void *at(const struct json_field *f, const void *object)
{
    return (const char *)object + f->offset;
}

static void *item(const struct json_table *table, void *items, size_t i)
{
    return (char *)items + i * table->size;
}

static bool table_is_empty(const struct json_table *table, const void *object);

/* What Go's omitempty leaves out, and structs whose members are all empty. */
static bool is_empty(const struct json_field *f, const void *object)
{
    const void *p = at(f, object);
    switch (f->type) {
    case JSON_FIELD_STRING:
        return !*(char *const *)p || !**(char *const *)p;
    case JSON_FIELD_BOOL:
        return !*(const bool *)p;
    case JSON_FIELD_INT:
    case JSON_FIELD_UINT64:
        return *(const int64_t *)p == 0;
    case JSON_FIELD_UINT32:
        return *(const uint32_t *)p == 0;
    case JSON_FIELD_DOUBLE:
        return *(const double *)p == 0;
    case JSON_FIELD_STRV:
        return ((const struct strv *)p)->count == 0;
    case JSON_FIELD_STRMAP:
        return ((const struct strmap *)p)->count == 0;
    case JSON_FIELD_OPT_BOOL:
    case JSON_FIELD_OPT_INT:
    case JSON_FIELD_OBJECT_PTR:
    case JSON_FIELD_RAW:
        return !*(void *const *)p;
    case JSON_FIELD_OBJECT:
        return table_is_empty(f->table, p);
    case JSON_FIELD_ARRAY:
        return ((const struct json_array *)p)->count == 0;
    case JSON_FIELD_CUSTOM:
        return f->custom->is_empty && f->custom->is_empty(p);
    }
    return false;
}

static bool table_is_empty(const struct json_table *table, const void *object)
{
    for (size_t i = 0; i < table->count; i++)
        if (!is_empty(&table->fields[i], object))
            return false;
    return true;
}

static void encode_strv(const struct strv *v, struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; i < v->count; i++)
        json_put_string(w, v->items[i]);
    json_end_array(w);
}

static void encode_strmap(const struct strmap *m, struct json_writer *w)
{
    json_begin_object(w);
    for (size_t i = 0; i < m->count; i++)
        json_member_string(w, m->items[i].key, m->items[i].value);
    json_end_object(w);
}

static void encode_array(const struct json_field *f, const struct json_array *a, struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; i < a->count; i++)
        json_table_encode(f->table, item(f->table, a->items, i), w);
    json_end_array(w);
}

/* Whether an empty field prints null: where it may be told apart, only a pointer that is NULL is empty in this sense.
 */
static bool prints_null(const struct json_field *f, const void *object)
{
    switch (f->type) {
    case JSON_FIELD_OPT_BOOL:
    case JSON_FIELD_OPT_INT:
    case JSON_FIELD_OBJECT_PTR:
    case JSON_FIELD_RAW:
        return is_empty(f, object);
    case JSON_FIELD_STRING:
        return (f->flags & JSON_NULL_EMPTY) && !*(char *const *)at(f, object);
    case JSON_FIELD_STRV:
    case JSON_FIELD_STRMAP:
    case JSON_FIELD_ARRAY:
    case JSON_FIELD_OBJECT:
    case JSON_FIELD_CUSTOM:
        return (f->flags & JSON_NULL_EMPTY) && is_empty(f, object);
    default:
        return false;
    }
}

static void encode_field(const struct json_field *f, const void *object, struct json_writer *w)
{
    const void *p = at(f, object);
    if (prints_null(f, object)) {
        json_put_null(w);
        return;
    }
    switch (f->type) {
    case JSON_FIELD_STRING:
        json_put_string(w, *(char *const *)p);
        break;
    case JSON_FIELD_BOOL:
        json_put_bool(w, *(const bool *)p);
        break;
    case JSON_FIELD_INT:
        json_put_int(w, *(const int64_t *)p);
        break;
    case JSON_FIELD_UINT32:
        json_put_uint(w, *(const uint32_t *)p);
        break;
    case JSON_FIELD_UINT64:
        json_put_uint(w, *(const uint64_t *)p);
        break;
    case JSON_FIELD_DOUBLE:
        json_put_double(w, *(const double *)p);
        break;
    case JSON_FIELD_STRV:
        encode_strv(p, w);
        break;
    case JSON_FIELD_STRMAP:
        encode_strmap(p, w);
        break;
    case JSON_FIELD_OPT_BOOL:
        json_put_bool(w, **(bool *const *)p);
        break;
    case JSON_FIELD_OPT_INT:
        json_put_int(w, **(int64_t *const *)p);
        break;
    case JSON_FIELD_OBJECT:
        json_table_encode(f->table, p, w);
        break;
    case JSON_FIELD_OBJECT_PTR:
        json_table_encode(f->table, *(void *const *)p, w);
        break;
    case JSON_FIELD_ARRAY:
        encode_array(f, p, w);
        break;
    case JSON_FIELD_RAW:
        json_put_value(w, *(struct json *const *)p);
        break;
    case JSON_FIELD_CUSTOM:
        f->custom->encode(p, w);
        break;
    }
}

void json_table_encode_members(const struct json_table *table, const void *in, struct json_writer *w)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct json_field *f = &table->fields[i];
        if ((f->flags & JSON_OMIT_EMPTY) && is_empty(f, in))
            continue;
        json_key(w, f->name);
        encode_field(f, in, w);
    }
}

void json_table_encode(const struct json_table *table, const void *in, struct json_writer *w)
{
    json_begin_object(w);
    json_table_encode_members(table, in, w);
    json_end_object(w);
}

static void release_array(const struct json_table *table, struct json_array *a)
{
    for (size_t i = 0; i < a->count; i++)
        json_table_release(table, item(table, a->items, i));
    free(a->items);
    *a = (struct json_array){0};
}

void json_table_release_field(const struct json_field *f, void *object)
{
    void *p = (char *)object + f->offset;
    switch (f->type) {
    case JSON_FIELD_BOOL:
    case JSON_FIELD_INT:
    case JSON_FIELD_UINT32:
    case JSON_FIELD_UINT64:
    case JSON_FIELD_DOUBLE:
        break;
    case JSON_FIELD_STRING:
    case JSON_FIELD_OPT_BOOL:
    case JSON_FIELD_OPT_INT:
        free(*(void **)p);
        *(void **)p = NULL;
        break;
    case JSON_FIELD_STRV:
        strv_release(p);
        break;
    case JSON_FIELD_STRMAP:
        strmap_release(p);
        break;
    case JSON_FIELD_OBJECT:
        json_table_release(f->table, p);
        break;
    case JSON_FIELD_OBJECT_PTR:
        if (*(void **)p)
            json_table_release(f->table, *(void **)p);
        free(*(void **)p);
        *(void **)p = NULL;
        break;
    case JSON_FIELD_ARRAY:
        release_array(f->table, p);
        break;
    case JSON_FIELD_RAW:
        json_free_ptr(p);
        break;
    case JSON_FIELD_CUSTOM:
        if (f->custom->release)
            f->custom->release(p);
        break;
    }
}

void json_table_release(const struct json_table *table, void *object)
{
    if (!object)
        return;
    for (size_t i = 0; i < table->count; i++)
        json_table_release_field(&table->fields[i], object);
    memset(object, 0, table->size);
}

/* Custom members only know JSON, so they travel as JSON. */
static void copy_custom(const struct json_custom *custom, void *to, const void *from)
{
    if (custom->is_empty && custom->is_empty(from))
        return;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    custom->encode(from, &w);
    CLEANUP_JSON struct json *value = NULL;
    if (json_parse(strbuf_str(&text), text.size, &value, NULL) < 0 || custom->decode(value, to, NULL) < 0)
        abort(); /* the pair of functions contradicts itself */
}

static void copy_array(const struct json_table *table, struct json_array *to, const struct json_array *from)
{
    to->items = xcalloc(from->count, table->size);
    to->count = from->count;
    for (size_t i = 0; i < from->count; i++)
        json_table_copy(table, item(table, to->items, i), item(table, from->items, i));
}

static void copy_field(const struct json_field *f, void *to, const void *from)
{
    switch (f->type) {
    case JSON_FIELD_STRING:
        *(char **)to = xstrdup(*(char *const *)from);
        break;
    case JSON_FIELD_BOOL:
        *(bool *)to = *(const bool *)from;
        break;
    case JSON_FIELD_UINT32:
        *(uint32_t *)to = *(const uint32_t *)from;
        break;
    case JSON_FIELD_INT:
    case JSON_FIELD_UINT64:
        *(uint64_t *)to = *(const uint64_t *)from;
        break;
    case JSON_FIELD_DOUBLE:
        *(double *)to = *(const double *)from;
        break;
    case JSON_FIELD_STRV:
        strv_copy(to, from);
        break;
    case JSON_FIELD_STRMAP:
        strmap_copy(to, from);
        break;
    case JSON_FIELD_OPT_BOOL:
        *(bool **)to = xmemdup(*(bool *const *)from, sizeof(bool));
        break;
    case JSON_FIELD_OPT_INT:
        *(int64_t **)to = xmemdup(*(int64_t *const *)from, sizeof(int64_t));
        break;
    case JSON_FIELD_OBJECT:
        json_table_copy(f->table, to, from);
        break;
    case JSON_FIELD_OBJECT_PTR:
        *(void **)to = xcalloc(1, f->table->size);
        json_table_copy(f->table, *(void **)to, *(void *const *)from);
        break;
    case JSON_FIELD_ARRAY:
        copy_array(f->table, to, from);
        break;
    case JSON_FIELD_RAW:
        *(struct json **)to = json_copy(*(struct json *const *)from);
        break;
    case JSON_FIELD_CUSTOM:
        copy_custom(f->custom, to, from);
        break;
    }
}

void json_table_copy(const struct json_table *table, void *to, const void *from)
{
    if (to == from)
        return;
    json_table_release(table, to);
    for (size_t i = 0; i < table->count; i++) {
        const struct json_field *f = &table->fields[i];
        /* A string may be empty and still not NULL. */
        if (f->type == JSON_FIELD_STRING || f->type == JSON_FIELD_OBJECT || !is_empty(f, from))
            copy_field(f, (char *)to + f->offset, at(f, from));
    }
}

bool json_table_field_is_empty(const struct json_field *field, const void *object)
{
    return is_empty(field, object);
}

static size_t field_size(const struct json_field *f)
{
    switch (f->type) {
    case JSON_FIELD_BOOL:
        return sizeof(bool);
    case JSON_FIELD_UINT32:
        return sizeof(uint32_t);
    case JSON_FIELD_INT:
    case JSON_FIELD_UINT64:
        return sizeof(int64_t);
    case JSON_FIELD_DOUBLE:
        return sizeof(double);
    case JSON_FIELD_STRV:
        return sizeof(struct strv);
    case JSON_FIELD_STRMAP:
        return sizeof(struct strmap);
    case JSON_FIELD_OBJECT:
        return f->table->size;
    case JSON_FIELD_ARRAY:
        return sizeof(struct json_array);
    case JSON_FIELD_STRING:
    case JSON_FIELD_OPT_BOOL:
    case JSON_FIELD_OPT_INT:
    case JSON_FIELD_OBJECT_PTR:
    case JSON_FIELD_RAW:
        return sizeof(void *);
    case JSON_FIELD_CUSTOM:
        break;
    }
    return 0;
}

void json_table_move_field(const struct json_field *field, void *to, void *from)
{
    json_table_release_field(field, to);
    size_t size = field_size(field);
    memcpy((char *)to + field->offset, (char *)from + field->offset, size);
    memset((char *)from + field->offset, 0, size);
}

const struct json_field *json_table_find(const struct json_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->fields[i].name, name) == 0)
            return &table->fields[i];
    return NULL;
}
