#include "base/groups.h"

#include <stdint.h>
#include <stdlib.h>

void groups_release(struct groups *g)
{
    map_release(&g->last);
    free(g->entries);
    *g = (struct groups)GROUPS_INIT;
}

bool groups_add(struct groups *g, const char *key)
{
    xgrow((void **)&g->entries, g->count, &g->capacity, sizeof(*g->entries));
    uintptr_t entry = g->count++;
    uintptr_t before = (uintptr_t)map_set(&g->last, key, (void *)(entry + 1));
    g->entries[entry] = (struct groups_entry){.next = GROUPS_END, .first = before == 0};
    if (before > 0)
        g->entries[before - 1].next = entry;
    return before == 0;
}

bool groups_is_first(const struct groups *g, size_t entry)
{
    return g->entries[entry].first;
}

size_t groups_next(const struct groups *g, size_t entry)
{
    return g->entries[entry].next;
}

bool groups_has(const struct groups *g, const char *key)
{
    return map_get(&g->last, key) != NULL;
}
