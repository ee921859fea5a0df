/*
 * Writing tar streams: ustar headers (POSIX.1-1988) with pax extended headers (POSIX.1-2001) where something does not
 * fit: long names, nanoseconds, large numbers, extended attributes (SCHILY.xattr), sparse files (GNU's format 1.0).
 * What is written depends on the entries alone, so the same entries give the same bytes.
 */
#ifndef DORY_ARCHIVE_TAR_WRITER_H
#define DORY_ARCHIVE_TAR_WRITER_H

#include "archive/tar.h"

/* Where the bytes go, in portions of any size. May block. 0 or -errno with `err` filled. */
typedef int (*tar_sink_fn)(void *data, const void *bytes, size_t size, struct error *err);

/* A part of a file that is no hole. */
struct tar_region {
    int64_t offset, size;
};

struct tar_writer;

struct tar_writer *tar_writer_new(tar_sink_fn sink, void *data);
void tar_writer_free(struct tar_writer *writer); /* NULL is fine; nothing is written any more */
void tar_writer_free_ptr(struct tar_writer **writer);
#define CLEANUP_TAR_WRITER CLEANUP(tar_writer_free_ptr)

/*
 * Begins an entry; the former one must be complete. A directory's path should end with a slash. regions (may be NULL:
 * everything) are what the file has besides holes, in order, within entry->size.
 */
int tar_writer_entry(struct tar_writer *writer, const struct tar_entry *entry, const struct tar_region *regions,
                     size_t region_count, struct error *err);
/* Contents of the file that was begun: as many bytes in all as it has (or its regions). More is -EINVAL. */
int tar_writer_data(struct tar_writer *writer, const void *data, size_t size, struct error *err);
/* Bytes of the entry that are still due. */
int64_t tar_writer_left(const struct tar_writer *writer);
/* The end of the archive; the last bytes reach the sink. An entry that is not complete is -EINVAL. */
int tar_writer_finish(struct tar_writer *writer, struct error *err);

#endif
