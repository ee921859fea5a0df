/*
 * How the ids of a user namespace stand for those outside of it: inside, they run from 0 on through the ranges one
 * after the other, as subuid(5) and subgid(5) give them to a user. All functions are pure.
 */
#ifndef DORY_BASE_ID_MAP_H
#define DORY_BASE_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* The kernel takes 340 lines; one is needed for the root of the host (id_map_text). */
#define ID_MAP_RANGES_MAX 339
/* What an id is that the namespace has no name for (/proc/sys/kernel/overflowuid). */
#define ID_MAP_NOBODY UINT32_C(65534)

struct id_range {
    uint32_t outside, count;
};

struct id_map {
    struct id_range ranges[ID_MAP_RANGES_MAX];
    size_t count;
    uint32_t size; /* of all ranges together */
};

/*
 * Reads the lines of a subuid(5) file that are `name`'s, or its id's in decimal: "name:first:count". None is a map of
 * count 0. ERROR_INVALID, naming the line: one of theirs that has not that form, that has root of the host in it, or
 * goes beyond what ids can be.
 */
int id_map_parse(const char *text, const char *name, const char *id, struct id_map *ret, struct error *err);

/* What `inside` is outside; false: nothing. */
bool id_map_outside(const struct id_map *map, uint32_t inside, uint32_t *ret);
/* What `outside` is inside; ID_MAP_NOBODY where it is nothing there. */
uint32_t id_map_inside(const struct id_map *map, uint32_t outside);

/* The lines of a uid_map. with_root: the root of the host has an id, too, the last there is; for id-mapped mounts that
 * root works on. */
void id_map_text(const struct id_map *map, bool with_root, struct strbuf *out);

#endif
