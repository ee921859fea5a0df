/* Compressing a stream with gzip by ISA-L: the quick level, several times as fast as zlib's. Private to image/. */
#ifndef DORY_IMAGE_DEFLATE_H
#define DORY_IMAGE_DEFLATE_H

#include "archive/tar_writer.h"

struct deflate;

/* Compressed bytes go to the sink. The same input in the same portions gives the same output. */
struct deflate *deflate_new(tar_sink_fn sink, void *data);
int deflate_write(struct deflate *deflate, const void *data, size_t size, struct error *err);
/* The end of the stream. */
int deflate_finish(struct deflate *deflate, struct error *err);
void deflate_free(struct deflate *deflate); /* NULL is fine */

#endif
