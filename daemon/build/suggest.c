#include <ctype.h>
#include <string.h>

#include "daemon/build/dockerfile.h"

#define WORD_MAX 32

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* How many characters have to be changed, added, left out or exchanged with their neighbour (optimal string alignment).
 */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], n = strlen(b);
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n; j++)
        last[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t least = last[j - 1] + !same(a[i - 1], b[j - 1]);
            if (last[j] + 1 < least)
                least = last[j] + 1;
            if (row[j - 1] + 1 < least)
                least = row[j - 1] + 1;
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]) && before[j - 2] + 1 < least)
                least = before[j - 2] + 1;
            row[j] = least;
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[n];
}

const char *suggest_word(const char *text, const char *const *words)
{
    size_t size = strlen(text), best = size <= 3 ? 2 : 3; /* one less is allowed */
    const char *found = NULL;
    if (size == 0 || size > WORD_MAX)
        return NULL;
    for (; *words != NULL; words++) {
        size_t d = strlen(*words) <= WORD_MAX ? distance(text, *words) : best;
        if (d < best) {
            best = d;
            found = *words;
        }
    }
    return found;
}
