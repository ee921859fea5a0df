/*
 * YAML as Compose files use it: libfyaml's events become a tree whose keys and values know their place in the file, for
 * errors that point at it. Scalars are resolved as Go's yaml does (1.2's booleans and null; 0x, 0o, 0b and leading-zero
 * octal integers; underscores in numbers); "yes" and "on" are text. Aliases are copied, merge keys (<<) are resolved,
 * !reset and !override are kept as marks for merge.h; other tags of an application are refused. Keys are text; a key
 * that is there twice is an error.
 *
 * Bounded: YAML_SIZE_MAX bytes a file, YAML_DEPTH_MAX levels, YAML_NODES_MAX nodes of a pool, those that aliases copy
 * included ("billion laughs").
 *
 * Nodes and texts live in a pool until it is released; nothing is freed one by one, and trees of one pool may share
 * nodes as long as nobody changes them.
 */
#ifndef DORY_CMD_DORY_COMPOSE_YAML_H
#define DORY_CMD_DORY_COMPOSE_YAML_H

#include "base/json.h"
#include "base/strv.h"

#define YAML_SIZE_MAX (8u << 20)
#define YAML_DEPTH_MAX 48
#define YAML_NODES_MAX 500000

enum yaml_kind { YAML_NULL, YAML_BOOL, YAML_INTEGER, YAML_REAL, YAML_STRING, YAML_SEQUENCE, YAML_MAPPING };
enum yaml_mark { YAML_UNMARKED, YAML_RESET, YAML_OVERRIDE };

/* Lines and columns from 1; line 0: not from a file. `file` lives in the pool. */
struct yaml_place {
    const char *file;
    unsigned line, column;
};

struct yaml;
struct yaml_pair {
    const char *key;         /* NULL in sequences */
    struct yaml_place place; /* of the key; in sequences of the value */
    struct yaml *value;
};

struct yaml {
    enum yaml_kind kind;
    enum yaml_mark mark;
    struct yaml_place place;
    const char *text; /* scalars: as Go prints the value; never NULL */
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            struct yaml_pair *pairs;
            size_t count, capacity;
        };
    };
};

struct yaml_block;
struct yaml_pool {
    struct yaml_block *blocks;
    size_t nodes;
};
#define CLEANUP_YAML_POOL CLEANUP(yaml_pool_release)

void yaml_pool_release(struct yaml_pool *pool);
/* Zeroed memory of the pool. */
void *yaml_pool_alloc(struct yaml_pool *pool, size_t size);
char *yaml_pool_strdup(struct yaml_pool *pool, const char *text);
char *yaml_pool_printf(struct yaml_pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Parses all documents of a text; `file` names it in places and errors. ret_documents gets their roots (an array in the
 * pool) in order; empty documents are left out. -EINVAL: ERROR_INVALID with "FILE:LINE:COLUMN: what is wrong".
 */
int yaml_parse(struct yaml_pool *pool, const char *file, const char *text, size_t size, struct yaml ***ret_documents,
               size_t *ret_count, struct error *err);

/* New nodes; `at` (may be NULL) lends its place. */
struct yaml *yaml_new(struct yaml_pool *pool, enum yaml_kind kind, const struct yaml *at);
struct yaml *yaml_new_string(struct yaml_pool *pool, const char *text, const struct yaml *at);
struct yaml *yaml_new_integer(struct yaml_pool *pool, int64_t value, const struct yaml *at);
struct yaml *yaml_new_bool(struct yaml_pool *pool, bool value, const struct yaml *at);
/* A deep copy; NULL for NULL. The pool's bound holds: more nodes than that abort no program, they give -E2BIG at the
 * next yaml_parse, so callers that copy in a loop check yaml_pool_full(). */
struct yaml *yaml_copy(struct yaml_pool *pool, const struct yaml *node);
bool yaml_pool_full(const struct yaml_pool *pool);

/* Accessors take NULL and the wrong kind calmly. */
struct yaml *yaml_get(const struct yaml *mapping, const char *key);
struct yaml_pair *yaml_pair_of(const struct yaml *mapping, const char *key);
size_t yaml_count(const struct yaml *collection);
const char *yaml_text(const struct yaml *scalar); /* NULL unless a scalar that is not null */
const char *yaml_get_text(const struct yaml *mapping, const char *key);
bool yaml_is(const struct yaml *node, enum yaml_kind kind);
bool yaml_is_scalar(const struct yaml *node); /* null is none */

/* Changes. yaml_set replaces in place or adds at the end (with the value's place as that of the key). */
void yaml_set(struct yaml_pool *pool, struct yaml *mapping, const char *key, struct yaml *value);
void yaml_add_pair(struct yaml_pool *pool, struct yaml *mapping, const struct yaml_pair *pair);
void yaml_append(struct yaml_pool *pool, struct yaml *sequence, struct yaml *value);
bool yaml_remove(struct yaml *mapping, const char *key);
void yaml_remove_at(struct yaml *collection, size_t i);

/* The tree as JSON (heap; json_free). Integers stay integers; reals too. */
struct json *yaml_to_json(const struct yaml *node);

/* ERROR_INVALID "FILE:LINE:COLUMN: ..."; without a file the message alone. */
int yaml_error(const struct yaml_place *place, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
