/*
 * Which of many strings are equal, found in linear time: for lists in which the same key may come again and that may
 * have ten thousand entries (ports). Entries are known by the order in which they were added.
 */
#ifndef DORY_BASE_GROUPS_H
#define DORY_BASE_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strmap.h"

#define GROUPS_END SIZE_MAX

struct groups {
    struct map last; /* key -> the last entry that has it, counted from 1 */
    struct groups_entry {
        size_t next; /* GROUPS_END: none */
        bool first;
    } * entries;
    size_t count, capacity;
};

#define GROUPS_INIT                                                                                                    \
    {                                                                                                                  \
        .last = MAP_INIT                                                                                               \
    }
#define CLEANUP_GROUPS CLEANUP(groups_release)

void groups_release(struct groups *g);
/* Adds the next entry (the key is copied); true: no earlier one has this key. */
bool groups_add(struct groups *g, const char *key);
/* The entry was the first with its key. */
bool groups_is_first(const struct groups *g, size_t entry);
/* The next entry with the same key, or GROUPS_END. */
size_t groups_next(const struct groups *g, size_t entry);
bool groups_has(const struct groups *g, const char *key);

#endif
