/* The way of an exec in the container: the helper joins it, the process takes on what it is to be and execs. */
#include "runtime/exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/child.h"
#include "runtime/settings.h"
#include "runtime/sync.h"

struct exec_child {
    const struct exec_child_start *start;
    /* What the steps of a start work on; only the process is filled in. */
    struct child child;
    struct runtime_options options;
    struct oci_spec spec;
    struct namespace_plan plan;
};

/* ---- the helper, in the caller's namespaces at first ---- */

/* The parent sets affinity and cgroup meanwhile. */
static int step_await_cgroup(struct exec_child *exec, struct error *err)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return sync_expect(exec->start->sync_fd, SYNC_ENTERED, err);
}

/* Through the host's procfs, which no container has had its hands on: what is set here is inherited. */
static int step_labels(struct exec_child *exec, struct error *err)
{
    const struct oci_process *process = exec->start->options->process;
    bool labels = (process->apparmor_profile != NULL && process->apparmor_profile[0] != '\0') ||
                  (process->selinux_label != NULL && process->selinux_label[0] != '\0');
    if (!labels && process->oom_score_adj == NULL)
        return 0;
    struct statfs fs;
    exec->child.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (exec->child.proc_fd < 0 || fstatfs(exec->child.proc_fd, &fs) < 0)
        return error_errno(err, errno, "cannot open /proc");
    if (fs.f_type != PROC_SUPER_MAGIC)
        return error_set(err, ERROR_FORBIDDEN, 0, "/proc is not a procfs");
    int r = child_set_labels(&exec->child, err);
    if (r == 0 && process->oom_score_adj != NULL) {
        CLEANUP_CLOSE int fd = child_open_in_proc(&exec->child, "thread-self/oom_score_adj", O_WRONLY);
        bool refused = false;
        if (fd >= 0 && dprintf(fd, "%d", (int)*process->oom_score_adj) < 0)
            refused = errno != EACCES || geteuid() == 0; /* an ordinary user may not lower it */
        if (fd < 0 || refused)
            r = error_errno(err, fd < 0 ? fd : errno, "cannot set oom_score_adj to %d", (int)*process->oom_score_adj);
    }
    exec->child.proc_fd = fd_close(exec->child.proc_fd);
    return r;
}

/* We hold descriptors of the host and, until exec, its memory: processes of the container see us from the moment that
 * we are in their pid namespace, and must not be able to look inside (CVE-2016-9962). */
static int step_hide(struct exec_child *exec, struct error *err)
{
    (void)exec;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? error_errno(err, errno, "prctl") : 0;
}

static int step_join(struct exec_child *exec, struct error *err)
{
    const struct exec_child_start *start = exec->start;
    if (start->namespaces != 0 && syscall(SYS_setns, start->options->pid_fd, start->namespaces) < 0) {
        if (errno == ESRCH)
            return error_set(err, ERROR_CONFLICT, ESRCH, "container not running");
        return error_errno(err, errno, "cannot join the namespaces of the container");
    }
    /* A mount namespace brings its root along. */
    if (!(start->namespaces & CLONE_NEWNS) && (fchdir(start->root_fd) < 0 || chroot(".") < 0))
        return error_errno(err, errno, "cannot enter the root of the container");
    return 0;
}

/* Returns in the process only. The helper, which the container's processes cannot reach, tells of the process as well:
 * they may stop that one before it has said a word. That message may be the second, or fail because all is over. */
static int step_fork(struct exec_child *exec, struct error *err)
{
    int pid_fd = -1;
    struct clone_args args = {.flags = CLONE_PARENT | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pid_fd};
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0 && errno == ENOMEM) /* what the kernel says of a pid namespace whose init has ended */
        return error_set(err, ERROR_CONFLICT, ESRCH, "container not running");
    if (pid < 0)
        return error_errno(err, errno, "cannot fork the process");
    if (pid > 0) {
        sync_send(exec->start->sync_fd, SYNC_FORKED, pid_fd);
        _exit(0);
    }
    return 0;
}

/* ---- the process ---- */

/* Only a descriptor of us means the same on both sides of a pid namespace. */
static int step_tell(struct exec_child *exec, struct error *err)
{
    CLEANUP_CLOSE int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int r = self < 0 ? -errno : sync_send(exec->start->sync_fd, SYNC_FORKED, self);
    return r < 0 ? error_errno(err, r, "cannot speak to the runtime") : 0;
}

static int step_identity(struct exec_child *exec, struct error *err)
{
    int r = child_reset_signals(&exec->child, err);
    if (r < 0 || !(exec->start->namespaces & CLONE_NEWUSER))
        return r;
    /* Being nobody in there, we would have no right to become somebody. */
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return error_errno(err, errno, "cannot become root of the user namespace");
    return 0;
}

static int step_root(struct exec_child *exec, struct error *err)
{
    exec->child.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return exec->child.root_fd < 0 ? error_errno(err, errno, "cannot open the root of the container")
                                   : child_find_null(&exec->child, err);
}

/* Until now we were not to outlive the runtime; the program may. */
static int step_part(struct exec_child *exec, struct error *err)
{
    (void)exec;
    return prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0 ? error_errno(err, errno, "prctl") : 0;
}

#define CHILD_STEP(name)                                                                                               \
    static int step_##name(struct exec_child *exec, struct error *err)                                                 \
    {                                                                                                                  \
        return child_##name(&exec->child, err);                                                                        \
    }
CHILD_STEP(new_session)
CHILD_STEP(open_terminal)
CHILD_STEP(make_environment)
CHILD_STEP(enter_cwd)
CHILD_STEP(set_descriptors)
CHILD_STEP(set_limits)
CHILD_STEP(set_scheduling)
CHILD_STEP(drop_privileges)
CHILD_STEP(resolve_command)
CHILD_STEP(lock_down)
CHILD_STEP(exec)

static const struct {
    const char *name;
    int (*run)(struct exec_child *exec, struct error *err);
} steps[] = {
    {"await cgroup", step_await_cgroup},
    {"labels", step_labels},
    {"hide", step_hide},
    {"join", step_join},
    {"fork", step_fork},
    {"tell", step_tell},
    {"identity", step_identity},
    {"root", step_root},
    {"session", step_new_session},
    {"terminal", step_open_terminal},
    {"environment", step_make_environment},
    {"cwd", step_enter_cwd},
    {"descriptors", step_set_descriptors},
    {"limits", step_set_limits},
    {"scheduling", step_set_scheduling},
    {"privileges", step_drop_privileges},
    {"command", step_resolve_command},
    {"part", step_part},
    {"lock down", step_lock_down},
    {"exec", step_exec},
};

void exec_child_main(const struct exec_child_start *start)
{
    const struct runtime_exec_options *o = start->options;
    struct exec_child exec = {
        .start = start,
        .options = {.id = o->id,
                    .seccomp_bpf = o->seccomp_bpf,
                    .seccomp_size = o->seccomp_size,
                    .seccomp_flags = o->seccomp_flags,
                    .stdio = {o->stdio[0], o->stdio[1], o->stdio[2]},
                    .preserve_fds = o->preserve_fds,
                    .plain_lines = o->plain_lines,
                    .no_new_keyring = o->no_new_keyring},
        .spec = {.process = *o->process, .linux_ = {.personality = o->personality, .memory_policy = o->memory_policy}},
    };
    exec.options.spec = &exec.spec;
    const struct oci_cpu_affinity *affinity = o->process->exec_cpu_affinity;
    exec.child = (struct child){
        .options = &exec.options,
        .spec = &exec.spec,
        .plan = &exec.plan,
        .sync_fd = start->sync_fd,
        .cgroup_ready = true,
        .has_affinity = affinity != NULL && (affinity->initial != NULL || affinity->final != NULL),
        .root_fd = -1,
        .proc_fd = -1,
        .null_fd = -1,
        .pts_fd = -1,
    };
    struct error error = {0};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (steps[i].run(&exec, &error) < 0)
            break;
    sync_send_error(start->sync_fd, &error);
    _exit(1);
}
