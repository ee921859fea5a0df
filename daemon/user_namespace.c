#include "daemon/user_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"

#define STACK_SIZE 16384

/* Waits until it is killed, or its daemon: it has a copy of all descriptors, also of locks that the next daemon wants.
 * It shares the daemon's memory: nothing but system calls are made here. */
static int hold_namespace(void *data)
{
    const pid_t *parent = data;
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (syscall(SYS_getppid) != *parent) /* it had ended before that */
        syscall(SYS_exit_group, 0);
    for (;;)
        syscall(SYS_pause);
    return 0;
}

static int write_map(pid_t pid, const char *file, const char *text, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/proc/%d/%s", pid, file);
    int r = file_write_control(AT_FDCWD, path, text);
    return r < 0 ? error_errno(err, r, "%s", path) : 0;
}

static int open_namespace(pid_t pid, const char *name, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/proc/%d/ns/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "%s", path) : fd;
}

int user_namespace_make(const char *uid_map, const char *gid_map, int *ret_netns, struct error *err)
{
    CLEANUP_FREE char *stack = xmalloc(STACK_SIZE);
    CLEANUP_CLOSE int userns = -1, netns = -1;
    pid_t parent = getpid();
    int flags = CLONE_VM | CLONE_NEWUSER | (ret_netns != NULL ? CLONE_NEWNET : 0) | SIGCHLD;
    pid_t pid = clone(hold_namespace, stack + STACK_SIZE, flags, &parent);
    if (pid < 0)
        return error_errno(err, errno, "make a user namespace");
    int r = write_map(pid, "uid_map", uid_map, err);
    if (r == 0)
        r = write_map(pid, "gid_map", gid_map, err);
    if (r == 0)
        r = userns = open_namespace(pid, "user", err);
    if (r >= 0 && ret_netns != NULL)
        r = netns = open_namespace(pid, "net", err);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (r < 0)
        return r;
    if (ret_netns != NULL)
        *ret_netns = TAKE_FD(netns);
    return TAKE_FD(userns);
}

/* ---- in one that is there ---- */

struct maker {
    int userns_fd;
    int netns_fd; /* or -errno */
};

/* Shares memory and descriptors with its daemon, whose thread waits for its end: nothing but system calls are made. */
static int make_net(void *data)
{
    struct maker *maker = data;
    long r = syscall(SYS_setns, maker->userns_fd, CLONE_NEWUSER);
    if (r == 0)
        r = syscall(SYS_unshare, CLONE_NEWNET);
    if (r == 0)
        r = syscall(SYS_openat, AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    maker->netns_fd = r < 0 ? -errno : (int)r;
    syscall(SYS_exit_group, 0);
    return 0;
}

int user_namespace_make_net(int userns_fd, struct error *err)
{
    CLEANUP_FREE char *stack = xmalloc(STACK_SIZE);
    struct maker maker = {.userns_fd = userns_fd, .netns_fd = -EIO};
    pid_t pid = clone(make_net, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &maker);
    if (pid < 0)
        return error_errno(err, errno, "make a network namespace");
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return maker.netns_fd < 0 ? error_errno(err, maker.netns_fd, "make a network namespace in a user namespace")
                              : maker.netns_fd;
}
