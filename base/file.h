/* Whole files of our own (data root, exec root): small, trusted paths. */
#ifndef DORY_BASE_FILE_H
#define DORY_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Reads at most `limit` bytes (more is EFBIG) into a new NUL-terminated buffer. dir_fd may be AT_FDCWD. */
int file_read(int dir_fd, const char *path, size_t limit, char **ret_data, size_t *ret_size, struct error *err);
/* Replaces the file atomically (temporary name + rename). No fsync. */
int file_write_atomic(int dir_fd, const char *path, const void *data, size_t size, mode_t mode, struct error *err);
/*
 * The same for what means nothing after the machine has been started anew, and lives shortly: the new file changes
 * places with the old one, which is then removed. ext4 writes a file to the disk at once when it is renamed onto
 * another (auto_da_alloc of ext4(5)), and frees what was written when it is removed; so it is never written. A crash of
 * the machine may leave an empty file.
 */
int file_write_fleeting(int dir_fd, const char *path, const void *data, size_t size, mode_t mode, struct error *err);
/* Writes to an existing control file (cgroup, sysctl): open O_WRONLY, one write. 0 or -errno. */
int file_write_control(int dir_fd, const char *path, const char *text);
/* mkdir -p. 0 or -errno with message. */
int file_mkdirs(const char *path, mode_t mode, struct error *err);
/*
 * For a directory with one subdirectory for each of many things that come and go: they go to different parts of the
 * disk (FS_TOPDIR_FL, `chattr +T`). ext4 puts what is made in a directory near it, and without a journal it looks at
 * every inode there that was freed in the last minutes before it takes one: a new file then costs a millisecond where
 * much was removed. A hint: file systems that do not know it refuse it, which is fine.
 */
void file_spread(int dir_fd);

#endif
