/*
 * Bytes that come as they like, taken apart into lines. Zero-initialised is the beginning. Pure; what is not a line yet
 * is kept, up to LINES_MAX bytes, at which a line is cut.
 */
#ifndef DORY_CMD_DORY_COMPOSE_LINES_H
#define DORY_CMD_DORY_COMPOSE_LINES_H

#include <stdbool.h>

#include "base/strbuf.h"

#define LINES_MAX ((size_t)1 << 20)

struct lines {
    /* The line that lines_next has found, without its newline: until the next call. */
    struct strbuf line;
    bool cut; /* it goes on: only LINES_MAX bytes of it are here */
    /* private */
    bool found;
};

/* Takes of *bytes, which moves on, what belongs to the next line. false: all bytes are taken, and it has no end yet. */
bool lines_next(struct lines *lines, const char **bytes, size_t *size);
/* The end has come: what has no newline is a line, too. false: there is nothing. */
bool lines_last(struct lines *lines);
void lines_release(struct lines *lines);

#endif
