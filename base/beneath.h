/*
 * The one way into a tree that a container or an image controls. Paths are resolved with openat2(2) RESOLVE_IN_ROOT
 * (symlinks, absolute ones too, cannot leave the root; magic links refused) and the caller works on the descriptor that
 * comes back. Nothing else in dory opens such a path by string.
 */
#ifndef DORY_BASE_BENEATH_H
#define DORY_BASE_BENEATH_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/* openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS. O_CLOEXEC is added. Descriptor or -errno (-ENOSYS before
 * Linux 5.6). "/" is the root itself. */
int beneath_open(int root_fd, const char *path, int flags, mode_t mode);
/* As beneath_open() but what leads out, an absolute symlink too, is refused instead of bent inside (-EXDEV); `path` is
 * relative. */
int beneath_open_inside(int root_fd, const char *path, int flags);
/* As beneath_open() but symlinks are refused everywhere (-ELOOP): for trees nobody may redirect. */
int beneath_open_nofollow(int root_fd, const char *path, int flags, mode_t mode);
/*
 * mkdir -p inside the root: existing directories and symlinks to directories inside the root are walked through,
 * missing ones made with `mode` (less the umask); a dangling symlink gets its target made. Returns an O_PATH descriptor
 * of the last one, or -errno.
 */
int beneath_mkdirs(int root_fd, const char *path, mode_t mode);
/*
 * Resolves everything but the last component and returns an O_PATH descriptor of the parent directory; *ret_name (the
 * caller frees) is the last component, without slashes behind it and never "." or ".."; a path without such a component
 * ("/", "a/..") is -EINVAL. With make_parents missing parents are made 0755.
 */
int beneath_open_parent(int root_fd, const char *path, bool make_parents, char **ret_name);
/* The path without symlinks and dots, "/a/b", as it is inside the root now (somebody may change that at once: for
 * texts, not for access). Components that do not exist are kept as they are written. The caller frees. 0 or -errno. */
int beneath_resolve(int root_fd, const char *path, char **ret);
/* Makes an empty regular file (0644) or a directory (is_dir, 0755) at path with its parents (0755), unless something is
 * there already. Returns an O_PATH descriptor to it, symlinks resolved inside the root. */
int beneath_make_target(int root_fd, const char *path, bool is_dir);
/* The same for a tree whose root is somebody else's (of a user namespace): what is made belongs to `owner` (NULL: to
 * us) where it lies in root_fd's own mount. In others it stays ours: who may rename there could have something of the
 * host in its place by then. */
struct beneath_owner {
    uid_t uid;
    gid_t gid;
};
int beneath_make_target_owned(int root_fd, const char *path, bool is_dir, const struct beneath_owner *owner);
/* Whole file, at most `limit` bytes, regular files only (a FIFO or device there is -EINVAL and is never waited on). */
int beneath_read_file(int root_fd, const char *path, size_t limit, char **ret_data, size_t *ret_size);
/* rm -rf of `name` (one component) in dir_fd, by descriptors, never following symlinks, never crossing mounts (-EXDEV
 * where one is met, with the rest of the tree partly gone). Any depth. Absent is fine. */
int beneath_remove_tree(int dir_fd, const char *name);

#endif
