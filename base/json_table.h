/*
 * JSON objects declared as tables: one row per member with its type and its place in a C struct. The same table
 * decodes, encodes and releases. Decode errors name the path ("HostConfig.Memory: expected a number, got a string").
 */
#ifndef DORY_BASE_JSON_TABLE_H
#define DORY_BASE_JSON_TABLE_H

#include <stddef.h>

#include "base/json.h"
#include "base/strmap.h"
#include "base/strv.h"

enum json_type {
    JSON_FIELD_STRING,     /* char *; null leaves NULL */
    JSON_FIELD_BOOL,       /* bool */
    JSON_FIELD_INT,        /* int64_t; a real without a fraction is accepted */
    JSON_FIELD_UINT32,     /* uint32_t, range checked */
    JSON_FIELD_UINT64,     /* uint64_t, likewise */
    JSON_FIELD_DOUBLE,     /* double */
    JSON_FIELD_STRV,       /* struct strv: array of strings */
    JSON_FIELD_STRMAP,     /* struct strmap: object of strings */
    JSON_FIELD_OPT_BOOL,   /* bool *: NULL when absent or null */
    JSON_FIELD_OPT_INT,    /* int64_t *: likewise */
    JSON_FIELD_OBJECT,     /* a struct in place, described by `table` */
    JSON_FIELD_OBJECT_PTR, /* a pointer to a heap struct described by `table`, NULL when absent or null */
    JSON_FIELD_ARRAY,      /* struct json_array of structs described by `table` */
    JSON_FIELD_RAW,        /* struct json *: the tree as it came, NULL when absent */
    JSON_FIELD_CUSTOM,     /* `custom` does it */
};

enum json_field_flags {
    JSON_REQUIRED = 1 << 0,   /* decode: absence is an error */
    JSON_OMIT_EMPTY = 1 << 1, /* encode: left out when zero/empty/NULL (Go's omitempty) */
    JSON_NULL_EMPTY = 1 << 2, /* encode: an empty list, map or pointer prints null (Go's nil) instead of [] {} or "" */
};

struct json_table;

/* Array of structs; items are `table->size` bytes each. */
struct json_array {
    void *items;
    size_t count;
};

/*
 * For members no type fits. `field` points into the struct; decode may find a former value there and replaces it;
 * encode writes one value that decode can read. err may be NULL. release and is_empty may be NULL (nothing to do;
 * never).
 */
struct json_custom {
    int (*decode)(const struct json *value, void *field, struct error *err);
    void (*encode)(const void *field, struct json_writer *w);
    void (*release)(void *field);
    bool (*is_empty)(const void *field);
};

struct json_field {
    const char *name;
    enum json_type type;
    size_t offset;
    unsigned flags;
    const struct json_table *table;
    const struct json_custom *custom;
};

struct json_table {
    size_t size; /* of the struct */
    const struct json_field *fields;
    size_t count;
    bool strict; /* unknown members are an error */
};

#define JSON_TABLE(type, rows)                                                                                         \
    {                                                                                                                  \
        .size = sizeof(type), .fields = (rows), .count = ARRAY_SIZE(rows)                                              \
    }

/*
 * Decodes an object into *out, which must be zeroed or hold former values of the same table (members that are present
 * replace them, members that are absent are left). Member names match exactly, else ignoring ASCII case as Go does.
 * On failure the caller still releases *out.
 *
 * null does what it does in Go: plain values stay as they are, what can be nil (lists, maps, pointers) is emptied; for
 * JSON_REQUIRED it counts as absent. RAW keeps it and CUSTOM is given it. Objects that are there already are decoded
 * into, member by member; lists and maps are replaced. A string with a NUL inside is an error.
 */
int json_table_decode(const struct json_table *table, const struct json *value, void *out, struct error *err);
/* Parse and decode in one call. */
int json_table_decode_text(const struct json_table *table, const char *text, size_t size, void *out, struct error *err);
/* Writes the whole object. */
void json_table_encode(const struct json_table *table, const void *in, struct json_writer *w);
/* Writes the members only, into an object that the caller has begun. */
void json_table_encode_members(const struct json_table *table, const void *in, struct json_writer *w);
/* Frees what the members own and zeroes the struct (not the struct itself). */
void json_table_release(const struct json_table *table, void *object);
/* The same for one member, which is reset to empty. */
void json_table_release_field(const struct json_field *field, void *object);
/* Whether the member holds nothing: zero, empty, NULL (what Go's omitempty leaves out). */
bool json_table_field_is_empty(const struct json_field *field, const void *object);
/* Moves the member from one struct of the table to another, whose former value is released; `from` is left empty. Not
 * for JSON_FIELD_CUSTOM. */
void json_table_move_field(const struct json_field *field, void *to, void *from);
/* The row of that name, exactly; NULL. */
const struct json_field *json_table_find(const struct json_table *table, const char *name);
/* Deep copy; *to is released first. */
void json_table_copy(const struct json_table *table, void *to, const void *from);

#endif
