#include "cmd/dory/template/letter_case.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/utf8.h"

/* Letters first..last have their lower case `distance` further on; with distance 1 every second one is upper case. */
static const struct {
    uint32_t first, last, distance;
} ranges[] = {
    {'A', 'Z', 32},     {0xc0, 0xd6, 32},    {0xd8, 0xde, 32},    {0x100, 0x12e, 1},    {0x132, 0x136, 1},
    {0x139, 0x147, 1},  {0x14a, 0x176, 1},   {0x179, 0x17d, 1},   {0x391, 0x3a1, 32},   {0x3a3, 0x3ab, 32},
    {0x400, 0x40f, 80}, {0x410, 0x42f, 32},  {0x460, 0x480, 1},   {0x48a, 0x4be, 1},    {0x4d0, 0x52e, 1},
    {0x531, 0x556, 48}, {0x1e00, 0x1e94, 1}, {0x1ea0, 0x1efe, 1}, {0xff21, 0xff3a, 32},
};

static uint32_t change(uint32_t c, bool upper)
{
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        uint32_t base = upper ? c - ranges[i].distance : c;
        if (c < ranges[i].distance || base < ranges[i].first || base > ranges[i].last)
            continue;
        if (ranges[i].distance == 1 && (base - ranges[i].first) % 2 != 0)
            continue;
        return upper ? base : base + ranges[i].distance;
    }
    return c;
}

/* Does a word begin behind this character? */
static bool separates(uint32_t c)
{
    return c < 0x80 ? !isalnum((int)c) && c != '_' : c == 0xa0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200a);
}

void letter_case(const char *text, size_t size, enum letter_case to, struct strbuf *out)
{
    bool first = true;
    for (size_t i = 0; i < size;) {
        uint32_t c;
        char encoded[4];
        size_t n = utf8_decode(text + i, size - i, &c);
        if (n == 0) {
            strbuf_addc(out, text[i++]);
            first = false;
            continue;
        }
        uint32_t changed = to == CASE_TITLE && !first ? c : change(c, to != CASE_LOWER);
        strbuf_add(out, encoded, utf8_encode(changed, encoded));
        first = separates(c);
        i += n;
    }
}
