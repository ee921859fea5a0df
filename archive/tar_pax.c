/* Extended headers (pax, POSIX.1-2001): members that do not fit into ustar, and extended attributes. */
#include <errno.h>
#include <stddef.h>

#include "archive/tar_reader.h"
#include "base/memory.h"
#include "base/parse.h"

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
                                                                 : tar_segment_add(reader, offset, 0, err);
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

int tar_pax_records(struct tar_reader *reader, struct error *err)
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
