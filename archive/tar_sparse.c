/* Sparse files: GNU's old form, and the three that GNU tar writes into pax headers (0.0, 0.1 and 1.0). */
#include <errno.h>
#include <stdlib.h>

#include "archive/tar_reader.h"
#include "base/memory.h"

#define GNU_SPARSE_OFFSET 386
#define GNU_SPARSE_COUNT 4
#define GNU_SPARSE_EXTENDED 482
#define GNU_SPARSE_REALSIZE 483
#define GNU_SPARSE_BLOCK_COUNT 21
#define GNU_SPARSE_BLOCK_EXTENDED 504

int tar_segment_add(struct tar_reader *reader, int64_t offset, int64_t size, struct error *err)
{
    int64_t end = 0;
    if (reader->segment_count > 0) {
        struct segment *last = &reader->segments[reader->segment_count - 1];
        end = last->offset + last->size;
    }
    if (offset < end || size < 0 || offset > INT64_MAX - size || reader->segment_count == TAR_SPARSE_MAX) {
        return tar_corrupt(err, "sparse map");
    }
    xgrow((void **)&reader->segments, reader->segment_count, &reader->segment_capacity, sizeof(*reader->segments));
    reader->segments[reader->segment_count++] = (struct segment){.offset = offset, .size = size};
    return 0;
}

static int sparse_gnu_fields(struct tar_reader *reader, const char *fields, size_t count, struct error *err)
{
    for (size_t i = 0; i < count && fields[i * 24] != 0; i++) {
        int64_t offset, size;
        if (tar_number(fields + i * 24, 12, &offset) < 0 || tar_number(fields + i * 24 + 12, 12, &size) < 0) {
            return tar_corrupt(err, "sparse map");
        }
        int r = tar_segment_add(reader, offset, size, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int sparse_gnu(struct tar_reader *reader, struct error *err)
{
    const char *raw = (const char *)&reader->header;
    reader->sparse = true;
    if (tar_number(raw + GNU_SPARSE_REALSIZE, 12, &reader->entry.size) < 0) {
        return tar_corrupt(err, "sparse size");
    }
    int r = sparse_gnu_fields(reader, raw + GNU_SPARSE_OFFSET, GNU_SPARSE_COUNT, err);
    char block[TAR_BLOCK_SIZE];
    bool more = raw[GNU_SPARSE_EXTENDED] != 0;
    while (r == 0 && more) {
        r = tar_read(reader, block, TAR_BLOCK_SIZE, err);
        if (r <= 0) {
            return r < 0 ? r : tar_truncated(err);
        }
        r = sparse_gnu_fields(reader, block, GNU_SPARSE_BLOCK_COUNT, err);
        more = block[GNU_SPARSE_BLOCK_EXTENDED] != 0;
    }
    return r;
}

/* Pax 0.1: "offset,size,offset,size...". */
static int sparse_pax_text(struct tar_reader *reader, struct error *err)
{
    reader->segment_count = 0;
    const char *p = reader->pax.sparse_map;
    int64_t pair[2];
    size_t n = 0;
    while (*p != 0) {
        char *end;
        errno = 0;
        long long value = strtoll(p, &end, 10);
        if (end == p || errno != 0 || value < 0 || (*end != ',' && *end != 0)) {
            return tar_corrupt(err, "GNU.sparse.map");
        }
        pair[n % 2] = value;
        if (n++ % 2 == 1) {
            int r = tar_segment_add(reader, pair[0], pair[1], err);
            if (r < 0) {
                return r;
            }
        }
        p = *end == ',' ? end + 1 : end;
    }
    return n % 2 == 0 ? 0 : tar_corrupt(err, "GNU.sparse.map");
}

/* One decimal number and its newline from the entry's own data; *used counts what was taken. */
static int sparse_data_number(struct tar_reader *reader, int64_t *used, int64_t *ret, struct error *err)
{
    int64_t n = 0;
    for (int digits = 0;; digits++) {
        char c;
        int r = *used < reader->left ? tar_read(reader, &c, 1, err) : 0;
        if (r <= 0) {
            return r < 0 ? r : tar_truncated(err);
        }
        (*used)++;
        if (c == '\n' && digits > 0) {
            *ret = n;
            return 0;
        }
        if (c < '0' || c > '9' || digits > 17) {
            return tar_corrupt(err, "sparse map");
        }
        n = n * 10 + (c - '0');
    }
}

/* Pax 1.0: the map stands before the data, padded to a block. */
static int sparse_pax_data(struct tar_reader *reader, struct error *err)
{
    int64_t used = 0, count, offset, size;
    reader->segment_count = 0;
    int r = sparse_data_number(reader, &used, &count, err);
    if (r == 0 && count > TAR_SPARSE_MAX) {
        r = tar_corrupt(err, "sparse map");
    }
    for (int64_t i = 0; r == 0 && i < count; i++) {
        r = sparse_data_number(reader, &used, &offset, err);
        if (r == 0) {
            r = sparse_data_number(reader, &used, &size, err);
        }
        if (r == 0) {
            r = tar_segment_add(reader, offset, size, err);
        }
    }
    if (r < 0) {
        return r;
    }
    int64_t pad = (TAR_BLOCK_SIZE - used % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE;
    if (used + pad > reader->left) {
        return tar_corrupt(err, "sparse map");
    }
    reader->left -= used + pad;
    return tar_skip(reader, pad, err);
}

static int sparse_check(const struct tar_reader *reader, struct error *err)
{
    int64_t stored = 0;
    for (size_t i = 0; i < reader->segment_count; i++) {
        const struct segment *s = &reader->segments[i];
        if (s->offset + s->size > reader->entry.size) {
            return tar_corrupt(err, "sparse map");
        }
        stored += s->size; /* segments do not overlap, so this stays below the file's size */
    }
    return stored == reader->left ? 0 : tar_corrupt(err, "sparse map");
}

int tar_sparse_begin(struct tar_reader *reader, struct error *err)
{
    const struct pax *pax = &reader->pax;
    int r = 0;
    if (reader->header.type == 'S') {
        r = sparse_gnu(reader, err);
    } else if (pax->sparse_major == 1 && pax->sparse_minor == 0) {
        reader->sparse = true;
        r = sparse_pax_data(reader, err);
    } else if (pax->sparse_map != NULL) {
        reader->sparse = true;
        r = sparse_pax_text(reader, err);
    } else {
        reader->sparse = reader->segment_count > 0; /* pax 0.0 */
    }
    if (r < 0 || !reader->sparse) {
        return r;
    }
    if (reader->header.type != 'S') {
        if (pax->sparse_size < 0) {
            return tar_corrupt(err, "sparse size");
        }
        reader->entry.size = pax->sparse_size;
    }
    return sparse_check(reader, err);
}
