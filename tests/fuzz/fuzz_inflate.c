/*
 * What arrives compressed. The bytes as they are, in portions of any size, must not do harm; and whatever was
 * compressed by zlib or zstd must come out as it was, which bytes at random would hardly ever try.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/memory.h"
#include "base/strbuf.h"
#include "image/inflate.h"

/* More than this is of no interest, and a few bytes can make many. */
#define INFLATED_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int reserve(void *data, char **ret_room, size_t *ret_size, struct error *err)
{
    struct strbuf *out = data;
    if (out->size > INFLATED_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "enough");
    *ret_room = strbuf_reserve(out, 777);
    *ret_size = 777;
    return 0;
}

static int commit(void *data, size_t size, struct error *err)
{
    struct strbuf *out = data;
    (void)err;
    out->size += size;
    return 0;
}

/* In portions of `step` bytes. */
static int run(const void *data, size_t size, size_t step, struct strbuf *out)
{
    const char *bytes = data;
    struct inflate_sink sink = {.reserve = reserve, .commit = commit, .data = out};
    struct inflate *inflate = inflate_new(&sink);
    struct error err = {0};
    int r = 0;
    for (size_t at = 0; r == 0 && at < size; at += step)
        r = inflate_write(inflate, bytes + at, size - at < step ? size - at : step, &err);
    if (r == 0)
        r = inflate_finish(inflate, &err);
    inflate_free(inflate);
    return r;
}

static size_t pack_gzip(const void *data, size_t size, char *out, size_t room)
{
    z_stream z = {
        .next_in = (void *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = (void *)out, .avail_out = (uInt)room};
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&z);
    return z.total_out;
}

static size_t pack_zstd(const void *data, size_t size, char *out, size_t room)
{
    size_t n = ZSTD_compress(out, room, data, size, 3);
    if (ZSTD_isError(n))
        abort();
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static size_t (*const packers[])(const void *data, size_t size, char *out, size_t room) = {pack_gzip, pack_zstd};
    if (size < 2)
        return 0;
    size_t step = data[0] % 64 * 16 + 1, room = size * 2 + 4096;
    unsigned which = data[1] % (ARRAY_SIZE(packers) + 1);
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    if (which == ARRAY_SIZE(packers)) {
        run(data + 2, size - 2, step, &out);
        return 0;
    }
    CLEANUP_FREE char *packed = xmalloc(room);
    size_t n = packers[which](data + 2, size - 2, packed, room);
    if (run(packed, n, step, &out) < 0 || out.size != size - 2 || memcmp(strbuf_str(&out), data + 2, size - 2) != 0)
        abort();
    return 0;
}
