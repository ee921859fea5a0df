#include "base/stream_frame.h"

#include <string.h>

static void move_on(const char **bytes, size_t *size, size_t n)
{
    *bytes += n;
    *size -= n;
}

bool stream_frames_next(struct stream_frames *frames, const char **bytes, size_t *size, struct stream_piece *ret)
{
    const unsigned char *h = frames->header;
    while (frames->left == 0) {
        size_t n = STREAM_FRAME_HEADER - frames->header_size;
        if (n > *size)
            n = *size;
        if (n == 0)
            return false;
        memcpy(frames->header + frames->header_size, *bytes, n);
        move_on(bytes, size, n);
        frames->header_size += n;
        if (frames->header_size < STREAM_FRAME_HEADER)
            return false;
        frames->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
        frames->header_size = 0;
        frames->begins = true;
    }
    if (*size == 0)
        return false;
    size_t n = frames->left < *size ? frames->left : *size;
    *ret = (struct stream_piece){.data = *bytes, .size = n, .is_stderr = h[0] == 2, .first = frames->begins};
    frames->begins = false;
    move_on(bytes, size, n);
    frames->left -= (uint32_t)n;
    return true;
}
