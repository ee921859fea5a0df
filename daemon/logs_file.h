/*
 * The files of one log: the current one and those that rotation has put aside, and lines out of them. Compressed ones
 * (NAME.1.gz) are inflated into files without a name when they are opened; they carry the modification time of what
 * they were made from, by which one that is open is known again.
 */
#ifndef DORY_DAEMON_LOGS_FILE_H
#define DORY_DAEMON_LOGS_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* More rotated files than this are not looked for. */
#define LOGS_FILES_MAX 1000
/* Longer lines are damage: a record is at most about 100 KB plus its attributes. */
#define LOGS_LINE_MAX (512 * 1024)

struct logs_path {
    int dir_fd;
    char *name;
};

/* -ENOENT when the directory is not there. */
int logs_path_open(const char *path, struct logs_path *ret);
void logs_path_release(struct logs_path *path);

/* Which files are worth opening: rotated ones have to be inflated for that. */
struct logs_wanted {
    int64_t tail;  /* the files that have so many lines together; -1: all */
    int64_t since; /* what was last written to before that (ns since the epoch) is left out; 0: nothing */
};

/* Descriptors of the files, oldest first; the caller closes them and frees the list. No files: count 0. wanted may be
 * NULL: all. */
int logs_files_open(const struct logs_path *path, const struct logs_wanted *wanted, int **ret_fds, size_t *ret_count);
/* After the end of the file behind fd, when it has been put aside: its successor. -ENOENT: it is still the current one
 * (or there is none yet). Without a file (-1), or after one that was dropped: the oldest there is. */
int logs_file_next(const struct logs_path *path, int fd);
/* Where the last `lines` lines of the files begin: the index of a file and an offset in it. */
int logs_files_tail(const int *fds, size_t count, int64_t lines, size_t *ret_index, off_t *ret_offset);

/* Reads a file line by line from an offset on. */
struct logs_reader {
    int fd;       /* not owned */
    off_t offset; /* of the next read */
    char *data;
    size_t capacity, start, end; /* what was read and not yet given out */
    bool skipping;               /* in a line that is too long */
};

void logs_reader_start(struct logs_reader *reader, int fd, off_t offset);
void logs_reader_release(struct logs_reader *reader);
/* The next whole line without its newline, valid until the next call and changeable. 1, 0 at the end of the file (an
 * unfinished line is kept for later), or -errno. */
int logs_reader_line(struct logs_reader *reader, char **ret_line, size_t *ret_size);

#endif
