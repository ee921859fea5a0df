/*
 * Turning what arrives (gzip, zstd, xz, bzip2 or plain, told apart by the first bytes) into the bytes inside, in a
 * stream and in this process: no program is run on what somebody sent. Gzip is inflated by ISA-L with its checksums
 * verified; several gzip members or zstd frames in a row count as one stream, as everywhere.
 */
#ifndef DORY_IMAGE_INFLATE_H
#define DORY_IMAGE_INFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum compression {
    COMPRESSION_NONE,
    COMPRESSION_GZIP,
    COMPRESSION_ZSTD,
    COMPRESSION_XZ,
    COMPRESSION_BZIP2,
};

/* How many first bytes inflate_detect wants to see (fewer only when the stream has no more). */
#define INFLATE_MAGIC_SIZE 6

/* By the first bytes. */
void inflate_detect(const void *data, size_t size, enum compression *ret);

/*
 * Where the output goes: `reserve` gives room for at least one byte, `commit` takes `size` bytes of it. Both 0 or
 * -errno (with `err` filled).
 */
struct inflate_sink {
    int (*reserve)(void *data, char **ret_room, size_t *ret_size, struct error *err);
    int (*commit)(void *data, size_t size, struct error *err);
    void *data;
};

struct inflate;

struct inflate *inflate_new(const struct inflate_sink *sink);
void inflate_free(struct inflate *inflate);
/* The next bytes; a stream is detected with the first INFLATE_MAGIC_SIZE of them. */
int inflate_write(struct inflate *inflate, const void *data, size_t size, struct error *err);
/* The input is at its end: an error when the stream was not. */
int inflate_finish(struct inflate *inflate, struct error *err);
/* What goes out is what came in, byte for byte. Known once something has gone out, and after inflate_finish. */
bool inflate_is_plain(const struct inflate *inflate);

#endif
