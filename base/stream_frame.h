/*
 * Docker's frames, in which stdout and stderr share one connection: stream (1 or 2), three zeros, size in network
 * order, then so many bytes. See "Stream format" of ContainerAttach in the Engine API.
 */
#ifndef DORY_BASE_STREAM_FRAME_H
#define DORY_BASE_STREAM_FRAME_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
