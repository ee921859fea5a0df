#include "cmd/dory/compose/frame_lines.h"

static void take_text(struct frame_lines *frames, const struct stream_piece *piece, frame_line_fn fn, void *data)
{
    struct lines *lines = &frames->lines[piece->is_stderr];
    const char *bytes = piece->data;
    size_t size = piece->size;
    while (lines_next(lines, &bytes, &size))
        fn(data, piece->is_stderr, strbuf_str(&lines->line), lines->line.size);
}

void frame_lines_feed(struct frame_lines *frames, const char *bytes, size_t size, frame_line_fn fn, void *data)
{
    struct stream_piece piece = {.data = bytes, .size = size};
    if (frames->raw) {
        take_text(frames, &piece, fn, data);
        return;
    }
    while (stream_frames_next(&frames->frames, &bytes, &size, &piece))
        take_text(frames, &piece, fn, data);
}

void frame_lines_end(struct frame_lines *frames, frame_line_fn fn, void *data)
{
    for (int i = 0; i < 2; i++) {
        if (lines_last(&frames->lines[i]))
            fn(data, i == 1, strbuf_str(&frames->lines[i].line), frames->lines[i].line.size);
    }
}

void frame_lines_release(struct frame_lines *frames)
{
    lines_release(&frames->lines[0]);
    lines_release(&frames->lines[1]);
}
