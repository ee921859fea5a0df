/* Where in a log to begin, so that what nobody asked for is not read. */
#ifndef DORY_DAEMON_LOGS_SEEK_H
#define DORY_DAEMON_LOGS_SEEK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A line's begin before which no record of the file is of `since` (ns since the epoch) or later; a few hundred KB more
 * than need be. Records of one stream are in the order of their times; those of the other one may be older by as much
 * as a line took to be written, which is allowed for. 0 or -errno.
 */
int logs_seek_since(int fd, int64_t since, off_t *ret_offset);
/* Where the last *lines lines of the file begin; as many as it has are taken from *lines. *ret_offset is 0 when there
 * are no more lines than those, and *ret_found says whether there are that many. 0 or -errno. */
int logs_seek_tail(int fd, int64_t *lines, off_t *ret_offset, bool *ret_found);

#endif
