#include "cmd/dory/columns.h"

#include <stdio.h>

static size_t display_width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80; /* one column per code point */
    return n;
}

void columns_print(const struct strv *lines, size_t min, size_t padding)
{
    size_t widths[64] = {0};
    for (size_t i = 0; i < lines->count; i++) {
        CLEANUP_STRV struct strv cells = STRV_INIT;
        strv_split(&cells, lines->items[i], '\t');
        for (size_t c = 0; c + 1 < cells.count && c < ARRAY_SIZE(widths); c++) {
            size_t w = display_width(cells.items[c]) + padding;
            w = w < min ? min : w;
            widths[c] = w > widths[c] ? w : widths[c];
        }
    }
    for (size_t i = 0; i < lines->count; i++) {
        CLEANUP_STRV struct strv cells = STRV_INIT;
        strv_split(&cells, lines->items[i], '\t');
        for (size_t c = 0; c < cells.count; c++) {
            size_t w = display_width(cells.items[c]);
            bool last = c + 1 == cells.count || c >= ARRAY_SIZE(widths);
            printf("%s%*s", cells.items[c], last ? 0 : (int)(widths[c] - w), "");
        }
        printf("\n");
    }
}
