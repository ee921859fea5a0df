#include "base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void strbuf_release(struct strbuf *buf)
{
    free(buf->data);
    *buf = (struct strbuf)STRBUF_INIT;
}

void strbuf_clear(struct strbuf *buf)
{
    buf->size = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

char *strbuf_reserve(struct strbuf *buf, size_t extra)
{
    if (!buf->data || buf->capacity - buf->size <= extra) {
        size_t wanted = buf->size + extra + 1;
        /* So large a wish is a bug or an attack; xrealloc turns it into an abort. */
        if (wanted <= extra)
            wanted = SIZE_MAX;
        size_t doubled = buf->capacity <= SIZE_MAX / 2 ? buf->capacity * 2 : SIZE_MAX;
        if (wanted < doubled)
            wanted = doubled;
        if (wanted < 64)
            wanted = 64;
        buf->data = xrealloc(buf->data, wanted);
        buf->capacity = wanted;
        buf->data[buf->size] = '\0';
    }
    return buf->data + buf->size;
}

void strbuf_terminate(struct strbuf *buf)
{
    strbuf_reserve(buf, 0)[0] = '\0';
}

void strbuf_add(struct strbuf *buf, const void *data, size_t size)
{
    char *end = strbuf_reserve(buf, size);
    if (size > 0)
        memcpy(end, data, size);
    end[size] = '\0';
    buf->size += size;
}

void strbuf_adds(struct strbuf *buf, const char *s)
{
    strbuf_add(buf, s, strlen(s));
}

void strbuf_addc(struct strbuf *buf, char c)
{
    char *end = buf->capacity - buf->size > 1 ? buf->data + buf->size : strbuf_reserve(buf, 1);
    end[0] = c;
    end[1] = '\0';
    buf->size++;
}

void strbuf_addf(struct strbuf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    strbuf_vaddf(buf, format, args);
    va_end(args);
}

void strbuf_vaddf(struct strbuf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char *end = strbuf_reserve(buf, 64);
    size_t room = buf->capacity - buf->size;
    int n = vsnprintf(end, room, format, args);
    if (n >= 0 && (size_t)n >= room) {
        end = strbuf_reserve(buf, (size_t)n);
        n = vsnprintf(end, (size_t)n + 1, format, again);
    }
    va_end(again);
    if (n < 0) {
        /* Only an impossible format or a text over 2 GB fails. */
        end[0] = '\0';
        return;
    }
    buf->size += (size_t)n;
}

const char *strbuf_str(const struct strbuf *buf)
{
    return buf->data ? buf->data : "";
}

char *strbuf_take(struct strbuf *buf)
{
    strbuf_reserve(buf, 0);
    char *text = buf->data;
    *buf = (struct strbuf)STRBUF_INIT;
    return text;
}
