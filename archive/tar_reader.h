/* What the files of the tar reader share: headers (tar.c), pax records (tar_pax.c), sparse files (tar_sparse.c). */
#ifndef DORY_ARCHIVE_TAR_READER_H
#define DORY_ARCHIVE_TAR_READER_H

#include "archive/tar.h"
#include "base/strbuf.h"

#define TAR_BLOCK_SIZE 512

/* The header block of ustar, and where GNU and star put other things into it. */
struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[8]; /* "ustar\0" "00", or "ustar  \0" of GNU */
    char user[32];
    char group[32];
    char major[8];
    char minor[8];
    char rest[167]; /* ustar: prefix[155]; GNU: times, sparse map; star: prefix[131], times, "tar" at STAR_MAGIC */
};
_Static_assert(sizeof(struct header) == TAR_BLOCK_SIZE, "a tar header is one block");

struct segment {
    int64_t offset, size;
};

/* Members that a pax header replaces; -1 or NULL where it does not. */
struct pax {
    const char *path, *link, *sparse_name, *sparse_map;
    int64_t size, uid, gid, sparse_size, sparse_major, sparse_minor;
    int64_t mtime_seconds;
    long mtime_nanoseconds;
    bool has_mtime;
};

struct tar_reader {
    tar_source_fn source;
    void *data;
    const char *block; /* what is left of the lent block */
    size_t block_size;
    int64_t position;
    const struct tar_observer *observer;
    bool content_named; /* the observer was told where the entry's contents are */

    struct header header;
    struct tar_entry entry;
    struct pax pax;
    struct strbuf pax_text; /* records, cut into strings in place; entry.xattrs points into it */
    struct strbuf long_name, long_link;
    char name[sizeof(((struct header *)0)->name) + 1 + sizeof(((struct header *)0)->rest) + 1];
    char link[sizeof(((struct header *)0)->link) + 1];

    int64_t left; /* of the entry's bytes in the stream */
    int64_t pad;  /* behind them */
    bool sparse;
    struct segment *segments;
    size_t segment_count, segment_capacity, segment;
    int64_t segment_done, offset;
    bool at_end;
};

/* An error that names what is wrong. */
int tar_corrupt(struct error *err, const char *what);
int tar_truncated(struct error *err);
/* Reads exactly `size` bytes. Returns 1, 0 when the stream ended before the first of them, or -errno. */
int tar_read(struct tar_reader *reader, void *buffer, size_t size, struct error *err);
int tar_skip(struct tar_reader *reader, int64_t size, struct error *err);
/* Octal with blanks and NULs around it, or GNU's base-256 (first bit set). Empty is 0. 0 or -errno. */
int tar_number(const char *field, size_t size, int64_t *ret);

/* Cuts reader->pax_text ("LENGTH KEY=VALUE\n"...) into strings in place and notes what they say. */
int tar_pax_records(struct tar_reader *reader, struct error *err);

/* One piece of a sparse file's contents; pieces come in order. */
int tar_segment_add(struct tar_reader *reader, int64_t offset, int64_t size, struct error *err);
/* Reads and checks the map when the file that begins is a sparse one. */
int tar_sparse_begin(struct tar_reader *reader, struct error *err);

#endif
