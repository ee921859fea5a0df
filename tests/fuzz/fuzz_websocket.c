/* What a WebSocket client sends, cut into pieces anywhere. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/websocket_frame.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct websocket_decoder decoder = {0};
    size_t step = data[0] + 1u;
    for (size_t at = 1; at < size; at += step) {
        size_t piece = size - at < step ? size - at : step;
        CLEANUP_FREE unsigned char *copy = xmalloc(piece);
        memcpy(copy, data + at, piece);
        for (size_t done = 0; done < piece;) {
            struct websocket_event event;
            size_t consumed = 0;
            int r = websocket_decode(&decoder, copy + done, piece - done, &consumed, &event);
            if (r < 0)
                return 0;
            size_t most = r > 0 && event.control ? WEBSOCKET_CONTROL_MAX : piece - done;
            if (consumed > piece - done || (r > 0 && event.size > most))
                abort();
            done += consumed;
            if (r == 0 && done < piece)
                abort();
        }
    }
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    free(websocket_accept(text));
    return 0;
}
