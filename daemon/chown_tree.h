/* chown -R by descriptors, for "-v source:/path:U": symlinks are changed and never followed, mounts are not crossed. */
#ifndef DORY_DAEMON_CHOWN_TREE_H
#define DORY_DAEMON_CHOWN_TREE_H

#include <sys/types.h>

/* fd: the directory or file, not O_PATH; stays the caller's. 0 or -errno (-ELOOP: too deep). */
int chown_tree(int fd, uid_t uid, gid_t gid);

#endif
