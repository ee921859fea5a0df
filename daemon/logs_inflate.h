/* Compressed log files, for reading. */
#ifndef DORY_DAEMON_LOGS_INFLATE_H
#define DORY_DAEMON_LOGS_INFLATE_H

/* More than so many bytes out of one file are not taken: it is damaged, or not ours. */
#define LOGS_INFLATE_MAX (INT64_C(1) << 34)

/*
 * Opens a gzip file in a directory and returns a descriptor of what is in it: a file without a name beside it, with the
 * same modification time. -errno (-ENOENT: not there).
 */
int logs_inflate(int dir_fd, const char *name);

#endif
