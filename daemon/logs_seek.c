#include "daemon/logs_seek.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/logs_record.h"

#define BLOCK 65536
/* The range in which since is looked for no closer, and what is read before it: room for lines of the other stream. */
#define NEAR (4 * BLOCK)

/* ---- from the end ---- */

int logs_seek_tail(int fd, int64_t *lines, off_t *ret_offset, bool *ret_found)
{
    CLEANUP_FREE char *block = xmalloc(BLOCK);
    struct stat st;
    off_t position;
    bool at_end = true; /* the newline that ends the last line does not begin one */

    if (fstat(fd, &st) < 0)
        return -errno;
    *ret_found = false;
    *ret_offset = 0;
    for (position = st.st_size; position > 0;) {
        size_t size = position < BLOCK ? (size_t)position : BLOCK;
        char *p, *end;
        ssize_t n = pread(fd, block, size, position - (off_t)size);

        if (n != (ssize_t)size)
            return n < 0 ? -errno : -EIO;
        position -= (off_t)size;
        for (end = block + size; (p = memrchr(block, '\n', (size_t)(end - block))); end = p) {
            if (!at_end && --*lines == 0) {
                *ret_offset = position + (p - block) + 1;
                *ret_found = true;
                return 0;
            }
            at_end = false;
        }
    }
    /* The first line of the file has no newline before it. */
    if (!at_end && --*lines == 0)
        *ret_found = true;
    return 0;
}

/* ---- by time ---- */

/*
 * The latest time among the records that begin in the block at `position`. INT64_MAX when that says nothing: damage, or
 * parts of one line alone, which all have the time of its begin.
 */
static int latest_time(int fd, off_t position, char *block, int64_t *ret)
{
    ssize_t n = pread(fd, block, BLOCK, position);
    bool line_ends = false;
    int64_t latest = 0;

    if (n < 0)
        return -errno;
    char *end = block + n, *p = memchr(block, '\n', (size_t)n);
    for (p = p ? p + 1 : end; p < end;) {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        struct logs_record record;

        if (!newline)
            break;
        if (logs_record_parse(p, (size_t)(newline - p), &record) == 0) {
            latest = record.time > latest ? record.time : latest;
            line_ends = line_ends || (record.text_size > 0 && record.text[record.text_size - 1] == '\n');
        }
        p = newline + 1;
    }
    *ret = line_ends ? latest : INT64_MAX;
    return 0;
}

/* Behind the first newline from `position` on. */
static int next_line(int fd, off_t position, char *block, off_t *ret)
{
    for (;; position += BLOCK) {
        ssize_t n = pread(fd, block, BLOCK, position);
        char *newline = n > 0 ? memchr(block, '\n', (size_t)n) : NULL;

        if (n < 0)
            return -errno;
        if (n > 0 && !newline)
            continue;
        *ret = n == 0 ? position : position + (newline - block) + 1;
        return 0;
    }
}

int logs_seek_since(int fd, int64_t since, off_t *ret_offset)
{
    CLEANUP_FREE char *block = xmalloc(BLOCK);
    struct stat st;
    off_t low = 0, high;

    *ret_offset = 0;
    if (fstat(fd, &st) < 0)
        return -errno;
    for (high = st.st_size; high - low > NEAR;) {
        off_t middle = low + (high - low) / 2;
        int64_t latest = INT64_MAX;
        int r = latest_time(fd, middle, block, &latest);

        if (r < 0)
            return r;
        if (latest < since)
            low = middle;
        else
            high = middle;
    }
    return low > NEAR ? next_line(fd, low - NEAR, block, ret_offset) : 0;
}
