#include "archive/tar_writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "archive/tar_reader.h"
#include "base/memory.h"

#define BUFFER_SIZE (64 * 1024)
/* What fits into the octal digits of a header's fields. */
#define ID_MAX 07777777
#define SIZE_MAX_OCTAL INT64_C(077777777777)

struct tar_writer {
    tar_sink_fn sink;
    void *data;
    int64_t left; /* of the entry's contents */
    size_t pad;   /* behind them */
    size_t fill;
    char buffer[BUFFER_SIZE];
    struct strbuf pax, map;
};

struct tar_writer *tar_writer_new(tar_sink_fn sink, void *data)
{
    struct tar_writer *writer = xcalloc(1, sizeof(*writer));
    writer->sink = sink;
    writer->data = data;
    return writer;
}

void tar_writer_free(struct tar_writer *writer)
{
    if (writer == NULL)
        return;
    strbuf_release(&writer->pax);
    strbuf_release(&writer->map);
    free(writer);
}

void tar_writer_free_ptr(struct tar_writer **writer)
{
    tar_writer_free(*writer);
    *writer = NULL;
}

/* ---- Bytes ---- */

static int flush(struct tar_writer *writer, struct error *err)
{
    size_t size = writer->fill;
    writer->fill = 0;
    return size > 0 ? writer->sink(writer->data, writer->buffer, size, err) : 0;
}

static int put(struct tar_writer *writer, const void *data, size_t size, struct error *err)
{
    if (size > sizeof(writer->buffer) - writer->fill) {
        int r = flush(writer, err);
        if (r < 0)
            return r;
    }
    if (size >= sizeof(writer->buffer))
        return writer->sink(writer->data, data, size, err);
    memcpy(writer->buffer + writer->fill, data, size);
    writer->fill += size;
    return 0;
}

static size_t padding(int64_t size)
{
    return (size_t)((TAR_BLOCK_SIZE - size % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE);
}

static int put_padded(struct tar_writer *writer, const void *data, size_t size, struct error *err)
{
    static const char zero[TAR_BLOCK_SIZE];
    int r = put(writer, data, size, err);
    return r < 0 ? r : put(writer, zero, padding((int64_t)size), err);
}

/* ---- Headers ---- */

static void octal(char *field, size_t size, uint64_t n)
{
    field[size - 1] = 0;
    for (size_t i = size - 1; i > 0; i--, n >>= 3)
        field[i - 1] = (char)('0' + (n & 7));
}

static void set_checksum(struct header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    unsigned sum = 0;
    memset(header->checksum, ' ', sizeof(header->checksum));
    for (size_t i = 0; i < sizeof(*header); i++)
        sum += bytes[i];
    octal(header->checksum, 7, sum);
}

static void set_text(char *field, size_t room, const char *text, size_t size)
{
    memcpy(field, text, size < room ? size : room);
}

/* The length in front of a record counts itself. */
static void pax_add(struct strbuf *pax, const char *key, const void *value, size_t size)
{
    size_t rest = 1 + strlen(key) + 1 + size + 1, digits = 1;
    for (size_t limit = 10; rest + digits >= limit; limit *= 10)
        digits++;
    strbuf_addf(pax, "%zu %s=", rest + digits, key);
    strbuf_add(pax, value, size);
    strbuf_addc(pax, '\n');
}

static void pax_number(struct strbuf *pax, const char *key, int64_t n)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%lld", (long long)n);
    pax_add(pax, key, text, (size_t)size);
}

static void pax_time(struct strbuf *pax, int64_t seconds, long nanoseconds)
{
    char text[48];
    bool negative = seconds < 0 && nanoseconds > 0; /* -1.25 is two seconds back and 0.75 on */
    int size = negative && seconds == -1
                   ? snprintf(text, sizeof(text), "-0.%09ld", 1000000000 - nanoseconds)
                   : snprintf(text, sizeof(text), "%lld.%09ld", (long long)(negative ? seconds + 1 : seconds),
                              negative ? 1000000000 - nanoseconds : nanoseconds);
    while (text[size - 1] == '0')
        size--;
    if (text[size - 1] == '.')
        size--;
    pax_add(pax, "mtime", text, (size_t)size);
}

/* The path in name and prefix of ustar, cut at a slash. False: it does not fit. */
static bool set_path(struct header *header, const char *path)
{
    size_t size = strlen(path);
    if (size <= sizeof(header->name)) {
        set_text(header->name, sizeof(header->name), path, size);
        return true;
    }
    const size_t prefix_max = 155;
    for (size_t i = size - 1 < prefix_max ? size - 1 : prefix_max; i > 0; i--) {
        size_t rest = size - i - 1;
        if (path[i] == '/' && rest > 0 && rest <= sizeof(header->name)) {
            set_text(header->name, sizeof(header->name), path + i + 1, rest);
            set_text(header->rest, prefix_max, path, i);
            return true;
        }
        if (rest > sizeof(header->name))
            return false;
    }
    return false;
}

static void set_name(struct tar_writer *writer, struct header *header, const char *path)
{
    if (!set_path(header, path)) {
        pax_add(&writer->pax, "path", path, strlen(path));
        set_text(header->name, sizeof(header->name), path, strlen(path));
    }
}

static void set_link(struct tar_writer *writer, struct header *header, const char *link)
{
    size_t size = strlen(link);
    if (size > sizeof(header->link))
        pax_add(&writer->pax, "linkpath", link, size);
    set_text(header->link, sizeof(header->link), link, size);
}

static void set_id(struct tar_writer *writer, char *field, size_t size, const char *key, uint32_t id)
{
    if (id > ID_MAX)
        pax_number(&writer->pax, key, id);
    octal(field, size, id > ID_MAX ? 0 : id);
}

static void set_size(struct tar_writer *writer, struct header *header, int64_t size)
{
    if (size > SIZE_MAX_OCTAL)
        pax_number(&writer->pax, "size", size);
    octal(header->size, sizeof(header->size), size > SIZE_MAX_OCTAL ? 0 : (uint64_t)size);
}

static void set_time(struct tar_writer *writer, struct header *header, const struct tar_entry *entry)
{
    bool fits = entry->mtime_seconds >= 0 && entry->mtime_seconds <= SIZE_MAX_OCTAL;
    if (!fits || entry->mtime_nanoseconds != 0)
        pax_time(&writer->pax, entry->mtime_seconds, entry->mtime_nanoseconds);
    octal(header->mtime, sizeof(header->mtime), fits ? (uint64_t)entry->mtime_seconds : 0);
}

static void add_xattrs(struct tar_writer *writer, const struct tar_entry *entry)
{
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const struct tar_xattr *x = &entry->xattrs[i];
        CLEANUP_FREE char *key = xasprintf("SCHILY.xattr.%s", x->name);
        if (strchr(x->name, '=') == NULL) /* a record could not be read back */
            pax_add(&writer->pax, key, x->value, x->size);
    }
}

/* GNU's sparse format 1.0: the map stands in front of the contents, padded to whole blocks. */
static int64_t add_sparse(struct tar_writer *writer, struct header *header, const struct tar_entry *entry,
                          const struct tar_region *regions, size_t count)
{
    const char *slash = strrchr(entry->path, '/');
    int directory = slash != NULL ? (int)(slash - entry->path + 1) : 0;
    CLEANUP_FREE char *name = xasprintf("%.*sGNUSparseFile.0/%s", directory, entry->path, entry->path + directory);
    int64_t size = 0;
    strbuf_clear(&writer->map);
    strbuf_addf(&writer->map, "%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        strbuf_addf(&writer->map, "%lld\n%lld\n", (long long)regions[i].offset, (long long)regions[i].size);
        size += regions[i].size;
    }
    pax_number(&writer->pax, "GNU.sparse.major", 1);
    pax_number(&writer->pax, "GNU.sparse.minor", 0);
    pax_add(&writer->pax, "GNU.sparse.name", entry->path, strlen(entry->path));
    pax_number(&writer->pax, "GNU.sparse.realsize", entry->size);
    set_name(writer, header, name);
    return size + (int64_t)(writer->map.size + padding((int64_t)writer->map.size));
}

static void begin_header(struct header *header, char type, unsigned mode)
{
    memset(header, 0, sizeof(*header));
    memcpy(header->magic,
           "ustar\0"
           "00",
           sizeof(header->magic));
    header->type = type;
    octal(header->mode, sizeof(header->mode), mode);
    octal(header->uid, sizeof(header->uid), 0);
    octal(header->gid, sizeof(header->gid), 0);
    octal(header->size, sizeof(header->size), 0);
    octal(header->mtime, sizeof(header->mtime), 0);
    octal(header->major, sizeof(header->major), 0);
    octal(header->minor, sizeof(header->minor), 0);
}

static int put_pax(struct tar_writer *writer, const char *path, struct error *err)
{
    struct header header;
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *name = xasprintf("PaxHeaders.0/%.80s", slash != NULL && slash[1] != 0 ? slash + 1 : path);
    begin_header(&header, 'x', 0644);
    set_text(header.name, sizeof(header.name), name, strlen(name));
    octal(header.size, sizeof(header.size), writer->pax.size);
    set_checksum(&header);
    int r = put(writer, &header, sizeof(header), err);
    return r < 0 ? r : put_padded(writer, writer->pax.data, writer->pax.size, err);
}

static int put_header(struct tar_writer *writer, struct header *header, const struct tar_entry *entry, bool sparse,
                      struct error *err)
{
    int r = 0;
    if (writer->pax.size > TAR_PAX_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "%s: too many extended attributes for a tar archive", entry->path);
    if (writer->pax.size > 0)
        r = put_pax(writer, entry->path, err);
    set_checksum(header);
    if (r == 0)
        r = put(writer, header, sizeof(*header), err);
    return r < 0 || !sparse ? r : put_padded(writer, writer->map.data, writer->map.size, err);
}

int tar_writer_entry(struct tar_writer *writer, const struct tar_entry *entry, const struct tar_region *regions,
                     size_t region_count, struct error *err)
{
    static const char types[] = {[TAR_FILE] = '0',  [TAR_HARDLINK] = '1',  [TAR_SYMLINK] = '2', [TAR_CHAR] = '3',
                                 [TAR_BLOCK] = '4', [TAR_DIRECTORY] = '5', [TAR_FIFO] = '6'};
    struct header header;
    bool sparse = regions != NULL && entry->type == TAR_FILE;
    int64_t size = entry->type == TAR_FILE ? entry->size : 0;
    if (writer->left != 0)
        return error_set(err, ERROR_SYSTEM, EINVAL, "tar: the contents of the former file are incomplete");
    strbuf_clear(&writer->pax);
    begin_header(&header, types[entry->type], entry->mode & 07777);
    if (sparse)
        size = add_sparse(writer, &header, entry, regions, region_count);
    else
        set_name(writer, &header, entry->path);
    if (entry->type == TAR_SYMLINK || entry->type == TAR_HARDLINK)
        set_link(writer, &header, entry->link);
    set_id(writer, header.uid, sizeof(header.uid), "uid", entry->uid);
    set_id(writer, header.gid, sizeof(header.gid), "gid", entry->gid);
    set_size(writer, &header, size);
    set_time(writer, &header, entry);
    octal(header.major, sizeof(header.major), entry->device_major);
    octal(header.minor, sizeof(header.minor), entry->device_minor);
    add_xattrs(writer, entry);
    int r = put_header(writer, &header, entry, sparse, err);
    if (r < 0)
        return r;
    writer->left = sparse ? size - (int64_t)(writer->map.size + padding((int64_t)writer->map.size)) : size;
    writer->pad = padding(size);
    return 0;
}

int tar_writer_data(struct tar_writer *writer, const void *data, size_t size, struct error *err)
{
    static const char zero[TAR_BLOCK_SIZE];
    if ((int64_t)size > writer->left)
        return error_set(err, ERROR_SYSTEM, EINVAL, "tar: more contents than the header says");
    int r = put(writer, data, size, err);
    writer->left -= (int64_t)size;
    if (r == 0 && writer->left == 0 && size > 0)
        r = put(writer, zero, writer->pad, err);
    return r;
}

int64_t tar_writer_left(const struct tar_writer *writer)
{
    return writer->left;
}

int tar_writer_finish(struct tar_writer *writer, struct error *err)
{
    static const char end[2 * TAR_BLOCK_SIZE];
    if (writer->left != 0)
        return error_set(err, ERROR_SYSTEM, EINVAL, "tar: the contents of the last file are incomplete");
    int r = put(writer, end, sizeof(end), err);
    return r < 0 ? r : flush(writer, err);
}
