/* The clone of the container's process, from inside of the namespaces that have to be joined before. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "runtime/namespaces.h"

#define MAP_FILE_MAX 65536

static pid_t clone_once(uint64_t flags, int cgroup_fd, int *ret_pid_fd)
{
    struct clone_args args = {.flags = flags};
    if (ret_pid_fd != NULL) {
        args.flags |= CLONE_PIDFD;
        args.pidfd = (uintptr_t)ret_pid_fd;
    }
    if ((flags & CLONE_PARENT) == 0) /* else the helper's own is taken over */
        args.exit_signal = SIGCHLD;
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    return pid < 0 ? -errno : pid;
}

static pid_t do_clone(uint64_t flags, int cgroup_fd, int *ret_pid_fd, bool *ret_in_cgroup)
{
    pid_t pid = clone_once(flags, cgroup_fd, ret_pid_fd);
    *ret_in_cgroup = cgroup_fd >= 0;
    if (pid < 0 && cgroup_fd >= 0 && pid != -EAGAIN && pid != -ENOMEM) {
        *ret_in_cgroup = false; /* the cgroup may refuse processes at clone that it takes later */
        pid = clone_once(flags, -1, ret_pid_fd);
    }
    return pid;
}

/* ---- from the runtime's own namespaces ---- */

struct way_back {
    int fds[NAMESPACE_JOINS_MAX];
    int flags[NAMESPACE_JOINS_MAX];
    size_t count;
};

static int join_and_remember(const struct namespace_plan *plan, struct way_back *back, struct error *err)
{
    for (size_t i = 0; i < plan->join_count; i++) {
        const struct namespace_join *join = &plan->joins[i];
        if (!namespace_joined_before_clone(plan, join))
            continue;
        CLEANUP_FREE char *own = xasprintf("/proc/self/ns/%s", namespace_file(join->flag));
        int fd = open(own, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return error_errno(err, errno, "cannot open %s", own);
        back->fds[back->count] = fd;
        back->flags[back->count++] = join->flag;
        if (setns(join->fd, join->flag) < 0)
            return namespace_join_error(join, errno, err);
    }
    return 0;
}

static int come_back(struct way_back *back, struct error *err)
{
    int result = 0;
    while (back->count > 0) {
        back->count--;
        if (setns(back->fds[back->count], back->flags[back->count]) < 0 && result == 0)
            result = error_errno(err, errno, "cannot return to our own %s namespace",
                                 namespace_file(back->flags[back->count]));
        fd_close(back->fds[back->count]);
    }
    return result;
}

/* ---- from a joined user namespace, by a helper ---- */

struct news {
    pid_t pid; /* or -errno */
    bool in_cgroup;
    struct error error;
};

/* A spec may give the maps of the namespace that it joins as well: then they must be those. */
static int compare_map(const char *field, const char *file, const struct json_array *mappings, struct error *err)
{
    if (mappings->count == 0)
        return 0;
    CLEANUP_FREE char *text = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, file, MAP_FILE_MAX, &text, &size, err);
    if (r < 0)
        return r;
    const struct oci_id_mapping *items = mappings->items;
    const char *p = text;
    bool same = true;
    for (size_t i = 0; same && i < mappings->count; i++) {
        unsigned inside, outside, count;
        int n = 0;
        same = sscanf(p, "%u %u %u%n", &inside, &outside, &count, &n) == 3 && inside == items[i].container_id &&
               outside == items[i].host_id && count == items[i].size;
        p += n;
    }
    if (!same || strspn(p, " \n") != strlen(p))
        return error_set(err, ERROR_INVALID, 0, "%s: the user namespace that is joined has other mappings", field);
    return 0;
}

/* The others first: they may be ours, with rights that end in the user namespace. Those that belong to it only open up
 * afterwards. */
static int join_all(const struct namespace_plan *plan, struct error *err)
{
    bool done[NAMESPACE_JOINS_MAX] = {false};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < plan->join_count; i++) {
            const struct namespace_join *join = &plan->joins[i];
            if (done[i] || join->flag == CLONE_NEWUSER || !namespace_joined_before_clone(plan, join))
                continue;
            done[i] = setns(join->fd, join->flag) == 0;
            if (!done[i] && (round > 0 || errno != EPERM))
                return namespace_join_error(join, errno, err);
        }
        for (size_t i = 0; round == 0 && i < plan->join_count; i++)
            if (plan->joins[i].flag == CLONE_NEWUSER && setns(plan->joins[i].fd, CLONE_NEWUSER) < 0)
                return namespace_join_error(&plan->joins[i], errno, err);
    }
    const struct oci_linux *l = &plan->spec->linux_;
    int r = compare_map("linux.uidMappings", "/proc/self/uid_map", &l->uid_mappings, err);
    return r < 0 ? r : compare_map("linux.gidMappings", "/proc/self/gid_map", &l->gid_mappings, err);
}

/* Returns in the container's process alone. */
static void help(const struct namespace_plan *plan, int cgroup_fd, int news_fd)
{
    struct news news = {0};
    /* Nobody in the namespace shall look at what we have open. */
    int r = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? error_errno(&news.error, errno, "prctl") : 0;
    r = r < 0 ? r : join_all(plan, &news.error);
    news.pid = r < 0 ? r : do_clone(plan->clone_flags | CLONE_PARENT, cgroup_fd, NULL, &news.in_cgroup);
    if (news.pid == 0)
        return;
    if (news.pid < 0 && r == 0)
        error_errno(&news.error, news.pid, "cannot clone the container's process");
    /* Less than PIPE_BUF, into an empty pipe. */
    _exit(write(news_fd, &news, sizeof(news)) == sizeof(news) ? 0 : 1);
}

static pid_t clone_by_helper(const struct namespace_plan *plan, int cgroup_fd, int *ret_pid_fd, bool *ret_in_cgroup,
                             struct error *err)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    CLEANUP_CLOSE int read_fd = pipe_fds[0];
    CLEANUP_CLOSE int write_fd = pipe_fds[1];
    pid_t helper = clone_once(0, -1, NULL);
    if (helper < 0)
        return error_errno(err, helper, "cannot clone a helper that joins the user namespace");
    if (helper == 0) {
        help(plan, cgroup_fd, write_fd);
        return 0;
    }
    write_fd = fd_close(write_fd);
    struct news news = {0};
    ssize_t n;
    while ((n = read(read_fd, &news, sizeof(news))) < 0 && errno == EINTR)
        ;
    while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
        ;
    if (n != sizeof(news))
        return error_set(err, ERROR_SYSTEM, EIO, "the helper that joins the user namespace was killed");
    if (news.pid < 0)
        return error_propagate(err, &news.error);
    *ret_in_cgroup = news.in_cgroup;
    *ret_pid_fd = (int)syscall(SYS_pidfd_open, news.pid, 0); /* our child: its pid cannot have a new owner */
    if (*ret_pid_fd < 0) {
        int errnum = errno;
        kill(news.pid, SIGKILL);
        waitpid(news.pid, NULL, 0);
        return error_errno(err, errnum, "pidfd_open");
    }
    return news.pid;
}

pid_t namespace_clone(const struct namespace_plan *plan, int cgroup_fd, int *ret_pid_fd, bool *ret_in_cgroup,
                      struct error *err)
{
    if (plan->joins_user)
        return clone_by_helper(plan, cgroup_fd, ret_pid_fd, ret_in_cgroup, err);
    struct way_back back = {0};
    int r = join_and_remember(plan, &back, err);
    pid_t pid = r < 0 ? r : do_clone(plan->clone_flags, cgroup_fd, ret_pid_fd, ret_in_cgroup);
    if (pid == 0)
        return 0;
    int returned = come_back(&back, r == 0 ? err : NULL);
    if (r < 0)
        return r;
    if (pid < 0)
        return error_errno(err, pid, "cannot clone the container's process");
    if (returned < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        *ret_pid_fd = fd_close(*ret_pid_fd);
        return returned;
    }
    return pid;
}
