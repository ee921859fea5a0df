#include "base/id_map.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/parse.h"

/* -1 is no id. */
#define ID_LAST UINT32_C(4294967294)

static int add_range(const char *first, const char *count, struct id_map *map)
{
    CLEANUP_FREE char *start = xstrdup(first);
    int64_t outside, size;
    start[strcspn(start, ":")] = '\0';
    /* 0 would be root of the host, and the last id is its name in a mount. */
    if (parse_int64(start, 1, ID_LAST, &outside) < 0 || parse_int64(count, 1, ID_LAST, &size) < 0 ||
        outside + size > ID_LAST + INT64_C(1) || map->size + size >= ID_LAST || map->count == ID_MAP_RANGES_MAX)
        return -EINVAL;
    for (size_t i = 0; i < map->count; i++)
        if (outside < (int64_t)map->ranges[i].outside + map->ranges[i].count && map->ranges[i].outside < outside + size)
            return -EINVAL; /* the kernel takes no id twice */
    map->ranges[map->count++] = (struct id_range){.outside = (uint32_t)outside, .count = (uint32_t)size};
    map->size += (uint32_t)size;
    return 0;
}

static bool is_of(const char *line, size_t size, const char *name)
{
    return name != NULL && strlen(name) == size && strncmp(line, name, size) == 0;
}

int id_map_parse(const char *text, const char *name, const char *id, struct id_map *ret, struct error *err)
{
    *ret = (struct id_map){0};
    while (*text != '\0') {
        size_t size = strcspn(text, "\n"), owner = strcspn(text, ":\n");
        if (owner < size && (is_of(text, owner, name) || is_of(text, owner, id))) {
            CLEANUP_FREE char *line = xstrndup(text, size);
            const char *first = line + owner + 1, *count = strchr(first, ':');
            if (count == NULL || add_range(first, count + 1, ret) < 0)
                return error_set(err, ERROR_INVALID, 0, "no range of subordinate ids: \"%s\"", line);
        }
        text += size + (text[size] == '\n');
    }
    return 0;
}

bool id_map_outside(const struct id_map *map, uint32_t inside, uint32_t *ret)
{
    for (size_t i = 0; i < map->count; i++) {
        if (inside < map->ranges[i].count) {
            *ret = map->ranges[i].outside + inside;
            return true;
        }
        inside -= map->ranges[i].count;
    }
    return false;
}

uint32_t id_map_inside(const struct id_map *map, uint32_t outside)
{
    uint32_t before = 0;
    for (size_t i = 0; i < map->count; i++) {
        if (outside >= map->ranges[i].outside && outside - map->ranges[i].outside < map->ranges[i].count)
            return before + (outside - map->ranges[i].outside);
        before += map->ranges[i].count;
    }
    return ID_MAP_NOBODY;
}

void id_map_text(const struct id_map *map, bool with_root, struct strbuf *out)
{
    uint32_t inside = 0;
    for (size_t i = 0; i < map->count; i++) {
        strbuf_addf(out, "%u %u %u\n", inside, map->ranges[i].outside, map->ranges[i].count);
        inside += map->ranges[i].count;
    }
    if (with_root)
        strbuf_addf(out, "%u 0 1\n", ID_LAST);
}
