#include "image/tar.h"

#include <errno.h>
#include <stddef.h>

#include "base/memory.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define BLOCK 512

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
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

#define STAR_MAGIC 508
#define GNU_SPARSE_OFFSET 386
#define GNU_SPARSE_COUNT 4
#define GNU_SPARSE_EXTENDED 482
#define GNU_SPARSE_REALSIZE 483
#define GNU_SPARSE_BLOCK_COUNT 21
#define GNU_SPARSE_BLOCK_EXTENDED 504

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

struct tar_reader *tar_reader_new(tar_source_fn source, void *data)
{
    struct tar_reader *reader = xcalloc(1, sizeof(*reader));
    reader->source = source;
    reader->data = data;
    return reader;
}

void tar_reader_free(struct tar_reader *reader)
{
    if (reader != NULL) {
        strbuf_release(&reader->pax_text);
        strbuf_release(&reader->long_name);
        strbuf_release(&reader->long_link);
        free(reader->segments);
        free(reader);
    }
}

void tar_reader_free_ptr(struct tar_reader **reader)
{
    tar_reader_free(*reader);
    *reader = NULL;
}

int64_t tar_reader_position(const struct tar_reader *reader)
{
    return reader->position;
}

static int tar_corrupt(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID, EINVAL, "archive/tar: invalid tar header: %s", what);
}

static int tar_truncated(struct error *err)
{
    return error_set(err, ERROR_INVALID, EINVAL, "unexpected EOF");
}

/* ---- Bytes ---- */

/* Makes sure that something is in the lent block. 1, 0 at the end of the stream, or -errno. */
static int tar_fill(struct tar_reader *reader, struct error *err)
{
    if (reader->block_size > 0) {
        return 1;
    }
    const void *data;
    ssize_t n = reader->source(reader->data, &data, err);
    if (n <= 0) {
        return (int)n;
    }
    reader->block = data;
    reader->block_size = (size_t)n;
    return 1;
}

static void tar_advance(struct tar_reader *reader, size_t n)
{
    reader->block += n;
    reader->block_size -= n;
    reader->position += (int64_t)n;
}

/* Reads exactly `size` bytes. Returns 1, 0 when the stream ended before the first of them, or -errno. */
static int tar_read(struct tar_reader *reader, void *buffer, size_t size, struct error *err)
{
    size_t done = 0;
    while (done < size) {
        int r = tar_fill(reader, err);
        if (r < 0) {
            return r;
        }
        if (r == 0) {
            return done == 0 ? 0 : tar_truncated(err);
        }
        size_t n = size - done < reader->block_size ? size - done : reader->block_size;
        memcpy((char *)buffer + done, reader->block, n);
        tar_advance(reader, n);
        done += n;
    }
    return 1;
}

static int tar_skip(struct tar_reader *reader, int64_t size, struct error *err)
{
    while (size > 0) {
        int r = tar_fill(reader, err);
        if (r <= 0) {
            return r < 0 ? r : tar_truncated(err);
        }
        size_t n = (uint64_t)size < reader->block_size ? (size_t)size : reader->block_size;
        tar_advance(reader, n);
        size -= (int64_t)n;
    }
    return 0;
}

/* ---- Numbers ---- */

/* Octal with blanks and NULs around it, or GNU's base-256 (first bit set). Empty is 0. */
static int tar_number(const char *field, size_t size, int64_t *ret)
{
    const unsigned char *p = (const unsigned char *)field;
    if (p[0] & 0x80) {
        uint64_t invert = p[0] & 0x40 ? UINT64_MAX : 0;
        uint64_t n = invert;
        for (size_t i = 0; i < size; i++) {
            unsigned byte = i == 0 ? (p[0] & 0x3f) | (invert ? 0xc0 : 0) : p[i];
            if ((n >> 55) != (invert >> 55)) {
                return -ERANGE;
            }
            n = n << 8 | byte;
        }
        *ret = (int64_t)n;
        return 0;
    }
    size_t i = 0;
    while (i < size && (p[i] == ' ' || p[i] == 0)) {
        i++;
    }
    uint64_t n = 0;
    for (; i < size && p[i] >= '0' && p[i] <= '7'; i++) {
        n = n << 3 | (p[i] - '0'); /* 12 places of 3 bits fit */
    }
    for (; i < size; i++) {
        if (p[i] == 0) {
            break;
        }
        if (p[i] != ' ') {
            return -EINVAL;
        }
    }
    *ret = (int64_t)n;
    return 0;
}

static bool tar_checksum_is_right(const struct header *header)
{
    const unsigned char *p = (const unsigned char *)header;
    int64_t want;
    if (tar_number(header->checksum, sizeof(header->checksum), &want) < 0) {
        return false;
    }
    int64_t sum = 0, signed_sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        bool blank =
            i >= offsetof(struct header, checksum) && i < offsetof(struct header, checksum) + sizeof(header->checksum);
        unsigned char c = blank ? ' ' : p[i];
        sum += c;
        signed_sum += (signed char)c;
    }
    return want == sum || want == signed_sum;
}

static bool tar_is_zero(const struct header *header)
{
    static const struct header zero;
    return memcmp(header, &zero, BLOCK) == 0;
}

/* ---- Pax records ---- */

/* "1234567890.123456789", also negative. */
static int pax_time(const char *text, int64_t *ret_seconds, long *ret_nanoseconds)
{
    char whole[24];
    const char *point = strchr(text, '.');
    size_t size = point != NULL ? (size_t)(point - text) : strlen(text);
    if (size >= sizeof(whole)) {
        return -EINVAL;
    }
    memcpy(whole, text, size);
    whole[size] = 0;
    int64_t seconds;
    if (parse_int64(whole, INT64_MIN / 4, INT64_MAX / 4, &seconds) < 0) {
        return -EINVAL;
    }
    long nanoseconds = 0;
    long scale = 100000000;
    for (const char *p = point != NULL ? point + 1 : ""; *p != 0; p++) {
        if (*p < '0' || *p > '9') {
            return -EINVAL;
        }
        nanoseconds += (*p - '0') * scale;
        scale /= 10;
    }
    if (whole[0] == '-' && nanoseconds > 0) {
        seconds--;
        nanoseconds = 1000000000 - nanoseconds;
    }
    *ret_seconds = seconds;
    *ret_nanoseconds = nanoseconds;
    return 0;
}

static int pax_xattr(struct tar_reader *reader, const char *name, const char *value, size_t size, struct error *err)
{
    struct tar_entry *entry = &reader->entry;
    if (entry->xattr_count == TAR_XATTR_MAX) {
        return tar_corrupt(err, "too many extended attributes");
    }
    entry->xattrs[entry->xattr_count++] = (struct tar_xattr){.name = name, .value = value, .size = size};
    return 0;
}

static int segment_add(struct tar_reader *reader, int64_t offset, int64_t size, struct error *err)
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

/* One record whose value is NUL-terminated (values of extended attributes may have NULs inside). */
static int pax_record(struct tar_reader *reader, const char *key, const char *value, size_t size, struct error *err)
{
    static const struct {
        const char *key;
        size_t offset;
    } numbers[] =
        {
            {"size", offsetof(struct pax, size)},
            {"uid", offsetof(struct pax, uid)},
            {"gid", offsetof(struct pax, gid)},
            {"GNU.sparse.realsize", offsetof(struct pax, sparse_size)},
            {"GNU.sparse.size", offsetof(struct pax, sparse_size)},
            {"GNU.sparse.major", offsetof(struct pax, sparse_major)},
            {"GNU.sparse.minor", offsetof(struct pax, sparse_minor)},
        },
      strings[] = {
          {"path", offsetof(struct pax, path)},
          {"linkpath", offsetof(struct pax, link)},
          {"GNU.sparse.name", offsetof(struct pax, sparse_name)},
          {"GNU.sparse.map", offsetof(struct pax, sparse_map)},
      };
    static const char xattr_prefix[] = "SCHILY.xattr.";

    if (strncmp(key, xattr_prefix, sizeof(xattr_prefix) - 1) == 0) {
        return pax_xattr(reader, key + sizeof(xattr_prefix) - 1, value, size, err);
    }
    if (strlen(value) != size) {
        return tar_corrupt(err, "NUL in a pax record");
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (strcmp(key, numbers[i].key) == 0) {
            int64_t *to = (int64_t *)((char *)&reader->pax + numbers[i].offset);
            *to = -1; /* an empty value takes the record back */
            return size == 0 || parse_int64(value, 0, INT64_MAX / 2, to) == 0 ? 0 : tar_corrupt(err, key);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        if (strcmp(key, strings[i].key) == 0) {
            *(const char **)((char *)&reader->pax + strings[i].offset) = size == 0 ? NULL : value;
            return 0;
        }
    }
    if (strcmp(key, "mtime") == 0) {
        reader->pax.has_mtime = size > 0;
        return size == 0 || pax_time(value, &reader->pax.mtime_seconds, &reader->pax.mtime_nanoseconds) == 0
                   ? 0
                   : tar_corrupt(err, key);
    }
    if (strcmp(key, "GNU.sparse.offset") == 0) {
        int64_t offset;
        return parse_int64(value, 0, INT64_MAX / 2, &offset) < 0 ? tar_corrupt(err, key)
                                                                 : segment_add(reader, offset, 0, err);
    }
    if (strcmp(key, "GNU.sparse.numbytes") == 0) {
        int64_t n;
        if (reader->segment_count == 0 || parse_int64(value, 0, INT64_MAX / 2, &n) < 0 ||
            reader->segments[reader->segment_count - 1].offset > INT64_MAX - n) {
            return tar_corrupt(err, key);
        }
        reader->segments[reader->segment_count - 1].size = n;
    }
    return 0; /* everything else says nothing about what to unpack (user names, comments, access times) */
}

/* Cuts "LENGTH KEY=VALUE\n"... into strings in place. */
static int pax_records(struct tar_reader *reader, struct error *err)
{
    char *p = reader->pax_text.data;
    char *end = p + reader->pax_text.size;
    while (p < end && *p != 0) { /* some writers pad with NULs */
        uint64_t length = 0;
        char *start = p;
        while (p < end && *p >= '0' && *p <= '9' && length <= TAR_PAX_MAX) {
            length = length * 10 + (uint64_t)(*p++ - '0');
        }
        if (p == start || p == end || *p != ' ' || length > (uint64_t)(end - start) ||
            length <= (uint64_t)(p - start) + 1 || start[length - 1] != '\n') {
            return tar_corrupt(err, "pax record");
        }
        char *key = p + 1;
        char *stop = start + length - 1;
        char *equals = memchr(key, '=', (size_t)(stop - key));
        if (equals == NULL || equals == key || memchr(key, 0, (size_t)(equals - key)) != NULL) {
            return tar_corrupt(err, "pax record");
        }
        *equals = 0;
        *stop = 0;
        int r = pax_record(reader, key, equals + 1, (size_t)(stop - equals - 1), err);
        if (r < 0) {
            return r;
        }
        p = start + length;
    }
    return 0;
}

/* ---- Sparse maps ---- */

static int sparse_gnu_fields(struct tar_reader *reader, const char *fields, size_t count, struct error *err)
{
    for (size_t i = 0; i < count && fields[i * 24] != 0; i++) {
        int64_t offset, size;
        if (tar_number(fields + i * 24, 12, &offset) < 0 || tar_number(fields + i * 24 + 12, 12, &size) < 0) {
            return tar_corrupt(err, "sparse map");
        }
        int r = segment_add(reader, offset, size, err);
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
    char block[BLOCK];
    bool more = raw[GNU_SPARSE_EXTENDED] != 0;
    while (r == 0 && more) {
        r = tar_read(reader, block, BLOCK, err);
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
            int r = segment_add(reader, pair[0], pair[1], err);
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
            r = segment_add(reader, offset, size, err);
        }
    }
    if (r < 0) {
        return r;
    }
    int64_t pad = (BLOCK - used % BLOCK) % BLOCK;
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

static int sparse_begin(struct tar_reader *reader, struct error *err)
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

/* ---- Headers ---- */

/* The contents of a pax header or of a GNU long name, which precede the entry they describe. */
static int tar_read_special(struct tar_reader *reader, struct strbuf *into, struct error *err)
{
    int64_t size;
    if (tar_number(reader->header.size, sizeof(reader->header.size), &size) < 0 || size < 0) {
        return tar_corrupt(err, "size");
    }
    if (size > TAR_PAX_MAX) {
        return error_set(err, ERROR_INVALID, EINVAL, "archive/tar: header field too long");
    }
    strbuf_clear(into);
    char *to = strbuf_reserve(into, (size_t)size + 1);
    int r = size == 0 ? 1 : tar_read(reader, to, (size_t)size, err);
    if (r <= 0) {
        return r < 0 ? r : tar_truncated(err);
    }
    into->size += (size_t)size;
    strbuf_terminate(into);
    return tar_skip(reader, (BLOCK - size % BLOCK) % BLOCK, err);
}

/* Copies a field that is NUL-terminated only when shorter than its place. */
static size_t tar_field(char *to, const char *field, size_t size)
{
    size_t n = strnlen(field, size);
    memcpy(to, field, n);
    to[n] = 0;
    return n;
}

static void tar_header_names(struct tar_reader *reader)
{
    const struct header *header = &reader->header;
    static const char ustar[] = "ustar";
    size_t prefix = 0;
    if (memcmp(header->magic, ustar, sizeof(ustar)) == 0) { /* with its NUL: not GNU's, which has times there */
        bool star = memcmp((const char *)header + STAR_MAGIC, "tar", 4) == 0;
        prefix = tar_field(reader->name, header->rest, star ? 131 : 155);
        if (prefix > 0) {
            reader->name[prefix++] = '/';
        }
    }
    tar_field(reader->name + prefix, header->name, sizeof(header->name));
    tar_field(reader->link, header->link, sizeof(header->link));

    struct tar_entry *entry = &reader->entry;
    const struct pax *pax = &reader->pax;
    entry->path = pax->sparse_name != NULL     ? pax->sparse_name
                  : pax->path != NULL          ? pax->path
                  : reader->long_name.size > 0 ? strbuf_str(&reader->long_name)
                                               : reader->name;
    entry->link = pax->link != NULL            ? pax->link
                  : reader->long_link.size > 0 ? strbuf_str(&reader->long_link)
                                               : reader->link;
}

static int tar_header_type(struct tar_reader *reader, struct error *err)
{
    static const struct {
        char flag;
        enum tar_type type;
    } types[] = {
        {'0', TAR_FILE},    {0, TAR_FILE},   {'7', TAR_FILE},  {'S', TAR_FILE},      {'1', TAR_HARDLINK},
        {'2', TAR_SYMLINK}, {'3', TAR_CHAR}, {'4', TAR_BLOCK}, {'5', TAR_DIRECTORY}, {'6', TAR_FIFO},
    };
    struct tar_entry *entry = &reader->entry;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].flag == reader->header.type) {
            entry->type = types[i].type;
            size_t size = strlen(entry->path);
            if (reader->header.type == 0 && size > 0 && entry->path[size - 1] == '/') {
                entry->type = TAR_DIRECTORY; /* as archives older than ustar mark them */
            }
            if (entry->type != TAR_HARDLINK && entry->type != TAR_SYMLINK) {
                entry->link = "";
            }
            return 0;
        }
    }
    return error_set(err, ERROR_INVALID, EINVAL, "unhandled tar header type %d", reader->header.type);
}

static int tar_header_numbers(struct tar_reader *reader, struct error *err)
{
    const struct header *header = &reader->header;
    const struct pax *pax = &reader->pax;
    struct tar_entry *entry = &reader->entry;
    int64_t mode, uid, gid, size, mtime, major = 0, minor = 0;
    bool wrong = tar_number(header->mode, sizeof(header->mode), &mode) < 0 ||
                 tar_number(header->uid, sizeof(header->uid), &uid) < 0 ||
                 tar_number(header->gid, sizeof(header->gid), &gid) < 0 ||
                 tar_number(header->size, sizeof(header->size), &size) < 0 ||
                 tar_number(header->mtime, sizeof(header->mtime), &mtime) < 0;
    if (entry->type == TAR_CHAR || entry->type == TAR_BLOCK) {
        wrong = wrong || tar_number(header->major, sizeof(header->major), &major) < 0 ||
                tar_number(header->minor, sizeof(header->minor), &minor) < 0;
    }
    uid = pax->uid >= 0 ? pax->uid : uid;
    gid = pax->gid >= 0 ? pax->gid : gid;
    size = pax->size >= 0 ? pax->size : size;
    /* (uid_t)-1 means "leave it" to the kernel. */
    if (wrong || uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX || size < 0 || size > INT64_MAX / 2 ||
        major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff) {
        return tar_corrupt(err, "number out of range");
    }
    entry->mode = (mode_t)(mode & 07777);
    entry->uid = (uid_t)uid;
    entry->gid = (gid_t)gid;
    entry->size = entry->type == TAR_FILE ? size : 0;
    entry->mtime_seconds = pax->has_mtime ? pax->mtime_seconds : mtime;
    entry->mtime_nanoseconds = pax->has_mtime ? pax->mtime_nanoseconds : 0;
    entry->device_major = (unsigned)major;
    entry->device_minor = (unsigned)minor;
    return 0;
}

/* Forgets the records of a pax header; their text goes with the next one. */
static void tar_reset_pax(struct tar_reader *reader)
{
    strbuf_clear(&reader->pax_text);
    reader->pax =
        (struct pax){.size = -1, .uid = -1, .gid = -1, .sparse_size = -1, .sparse_major = -1, .sparse_minor = -1};
    reader->entry.xattr_count = 0;
    reader->segment_count = 0;
}

/* What stood before this entry (and for it alone) is forgotten. */
static void tar_reset(struct tar_reader *reader)
{
    tar_reset_pax(reader);
    strbuf_clear(&reader->long_name);
    strbuf_clear(&reader->long_link);
    reader->segment = 0;
    reader->segment_done = 0;
    reader->offset = 0;
    reader->sparse = false;
}

static int tar_begin_entry(struct tar_reader *reader, struct error *err)
{
    tar_header_names(reader);
    int r = tar_header_type(reader, err);
    if (r == 0) {
        r = tar_header_numbers(reader, err);
    }
    if (r < 0) {
        return r;
    }
    reader->left = reader->entry.size;
    reader->pad = (BLOCK - reader->left % BLOCK) % BLOCK;
    if (reader->entry.type == TAR_FILE) {
        r = sparse_begin(reader, err);
    }
    return r < 0 ? r : 1;
}

/* 1: a header is in reader->header; 0: end of the archive. */
static int tar_read_header(struct tar_reader *reader, struct error *err)
{
    int r = tar_read(reader, &reader->header, BLOCK, err);
    if (r <= 0) {
        return r;
    }
    if (tar_is_zero(&reader->header)) {
        reader->at_end = true;
        return 0;
    }
    return tar_checksum_is_right(&reader->header) ? 1 : tar_corrupt(err, "checksum");
}

/* Global headers and volume labels say nothing about a single file. 1: this was one and it is behind us. */
static int tar_skip_other(struct tar_reader *reader, struct error *err)
{
    struct strbuf CLEANUP_STRBUF ignored = STRBUF_INIT;
    if (reader->header.type != 'g' && reader->header.type != 'V') {
        return 0;
    }
    int r = tar_read_special(reader, &ignored, err);
    return r < 0 ? r : 1;
}

int tar_reader_next(struct tar_reader *reader, const struct tar_entry **ret_entry, struct error *err)
{
    int r = tar_skip(reader, reader->left, err);
    if (r == 0) {
        r = tar_skip(reader, reader->pad, err);
    }
    reader->left = 0;
    reader->pad = 0;
    tar_reset(reader);
    while (r >= 0) {
        r = reader->at_end ? 0 : tar_read_header(reader, err);
        if (r <= 0) {
            break;
        }
        r = tar_skip_other(reader, err);
        if (r != 0) {
            continue;
        }
        char type = reader->header.type;
        if (type == 'x') {
            tar_reset_pax(reader); /* a second one replaces the first */
            r = tar_read_special(reader, &reader->pax_text, err);
            r = r < 0 ? r : pax_records(reader, err);
        } else if (type == 'L' || type == 'K') {
            r = tar_read_special(reader, type == 'L' ? &reader->long_name : &reader->long_link, err);
        } else {
            r = tar_begin_entry(reader, err);
            break;
        }
    }
    if (r > 0) {
        *ret_entry = &reader->entry;
    }
    return r;
}

int tar_reader_data(struct tar_reader *reader, const void **ret_data, size_t *ret_size, int64_t *ret_offset,
                    struct error *err)
{
    if (reader->left == 0) {
        return 0;
    }
    int r = tar_fill(reader, err);
    if (r <= 0) {
        return r < 0 ? r : tar_truncated(err);
    }
    int64_t n = reader->left;
    if (reader->sparse) {
        while (reader->segment_done == reader->segments[reader->segment].size) {
            reader->segment++; /* the sizes add up to what is left, so there is a next one */
            reader->segment_done = 0;
        }
        const struct segment *s = &reader->segments[reader->segment];
        reader->offset = s->offset + reader->segment_done;
        n = s->size - reader->segment_done;
    }
    n = (uint64_t)n < reader->block_size ? n : (int64_t)reader->block_size;
    *ret_data = reader->block;
    *ret_size = (size_t)n;
    *ret_offset = reader->offset;
    tar_advance(reader, (size_t)n);
    reader->left -= n;
    reader->offset += n;
    reader->segment_done += n;
    return 1;
}
