#include "image/inflate_loaded.h"

#include <bzlib.h>
#include <dlfcn.h>
#include <errno.h>
#include <lzma.h>
#include <string.h>

#include "base/memory.h"

#define XZ_MEMORY_MAX (128 * 1024 * 1024)

/* The functions of both libraries have the same three roles. */
struct inflate_loaded {
    enum inflate_library kind;
    void *handle;
    bool inside; /* a decoder exists */
    union {
        struct {
            __typeof__(lzma_stream_decoder) *begin;
            __typeof__(lzma_code) *code;
            __typeof__(lzma_end) *end;
            lzma_stream stream;
        } xz;
        struct {
            __typeof__(BZ2_bzDecompressInit) *begin;
            __typeof__(BZ2_bzDecompress) *code;
            __typeof__(BZ2_bzDecompressEnd) *end;
            bz_stream stream;
        } bzip2;
    };
};

static const struct {
    const char *name, *file;
    const char *symbols[3];
} libraries[] = {
    [INFLATE_XZ] = {"xz", "liblzma.so.5", {"lzma_stream_decoder", "lzma_code", "lzma_end"}},
    [INFLATE_BZIP2] = {"bzip2", "libbz2.so.1.0", {"BZ2_bzDecompressInit", "BZ2_bzDecompress", "BZ2_bzDecompressEnd"}},
};

int inflate_loaded_open(enum inflate_library kind, struct inflate_loaded **ret, struct error *err)
{
    struct inflate_loaded *loaded = xcalloc(1, sizeof(*loaded));
    loaded->kind = kind;
    loaded->handle = dlopen(libraries[kind].file, RTLD_NOW | RTLD_LOCAL);
    void **functions = kind == INFLATE_XZ ? (void **)&loaded->xz : (void **)&loaded->bzip2;
    for (size_t i = 0; i < 3 && loaded->handle != NULL; i++) {
        functions[i] = dlsym(loaded->handle, libraries[kind].symbols[i]);
        if (functions[i] == NULL) {
            dlclose(loaded->handle);
            loaded->handle = NULL;
        }
    }
    if (loaded->handle == NULL) {
        free(loaded);
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOENT, "%s compression needs the library %s, which is missing",
                         libraries[kind].name, libraries[kind].file);
    }
    *ret = loaded;
    return 0;
}

static void end_stream(struct inflate_loaded *loaded)
{
    if (loaded->inside && loaded->kind == INFLATE_XZ) {
        loaded->xz.end(&loaded->xz.stream);
    } else if (loaded->inside) {
        loaded->bzip2.end(&loaded->bzip2.stream);
    }
    loaded->inside = false;
}

void inflate_loaded_free(struct inflate_loaded *loaded)
{
    if (loaded != NULL) {
        end_stream(loaded);
        dlclose(loaded->handle);
        free(loaded);
    }
}

static int begin_stream(struct inflate_loaded *loaded, struct error *err)
{
    bool good;
    if (loaded->kind == INFLATE_XZ) {
        loaded->xz.stream = (lzma_stream)LZMA_STREAM_INIT;
        good = loaded->xz.begin(&loaded->xz.stream, XZ_MEMORY_MAX, 0) == LZMA_OK;
    } else {
        loaded->bzip2.stream = (bz_stream){0};
        good = loaded->bzip2.begin(&loaded->bzip2.stream, 0, 0) == BZ_OK;
    }
    loaded->inside = good;
    return good ? 0 : error_set(err, ERROR_SYSTEM, EIO, "%s: cannot begin", libraries[loaded->kind].name);
}

static int corrupt(const struct inflate_loaded *loaded, const char *what, struct error *err)
{
    return error_set(err, ERROR_INVALID, EINVAL, "%s: %s", libraries[loaded->kind].name, what);
}

/* One call of the library. 1: the stream is at its end. */
static int code_xz(struct inflate_loaded *loaded, const char **in, size_t *in_size, char *out, size_t out_size,
                   size_t *ret_made, struct error *err)
{
    lzma_stream *s = &loaded->xz.stream;
    s->next_in = (const uint8_t *)*in;
    s->avail_in = *in_size;
    s->next_out = (uint8_t *)out;
    s->avail_out = out_size;
    lzma_ret code = loaded->xz.code(s, LZMA_RUN);
    *in = (const char *)s->next_in;
    *in_size = s->avail_in;
    *ret_made = out_size - s->avail_out;
    if (code == LZMA_MEMLIMIT_ERROR) {
        return corrupt(loaded, "the stream needs more memory than is allowed", err);
    }
    if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR) {
        return corrupt(loaded, "corrupt input", err);
    }
    return code == LZMA_STREAM_END;
}

static int code_bzip2(struct inflate_loaded *loaded, const char **in, size_t *in_size, char *out, size_t out_size,
                      size_t *ret_made, struct error *err)
{
    bz_stream *s = &loaded->bzip2.stream;
    s->next_in = (char *)*in;
    s->avail_in = (unsigned)*in_size;
    s->next_out = out;
    s->avail_out = (unsigned)out_size;
    int code = loaded->bzip2.code(s);
    *in = s->next_in;
    *in_size = s->avail_in;
    *ret_made = out_size - s->avail_out;
    return code == BZ_OK || code == BZ_STREAM_END ? code == BZ_STREAM_END : corrupt(loaded, "corrupt input", err);
}

/* xz pads between streams with zeros. */
static void skip_padding(const struct inflate_loaded *loaded, const char **in, size_t *in_size)
{
    while (loaded->kind == INFLATE_XZ && *in_size > 0 && **in == 0) {
        (*in)++;
        (*in_size)--;
    }
}

int inflate_loaded_run(struct inflate_loaded *loaded, const char **in, size_t *in_size, char *out, size_t out_size,
                       size_t *ret_made, bool *ret_inside, struct error *err)
{
    int r = 0;
    *ret_made = 0;
    if (!loaded->inside) {
        skip_padding(loaded, in, in_size);
        r = *in_size > 0 ? begin_stream(loaded, err) : 0;
    }
    if (r == 0 && loaded->inside) {
        r = loaded->kind == INFLATE_XZ ? code_xz(loaded, in, in_size, out, out_size, ret_made, err)
                                       : code_bzip2(loaded, in, in_size, out, out_size, ret_made, err);
    }
    if (r == 1) {
        end_stream(loaded);
        r = 0;
    }
    *ret_inside = loaded->inside;
    return r;
}
