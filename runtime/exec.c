/* The caller's side of an exec. */
#include "runtime/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/timestamp.h"
#include "runtime/cgroup.h"
#include "runtime/cgroup_below.h"
#include "runtime/exec_child.h"
#include "runtime/rlimits.h"
#include "runtime/seccomp_listener.h"
#include "runtime/settings.h"
#include "runtime/stdio.h"
#include "runtime/sync.h"

#define NS_PER_MS 1000000
/* How long the end of what was killed is waited for, with a timeout. */
#define REAP_MS 500

struct exec {
    const struct runtime_exec_options *options;
    int namespaces;
    int root_fd;
    struct runtime_cgroup *cgroup;
    bool in_unified; /* clone3 put the helper into the v2 cgroup */
    int sync_fd, child_sync_fd;
    pid_t helper, pid;
    int pid_fd, console_fd;
    int64_t deadline; /* as timestamp_monotonic(); 0: none */
};

static const struct {
    const char *file; /* in /proc/PID/ns */
    int flag;
} namespaces[] = {
    {"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS},        {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS},
    {"net", CLONE_NEWNET},   {"cgroup", CLONE_NEWCGROUP}, {"pid", CLONE_NEWPID}, {"time", CLONE_NEWTIME},
};

/* ---- steps ---- */

static int step_check(struct exec *exec, struct error *err)
{
    if (exec->options->seccomp_size % 8 != 0 || exec->options->seccomp_size / 8 > 4096)
        return error_set(err, ERROR_INVALID, 0, "the seccomp program has an impossible size");
    return oci_process_validate(exec->options->process, err);
}

static int gone_or(int errnum, const char *what, struct error *err)
{
    if (errnum == ENOENT || errnum == ESRCH)
        return error_set(err, ERROR_CONFLICT, ESRCH, "container not running");
    return error_errno(err, errnum, "cannot look at the container's %s", what);
}

/* Joining one's own user namespace is an error, and the others would cost rights that may be missing. */
static int step_compare(struct exec *exec, struct error *err)
{
    char path[64];
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
        struct stat ours, theirs;
        snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i].file);
        if (stat(path, &ours) < 0)
            continue; /* a kind that this kernel does not have */
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", exec->options->pid, namespaces[i].file);
        if (stat(path, &theirs) < 0)
            return gone_or(errno, "namespaces", err);
        if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
            exec->namespaces |= namespaces[i].flag;
    }
    snprintf(path, sizeof(path), "/proc/%d/root", exec->options->pid);
    exec->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (exec->root_fd < 0)
        return gone_or(errno, "root", err);
    /* Only now is it certain that all of this was said of the right process. */
    if (syscall(SYS_pidfd_send_signal, exec->options->pid_fd, 0, NULL, 0) < 0 && errno != EPERM)
        return gone_or(errno, "process", err);
    return 0;
}

static int step_cgroup(struct exec *exec, struct error *err)
{
    const struct runtime_exec_options *o = exec->options;
    if (o->cgroups_path == NULL)
        return 0;
    int r = runtime_cgroup_open(o->cgroups_path, &exec->cgroup, err);
    return r < 0 || o->below == NULL ? r : cgroup_descend(exec->cgroup, o->below, err);
}

static int step_pair(struct exec *exec, struct error *err)
{
    int pair[2];
    int r = fd_socketpair(SOCK_SEQPACKET, pair);
    if (r < 0)
        return error_errno(err, r, "socketpair");
    exec->sync_fd = pair[0];
    /* Above the descriptors that go to the process. */
    exec->child_sync_fd = fcntl(pair[1], F_DUPFD_CLOEXEC, 3 + (int)exec->options->preserve_fds);
    fd_close(pair[1]);
    return exec->child_sync_fd < 0 ? error_errno(err, errno, "socketpair") : 0;
}

static int step_clone(struct exec *exec, struct error *err)
{
    const struct oci_cpu_affinity *affinity = exec->options->process->exec_cpu_affinity;
    bool outside = affinity != NULL && affinity->initial != NULL; /* on those CPUs before it is in the cgroup */
    int cgroup_fd = exec->cgroup != NULL && !outside ? exec->cgroup->unified_fd : -1;
    struct clone_args args = {.exit_signal = SIGCHLD};
    if (cgroup_fd >= 0) {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    exec->in_unified = cgroup_fd >= 0 && pid >= 0;
    if (pid < 0 && cgroup_fd >= 0 && errno != EAGAIN && errno != ENOMEM) {
        args = (struct clone_args){.exit_signal = SIGCHLD}; /* the move that follows says what is wrong */
        pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    }
    if (pid < 0)
        return error_errno(err, errno, "cannot clone a process");
    if (pid == 0) {
        fd_close(exec->sync_fd);
        struct exec_child_start start = {
            .options = exec->options,
            .namespaces = exec->namespaces,
            .root_fd = exec->root_fd,
            .sync_fd = exec->child_sync_fd,
        };
        exec_child_main(&start);
    }
    exec->helper = pid;
    exec->child_sync_fd = fd_close(exec->child_sync_fd);
    return 0;
}

/* An empty list changes nothing. What the helper forks inherits it. */
static int set_affinity(pid_t pid, const char *field, const char *list, struct error *err)
{
    struct settings_mask mask;
    int r = list != NULL ? settings_list(field, list, &mask, err) : 0;
    if (r < 0 || list == NULL || mask.count == 0)
        return r;
    if (syscall(SYS_sched_setaffinity, pid, sizeof(mask.words), mask.words) < 0)
        return error_errno(err, errno, "%s: cannot run on the CPUs %s", field, list);
    return 0;
}

/* A container that manages cgroups of its own has moved its processes to one below (systemd, docker in docker). */
static int join_cgroup(struct exec *exec, struct error *err)
{
    int r = runtime_cgroup_join(exec->cgroup, exec->helper, exec->in_unified, err);
    const struct strmap *below = exec->options->below;
    bool named = below != NULL && below->count > 0;
    if (r != -EBUSY || exec->cgroup->unified_fd < 0 || exec->in_unified || named)
        return r;
    if (err != NULL)
        error_clear(err);
    return cgroup_join_beside(exec->cgroup, exec->options->pid, exec->helper, err);
}

static int step_enter(struct exec *exec, struct error *err)
{
    static const struct oci_cpu_affinity none;
    const struct oci_cpu_affinity *affinity = exec->options->process->exec_cpu_affinity;
    affinity = affinity != NULL ? affinity : &none;
    int r = set_affinity(exec->helper, "process.execCPUAffinity.initial", affinity->initial, err);
    if (r == 0 && exec->cgroup != NULL)
        r = join_cgroup(exec, err);
    if (r == 0 && (exec->namespaces & CLONE_NEWUSER))
        r = rlimits_make_room(exec->options->process, exec->helper, err);
    if (r == 0 && (exec->namespaces & CLONE_NEWUSER))
        stdio_give(exec->options->stdio, exec->options->pid);
    r = r < 0 ? r : set_affinity(exec->helper, "process.execCPUAffinity.final", affinity->final, err);
    if (r == 0 && (r = sync_send(exec->sync_fd, SYNC_ENTERED, -1)) < 0)
        r = error_errno(err, r, "cannot speak to the process");
    return r;
}

/* The pid behind a pidfd, as our procfs names it. */
static int pid_of(int pid_fd, pid_t *ret, struct error *err)
{
    char path[64];
    CLEANUP_FREE char *text = NULL;
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pid_fd);
    int r = file_read(AT_FDCWD, path, 4096, &text, NULL, err);
    if (r < 0)
        return r;
    const char *line = strstr(text, "\nPid:\t");
    int64_t pid = 0;
    if (line != NULL) {
        CLEANUP_FREE char *number = xstrndup(line + 6, strcspn(line + 6, "\n"));
        r = parse_int64(number, 1, INT32_MAX, &pid);
    }
    if (line == NULL || r < 0)
        return error_set(err, ERROR_SYSTEM, ESRCH, "the process ended before it could run the command");
    *ret = (pid_t)pid;
    return 0;
}

static int on_silence(struct exec *exec, struct error *err)
{
    siginfo_t info = {0};
    pid_t last = exec->pid > 0 ? exec->pid : exec->helper;
    if (waitid(P_PID, (id_t)last, &info, WEXITED | WNOWAIT) == 0 && info.si_code != CLD_EXITED)
        return error_set(err, ERROR_SYSTEM, EIO, "the process was killed by signal %d before it could run the command",
                         info.si_status);
    return error_set(err, ERROR_SYSTEM, EIO, "the process ended before it could run the command");
}

/* Processes of the container may signal the new one, and stop it, before it is what it is to be. */
static int await_message(const struct exec *exec, struct error *err)
{
    struct pollfd pollfd = {.fd = exec->sync_fd, .events = POLLIN};
    for (int n = 0; exec->deadline != 0 && n == 0;) {
        int64_t left = (exec->deadline - timestamp_monotonic() + NS_PER_MS - 1) / NS_PER_MS;
        if (left <= 0)
            return error_set(err, ERROR_SYSTEM, ETIMEDOUT, "the process does not get to its command");
        n = poll(&pollfd, 1, (int)left);
        if (n < 0 && errno != EINTR)
            return error_errno(err, errno, "poll");
        n = n < 0 ? 0 : n;
    }
    return 0;
}

static int step_listen(struct exec *exec, struct error *err)
{
    for (bool announced = false;;) {
        struct error said = {0};
        CLEANUP_CLOSE int fd = -1;
        int r = await_message(exec, err);
        if (r < 0)
            return r;
        int type = sync_receive(exec->sync_fd, &said, &fd);
        if (type < 0)
            return error_errno(err, type, "cannot hear from the process");
        switch (type) {
        case 0:
            return announced && exec->pid > 0 ? 0 : on_silence(exec, err);
        case SYNC_FORKED:
            if (exec->pid_fd < 0 && fd >= 0) {
                exec->pid_fd = TAKE_FD(fd);
                r = pid_of(exec->pid_fd, &exec->pid, err);
            }
            break;
        case SYNC_CONSOLE:
            exec->console_fd = TAKE_FD(fd);
            break;
        case SYNC_LISTENER:
            r = seccomp_listener_pass(exec->options->seccomp, exec->options->state, exec->pid, exec->pid_fd,
                                      said.errnum, err);
            if (r == 0 && (r = sync_send(exec->sync_fd, SYNC_LISTENER_TAKEN, -1)) < 0)
                r = error_errno(err, r, "cannot speak to the process");
            break;
        case SYNC_EXEC:
            announced = true;
            break;
        case SYNC_ERROR:
            return error_propagate(err, &said);
        default:
            r = error_set(err, ERROR_SYSTEM, EPROTO, "the process said something unknown");
        }
        if (r < 0)
            return r;
    }
}

static const struct {
    const char *name;
    int (*run)(struct exec *exec, struct error *err);
} steps[] = {
    {"check", step_check}, {"compare", step_compare}, {"cgroup", step_cgroup}, {"pair", step_pair},
    {"clone", step_clone}, {"enter", step_enter},     {"listen", step_listen},
};

/* With a timeout not for ever: a frozen cgroup (v1) keeps what was killed, and so does a tracer in the container. The
 * caller, who waits for all its children, meets it later. */
static void reap(const struct exec *exec, pid_t pid)
{
    int64_t until = timestamp_monotonic() + REAP_MS * (int64_t)NS_PER_MS;
    int flags = exec->deadline != 0 ? WNOHANG : 0;
    while (pid > 0) {
        pid_t ended = waitpid(pid, NULL, flags);
        if (ended > 0 || (ended < 0 && errno != EINTR) || (ended == 0 && timestamp_monotonic() >= until))
            return;
        if (ended == 0)
            nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
    }
}

int runtime_exec_start(const struct runtime_exec_options *options, struct runtime_exec *ret, struct error *err)
{
    struct exec exec = {
        .options = options, .root_fd = -1, .sync_fd = -1, .child_sync_fd = -1, .pid_fd = -1, .console_fd = -1};
    int r = 0;
    if (options->timeout_ms > 0)
        exec.deadline = timestamp_monotonic() + options->timeout_ms * (int64_t)NS_PER_MS;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
        r = steps[i].run(&exec, err);
    fd_close(exec.root_fd);
    fd_close(exec.sync_fd);
    fd_close(exec.child_sync_fd);
    runtime_cgroup_free(exec.cgroup);
    if (r < 0 && exec.helper > 0)
        kill(exec.helper, SIGKILL);
    reap(&exec, exec.helper);
    if (r < 0) {
        if (exec.pid > 0)
            kill(exec.pid, SIGKILL);
        reap(&exec, exec.pid);
        fd_close(exec.pid_fd);
        fd_close(exec.console_fd);
        return r;
    }
    *ret = (struct runtime_exec){.pid = exec.pid, .pid_fd = exec.pid_fd, .console_fd = exec.console_fd};
    return 0;
}

void runtime_exec_release(struct runtime_exec *exec)
{
    if (exec == NULL)
        return;
    exec->pid_fd = fd_close(exec->pid_fd);
    exec->console_fd = fd_close(exec->console_fd);
}
