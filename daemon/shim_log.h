/*
 * Writing a container's log in docker's json-file format, one record per line:
 *
 *     {"log":"text\n","stream":"stdout","attrs":{...},"time":"2024-01-02T03:04:05.678901234Z"}
 *
 * Output is cut at newlines; what grows beyond LOG_LINE_MAX without one, and what is left at the end, becomes a partial
 * record whose text has no newline. Files are rotated by size (path, path.1, path.2, ...; compressed ones end in .gz).
 * Records may go to a sink (shim_sink.h) as well, or instead. Used by the shim.
 */
#ifndef DORY_DAEMON_SHIM_LOG_H
#define DORY_DAEMON_SHIM_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define LOG_LINE_MAX 16384
/* Limit on the text of `attrs`. */
#define LOG_ATTRS_MAX 65536
/* A record is at most so much longer than its text, each byte of which becomes at most six. */
#define LOG_RECORD_OVERHEAD 160

enum log_stream { LOG_STDOUT, LOG_STDERR, LOG_STREAM_COUNT };

struct log_writer;
struct log_sink;

struct log_writer_options {
    const char *path;      /* made with mode 0640 by the first record; its directory must exist. NULL: no file */
    uint64_t max_size;     /* rotate when a file has reached so many bytes; 0: never */
    unsigned max_files;    /* with max_size: files that are kept, the current one included; 0 counts as 1 */
    const char *attrs;     /* a JSON object that every record carries, or NULL */
    bool compress;         /* files that are put aside, by a child process that is not waited for */
    struct log_sink *sink; /* NULL: none; the writer's from a success on */
};

int log_writer_open(const struct log_writer_options *options, struct log_writer **ret, struct error *err);
/* Whoever watches the directory with inotify notices: the file is closed after writing or, if there never was one, the
 * directory's attributes change. */
void log_writer_close(struct log_writer *writer);

/*
 * Adds what a stream has said at `time` (ns since the epoch) and writes the records that are complete. -errno when the
 * file does not take them: they are dropped, never in part, and the next ones are tried again.
 */
int log_writer_add(struct log_writer *writer, enum log_stream stream, const char *data, size_t size, int64_t time);
/* The stream has ended: what is left of it becomes a partial record. */
int log_writer_end(struct log_writer *writer, enum log_stream stream);
/* NULL when there is none. */
struct log_sink *log_writer_sink(struct log_writer *writer);
/* The same, and it is the caller's from now on: the writer's end does not close it. */
struct log_sink *log_writer_take_sink(struct log_writer *writer);
/* Gives memory back to the kernel; for pauses between bursts. */
void log_writer_trim(struct log_writer *writer);

/*
 * Pure: one record into `out` (room for 6 * size + strlen(attrs) + LOG_RECORD_OVERHEAD). `newline` adds one to the
 * text. Returns its size.
 */
size_t log_record_write(char *out, const char *text, size_t size, bool newline, enum log_stream stream,
                        const char *attrs, const char *time_text);

/* shim_log_compress.c: name becomes name.gz with the same modification time, by which readers that have name open know
 * it again. 0 or -errno. */
int log_compress(int dir_fd, const char *name);
/* The same in a child process. *ret_fd reads an end of file when that is done. */
int log_compress_start(int dir_fd, const char *name, int *ret_fd);

#endif
