/* What a daemon may send to the client: heads and chunked bodies. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/client_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t head_size = http_head_length(text, size);
    struct http_head head = {0};
    struct chunk_decoder decoder = {0};
    struct error error = {0};
    size_t left = size - head_size;
    const char *in = text + head_size;
    char out[61];

    if (head_size > size)
        abort();
    if (head_size > 0)
        http_head_parse(text, head_size, &head, &error);
    http_head_release(&head);
    while (left > 0 && decoder.state != CHUNK_DONE) {
        size_t before = left;
        ssize_t n = chunk_decode(&decoder, &in, &left, out, sizeof(out));

        if (n < 0)
            break;
        if (n > (ssize_t)sizeof(out) || left >= before)
            abort();
    }
    return 0;
}
