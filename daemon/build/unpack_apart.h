/* An archive that somebody sent, into a directory of the builder's. */
#ifndef DORY_DAEMON_BUILD_UNPACK_APART_H
#define DORY_DAEMON_BUILD_UNPACK_APART_H

#include "archive/tar.h"

/* Unpacks all of the stream below dir_fd and reads it to its end. In a thread with a umask of its own, so that modes
 * are the archive's whatever the daemon's is; blocks until it has ended. Nothing leads out of the directory. */
int build_unpack_apart(tar_source_fn source, void *data, int dir_fd, struct error *err);

#endif
