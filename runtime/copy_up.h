/* Internal to runtime/: podman's "tmpcopyup": a tmpfs that starts with a copy of the directory it covers. */
#ifndef DORY_RUNTIME_COPY_UP_H
#define DORY_RUNTIME_COPY_UP_H

/* Copies directories, files, symlinks and device nodes with owner, mode and times; no xattrs. Never follows symlinks.
 * `from` is an O_PATH directory, `to` a detached mount. 0 or -errno. */
int copy_up(int from, int to);

#endif
