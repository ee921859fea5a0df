/*
 * Reading tar streams as layers come in them: ustar, pax, GNU long names, base-256 numbers, GNU and pax sparse files.
 * Pure and bounded: memory is proportional to one header, whatever the stream says. Names are bytes: they are neither
 * converted nor normalised, whatever the locale (docs/decisions.md).
 *
 * Blocks are lent by the source and lent on to the caller without a copy.
 */
#ifndef DORY_ARCHIVE_TAR_H
#define DORY_ARCHIVE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Limits of what a header may carry, those of Go's archive/tar where it has one. */
#define TAR_PAX_MAX (1024 * 1024)
#define TAR_XATTR_MAX 256
#define TAR_SPARSE_MAX (256 * 1024)

enum tar_type {
    TAR_FILE,
    TAR_HARDLINK,
    TAR_SYMLINK,
    TAR_CHAR,
    TAR_BLOCK,
    TAR_DIRECTORY,
    TAR_FIFO,
};

struct tar_xattr {
    const char *name; /* "security.capability" */
    const void *value;
    size_t size;
};

/* Valid until the next call of tar_reader_next. */
struct tar_entry {
    enum tar_type type;
    const char *path; /* as it stands in the archive */
    const char *link; /* "" unless a link */
    mode_t mode;      /* permission bits with setuid, setgid, sticky */
    uid_t uid;
    gid_t gid;
    int64_t mtime_seconds;
    long mtime_nanoseconds;
    int64_t size; /* of the file once unpacked; 0 for everything but files */
    unsigned device_major, device_minor;
    struct tar_xattr xattrs[TAR_XATTR_MAX];
    size_t xattr_count;
};

/*
 * Where the bytes come from: lends the next block (*ret_data, not empty) until the next call. Returns its size, 0 at
 * the end, or -errno with `err` filled.
 */
typedef ssize_t (*tar_source_fn)(void *data, const void **ret_data, struct error *err);

struct tar_reader;

struct tar_reader *tar_reader_new(tar_source_fn source, void *data);
void tar_reader_free(struct tar_reader *reader);
void tar_reader_free_ptr(struct tar_reader **reader);
#define CLEANUP_TAR_READER CLEANUP(tar_reader_free_ptr)

/*
 * Told of every byte of the stream, in order: of those that are contents of a file whose place was named with
 * tar_reader_content_path(), where they belong, and of all others what they are.
 */
struct tar_observer {
    void (*literal)(void *data, const void *bytes, size_t size);
    void (*file)(void *data, const char *path); /* the contents that follow are this file's */
    void (*content)(void *data, int64_t offset, size_t size);
    void *data;
};
/* From the first byte on; NULL: nobody. It must outlive the reader. */
void tar_reader_observe(struct tar_reader *reader, const struct tar_observer *observer);
/* The contents of this entry, which are read next, will be found at `path`. */
void tar_reader_content_path(struct tar_reader *reader, const char *path);

/* The next entry, the rest of the former one skipped. 1: *ret_entry is set; 0: the archive is at its end; or -errno. */
int tar_reader_next(struct tar_reader *reader, const struct tar_entry **ret_entry, struct error *err);
/*
 * The next piece of the file's contents and its place in the file (they only differ from contiguous for sparse files;
 * what is between the pieces is zero). 1: a piece; 0: no more; or -errno.
 */
int tar_reader_data(struct tar_reader *reader, const void **ret_data, size_t *ret_size, int64_t *ret_offset,
                    struct error *err);
/* Reads on to the end of the source, what follows the end of the archive included. */
int tar_reader_drain(struct tar_reader *reader, struct error *err);
/* Bytes of the stream that were used up so far. */
int64_t tar_reader_position(const struct tar_reader *reader);

#endif
