/*
 * Allocation that cannot fail (out of memory aborts the process) and the cleanup attributes that release every local
 * resource at the end of its scope.
 */
#ifndef DORY_BASE_MEMORY_H
#define DORY_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))
/* `CLEANUP_FREE char *s = ...;` frees s when the scope ends. */
#define CLEANUP_FREE CLEANUP(memory_free_ptr)

/* Hands the pointer over: the value is returned, the variable becomes NULL. */
#define TAKE_PTR(p)                                                                                                    \
    ({                                                                                                                 \
        __auto_type take_ptr_ = (p);                                                                                   \
        (p) = NULL;                                                                                                    \
        take_ptr_;                                                                                                     \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* malloc(3) and friends, aborting instead of returning NULL. The caller frees with free(3). */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *ptr, size_t size) __attribute__((returns_nonnull));
/* realloc for `count` items of `size` bytes; overflow aborts. */
void *xreallocarray(void *ptr, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrndup(const char *s, size_t max) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *data, size_t size) __attribute__((malloc, returns_nonnull));
/* NULL in, NULL out. */
char *xstrdup(const char *s);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *xvasprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0), returns_nonnull));

/* Replaces the string at *where (freed) by a copy of s (NULL allowed). */
void xstrset(char **where, const char *s);

/* Grows *items so that one more than `count` of `item_size` bytes fits; capacity is kept in *capacity (doubling). */
void xgrow(void **items, size_t count, size_t *capacity, size_t item_size);

/* For CLEANUP_FREE: frees *(void **)ptr. */
void memory_free_ptr(void *ptr);

#endif
