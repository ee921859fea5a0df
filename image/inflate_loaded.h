/*
 * xz and bzip2, by the libraries that dpkg needs and that are therefore everywhere; loaded with dlopen(3) for the time
 * that a stream lasts, since hardly anybody sends such archives. Private to image/.
 */
#ifndef DORY_IMAGE_INFLATE_LOADED_H
#define DORY_IMAGE_INFLATE_LOADED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum inflate_library { INFLATE_XZ, INFLATE_BZIP2 };

struct inflate_loaded;

/* A decoder may take 128 MiB: what xz -9 needs, twice. */
int inflate_loaded_open(enum inflate_library kind, struct inflate_loaded **ret, struct error *err);
void inflate_loaded_free(struct inflate_loaded *loaded); /* NULL is fine */
/*
 * Takes from *in and writes to out as far as either goes; *ret_made bytes were written. Several streams in a row count
 * as one. *ret_inside: a stream has begun and has not ended.
 */
int inflate_loaded_run(struct inflate_loaded *loaded, const char **in, size_t *in_size, char *out, size_t out_size,
                       size_t *ret_made, bool *ret_inside, struct error *err);

#endif
