/* The hash table of strmap.h: open addressing, linear probing, at most three quarters full. */
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/strmap.h"

/* Keyed by the process's own random bytes (getauxval(3)): clients choose the names that land here. */
static uint64_t new_seed(void)
{
    uint64_t seed = 0x9e3779b97f4a7c15;
    const void *random = (const void *)(uintptr_t)getauxval(AT_RANDOM);
    if (random)
        memcpy(&seed, random, sizeof seed);
    return seed;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    __uint128_t product = (__uint128_t)(h ^ word) * 0xd6e8feb86659fd93;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t home(const struct map *m, const char *key)
{
    size_t size = strlen(key);
    uint64_t h = m->seed ^ size;
    for (; size >= 8; size -= 8, key += 8) {
        uint64_t word;
        memcpy(&word, key, 8);
        h = mix(h, word);
    }
    uint64_t rest = 0;
    memcpy(&rest, key, size);
    return (size_t)mix(mix(h, rest), m->seed) & (m->capacity - 1);
}

/* The slot of key, or the free one where it belongs. The table is never full. */
static struct map_slot *find(const struct map *m, const char *key)
{
    size_t i = home(m, key);
    while (m->slots[i].key && strcmp(m->slots[i].key, key) != 0)
        i = (i + 1) & (m->capacity - 1);
    return &m->slots[i];
}

static void grow(struct map *m)
{
    struct map bigger = {
        .capacity = m->capacity > 0 ? m->capacity * 2 : 8,
        .count = m->count,
        .seed = m->capacity > 0 ? m->seed : new_seed(),
    };
    bigger.slots = xcalloc(bigger.capacity, sizeof *bigger.slots);
    for (size_t i = 0; i < m->capacity; i++)
        if (m->slots[i].key)
            *find(&bigger, m->slots[i].key) = m->slots[i];
    free(m->slots);
    *m = bigger;
}

void map_release(struct map *m)
{
    for (size_t i = 0; i < m->capacity; i++)
        free(m->slots[i].key);
    free(m->slots);
    *m = (struct map)MAP_INIT;
}

void *map_get(const struct map *m, const char *key)
{
    return m->count > 0 ? find(m, key)->value : NULL;
}

void *map_set(struct map *m, const char *key, void *value)
{
    if (m->count + 1 > m->capacity / 4 * 3)
        grow(m);
    struct map_slot *slot = find(m, key);
    void *former = slot->value;
    if (!slot->key) {
        slot->key = xstrdup(key);
        m->count++;
    }
    slot->value = value;
    return former;
}

void *map_unset(struct map *m, const char *key)
{
    if (m->count == 0)
        return NULL;
    struct map_slot *slot = find(m, key);
    if (!slot->key)
        return NULL;
    void *value = slot->value;
    free(slot->key);
    m->count--;

    /* Those behind it in the run move up, unless that would put them before their home. */
    size_t mask = m->capacity - 1;
    size_t hole = (size_t)(slot - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        if (((i - home(m, m->slots[i].key)) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){0};
    return value;
}

bool map_next(const struct map *m, size_t *position, const char **ret_key, void **ret_value)
{
    while (*position < m->capacity) {
        const struct map_slot *slot = &m->slots[(*position)++];
        if (!slot->key)
            continue;
        if (ret_key)
            *ret_key = slot->key;
        if (ret_value)
            *ret_value = slot->value;
        return true;
    }
    return false;
}
