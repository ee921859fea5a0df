#include "cmd/dory/compose/frame_lines.h"

#include <string.h>

static void emit(struct strbuf *line, bool is_stderr, frame_line_fn fn, void *data)
{
    fn(data, is_stderr, strbuf_str(line), line->size);
    strbuf_clear(line);
}

static void take_text(struct frame_lines *frames, const char *bytes, size_t size, frame_line_fn fn, void *data)
{
    struct strbuf *line = &frames->lines[frames->is_stderr];
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        size_t n = end ? (size_t)(end - bytes) : size;
        size_t room = FRAME_LINE_MAX - line->size;
        if (n > room) {
            n = room;
            end = NULL;
        }
        strbuf_add(line, bytes, n);
        if (end || line->size == FRAME_LINE_MAX)
            emit(line, frames->is_stderr, fn, data);
        bytes += n + (end ? 1 : 0);
        size -= n + (end ? 1 : 0);
    }
}

/* Takes bytes of a header; true when it is complete. */
static bool take_header(struct frame_lines *frames, const char **bytes, size_t *size)
{
    const unsigned char *h = frames->header;
    size_t n = STREAM_FRAME_HEADER - frames->header_size;
    if (n > *size)
        n = *size;
    memcpy(frames->header + frames->header_size, *bytes, n);
    frames->header_size += n;
    *bytes += n;
    *size -= n;
    if (frames->header_size < STREAM_FRAME_HEADER)
        return false;
    frames->is_stderr = h[0] == 2;
    frames->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    frames->header_size = 0;
    return true;
}

void frame_lines_feed(struct frame_lines *frames, const char *bytes, size_t size, frame_line_fn fn, void *data)
{
    if (frames->raw) {
        take_text(frames, bytes, size, fn, data);
        return;
    }
    while (size > 0) {
        if (frames->left == 0 && !take_header(frames, &bytes, &size))
            continue;
        size_t n = frames->left < size ? frames->left : size;
        take_text(frames, bytes, n, fn, data);
        frames->left -= (uint32_t)n;
        bytes += n;
        size -= n;
    }
}

void frame_lines_end(struct frame_lines *frames, frame_line_fn fn, void *data)
{
    for (int i = 0; i < 2; i++) {
        if (frames->lines[i].size > 0)
            emit(&frames->lines[i], i == 1, fn, data);
    }
}

void frame_lines_release(struct frame_lines *frames)
{
    strbuf_release(&frames->lines[0]);
    strbuf_release(&frames->lines[1]);
}
