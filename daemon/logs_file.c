#include "daemon/logs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/memory.h"
#include "daemon/logs_inflate.h"
#include "daemon/logs_seek.h"

#define BLOCK 65536
/* Rotations that may come between while the files are opened. */
#define TRIES 20
#define TRY_PAUSE_NS 500000
#define COARSE_SECONDS 2

int logs_path_open(const char *path, struct logs_path *ret)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *dir = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    ret->dir_fd = fd;
    ret->name = xstrdup(slash ? slash + 1 : path);
    return 0;
}

void logs_path_release(struct logs_path *path)
{
    fd_close_ptr(&path->dir_fd);
    free(path->name);
    path->name = NULL;
}

static char *numbered_name(const struct logs_path *path, size_t i, const char *suffix)
{
    return i ? xasprintf("%s.%zu%s", path->name, i, suffix) : xstrdup(path->name);
}

/* The i-th file, 0 being the current one. */
static int open_numbered(const struct logs_path *path, size_t i)
{
    CLEANUP_FREE char *name = numbered_name(path, i, "");
    CLEANUP_FREE char *compressed = numbered_name(path, i, ".gz");
    int fd = openat(path->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0 && errno == ENOENT && i > 0)
        return logs_inflate(path->dir_fd, compressed);
    return fd < 0 ? -errno : fd;
}

static bool same_time(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

enum place { PLACE_EMPTY, PLACE_OTHER, PLACE_SAME };

/* Whether what is open as fd is, or was made into, the file at a place. */
static enum place look_at(const struct logs_path *path, size_t i, int fd)
{
    CLEANUP_FREE char *name = numbered_name(path, i, "");
    CLEANUP_FREE char *compressed = numbered_name(path, i, ".gz");
    struct stat own, there;

    if (fd >= 0 && fstat(fd, &own) < 0)
        return PLACE_OTHER;
    if (fstatat(path->dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0)
        return fd >= 0 && ((own.st_dev == there.st_dev && own.st_ino == there.st_ino) ||
                           (i > 0 && own.st_nlink == 0 && same_time(&own, &there)))
                   ? PLACE_SAME
                   : PLACE_OTHER;
    if (i > 0 && fstatat(path->dir_fd, compressed, &there, AT_SYMLINK_NOFOLLOW) == 0)
        return fd >= 0 && same_time(&own, &there) ? PLACE_SAME : PLACE_OTHER;
    return PLACE_EMPTY;
}

static bool is_numbered(const struct logs_path *path, size_t i, int fd)
{
    return look_at(path, i, fd) == PLACE_SAME;
}

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fd_close(fds[i]);
    free(fds);
}

static void reverse(int *fds, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        int fd = fds[i];

        fds[i] = fds[count - 1 - i];
        fds[count - 1 - i] = fd;
    }
}

/* The names are shifted one after the other, the oldest first: meanwhile one of them is nobody's. */
static bool is_hole(const struct logs_path *path, size_t i)
{
    return i > 0 && i + 1 < LOGS_FILES_MAX && look_at(path, i + 1, -1) != PLACE_EMPTY;
}

/* Whether the file at a place was last written to before `since`. The clock of modification times is coarse, and one
 * that was put aside was written to before that. */
static bool is_before(const struct logs_path *path, size_t i, int64_t since)
{
    CLEANUP_FREE char *name = numbered_name(path, i, "");
    CLEANUP_FREE char *compressed = numbered_name(path, i, ".gz");
    struct stat st;

    if (fstatat(path->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
        fstatat(path->dir_fd, compressed, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return (int64_t)st.st_mtim.tv_sec + COARSE_SECONDS < since / 1000000000;
}

/* The files that are open, newest first, are enough. */
static bool is_enough(const struct logs_path *path, const struct logs_wanted *wanted, const int *fds, size_t count,
                      size_t next)
{
    int64_t lines = wanted ? wanted->tail : -1;
    bool found = lines == 0;
    off_t offset;

    if (!wanted || count == 0)
        return false;
    for (size_t i = 0; i < count && lines > 0 && !found; i++) {
        if (logs_seek_tail(fds[i], &lines, &offset, &found) < 0)
            return false;
    }
    return found || (wanted->since > 0 && is_before(path, next, wanted->since));
}

/* All that are wanted, newest first. 1: complete; 0: a rotation came in between. patient: it may still end; otherwise
 * the gap that it left is passed over. */
static int open_all(const struct logs_path *path, const struct logs_wanted *wanted, bool patient, int **fds,
                    size_t *count)
{
    size_t capacity = 0, first = 0;
    for (size_t i = 0; i < LOGS_FILES_MAX && !is_enough(path, wanted, *fds, *count, i); i++) {
        int fd = open_numbered(path, i);

        if (fd == -ENOENT && i == 0) {
            first = 1;
            continue; /* between the two steps of a rotation, or never written */
        }
        if (fd == -ENOENT && is_hole(path, i)) {
            if (patient)
                return 0;
            continue;
        }
        if (fd == -ENOENT)
            break;
        if (fd < 0)
            return fd;
        xgrow((void **)fds, *count, &capacity, sizeof(**fds));
        (*fds)[(*count)++] = fd;
    }
    /* When each is still where it was, none was missed or taken twice. */
    for (size_t i = 0; i < *count && patient; i++) {
        if (!is_numbered(path, first + i, (*fds)[i]))
            return 0;
    }
    return 1;
}

int logs_files_open(const struct logs_path *path, const struct logs_wanted *wanted, int **ret_fds, size_t *ret_count)
{
    for (int try = 0;; try++) {
        int *fds = NULL;
        size_t count = 0;
        int r = open_all(path, wanted, try < TRIES - 1, &fds, &count);

        if (r > 0) {
            reverse(fds, count);
            *ret_fds = fds;
            *ret_count = count;
            return 0;
        }
        close_all(fds, count);
        if (r < 0)
            return r;
        nanosleep(&(struct timespec){.tv_nsec = TRY_PAUSE_NS}, NULL);
    }
}

int logs_file_next(const struct logs_path *path, int fd)
{
    for (int try = 0; try < TRIES; try++) {
        size_t place = 0;
        int next;

        while (place < LOGS_FILES_MAX) {
            enum place there = look_at(path, place, fd);

            if (there == PLACE_SAME)
                break;
            place = there == PLACE_EMPTY && place > 0 && !is_hole(path, place) ? LOGS_FILES_MAX : place + 1;
        }
        if (place == 0)
            return -ENOENT;
        /* Dropped altogether: what is oldest now comes closest. */
        if (place == LOGS_FILES_MAX) {
            int *fds;
            size_t count;
            int r = logs_files_open(path, NULL, &fds, &count);

            if (r < 0 || count == 0)
                return r < 0 ? r : -ENOENT;
            next = TAKE_FD(fds[0]);
            close_all(fds, count);
            return next;
        }
        next = open_numbered(path, place - 1);
        /* A gap: the rotation will fill it, unless it never came to its end. */
        for (size_t i = place - 1; next == -ENOENT && i > 0 && try == TRIES - 1; i--)
            next = open_numbered(path, i - 1);
        if (next < 0 && place == 1)
            return next;
        if (next >= 0 && is_numbered(path, place, fd))
            return next;
        fd_close(next);
        nanosleep(&(struct timespec){.tv_nsec = TRY_PAUSE_NS}, NULL);
    }
    return -ENOENT;
}

int logs_files_tail(const int *fds, size_t count, int64_t lines, size_t *ret_index, off_t *ret_offset)
{
    *ret_index = 0;
    *ret_offset = 0;
    for (size_t i = count; i > 0; i--) {
        bool found;
        int r = logs_seek_tail(fds[i - 1], &lines, ret_offset, &found);

        if (r < 0)
            return r;
        *ret_index = i - 1;
        if (found)
            return 0;
    }
    return 0;
}

void logs_reader_start(struct logs_reader *reader, int fd, off_t offset)
{
    reader->fd = fd;
    reader->offset = offset;
    reader->start = reader->end = 0;
    reader->skipping = false;
}

void logs_reader_release(struct logs_reader *reader)
{
    free(reader->data);
    *reader = (struct logs_reader){.fd = -1};
}

/* Room for another block behind what is there. */
static void make_room(struct logs_reader *r)
{
    if (r->start > 0) {
        memmove(r->data, r->data + r->start, r->end - r->start);
        r->end -= r->start;
        r->start = 0;
    }
    if (r->capacity - r->end < BLOCK) {
        r->capacity = r->end + BLOCK;
        r->data = xrealloc(r->data, r->capacity);
    }
}

int logs_reader_line(struct logs_reader *r, char **ret_line, size_t *ret_size)
{
    size_t searched = 0;

    for (;;) {
        size_t have = r->end - r->start;
        char *newline = have > searched ? memchr(r->data + r->start + searched, '\n', have - searched) : NULL;
        ssize_t n;

        if (newline) {
            char *line = r->data + r->start;
            bool skip = r->skipping;

            r->start = (size_t)(newline - r->data) + 1;
            r->skipping = false;
            searched = 0;
            if (skip)
                continue;
            *ret_line = line;
            *ret_size = (size_t)(newline - line);
            return 1;
        }
        if (have > LOGS_LINE_MAX) {
            r->skipping = true;
            r->start = r->end = have = 0;
        }
        searched = have;
        make_room(r);
        n = pread(r->fd, r->data + r->end, r->capacity - r->end, r->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        r->end += (size_t)n;
        r->offset += n;
    }
}
