#include "image/deflate.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>

#include "base/memory.h"

#define OUT_SIZE (64 * 1024)
/* ISA-L counts in 32 bits. */
#define IN_MAX ((size_t)1 << 30)

struct deflate {
    tar_sink_fn sink;
    void *data;
    struct isal_zstream stream;
    uint8_t level[ISAL_DEF_LVL1_DEFAULT];
    uint8_t out[OUT_SIZE];
};

struct deflate *deflate_new(tar_sink_fn sink, void *data)
{
    struct deflate *deflate = xcalloc(1, sizeof(*deflate));
    deflate->sink = sink;
    deflate->data = data;
    isal_deflate_init(&deflate->stream);
    deflate->stream.level = 1;
    deflate->stream.level_buf = deflate->level;
    deflate->stream.level_buf_size = sizeof(deflate->level);
    deflate->stream.gzip_flag = IGZIP_GZIP;
    return deflate;
}

void deflate_free(struct deflate *deflate)
{
    free(deflate);
}

static int run(struct deflate *deflate, const void *data, size_t size, bool end, struct error *err)
{
    struct isal_zstream *stream = &deflate->stream;
    stream->next_in = (uint8_t *)data;
    stream->avail_in = (uint32_t)size;
    stream->end_of_stream = end;
    while (stream->avail_in > 0 || (end && stream->internal_state.state != ZSTATE_END)) {
        stream->next_out = deflate->out;
        stream->avail_out = OUT_SIZE;
        if (isal_deflate(stream) != COMP_OK) {
            return error_set(err, ERROR_SYSTEM, EIO, "gzip: cannot compress");
        }
        size_t made = OUT_SIZE - stream->avail_out;
        int r = made > 0 ? deflate->sink(deflate->data, deflate->out, made, err) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int deflate_write(struct deflate *deflate, const void *data, size_t size, struct error *err)
{
    const char *p = data;
    int r = 0;
    while (r == 0 && size > 0) {
        size_t n = size < IN_MAX ? size : IN_MAX;
        r = run(deflate, p, n, false, err);
        p += n;
        size -= n;
    }
    return r;
}

int deflate_finish(struct deflate *deflate, struct error *err)
{
    return run(deflate, "", 0, true, err);
}
