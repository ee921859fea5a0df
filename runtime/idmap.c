#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/user_maps.h"

static int open_of(pid_t pid, const char *where, const struct json_array *uids, const struct json_array *gids,
                   struct error *err)
{
    int r = user_maps_write(pid, where, uids, gids, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *path = xasprintf("/proc/%d/ns/user", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "cannot open %s", path) : fd;
}

int idmap_open_namespace(const char *where, const struct json_array *uids, const struct json_array *gids,
                         struct error *err)
{
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0)
        return error_errno(err, errno, "%s: cannot make a user namespace for the mappings", where);
    if (pid == 0) /* only there for its namespace */
        for (;;)
            pause();
    int fd = open_of(pid, where, uids, gids, err);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return fd;
}

int idmap_apply(int mount_fd, int user_fd, bool recursive)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_fd};
    return mount_setattr(mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) < 0 ? -errno
                                                                                                                : 0;
}
