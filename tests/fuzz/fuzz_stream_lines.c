/* Frames from a daemon that may be any: the same lines however the reads fall, none too long, none with a newline. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/dory/compose/frame_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note_line(void *data, bool is_stderr, const char *line, size_t size)
{
    if (size > LINES_MAX || memchr(line, '\n', size))
        abort();
    strbuf_addc(data, is_stderr ? 'E' : 'O');
    strbuf_add(data, line, size);
    strbuf_addc(data, '\n');
}

static void read_in_steps(const char *bytes, size_t size, size_t step, bool raw, struct strbuf *out)
{
    struct frame_lines frames = {.raw = raw};
    for (size_t at = 0; at < size; at += step)
        frame_lines_feed(&frames, bytes + at, size - at < step ? size - at : step, note_line, out);
    frame_lines_end(&frames, note_line, out);
    frame_lines_release(&frames);
}

/* The first byte: how much is read at a time; its highest bit: no frames. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_STRBUF struct strbuf whole = STRBUF_INIT, pieces = STRBUF_INIT;
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    bool raw = data[0] & 128;
    read_in_steps(bytes, size - 1, size, raw, &whole);
    read_in_steps(bytes, size - 1, 1 + (data[0] & 127), raw, &pieces);
    if (whole.size != pieces.size || memcmp(strbuf_str(&whole), strbuf_str(&pieces), whole.size) != 0)
        abort();
    return 0;
}
