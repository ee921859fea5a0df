/*
 * Values of a running template: JSON trees seen as Go values. What Go would know from the type of a struct field (that
 * a null is an empty list, that an object is a map) comes from the names of fields, see go_types.c; where the data has
 * no types it is `any`.
 */
#ifndef DORY_CMD_DORY_TEMPLATE_VALUE_H
#define DORY_CMD_DORY_TEMPLATE_VALUE_H

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"

enum go_type {
    GO_ANY,             /* interface{}: as decoded from JSON without a type */
    GO_FIELD,           /* a field of a struct that is nothing of what follows: number, string, struct, pointer */
    GO_SLICE,           /* a list of plain values or structs */
    GO_MAP,             /* strings by name */
    GO_MAP_OF_POINTERS, /* structs by name */
    GO_MAP_OF_SLICES,
};

struct value {
    const struct json *json; /* NULL: no value at all */
    enum go_type type;
};

#define NO_VALUE ((struct value){NULL, GO_ANY})

/* Values that are made on the way; they live until arena_release. */
struct arena {
    struct json **made;
    size_t count, capacity;
};
void arena_release(struct arena *arena);
struct value value_string(struct arena *arena, const char *text, size_t size);
struct value value_bool(struct arena *arena, bool b);
struct value value_integer(struct arena *arena, int64_t n);
struct value value_real(struct arena *arena, double d);
/* Takes a heap tree over. */
struct value value_take(struct arena *arena, struct json *tree);

/* The kind, a missing value counting as null. */
enum json_kind value_kind(struct value v);
/* What Go's if takes for true. */
bool value_truth(struct value v);
/* Go's name of its type: "string", "map[string]interface {}", "<nil>". */
const char *value_type_name(struct value v);
/* Members and elements. `typed`: names of fields give types. */
struct value value_member(struct value object, const char *name, bool typed);
struct value value_element(struct value list, size_t i);
struct value value_entry(struct value object, size_t i);
/* The type that a struct's field of that name has in docker's API. */
enum go_type go_type_of(const char *name);
/* What a field that answers leave out when it is empty reads as then; NULL when it is none of these. */
const struct json *go_type_zero(const char *name);
/* The member of the JSON that Go's field of this name is, where the two differ ("ID": "Id"); else NULL. */
const char *go_type_spelling(const char *name);
/* What an element that is not there reads as: Go's zero value of the map's elements. */
struct value value_zero_element(struct arena *arena, struct value map);
/* %v, without the rule for missing values. */
void value_print(struct value v, struct strbuf *out);
/* As JSON on one line, maps in the order of their keys as Go writes them. */
void value_print_json(struct value v, struct strbuf *out);
/* Indexes of an object's members in the order of their names; the caller frees. */
size_t *value_sorted_keys(const struct json *object);
bool value_is_map(struct value v);

#endif
