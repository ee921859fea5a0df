/* A growing byte string, always NUL-terminated. Zero-initialised (or STRBUF_INIT) is an empty one. */
#ifndef DORY_BASE_STRBUF_H
#define DORY_BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/memory.h"

struct strbuf {
    char *data; /* never NULL once something was added; NULL before */
    size_t size;
    size_t capacity;
};

#define STRBUF_INIT                                                                                                    \
    {                                                                                                                  \
        .data = NULL                                                                                                   \
    }
#define CLEANUP_STRBUF CLEANUP(strbuf_release)

void strbuf_release(struct strbuf *buf);
/* Empties it, keeping the memory. */
void strbuf_clear(struct strbuf *buf);
/* Room for `extra` more bytes; returns where to write them. The caller adds what it wrote to buf->size and calls
 * strbuf_terminate(). */
char *strbuf_reserve(struct strbuf *buf, size_t extra);
void strbuf_terminate(struct strbuf *buf);
void strbuf_add(struct strbuf *buf, const void *data, size_t size);
void strbuf_adds(struct strbuf *buf, const char *s);
void strbuf_addc(struct strbuf *buf, char c);
void strbuf_addf(struct strbuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* The text, "" when empty; owned by the buffer. */
const char *strbuf_str(const struct strbuf *buf);
/* Hands the text over to the caller (never NULL) and empties the buffer. */
char *strbuf_take(struct strbuf *buf);

#endif
