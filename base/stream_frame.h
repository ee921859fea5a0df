/*
 * Docker's frames, in which stdout and stderr share one connection: stream (1 or 2), three zeros, size in network
 * order, then so many bytes. See "Stream format" of ContainerAttach in the Engine API.
 */
#ifndef DORY_BASE_STREAM_FRAME_H
#define DORY_BASE_STREAM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_FRAME_HEADER 8

static inline void stream_frame_header(unsigned char header[STREAM_FRAME_HEADER], bool is_stderr, size_t size)
{
    header[0] = is_stderr ? 2 : 1;
    header[1] = header[2] = header[3] = 0;
    header[4] = (unsigned char)(size >> 24);
    header[5] = (unsigned char)(size >> 16);
    header[6] = (unsigned char)(size >> 8);
    header[7] = (unsigned char)size;
}

/* Where in the frames a reader is. Zero-initialised is the beginning; nothing is to be released. */
struct stream_frames {
    unsigned char header[STREAM_FRAME_HEADER];
    size_t header_size;
    uint32_t left; /* of the current frame */
    bool begins;   /* nothing of it was given out */
};

/* Bytes of one frame: all of it, or as much as has come. */
struct stream_piece {
    const char *data; /* within the bytes that were given */
    size_t size;      /* never 0 */
    bool is_stderr;
    bool first; /* the frame begins with it */
};

/* The next piece of *bytes, which moves on behind it. false: all bytes are taken. Pure; takes whatever the peer sends,
 * and frames of no bytes yield no piece. */
bool stream_frames_next(struct stream_frames *frames, const char **bytes, size_t *size, struct stream_piece *ret);

#endif
