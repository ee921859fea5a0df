#include "daemon/shim_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/timestamp.h"
#include "daemon/shim_sink.h"

/* Records are gathered so far before they are written in one go. */
#define GATHER 131072

struct pending {
    char *text; /* LOG_LINE_MAX bytes while there is an unfinished line, else NULL */
    size_t size;
    int64_t since; /* time of its first byte, or of the first part of a line that was cut */
    bool cut;      /* the last record of this stream was a part of a line that goes on */
};

struct log_writer {
    int dir_fd, fd;
    char *name; /* NULL: no file */
    struct log_sink *sink;
    bool compress;
    int compressing_fd; /* -1, or open while the last file that was put aside is being compressed */
    char *attrs;
    uint64_t max_size, file_size;
    unsigned max_files;
    char *buffer; /* mapped; only what is touched costs memory */
    size_t buffer_size, used;
    struct pending pending[LOG_STREAM_COUNT];
    int64_t time;
    char time_text[TIMESTAMP_MAX]; /* of `time` */
};

static int open_file(struct log_writer *w, int flags)
{
    CLEANUP_CLOSE int fd = openat(w->dir_fd, w->name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | flags, 0640);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    fd_close(w->fd);
    w->fd = TAKE_FD(fd);
    w->file_size = (uint64_t)st.st_size;
    return 0;
}

static int split_path(struct log_writer *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *dir = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");

    w->name = xstrdup(slash ? slash + 1 : path);
    w->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return w->dir_fd < 0 ? -errno : 0;
}

int log_writer_open(const struct log_writer_options *options, struct log_writer **ret, struct error *err)
{
    struct log_writer *w;
    int r;

    if (options->attrs && strlen(options->attrs) > LOG_ATTRS_MAX)
        return error_set(err, ERROR_INVALID, EINVAL, "log attributes are longer than %d bytes", LOG_ATTRS_MAX);
    w = xcalloc(1, sizeof(*w));
    w->dir_fd = w->fd = w->compressing_fd = -1;
    w->compress = options->compress;
    w->time = -1;
    w->attrs = xstrdup(options->attrs);
    w->max_size = options->max_size;
    w->max_files = options->max_files ? options->max_files : 1;
    w->buffer_size = GATHER + 6 * LOG_LINE_MAX + LOG_RECORD_OVERHEAD + (w->attrs ? strlen(w->attrs) : 0);
    w->buffer = mmap(NULL, w->buffer_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    r = w->buffer == MAP_FAILED ? -errno : options->path ? split_path(w, options->path) : 0;
    if (r < 0) {
        log_writer_close(w);
        return error_errno(err, r, "failed to open log %s", options->path);
    }
    w->sink = options->sink;
    *ret = w;
    return 0;
}

void log_writer_close(struct log_writer *w)
{
    if (!w)
        return;
    for (int i = 0; i < LOG_STREAM_COUNT; i++)
        free(w->pending[i].text);
    if (w->buffer != MAP_FAILED)
        munmap(w->buffer, w->buffer_size);
    /* Without a file there is no closing for those who wait for one; the directory tells them. */
    if (w->fd < 0 && w->dir_fd >= 0)
        (void)!utimensat(w->dir_fd, ".", NULL, 0); /* removed already: then nobody waits */
    fd_close(w->fd);
    fd_close(w->dir_fd);
    fd_close(w->compressing_fd);
    log_sink_close(w->sink);
    free(w->name);
    free(w->attrs);
    free(w);
}

/* What is at one place goes to the next, compressed or not; what was there is dropped. */
static int move_aside(struct log_writer *w, unsigned to)
{
    static const char *const suffixes[] = {"", ".gz"};

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        CLEANUP_FREE char *name = xasprintf("%s.%u%s", w->name, to, suffixes[i]);

        if (unlinkat(w->dir_fd, name, 0) < 0 && errno != ENOENT)
            return -errno;
    }
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        CLEANUP_FREE char *name = xasprintf("%s.%u%s", w->name, to, suffixes[i]);
        CLEANUP_FREE char *from = to > 1   ? xasprintf("%s.%u%s", w->name, to - 1, suffixes[i])
                                  : i == 0 ? xstrdup(w->name)
                                           : NULL;

        if (from && renameat(w->dir_fd, from, w->dir_fd, name) < 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

/* The names that the compressor works with must not change under it. */
static void await_compressor(struct log_writer *w)
{
    char byte;

    if (w->compressing_fd < 0)
        return;
    while (read(w->compressing_fd, &byte, 1) < 0 && errno == EINTR)
        ;
    w->compressing_fd = fd_close(w->compressing_fd);
}

static void compress_first(struct log_writer *w)
{
    CLEANUP_FREE char *name = xasprintf("%s.1", w->name);

    /* When that fails the file stays as it is, which readers understand. */
    if (log_compress_start(w->dir_fd, name, &w->compressing_fd) < 0)
        w->compressing_fd = -1;
}

/* name.N-1 is dropped, name.i becomes name.i+1, name becomes name.1. Readers keep the files they have open. */
static int rotate(struct log_writer *w)
{
    int r;
    bool there = faccessat(w->dir_fd, w->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; /* not after a half-done rotation */

    await_compressor(w);
    for (unsigned i = w->max_files - 1; there && i > 0; i--) {
        r = move_aside(w, i);
        if (r < 0)
            return r;
    }
    if (w->max_files == 1 && unlinkat(w->dir_fd, w->name, 0) < 0 && errno != ENOENT)
        return -errno;
    r = open_file(w, O_EXCL);
    if (r >= 0 && w->compress && w->max_files > 1)
        compress_first(w);
    return r;
}

/* Writes whole records. When the disk is full in the middle of one, what is there of it is taken back. */
static int write_records(struct log_writer *w, const char *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(w->fd, data + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int r = n < 0 ? -errno : -ENOSPC;
            const char *end = done ? memrchr(data, '\n', done) : NULL;
            size_t whole = end ? (size_t)(end - data) + 1 : 0;

            if (whole != done && ftruncate(w->fd, (off_t)(w->file_size + whole)) < 0)
                r = -errno;
            w->file_size += whole;
            return r;
        }
        done += (size_t)n;
    }
    w->file_size += size;
    return 0;
}

/*
 * As docker, a file may outgrow max_size by the record that reaches it: rotation comes before the next one. A rotation
 * that fails is reported, and the file that is there goes on being written.
 */
static int flush(struct log_writer *w)
{
    const char *data = w->buffer, *end = w->buffer + w->used;
    int result = 0, r = 0;

    if (data < end && w->fd < 0)
        r = open_file(w, 0);
    while (data < end && r >= 0) {
        size_t size = (size_t)(end - data);

        if (w->max_size && w->file_size >= w->max_size) {
            int rotated = rotate(w);

            if (rotated < 0)
                result = rotated;
        }
        if (w->max_size) {
            uint64_t left = w->file_size < w->max_size ? w->max_size - w->file_size : 1;
            const char *newline = left < size ? memchr(data + left - 1, '\n', size - left + 1) : NULL;

            if (newline)
                size = (size_t)(newline - data) + 1;
        }
        r = write_records(w, data, size);
        data += size;
    }
    w->used = 0;
    return r < 0 ? r : result;
}

static int put_record(struct log_writer *w, enum log_stream stream, const char *text, size_t size, bool newline,
                      int64_t time)
{
    int r = w->sink ? log_sink_add(w->sink, stream, text, size, newline, time) : 0;
    int flushed = 0;

    if (!w->name)
        return r;
    if (time != w->time) {
        timestamp_format(w->time_text, time);
        w->time = time;
    }
    w->used += log_record_write(w->buffer + w->used, text, size, newline, stream, w->attrs, w->time_text);
    if (w->used >= GATHER)
        flushed = flush(w);
    return r < 0 ? r : flushed;
}

/* One step through the data: the rest of a line, or a part of LOG_LINE_MAX bytes, or the unfinished end. */
static size_t take_line(struct log_writer *w, enum log_stream stream, const char *data, size_t size, int64_t time,
                        int *ret_result)
{
    struct pending *p = &w->pending[stream];
    size_t room = LOG_LINE_MAX - p->size;
    size_t window = size < room ? size : room;
    const char *newline = memchr(data, '\n', window);
    size_t taken = newline ? (size_t)(newline - data) : window;
    int64_t when = p->size || p->cut ? p->since : time;
    const char *text = data;
    size_t text_size = taken;

    if (p->size || (!newline && window < room)) {
        if (!p->text)
            p->text = xmalloc(LOG_LINE_MAX);
        memcpy(p->text + p->size, data, taken);
        p->size += taken;
        p->since = when;
        text = p->text;
        text_size = p->size;
    }
    if (newline || text_size == LOG_LINE_MAX) {
        int r = put_record(w, stream, text, text_size, newline != NULL, when);

        if (r < 0)
            *ret_result = r;
        p->size = 0;
        p->cut = !newline;
        p->since = when;
    }
    return newline ? taken + 1 : taken;
}

int log_writer_add(struct log_writer *w, enum log_stream stream, const char *data, size_t size, int64_t time)
{
    int result = 0, r;

    while (size > 0) {
        size_t n = take_line(w, stream, data, size, time, &result);

        data += n;
        size -= n;
    }
    if (w->pending[stream].size == 0) {
        free(w->pending[stream].text);
        w->pending[stream].text = NULL;
    }
    r = flush(w);
    return result < 0 ? result : r;
}

int log_writer_end(struct log_writer *w, enum log_stream stream)
{
    struct pending *p = &w->pending[stream];
    int r = 0, flushed;

    if (p->size > 0)
        r = put_record(w, stream, p->text, p->size, false, p->since);
    free(p->text);
    *p = (struct pending){0};
    flushed = flush(w);
    return r < 0 ? r : flushed;
}

struct log_sink *log_writer_sink(struct log_writer *w)
{
    return w->sink;
}

struct log_sink *log_writer_take_sink(struct log_writer *w)
{
    return TAKE_PTR(w->sink);
}

void log_writer_trim(struct log_writer *w)
{
    madvise(w->buffer, w->buffer_size, MADV_DONTNEED);
}
