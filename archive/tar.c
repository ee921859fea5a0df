#include "archive/tar.h"

#include <errno.h>
#include <stddef.h>

#include "archive/tar_reader.h"
#include "base/memory.h"

#define STAR_MAGIC 508

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

int tar_corrupt(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID, EINVAL, "archive/tar: invalid tar header: %s", what);
}

int tar_truncated(struct error *err)
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

void tar_reader_observe(struct tar_reader *reader, const struct tar_observer *observer)
{
    reader->observer = observer;
}

void tar_reader_content_path(struct tar_reader *reader, const char *path)
{
    if (reader->observer != NULL) {
        reader->observer->file(reader->observer->data, path);
        reader->content_named = true;
    }
}

static void tar_advance(struct tar_reader *reader, size_t n)
{
    if (reader->observer != NULL) {
        reader->observer->literal(reader->observer->data, reader->block, n);
    }
    reader->block += n;
    reader->block_size -= n;
    reader->position += (int64_t)n;
}

/* The same for contents that the caller gets. */
static void tar_advance_content(struct tar_reader *reader, size_t n, int64_t offset)
{
    if (!reader->content_named) {
        tar_advance(reader, n);
        return;
    }
    reader->observer->content(reader->observer->data, offset, n);
    reader->block += n;
    reader->block_size -= n;
    reader->position += (int64_t)n;
}

int tar_read(struct tar_reader *reader, void *buffer, size_t size, struct error *err)
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

int tar_skip(struct tar_reader *reader, int64_t size, struct error *err)
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

int tar_number(const char *field, size_t size, int64_t *ret)
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
    for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
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
    return memcmp(header, &zero, TAR_BLOCK_SIZE) == 0;
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
    return tar_skip(reader, (TAR_BLOCK_SIZE - size % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE, err);
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
    reader->content_named = false;
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
    reader->pad = (TAR_BLOCK_SIZE - reader->left % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE;
    if (reader->entry.type == TAR_FILE) {
        r = tar_sparse_begin(reader, err);
    }
    return r < 0 ? r : 1;
}

/* 1: a header is in reader->header; 0: end of the archive. */
static int tar_read_header(struct tar_reader *reader, struct error *err)
{
    int r = tar_read(reader, &reader->header, TAR_BLOCK_SIZE, err);
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

/* What fills a file's last block. Some writers leave it out at the very end (docker's client does with a Dockerfile
 * from outside of the context), and Go's reader does not miss it. */
static int tar_skip_pad(struct tar_reader *reader, struct error *err)
{
    while (reader->pad > 0) {
        int r = tar_fill(reader, err);
        if (r <= 0) {
            return r;
        }
        size_t n = (uint64_t)reader->pad < reader->block_size ? (size_t)reader->pad : reader->block_size;
        tar_advance(reader, n);
        reader->pad -= (int64_t)n;
    }
    return 0;
}

int tar_reader_next(struct tar_reader *reader, const struct tar_entry **ret_entry, struct error *err)
{
    int r = tar_skip(reader, reader->left, err);
    if (r == 0) {
        r = tar_skip_pad(reader, err);
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
            r = r < 0 ? r : tar_pax_records(reader, err);
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
    tar_advance_content(reader, (size_t)n, reader->offset);
    reader->left -= n;
    reader->offset += n;
    reader->segment_done += n;
    return 1;
}

int tar_reader_drain(struct tar_reader *reader, struct error *err)
{
    int r;
    while ((r = tar_fill(reader, err)) > 0) {
        tar_advance(reader, reader->block_size);
    }
    return r;
}
