/* Ranges of subordinate ids (subuid(5)): every id of a map that was read leads out and back again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/id_map.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct id_map *map, uint32_t inside)
{
    uint32_t outside;
    if (id_map_outside(map, inside, &outside) != (inside < map->size))
        abort();
    if (inside < map->size && (outside == 0 || id_map_inside(map, outside) != inside))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    struct id_map map;
    struct error err = {0};
    if (id_map_parse(text, "u", "1", &map, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    CLEANUP_STRBUF struct strbuf lines = STRBUF_INIT;
    id_map_text(&map, true, &lines);
    check(&map, 0);
    check(&map, map.size / 2);
    check(&map, map.size - 1);
    check(&map, map.size);
    return 0;
}
