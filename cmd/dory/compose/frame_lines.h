/*
 * The output of a container or exec as lines: docker's frames (base/stream_frame.h) or, of a terminal, plain bytes.
 * Zero-initialised is a reader of frames. Pure; lines are cut as lines.h says.
 */
#ifndef DORY_CMD_DORY_COMPOSE_FRAME_LINES_H
#define DORY_CMD_DORY_COMPOSE_FRAME_LINES_H

#include "base/stream_frame.h"
#include "cmd/dory/compose/lines.h"

struct frame_lines {
    bool raw; /* no frames: a terminal */
    /* private */
    struct stream_frames frames;
    struct lines lines[2]; /* stdout, stderr */
};

typedef void (*frame_line_fn)(void *data, bool is_stderr, const char *line, size_t size);

/* Takes bytes; `fn` is called for each line that is complete, without its newline. */
void frame_lines_feed(struct frame_lines *frames, const char *bytes, size_t size, frame_line_fn fn, void *data);
/* The end: lines without a newline are lines, too. */
void frame_lines_end(struct frame_lines *frames, frame_line_fn fn, void *data);
void frame_lines_release(struct frame_lines *frames);

#endif
