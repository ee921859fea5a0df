#include "runtime/mount_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"

int mount_attach(int mount_fd, int target_fd)
{
    int flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    return move_mount(mount_fd, "", target_fd, "", (unsigned)flags) < 0 ? -errno : 0;
}

int mount_clone_onto(int source_fd, bool recursive, uint64_t attributes, int target_fd)
{
    unsigned depth = recursive ? AT_RECURSIVE : 0;
    CLEANUP_CLOSE int clone = open_tree(source_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth);
    if (clone < 0)
        return -errno;
    struct mount_attr attr = {.attr_set = attributes};
    if (attributes != 0 && mount_setattr(clone, "", AT_EMPTY_PATH | depth, &attr, sizeof(attr)) < 0)
        return -errno;
    return mount_attach(clone, target_fd);
}
