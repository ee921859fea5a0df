#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void __attribute__((noreturn, cold)) out_of_memory(void)
{
    static const char message[] = "out of memory\n";
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0) {
        /* Nobody is left to be told. */
    }
    abort();
}

/* malloc(0) may answer NULL; our callers never have to think of that. */
static size_t at_least_one(size_t size)
{
    return size > 0 ? size : 1;
}

void *xmalloc(size_t size)
{
    void *p = malloc(at_least_one(size));
    if (!p)
        out_of_memory();
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = count == 0 || size == 0 ? calloc(1, 1) : calloc(count, size);
    if (!p)
        out_of_memory();
    return p;
}

void *xrealloc(void *ptr, size_t size)
{
    void *p = realloc(ptr, at_least_one(size));
    if (!p)
        out_of_memory();
    return p;
}

void *xreallocarray(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        out_of_memory();
    return xrealloc(ptr, bytes);
}

char *xstrndup(const char *s, size_t max)
{
    size_t size = strnlen(s, max);
    char *copy = xmalloc(size + 1);
    memcpy(copy, s, size);
    copy[size] = '\0';
    return copy;
}

void *xmemdup(const void *data, size_t size)
{
    void *copy = xmalloc(size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

char *xstrdup(const char *s)
{
    return s ? xmemdup(s, strlen(s) + 1) : NULL;
}

char *xvasprintf(const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0)
        out_of_memory();
    return text;
}

char *xasprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);
    return text;
}

void xstrset(char **where, const char *s)
{
    /* Copied first: s may be (part of) the string that goes. */
    char *copy = xstrdup(s);
    free(*where);
    *where = copy;
}

void xgrow(void **items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return;
    size_t wanted = *capacity > 0 ? *capacity : 4;
    while (wanted <= count) {
        if (wanted > SIZE_MAX / 2)
            out_of_memory();
        wanted *= 2;
    }
    *items = xreallocarray(*items, wanted, item_size);
    *capacity = wanted;
}

void memory_free_ptr(void *ptr)
{
    free(*(void **)ptr);
}
