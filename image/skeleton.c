#include "image/skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "image/deflate.h"
#include "image/inflate.h"

#define MAGIC "DORYTAR1"
#define HEADER_SIZE 16
#define OUT_SIZE (64 * 1024)
/* Literal bytes that are gathered before they become a record. */
#define LITERAL_MAX (32 * 1024)
#define READ_SIZE (256 * 1024)

/* ---- Writing ---- */

struct skeleton_writer {
    int fd;
    struct error error; /* the first failure */
    struct tar_observer observer;
    struct deflate *deflate;
    char literal[LITERAL_MAX];
    size_t literal_size;
    int64_t offset, size; /* of contents that are not written down yet; size 0: none */
};

static int to_file(void *data, const void *bytes, size_t size, struct error *err)
{
    struct skeleton_writer *writer = data;
    int r = fd_write_all(writer->fd, bytes, size);
    return r < 0 ? error_errno(err, r, "write the layer's skeleton") : 0;
}

static void put(struct skeleton_writer *writer, const void *data, size_t size)
{
    if (writer->error.kind == ERROR_NONE) {
        (void)deflate_write(writer->deflate, data, size, &writer->error); /* told by the finish */
    }
}

static void put_number(char *to, size_t size, uint64_t n)
{
    for (size_t i = 0; i < size; i++, n >>= 8) {
        to[i] = (char)(n & 0xff);
    }
}

static uint64_t get_number(const char *from, size_t size)
{
    uint64_t n = 0;
    for (size_t i = size; i > 0; i--) {
        n = n << 8 | (unsigned char)from[i - 1];
    }
    return n;
}

static void put_text(struct skeleton_writer *writer, char kind, const void *text, size_t size)
{
    char head[5] = {kind};
    put_number(head + 1, 4, size);
    put(writer, head, sizeof(head));
    put(writer, text, size);
}

static void flush_literal(struct skeleton_writer *writer)
{
    if (writer->literal_size > 0) {
        put_text(writer, 'L', writer->literal, writer->literal_size);
        writer->literal_size = 0;
    }
}

static void flush_content(struct skeleton_writer *writer)
{
    if (writer->size > 0) {
        char record[17] = {'D'};
        put_number(record + 1, 8, (uint64_t)writer->offset);
        put_number(record + 9, 8, (uint64_t)writer->size);
        put(writer, record, sizeof(record));
        writer->size = 0;
    }
}

static void on_literal(void *data, const void *bytes, size_t size)
{
    struct skeleton_writer *writer = data;
    const char *p = bytes;
    flush_content(writer);
    while (size > 0) {
        if (writer->literal_size == LITERAL_MAX) {
            flush_literal(writer);
        }
        size_t room = LITERAL_MAX - writer->literal_size, n = size < room ? size : room;
        memcpy(writer->literal + writer->literal_size, p, n);
        writer->literal_size += n;
        p += n;
        size -= n;
    }
}

static void on_file(void *data, const char *path)
{
    struct skeleton_writer *writer = data;
    flush_content(writer);
    flush_literal(writer);
    put_text(writer, 'F', path, strlen(path));
}

static void on_content(void *data, int64_t offset, size_t size)
{
    struct skeleton_writer *writer = data;
    if (writer->size > 0 && writer->offset + writer->size == offset) {
        writer->size += (int64_t)size;
        return;
    }
    flush_content(writer);
    flush_literal(writer);
    writer->offset = offset;
    writer->size = (int64_t)size;
}

int skeleton_writer_open(int dir_fd, struct skeleton_writer **ret, struct error *err)
{
    static const char empty[HEADER_SIZE];
    struct skeleton_writer *writer = xcalloc(1, sizeof(*writer));
    writer->observer =
        (struct tar_observer){.literal = on_literal, .file = on_file, .content = on_content, .data = writer};
    writer->fd = openat(dir_fd, SKELETON_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = writer->fd < 0 ? -errno : fd_write_all(writer->fd, empty, sizeof(empty));
    if (r < 0) {
        skeleton_writer_free(writer);
        return error_errno(err, r, "write the layer's skeleton");
    }
    writer->deflate = deflate_new(to_file, writer);
    *ret = writer;
    return 0;
}

const struct tar_observer *skeleton_writer_observer(struct skeleton_writer *writer)
{
    return &writer->observer;
}

int skeleton_writer_finish(struct skeleton_writer *writer, int64_t tar_size, struct error *err)
{
    char header[HEADER_SIZE] = MAGIC;
    flush_content(writer);
    flush_literal(writer);
    int r =
        writer->error.kind == ERROR_NONE ? deflate_finish(writer->deflate, err) : error_propagate(err, &writer->error);
    put_number(header + 8, 8, (uint64_t)tar_size);
    if (r == 0 && pwrite(writer->fd, header, sizeof(header), 0) != sizeof(header)) {
        r = error_errno(err, errno, "write the layer's skeleton");
    }
    return r;
}

void skeleton_writer_free(struct skeleton_writer *writer)
{
    if (writer != NULL) {
        deflate_free(writer->deflate);
        fd_close(writer->fd);
        free(writer);
    }
}

/* ---- Reading ---- */

struct rebuild {
    int diff_fd;
    tar_sink_fn sink;
    void *data;
    char room[OUT_SIZE]; /* of the inflater */
    char head[17];       /* of the record that begins */
    size_t head_size;
    char kind;        /* of the record whose text is read; 0: none */
    size_t text_left; /* bytes of it that are still to come */
    struct strbuf path;
    int file_fd;                 /* the file at `path`, -1: not open */
    int64_t file_size, file_end; /* of that file; where the last of what was read of it ended */
    char *buffer;
};

static int damaged(struct error *err)
{
    return error_set(err, ERROR_SYSTEM, EUCLEAN, "the layer's skeleton is damaged");
}

/* Done with the file: what the tar does not have of it is a hole at its end, or it was changed. */
static int close_content(struct rebuild *rebuild, struct error *err)
{
    int64_t at = rebuild->file_end;
    bool zero = true;
    while (rebuild->file_fd >= 0 && zero && at < rebuild->file_size) {
        off_t data = lseek(rebuild->file_fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) {
            break; /* nothing but the hole */
        }
        ssize_t n = data < 0 ? -1 : pread(rebuild->file_fd, rebuild->buffer, READ_SIZE, data);
        if (n < 0) {
            return error_errno(err, errno, "read file %s of the layer", strbuf_str(&rebuild->path));
        }
        for (ssize_t i = 0; zero && i < n; i++) {
            zero = rebuild->buffer[i] == 0;
        }
        at = n > 0 ? data + n : rebuild->file_size;
    }
    rebuild->file_fd = fd_close(rebuild->file_fd);
    return zero ? 0
                : error_set(err, ERROR_SYSTEM, EUCLEAN, "file %s of the layer is too long", strbuf_str(&rebuild->path));
}

static int open_content(struct rebuild *rebuild, struct error *err)
{
    struct stat st;
    const char *path = strbuf_str(&rebuild->path);
    int fd = beneath_open(rebuild->diff_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        return error_errno(err, fd, "file %s of the layer", path);
    }
    rebuild->file_fd = fd;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return damaged(err);
    }
    rebuild->file_size = st.st_size;
    rebuild->file_end = 0;
    return 0;
}

static int put_content(struct rebuild *rebuild, uint64_t offset, uint64_t size, struct error *err)
{
    int r = rebuild->file_fd < 0 ? open_content(rebuild, err) : 0;
    if (r == 0 && (offset > INT64_MAX || size > INT64_MAX - offset)) {
        return damaged(err);
    }
    while (r == 0 && size > 0) {
        ssize_t n = pread(rebuild->file_fd, rebuild->buffer, size < READ_SIZE ? size : READ_SIZE, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? error_errno(err, errno, "read file %s of the layer", strbuf_str(&rebuild->path))
                         : error_set(err, ERROR_SYSTEM, EUCLEAN, "file %s of the layer is too short",
                                     strbuf_str(&rebuild->path));
        }
        r = rebuild->sink(rebuild->data, rebuild->buffer, (size_t)n, err);
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    if (r == 0 && (int64_t)offset > rebuild->file_end) {
        rebuild->file_end = (int64_t)offset;
    }
    return r;
}

static int record_begins(struct rebuild *rebuild, struct error *err)
{
    char kind = rebuild->head[0];
    rebuild->head_size = 0;
    if (kind == 'D') {
        return put_content(rebuild, get_number(rebuild->head + 1, 8), get_number(rebuild->head + 9, 8), err);
    }
    rebuild->kind = kind;
    rebuild->text_left = (size_t)get_number(rebuild->head + 1, 4);
    int r = kind == 'F' ? close_content(rebuild, err) : 0;
    if (r < 0) {
        return r;
    }
    if (kind == 'F') {
        strbuf_clear(&rebuild->path);
    }
    size_t limit = kind == 'L' ? LITERAL_MAX : kind == 'F' ? PATH_MAX : 0;
    return rebuild->text_left > 0 && rebuild->text_left <= limit ? 0 : damaged(err);
}

static int record_text(struct rebuild *rebuild, const char *data, size_t size, struct error *err)
{
    rebuild->text_left -= size;
    if (rebuild->kind == 'F') {
        strbuf_add(&rebuild->path, data, size);
        return 0;
    }
    return rebuild->sink(rebuild->data, data, size, err);
}

static int on_inflated(void *data, size_t size, struct error *err)
{
    struct rebuild *rebuild = data;
    const char *p = rebuild->room;
    int r = 0;
    while (r == 0 && size > 0) {
        size_t n = 1;
        if (rebuild->text_left > 0) {
            n = size < rebuild->text_left ? size : rebuild->text_left;
            r = record_text(rebuild, p, n, err);
        } else {
            rebuild->head[rebuild->head_size++] = *p;
            size_t want = rebuild->head[0] == 'D' ? 17 : 5;
            r = rebuild->head_size == want ? record_begins(rebuild, err) : 0;
        }
        p += n;
        size -= n;
    }
    return r;
}

static int on_reserve(void *data, char **ret_room, size_t *ret_size, struct error *err)
{
    struct rebuild *rebuild = data;
    (void)err;
    *ret_room = rebuild->room;
    *ret_size = sizeof(rebuild->room);
    return 0;
}

static int open_skeleton(int dir_fd, int64_t *ret_size, struct error *err)
{
    char header[HEADER_SIZE];
    CLEANUP_CLOSE int fd = openat(dir_fd, SKELETON_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return error_errno(err, errno, "open the layer's skeleton");
    }
    if (fd_read_full(fd, header, sizeof(header)) != sizeof(header) || memcmp(header, MAGIC, 8) != 0) {
        return damaged(err);
    }
    *ret_size = (int64_t)get_number(header + 8, 8);
    return TAKE_FD(fd);
}

int skeleton_tar_size(int dir_fd, int64_t *ret, struct error *err)
{
    CLEANUP_CLOSE int fd = open_skeleton(dir_fd, ret, err);
    return fd < 0 ? fd : 0;
}

static int rebuild_all(struct rebuild *rebuild, int fd, struct error *err)
{
    CLEANUP_FREE char *input = xmalloc(OUT_SIZE);
    struct inflate_sink sink = {.reserve = on_reserve, .commit = on_inflated, .data = rebuild};
    struct inflate *inflate = inflate_new(&sink);
    ssize_t n;
    int r = 0;
    while (r == 0 && (n = fd_read_full(fd, input, OUT_SIZE)) != 0) {
        r = n < 0 ? error_errno(err, (int)n, "read the layer's skeleton")
                  : inflate_write(inflate, input, (size_t)n, err);
    }
    if (r == 0) {
        r = inflate_finish(inflate, err);
    }
    if (r == 0) {
        r = close_content(rebuild, err);
    }
    inflate_free(inflate);
    return r == 0 && (rebuild->text_left > 0 || rebuild->head_size > 0) ? damaged(err) : r;
}

int skeleton_rebuild(int dir_fd, tar_sink_fn sink, void *data, struct error *err)
{
    int64_t size;
    CLEANUP_CLOSE int fd = open_skeleton(dir_fd, &size, err);
    if (fd < 0) {
        return fd;
    }
    CLEANUP_CLOSE int diff_fd = openat(dir_fd, "diff", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (diff_fd < 0) {
        return error_errno(err, errno, "open the layer's directory");
    }
    struct rebuild *rebuild = xcalloc(1, sizeof(*rebuild));
    rebuild->diff_fd = diff_fd;
    rebuild->file_fd = -1;
    rebuild->sink = sink;
    rebuild->data = data;
    rebuild->buffer = xmalloc(READ_SIZE);
    int r = rebuild_all(rebuild, fd, err);
    fd_close(rebuild->file_fd);
    strbuf_release(&rebuild->path);
    free(rebuild->buffer);
    free(rebuild);
    return r;
}
