#include "cmd/dory/compose/lines.h"

#include <string.h>

static void forget_found(struct lines *lines)
{
    if (lines->found)
        strbuf_clear(&lines->line);
    lines->found = lines->cut = false;
}

bool lines_next(struct lines *lines, const char **bytes, size_t *size)
{
    forget_found(lines);
    if (*size == 0)
        return false;
    const char *newline = memchr(*bytes, '\n', *size);
    size_t n = newline ? (size_t)(newline - *bytes) : *size, room = LINES_MAX - lines->line.size;
    lines->cut = n > room; /* a line of just so many bytes is whole: its newline may come later */
    if (lines->cut)
        n = room;
    strbuf_add(&lines->line, *bytes, n);
    lines->found = lines->cut || newline;
    n += !lines->cut && newline;
    *bytes += n;
    *size -= n;
    return lines->found;
}

bool lines_last(struct lines *lines)
{
    forget_found(lines);
    lines->found = lines->line.size > 0;
    return lines->found;
}

void lines_release(struct lines *lines)
{
    strbuf_release(&lines->line);
    *lines = (struct lines){0};
}
