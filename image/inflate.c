#include "image/inflate.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include "base/memory.h"
#include "image/inflate_loaded.h"

/* Frames that ask for a larger window are refused: 128 MiB is what zstd itself accepts by default. */
#define ZSTD_WINDOW_LOG_MAX 27

struct inflate {
    struct inflate_sink sink;
    enum compression compression;
    bool detected;
    unsigned char magic[INFLATE_MAGIC_SIZE];
    size_t magic_size;
    bool in_member; /* a gzip member or zstd frame has begun and has not ended */
    struct inflate_state *gzip;
    ZSTD_DStream *zstd;
    struct inflate_loaded *loaded;
};

void inflate_detect(const void *data, size_t size, enum compression *ret)
{
    static const struct {
        const char *magic;
        size_t size;
        enum compression compression;
    } kinds[] = {
        {"\x1f\x8b", 2, COMPRESSION_GZIP},
        {"\x28\xb5\x2f\xfd", 4, COMPRESSION_ZSTD},
        {"BZh", 3, COMPRESSION_BZIP2},
        {"\xfd"
         "7zXZ\0",
         6, COMPRESSION_XZ},
    };
    const unsigned char *p = data;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (size >= kinds[i].size && memcmp(p, kinds[i].magic, kinds[i].size) == 0) {
            *ret = kinds[i].compression;
            return;
        }
    }
    /* A zstd stream may begin with a skippable frame. */
    if (size >= 4 && (p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18) {
        *ret = COMPRESSION_ZSTD;
        return;
    }
    *ret = COMPRESSION_NONE;
}

struct inflate *inflate_new(const struct inflate_sink *sink)
{
    struct inflate *inflate = xcalloc(1, sizeof(*inflate));
    inflate->sink = *sink;
    return inflate;
}

void inflate_free(struct inflate *inflate)
{
    if (inflate != NULL) {
        free(inflate->gzip);
        ZSTD_freeDStream(inflate->zstd);
        inflate_loaded_free(inflate->loaded);
        free(inflate);
    }
}

static void inflate_gzip_begin(struct inflate *inflate)
{
    isal_inflate_init(inflate->gzip);
    inflate->gzip->crc_flag = ISAL_GZIP;
}

static int inflate_begin(struct inflate *inflate, struct error *err)
{
    inflate_detect(inflate->magic, inflate->magic_size, &inflate->compression);
    inflate->detected = true;
    if (inflate->compression == COMPRESSION_GZIP) {
        inflate->gzip = xcalloc(1, sizeof(*inflate->gzip));
        inflate_gzip_begin(inflate);
    } else if (inflate->compression == COMPRESSION_ZSTD) {
        inflate->zstd = ZSTD_createDStream();
        if (inflate->zstd == NULL) {
            abort();
        }
        ZSTD_DCtx_setParameter(inflate->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    } else if (inflate->compression != COMPRESSION_NONE) {
        return inflate_loaded_open(inflate->compression == COMPRESSION_XZ ? INFLATE_XZ : INFLATE_BZIP2,
                                   &inflate->loaded, err);
    }
    return 0;
}

static int inflate_gzip_error(int code, struct error *err)
{
    if (code == ISAL_INCORRECT_CHECKSUM) {
        return error_set(err, ERROR_INVALID, EINVAL, "gzip: invalid checksum");
    }
    if (code == ISAL_INVALID_WRAPPER || code == ISAL_UNSUPPORTED_METHOD) {
        return error_set(err, ERROR_INVALID, EINVAL, "gzip: invalid header");
    }
    return error_set(err, ERROR_INVALID, EINVAL, "flate: corrupt input");
}

/* ISA-L counts in 32 bits; our portions are far smaller. */
static int inflate_gzip(struct inflate *inflate, const void *data, size_t size, struct error *err)
{
    struct inflate_state *state = inflate->gzip;
    state->next_in = (uint8_t *)data;
    state->avail_in = (uint32_t)size;
    for (;;) {
        if (state->block_state == ISAL_BLOCK_FINISH) {
            inflate->in_member = false;
            if (state->avail_in == 0) {
                return 0;
            }
            uint8_t *next = state->next_in;
            uint32_t left = state->avail_in;
            inflate_gzip_begin(inflate);
            state->next_in = next;
            state->avail_in = left;
        }
        char *room;
        size_t room_size;
        int r = inflate->sink.reserve(inflate->sink.data, &room, &room_size, err);
        if (r < 0) {
            return r;
        }
        inflate->in_member = inflate->in_member || state->avail_in > 0;
        state->next_out = (uint8_t *)room;
        state->avail_out = (uint32_t)room_size;
        int code = isal_inflate(state);
        if (code != ISAL_DECOMP_OK && code != ISAL_END_INPUT) {
            return inflate_gzip_error(code, err);
        }
        size_t made = room_size - state->avail_out;
        r = made > 0 ? inflate->sink.commit(inflate->sink.data, made, err) : 0;
        if (r < 0) {
            return r;
        }
        /* Output that fills the room exactly may have more behind it inside ISA-L. */
        if (state->avail_in == 0 && state->avail_out > 0 && state->block_state != ISAL_BLOCK_FINISH) {
            return 0;
        }
    }
}

static int inflate_zstd(struct inflate *inflate, const void *data, size_t size, struct error *err)
{
    ZSTD_inBuffer in = {.src = data, .size = size};
    bool full = true;
    while (in.pos < in.size || (full && inflate->in_member)) {
        char *room;
        size_t room_size;
        int r = inflate->sink.reserve(inflate->sink.data, &room, &room_size, err);
        if (r < 0) {
            return r;
        }
        ZSTD_outBuffer out = {.dst = room, .size = room_size};
        size_t code = ZSTD_decompressStream(inflate->zstd, &out, &in);
        if (ZSTD_isError(code)) {
            return error_set(err, ERROR_INVALID, EINVAL, "zstd: %s", ZSTD_getErrorName(code));
        }
        inflate->in_member = code != 0;
        full = out.pos == out.size;
        r = out.pos > 0 ? inflate->sink.commit(inflate->sink.data, out.pos, err) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int inflate_loaded(struct inflate *inflate, const char *data, size_t size, struct error *err)
{
    bool full = true;
    while (size > 0 || (full && inflate->in_member)) {
        char *room;
        size_t room_size, made;
        int r = inflate->sink.reserve(inflate->sink.data, &room, &room_size, err);
        if (r == 0) {
            r = inflate_loaded_run(inflate->loaded, &data, &size, room, room_size, &made, &inflate->in_member, err);
        }
        if (r < 0) {
            return r;
        }
        full = made == room_size;
        r = made > 0 ? inflate->sink.commit(inflate->sink.data, made, err) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int inflate_plain(struct inflate *inflate, const char *data, size_t size, struct error *err)
{
    while (size > 0) {
        char *room;
        size_t room_size;
        int r = inflate->sink.reserve(inflate->sink.data, &room, &room_size, err);
        if (r < 0) {
            return r;
        }
        size_t n = size < room_size ? size : room_size;
        memcpy(room, data, n);
        r = inflate->sink.commit(inflate->sink.data, n, err);
        if (r < 0) {
            return r;
        }
        data += n;
        size -= n;
    }
    return 0;
}

static int inflate_some(struct inflate *inflate, const void *data, size_t size, struct error *err)
{
    switch (inflate->compression) {
    case COMPRESSION_GZIP:
        return inflate_gzip(inflate, data, size, err);
    case COMPRESSION_ZSTD:
        return inflate_zstd(inflate, data, size, err);
    case COMPRESSION_XZ:
    case COMPRESSION_BZIP2:
        return inflate_loaded(inflate, data, size, err);
    case COMPRESSION_NONE:
        break;
    }
    return inflate_plain(inflate, data, size, err);
}

int inflate_write(struct inflate *inflate, const void *data, size_t size, struct error *err)
{
    const char *p = data;
    while (!inflate->detected && size > 0) {
        inflate->magic[inflate->magic_size++] = (unsigned char)*p++;
        size--;
        if (inflate->magic_size == INFLATE_MAGIC_SIZE) {
            int r = inflate_begin(inflate, err);
            if (r == 0) {
                r = inflate_some(inflate, inflate->magic, inflate->magic_size, err);
            }
            if (r < 0) {
                return r;
            }
        }
    }
    return size > 0 ? inflate_some(inflate, p, size, err) : 0;
}

int inflate_finish(struct inflate *inflate, struct error *err)
{
    if (!inflate->detected) {
        int r = inflate_begin(inflate, err);
        if (r == 0 && inflate->magic_size > 0) {
            r = inflate_some(inflate, inflate->magic, inflate->magic_size, err);
        }
        if (r < 0) {
            return r;
        }
    }
    if (inflate->in_member) {
        return error_set(err, ERROR_INVALID, EINVAL, "unexpected EOF");
    }
    return 0;
}

bool inflate_is_plain(const struct inflate *inflate)
{
    return inflate->detected && inflate->compression == COMPRESSION_NONE;
}
