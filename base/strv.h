/* A vector of strings, each owned by the vector; `items` is NULL-terminated once anything was added (argv form). */
#ifndef DORY_BASE_STRV_H
#define DORY_BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"

struct strv {
    char **items;
    size_t count;
    size_t capacity;
};

#define STRV_INIT                                                                                                      \
    {                                                                                                                  \
        .items = NULL                                                                                                  \
    }
#define CLEANUP_STRV CLEANUP(strv_release)

void strv_release(struct strv *v);
void strv_clear(struct strv *v);
/* NULL adds nothing. */
void strv_add(struct strv *v, const char *s);
/* Takes ownership of s (NULL adds nothing). */
void strv_add_take(struct strv *v, char *s);
void strv_addf(struct strv *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strv_add_all(struct strv *v, const struct strv *other);
void strv_copy(struct strv *to, const struct strv *from); /* `to` is released first */
/* Removes item i, keeping the order. */
void strv_remove(struct strv *v, size_t i);
bool strv_contains(const struct strv *v, const char *s);
void strv_sort(struct strv *v);
/* Splits s at each `separator`; empty pieces are kept. Adds to v. */
void strv_split(struct strv *v, const char *s, char separator);
/* Joined by `separator`; the caller frees. */
char *strv_join(const struct strv *v, const char *separator);

/* Environment lists ("NAME=value" entries). strv_env_get: the value inside v, or NULL. strv_env_set: replaces the entry
 * of the same name in place or adds one; `entry` is "NAME=value". strv_env_unset: removes every entry of the name. */
const char *strv_env_get(const struct strv *v, const char *name);
void strv_env_set(struct strv *v, const char *entry);
void strv_env_unset(struct strv *v, const char *name);

#endif
