/*
 * String maps. `struct strmap` keeps string pairs in insertion order (labels, options: small, printed in order).
 * `struct map` is a hash table from string to pointer (indexes of objects; the pointers are not owned).
 */
#ifndef DORY_BASE_STRMAP_H
#define DORY_BASE_STRMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

struct strmap_entry {
    char *key;
    char *value;
};

struct strmap {
    struct strmap_entry *items;
    size_t count;
    size_t capacity;
};

#define STRMAP_INIT                                                                                                    \
    {                                                                                                                  \
        .items = NULL                                                                                                  \
    }
#define CLEANUP_STRMAP CLEANUP(strmap_release)

void strmap_release(struct strmap *m);
const char *strmap_get(const struct strmap *m, const char *key); /* NULL when absent */
/* Replaces the value in place or adds a pair at the end. NULL counts as "". */
void strmap_set(struct strmap *m, const char *key, const char *value);
/* Adds a pair without looking whether the key is there: for callers that know it is not. */
void strmap_append(struct strmap *m, const char *key, const char *value);
void strmap_unset(struct strmap *m, const char *key);
void strmap_copy(struct strmap *to, const struct strmap *from); /* `to` is released first */
void strmap_sort(struct strmap *m);                             /* by key, bytewise, as Go prints maps */

struct map_slot {
    char *key;
    void *value;
};

struct map {
    struct map_slot *slots;
    size_t count;
    size_t capacity; /* power of two, or 0 */
    uint64_t seed;   /* of the hash, while capacity > 0 */
};

#define MAP_INIT                                                                                                       \
    {                                                                                                                  \
        .slots = NULL                                                                                                  \
    }

void map_release(struct map *m); /* frees keys, not values */
void *map_get(const struct map *m, const char *key);
/* value must not be NULL. Replaces; the former value is returned (NULL if none). */
void *map_set(struct map *m, const char *key, void *value);
/* Returns the removed value or NULL. */
void *map_unset(struct map *m, const char *key);
/* Walks in no particular order: `size_t i = 0; while (map_next(&m, &i, &key, &value)) ...`. The map must not change
 * during the walk. */
bool map_next(const struct map *m, size_t *position, const char **ret_key, void **ret_value);

#endif
