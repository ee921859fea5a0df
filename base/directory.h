/* Reading directories by descriptor (readdir(3)). */
#ifndef DORY_BASE_DIRECTORY_H
#define DORY_BASE_DIRECTORY_H

#include <dirent.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/strv.h"

#define CLEANUP_DIRECTORY CLEANUP(directory_close)
void directory_close(DIR **dir); /* *dir may be NULL */

/*
 * The directory `name` in dir_fd, from its beginning; "." is dir_fd itself, which may be O_PATH. A symbolic link is not
 * followed. dir_fd stays the caller's; dirfd(3) of *ret is close-on-exec. 0 or -errno (-ENOTDIR, also for a link).
 */
int directory_open(int dir_fd, const char *name, DIR **ret);
/* The next name, never "." or "..", valid until the next call. 1, 0 at the end, or -errno. */
int directory_next(DIR *dir, const char **ret_name);
/* All names in the directory `name` of dir_fd, in order, added to ret. 0 or -errno, as of opening and reading it. */
int directory_list(int dir_fd, const char *name, struct strv *ret);

/*
 * Bytes of the files and symbolic links in the directory `name` of dir_fd and below; those with several names count for
 * each of them. Names that go away meanwhile, and what lies deeper than 512 directories, do not count. 0 or -errno of
 * opening it; *ret stays as it is then.
 */
int directory_size(int dir_fd, const char *name, int64_t *ret);

#endif
