/*
 * What it takes to make the exact tar of a layer again from its unpacked files: every byte of the stream that is not
 * contents of a file, and where the contents belong. It lies beside the layer's directory, compressed; a few per cent
 * of the layer. Private to image/.
 *
 * The file: SKELETON_MAGIC, the size of the tar (8 bytes, little endian), then a gzip stream of records:
 *     'L' size(4) bytes            these bytes
 *     'F' size(4) path             what follows is of this file
 *     'D' offset(8) size(8)        this part of it
 */
#ifndef DORY_IMAGE_SKELETON_H
#define DORY_IMAGE_SKELETON_H

#include "archive/tar_writer.h"

#define SKELETON_NAME "skeleton"

struct skeleton_writer;

/* Makes dir_fd/skeleton. */
int skeleton_writer_open(int dir_fd, struct skeleton_writer **ret, struct error *err);
/* For tar_reader_observe(). A failure shows in finish. */
const struct tar_observer *skeleton_writer_observer(struct skeleton_writer *writer);
int skeleton_writer_finish(struct skeleton_writer *writer, int64_t tar_size, struct error *err);
/* NULL is fine. Without a finish the file is of no use. */
void skeleton_writer_free(struct skeleton_writer *writer);

/* Size of the tar. ENOENT: the layer has no skeleton. */
int skeleton_tar_size(int dir_fd, int64_t *ret, struct error *err);
/* Writes the tar. Contents come from dir_fd/diff. Whether it is the right one is for the caller to verify. */
int skeleton_rebuild(int dir_fd, tar_sink_fn sink, void *data, struct error *err);

#endif
