/*
 * An archive that is read from a descriptor (plain, gzip or zstd) as the source of a tar reader. A thread reads and
 * inflates ahead; descriptors that block (a client's socket) are waited for with poll, so that giving up never hangs.
 */
#ifndef DORY_IMAGE_ARCHIVE_STREAM_H
#define DORY_IMAGE_ARCHIVE_STREAM_H

#include <sys/types.h>

#include "base/error.h"

struct archive_stream;

/* fd stays the caller's. */
int archive_stream_open(int fd, struct archive_stream **ret, struct error *err);
/* A tar_source_fn: `data` is the stream. */
ssize_t archive_stream_read(void *data, const void **ret_data, struct error *err);
void archive_stream_free(struct archive_stream *stream);
void archive_stream_free_ptr(struct archive_stream **stream);
#define CLEANUP_ARCHIVE_STREAM CLEANUP(archive_stream_free_ptr)

#endif
