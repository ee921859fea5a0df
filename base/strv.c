#include "base/strv.h"

#include <string.h>

#include "base/strbuf.h"

void strv_release(struct strv *v)
{
    strv_clear(v);
    free(v->items);
    *v = (struct strv)STRV_INIT;
}

void strv_clear(struct strv *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i]);
    v->count = 0;
    if (v->items)
        v->items[0] = NULL;
}

void strv_add_take(struct strv *v, char *s)
{
    if (!s)
        return;
    /* One more place than there are strings, for the NULL. */
    xgrow((void **)&v->items, v->count + 1, &v->capacity, sizeof *v->items);
    v->items[v->count++] = s;
    v->items[v->count] = NULL;
}

void strv_add(struct strv *v, const char *s)
{
    strv_add_take(v, xstrdup(s));
}

void strv_addf(struct strv *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    strv_add_take(v, xvasprintf(format, args));
    va_end(args);
}

void strv_add_all(struct strv *v, const struct strv *other)
{
    /* Counted once, so that a vector can be added to itself. */
    size_t count = other->count;
    for (size_t i = 0; i < count; i++)
        strv_add(v, other->items[i]);
}

void strv_copy(struct strv *to, const struct strv *from)
{
    if (to == from)
        return;
    strv_release(to);
    strv_add_all(to, from);
}

void strv_remove(struct strv *v, size_t i)
{
    free(v->items[i]);
    memmove(v->items + i, v->items + i + 1, (v->count - i) * sizeof *v->items);
    v->count--;
}

bool strv_contains(const struct strv *v, const char *s)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->items[i], s) == 0)
            return true;
    return false;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *v)
{
    if (v->count > 1)
        qsort(v->items, v->count, sizeof *v->items, compare);
}

void strv_split(struct strv *v, const char *s, char separator)
{
    for (;;) {
        const char *end = strchrnul(s, separator);
        strv_add_take(v, xstrndup(s, (size_t)(end - s)));
        if (!*end)
            return;
        s = end + 1;
    }
}

char *strv_join(const struct strv *v, const char *separator)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < v->count; i++) {
        if (i > 0)
            strbuf_adds(&out, separator);
        strbuf_adds(&out, v->items[i]);
    }
    return strbuf_take(&out);
}

static bool has_name(const char *entry, const char *name, size_t size)
{
    return strncmp(entry, name, size) == 0 && (entry[size] == '=' || entry[size] == '\0');
}

const char *strv_env_get(const struct strv *v, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < v->count; i++)
        if (has_name(v->items[i], name, size) && v->items[i][size] == '=')
            return v->items[i] + size + 1;
    return NULL;
}

void strv_env_set(struct strv *v, const char *entry)
{
    size_t size = (size_t)(strchrnul(entry, '=') - entry);
    for (size_t i = 0; i < v->count; i++) {
        if (has_name(v->items[i], entry, size)) {
            xstrset(&v->items[i], entry);
            return;
        }
    }
    strv_add(v, entry);
}

void strv_env_unset(struct strv *v, const char *name)
{
    size_t size = strlen(name);
    size_t kept = 0;
    for (size_t i = 0; i < v->count; i++) {
        if (has_name(v->items[i], name, size))
            free(v->items[i]);
        else
            v->items[kept++] = v->items[i];
    }
    v->count = kept;
    if (v->items)
        v->items[kept] = NULL;
}
