#include "daemon/logs.h"

#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "base/timestamp.h"
#include "daemon/logs_file.h"
#include "daemon/logs_record.h"
#include "daemon/logs_seek.h"

/* A follower looks up this often even when nothing was said: should the shim have died without closing the log, or the
 * host have no inotify watch left. */
#define LOOK_UP_MS 1000

struct log_read {
    const struct logs_options *options;
    logs_record_fn record;
    bool (*ended)(void *data);
    void *data;
    int cancel_fd;
    struct logs_path path;
    struct logs_reader reader;
    int fd;         /* file that is being read; owned */
    int inotify_fd; /* -1: none */
    bool done;      /* the receiver has had enough, or `until` is passed */
};

static void log_read_release(struct log_read *job)
{
    logs_reader_release(&job->reader);
    logs_path_release(&job->path);
    fd_close(job->fd);
    fd_close(job->inotify_fd);
}

static int give_with_details(struct log_read *job, const struct logs_record *record)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    CLEANUP_FREE char *details = logs_record_details(record);

    strbuf_adds(&line, details);
    strbuf_addc(&line, ' ');
    strbuf_add(&line, record->text, record->text_size);
    return job->record(record->time, record->is_stderr, line.data, line.size, job->data);
}

static void give(struct log_read *job, char *line, size_t size)
{
    const struct logs_options *o = job->options;
    struct logs_record record;
    int r;

    /* What is damaged is passed over, as docker does. */
    if (logs_record_parse(line, size, &record) < 0)
        return;
    if (o->since && record.time < o->since)
        return;
    if (o->until && record.time > o->until) {
        job->done = true;
        return;
    }
    if (record.is_stderr ? !o->use_stderr : !o->use_stdout)
        return;
    if (o->details)
        r = give_with_details(job, &record);
    else
        r = job->record(record.time, record.is_stderr, record.text, record.text_size, job->data);
    job->done = r != 0;
}

/* To the end of the current file. */
static int read_lines(struct log_read *job)
{
    while (!job->done) {
        char *line;
        size_t size;
        int r = logs_reader_line(&job->reader, &line, &size);

        if (r <= 0)
            return r;
        give(job, line, size);
    }
    return 0;
}

static void switch_file(struct log_read *job, int fd, off_t offset)
{
    fd_close(job->fd);
    job->fd = fd;
    logs_reader_start(&job->reader, fd, offset);
}

/* Everything that was there at the beginning; the newest file stays open. */
static int read_files(struct log_read *job, int *fds, size_t count)
{
    size_t index = 0;
    off_t offset = 0;
    struct stat st;
    int r = 0;

    if (job->options->tail > 0)
        r = logs_files_tail(fds, count, job->options->tail, &index, &offset);
    if (job->options->tail == 0 && count > 0) {
        index = count - 1;
        r = fstat(fds[index], &st) < 0 ? -errno : 0;
        offset = r < 0 ? 0 : st.st_size;
    }
    if (job->options->tail < 0 && job->options->since && count > 0)
        r = logs_seek_since(fds[0], job->options->since, &offset);
    for (size_t i = index; i < count && r >= 0 && !job->done; i++) {
        switch_file(job, TAKE_FD(fds[i]), offset);
        offset = 0;
        r = read_lines(job);
    }
    return r;
}

static int read_history(struct log_read *job)
{
    int *fds;
    size_t count;
    const struct logs_wanted wanted = {.tail = job->options->tail, .since = job->options->since};
    int r = logs_files_open(&job->path, &wanted, &fds, &count);

    if (r < 0)
        return r;
    r = read_files(job, fds, count);
    for (size_t i = 0; i < count; i++)
        fd_close(fds[i]);
    free(fds);
    return r;
}

static void watch_directory(struct log_read *job)
{
    char dir[64];

    snprintf(dir, sizeof(dir), "/proc/self/fd/%d", job->path.dir_fd);
    job->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    /* Without it (the user's limit is reached) the log is looked at from time to time. */
    if (job->inotify_fd >= 0 && inotify_add_watch(job->inotify_fd, dir,
                                                  IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE |
                                                      IN_DELETE | IN_DELETE_SELF) < 0)
        job->inotify_fd = fd_close(job->inotify_fd);
}

/* Until something happens to the log. False when the reader is to stop. */
static bool wait_for_more(struct log_read *job)
{
    struct pollfd fds[] = {{.fd = job->inotify_fd, .events = POLLIN}, {.fd = job->cancel_fd, .events = POLLIN}};
    int64_t wait = LOOK_UP_MS;
    char events[4096];

    if (job->options->until) {
        int64_t left = (job->options->until - timestamp_now()) / 1000000 + 1;

        if (left <= 0)
            return false;
        wait = left < wait ? left : wait;
    }
    poll(fds, ARRAY_SIZE(fds), (int)wait);
    if (fds[1].revents)
        return false;
    /* What happened does not matter: everything is looked at. */
    while (fds[0].revents && read(job->inotify_fd, events, sizeof(events)) > 0)
        ;
    return true;
}

/* The first file once it is there, or the next one once the current one was put aside and is read to its very end. 1
 * when there is one. */
static int advance(struct log_read *job)
{
    int next, r;

    next = logs_file_next(&job->path, job->fd);
    if (next < 0)
        return next == -ENOENT ? 0 : next;
    /* Between our end of file and the rotation something may have been written. */
    r = job->fd >= 0 ? read_lines(job) : 0;
    switch_file(job, next, 0);
    return r < 0 ? r : 1;
}

static int follow(struct log_read *job)
{
    bool last = false;

    while (!job->done) {
        int r = job->fd >= 0 ? read_lines(job) : 0;

        if (r >= 0 && !job->done)
            r = advance(job);
        if (r < 0)
            return r;
        if (r > 0 || job->done)
            continue;
        if (last)
            break;
        /* After the answer everything is in the file, so one more look sees all of it. */
        if (job->ended && job->ended(job->data))
            last = true;
        else if (!wait_for_more(job))
            break;
    }
    return 0;
}

int logs_read(const char *path, const struct logs_options *options, logs_record_fn record, bool (*ended)(void *data),
              int cancel_fd, void *data, struct error *err)
{
    CLEANUP(log_read_release)
    struct log_read job = {
        .options = options,
        .record = record,
        .ended = ended,
        .data = data,
        .cancel_fd = cancel_fd,
        .path.dir_fd = -1,
        .reader.fd = -1,
        .fd = -1,
        .inotify_fd = -1,
    };
    int r = logs_path_open(path, &job.path);

    if (r == -ENOENT)
        return 0;
    /* Before the first look, so that nothing falls between the two. */
    if (r >= 0 && options->follow)
        watch_directory(&job);
    if (r >= 0 && (options->tail != 0 || options->follow))
        r = read_history(&job);
    if (r >= 0 && options->follow)
        r = follow(&job);
    return r < 0 ? error_errno(err, r, "read log %s", path) : 0;
}
