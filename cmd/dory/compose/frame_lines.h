/*
 * The output of a container or exec as lines: docker's frames (base/stream_frame.h) or, of a terminal, plain bytes.
 * Zero-initialised is a reader of frames. Pure; what is not a line yet is kept, up to FRAME_LINE_MAX bytes, at which a
 * line is cut.
 */
#ifndef DORY_CMD_DORY_COMPOSE_FRAME_LINES_H
#define DORY_CMD_DORY_COMPOSE_FRAME_LINES_H

#include <stdint.h>

#include "base/strbuf.h"
#include "base/stream_frame.h"

#define FRAME_LINE_MAX ((size_t)1 << 20)

struct frame_lines {
    bool raw; /* no frames: a terminal */
    /* private */
    unsigned char header[STREAM_FRAME_HEADER];
    size_t header_size;
    uint32_t left; /* of the current frame */
    bool is_stderr;
    struct strbuf lines[2]; /* stdout, stderr: the one that is not complete */
};

typedef void (*frame_line_fn)(void *data, bool is_stderr, const char *line, size_t size);

/* Takes bytes; `fn` is called for each line that is complete, without its newline. */
void frame_lines_feed(struct frame_lines *frames, const char *bytes, size_t size, frame_line_fn fn, void *data);
/* The end: lines without a newline are lines, too. */
void frame_lines_end(struct frame_lines *frames, frame_line_fn fn, void *data);
void frame_lines_release(struct frame_lines *frames);

#endif
