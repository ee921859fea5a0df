#include "base/strmap.h"

#include <string.h>

void strmap_release(struct strmap *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->items[i].key);
        free(m->items[i].value);
    }
    free(m->items);
    *m = (struct strmap)STRMAP_INIT;
}

static struct strmap_entry *find(const struct strmap *m, const char *key)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->items[i].key, key) == 0)
            return &m->items[i];
    return NULL;
}

const char *strmap_get(const struct strmap *m, const char *key)
{
    const struct strmap_entry *e = find(m, key);
    return e ? e->value : NULL;
}

void strmap_append(struct strmap *m, const char *key, const char *value)
{
    xgrow((void **)&m->items, m->count, &m->capacity, sizeof *m->items);
    m->items[m->count] = (struct strmap_entry){.key = xstrdup(key), .value = xstrdup(value ? value : "")};
    m->count++;
}

void strmap_set(struct strmap *m, const char *key, const char *value)
{
    struct strmap_entry *e = find(m, key);
    if (e)
        xstrset(&e->value, value ? value : "");
    else
        strmap_append(m, key, value);
}

void strmap_unset(struct strmap *m, const char *key)
{
    struct strmap_entry *e = find(m, key);
    if (!e)
        return;
    free(e->key);
    free(e->value);
    memmove(e, e + 1, (size_t)(m->items + m->count - (e + 1)) * sizeof *e);
    m->count--;
}

void strmap_copy(struct strmap *to, const struct strmap *from)
{
    if (to == from)
        return;
    strmap_release(to);
    for (size_t i = 0; i < from->count; i++)
        strmap_append(to, from->items[i].key, from->items[i].value);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct strmap_entry *)a)->key, ((const struct strmap_entry *)b)->key);
}

void strmap_sort(struct strmap *m)
{
    if (m->count > 1)
        qsort(m->items, m->count, sizeof *m->items, compare);
}
