/* The way of the cloned process from clone3 to execve, as a list of named steps. */
#include "runtime/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/error_words.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/parse.h"
#include "runtime/child_main.h"
#include "runtime/hooks.h"
#include "runtime/sync.h"

#define KEYCTL_JOIN_SESSION_KEYRING 1

int child_await_cgroup(struct child *child, struct error *err)
{
    if (child->cgroup_ready)
        return 0;
    int r = sync_expect(child->sync_fd, SYNC_ENTERED, err);
    if (r < 0)
        return r;
    child->cgroup_ready = true;
    if (child->plan->new_cgroup && unshare(CLONE_NEWCGROUP) < 0)
        return error_errno(err, errno, "cannot make a cgroup namespace");
    return 0;
}

/* ---- steps ---- */

int child_reset_signals(struct child *child, struct error *err)
{
    /* Handlers are gone at exec by themselves, ignored signals and the mask are not. */
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action;
        if (sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
            action = (struct sigaction){.sa_handler = SIG_DFL};
            sigaction(signal, &action, NULL);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Until the process is complete it does not outlive the runtime. */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    /* In a joined pid namespace others might look at us while we hold descriptors of the host. */
    bool joined = false;
    for (size_t i = 0; i < child->plan->join_count; i++)
        joined = joined || child->plan->joins[i].flag == CLONE_NEWPID;
    if (joined && !child->plan->new_user && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return error_errno(err, errno, "prctl");
    return 0;
}

static int step_namespaces(struct child *child, struct error *err)
{
    const struct namespace_plan *plan = child->plan;
    CLEANUP_CLOSE int offsets_fd = -1;
    if (plan->new_time && plan->spec->linux_.time_offsets != NULL) {
        offsets_fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
        if (offsets_fd < 0)
            return error_errno(err, errno, "linux.timeOffsets: cannot open /proc/self/timens_offsets");
    }
    int r = plan->new_user ? sync_expect(child->sync_fd, SYNC_MAPPED, err) : 0;
    if (r < 0)
        return r;
    if ((plan->new_user || plan->joins_user) && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
        return error_errno(err, errno, "cannot become root of the user namespace");
    if (plan->new_time)
        r = namespace_enter_time(plan, offsets_fd, err);
    return r < 0 ? r : namespace_join_child(plan, err);
}

int child_new_session(struct child *child, struct error *err)
{
    if (setsid() < 0)
        return error_errno(err, errno, "setsid");
    CLEANUP_FREE char *name = xasprintf("_ses.%s", child->options->id);
    /* The keys of whoever started us are not the container's. A kernel without keyrings has none to protect. */
    if (!child->options->no_new_keyring && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) < 0 &&
        errno != ENOSYS && errno != EPERM)
        return error_errno(err, errno, "cannot make a session keyring");
    umask(0); /* until the limits are set: nodes and mount points get the modes that are written here */
    return 0;
}

static int step_make_cwd(struct child *child, struct error *err)
{
    const char *cwd = child->spec->process.cwd;
    CLEANUP_CLOSE int fd = beneath_mkdirs(child->root_fd, cwd, 0755);
    if (fd == -EEXIST)
        fd = -ENOTDIR;
    return fd < 0 ? error_errno(err, fd, "mkdir-p cwd (\"%s\")", cwd) : 0;
}

/* After everything that covers parts of the root, so that it is the covered view that we stand in; beneath the root by
 * construction, and no magic link of procfs leads there (CVE-2024-21626). */
int child_enter_cwd(struct child *child, struct error *err)
{
    const char *cwd = child->spec->process.cwd;
    CLEANUP_CLOSE int fd = beneath_open(child->root_fd, cwd, O_PATH | O_DIRECTORY, 0);
    if (fd < 0 || fchdir(fd) < 0) {
        int errnum = fd < 0 ? -fd : errno;
        return error_set(err, errnum == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, errnum,
                         "chdir to cwd (\"%s\") set in config.json failed: %s", cwd, error_words(errnum));
    }
    char buf[4096];
    long n = syscall(SYS_getcwd, buf, sizeof(buf));
    if (n > 0 && buf[0] != '/')
        return error_set(err, ERROR_FORBIDDEN, EPERM,
                         "current working directory is outside of container mount "
                         "namespace root -- possible container breakout detected");
    return 0;
}

static bool has_runtime_hooks(const struct oci_spec *spec)
{
    return spec->hooks.prestart.count + spec->hooks.create_runtime.count > 0;
}

/* Our pid as the host sees it: the host's procfs is still in sight before the pivot. */
static pid_t host_pid(void)
{
    char text[16];
    ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);
    int64_t pid;
    text[n > 0 ? n : 0] = '\0';
    return parse_int64(text, 1, INT32_MAX, &pid) == 0 ? (pid_t)pid : 0;
}

static int run_hooks(struct child *child, const char *kind, const struct json_array *hooks, const char *status,
                     const struct runtime_hook_place *place, struct error *err)
{
    struct runtime_hook_state state = {
        .version = child->spec->version,
        .id = child->options->id,
        .status = status,
        .pid = child->hook_pid,
        .bundle = child->sources->bundle,
        .annotations = &child->spec->annotations,
    };
    return runtime_hooks_run(kind, hooks, &state, place, err);
}

static int step_create_hooks(struct child *child, struct error *err)
{
    const struct oci_hooks *hooks = &child->spec->hooks;
    if (hooks->create_container.count + hooks->start_container.count > 0)
        child->hook_pid = host_pid();
    if (has_runtime_hooks(child->spec)) {
        int r = child_await_cgroup(child, err);
        if (r < 0)
            return r;
        r = sync_send(child->sync_fd, SYNC_HOOKS, -1);
        if (r < 0)
            return error_errno(err, r, "cannot speak to the runtime");
        r = sync_expect(child->sync_fd, SYNC_HOOKS_DONE, err);
        if (r < 0)
            return r;
    }
    if (hooks->create_container.count > 0 && fchdir(child->root_fd) < 0) /* they start there, as with runc */
        return error_errno(err, errno, "cannot enter the root filesystem");
    return run_hooks(child, "createContainer", &hooks->create_container, "creating", NULL, err);
}

/* With a FIFO, the procfs through which it is reopened must be there before the descriptors are sorted. */
static int step_prepare_wait(struct child *child, struct error *err)
{
    bool fifo = child->options->wait_for_start && child->options->has_start_fifo;
    return fifo ? child_open_proc(child, err) : 0;
}

int child_resolve_command(struct child *child, struct error *err)
{
    return child_find_command(child, &child->command, err);
}

static void end_by_signal(int signal)
{
    _exit(128 + signal);
}

/* A container that waits for its start can be ended by what ends other processes, although pid 1 of a namespace does
 * not take that unless it has a handler. The command starts without them. */
static void take_signals(bool on)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    struct sigaction action = {.sa_handler = on ? end_by_signal : SIG_DFL};
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &action, NULL);
}

static int wait_for_fifo(struct child *child, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("thread-self/fd/%d", child->options->start_fifo_fd);
    CLEANUP_CLOSE int fd = openat(child->proc_fd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        return error_errno(err, errno, "cannot open the start FIFO");
    child->proc_fd = fd_close(child->proc_fd);
    fd_close(child->options->start_fifo_fd);
    child->start_fd = TAKE_FD(fd);
    return 0;
}

static int step_wait(struct child *child, struct error *err)
{
    int r = child_await_cgroup(child, err);
    if (r < 0)
        return r;
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    if (child->options->wait_for_start) {
        /* A listener has to be handed over while somebody is there to take it. */
        bool notifies = child->options->seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER;
        r = notifies ? child_lock_down(child, err) : 0;
        if (r < 0)
            return r;
        take_signals(true);
        r = sync_send(child->sync_fd, SYNC_READY, -1);
        if (r < 0)
            return error_errno(err, r, "cannot speak to the runtime");
        if (child->options->has_start_fifo) {
            /* Nobody listens on the pair from here on: whoever created us is gone. */
            child->sync_fd = fd_close(child->sync_fd);
            r = wait_for_fifo(child, err);
        } else {
            r = sync_expect(child->sync_fd, SYNC_START, err);
        }
        take_signals(false);
        if (r < 0)
            return r;
    }
    /* As with runc, they have the environment of the process where they say nothing of their own. */
    struct runtime_hook_place place = {.env = &child->env};
    return run_hooks(child, "startContainer", &child->spec->hooks.start_container, "created", &place, err);
}

static int step_init(struct child *child, struct error *err)
{
    return child->options->init ? child_stay_as_init(child, err) : 0;
}

int child_exec(struct child *child, struct error *err)
{
    const struct strv *args = &child->spec->process.args;
    char *no_env[] = {NULL};
    int r = child->sync_fd < 0 ? 0 : sync_send(child->sync_fd, SYNC_EXEC, -1);
    if (r < 0)
        return error_errno(err, r, "cannot speak to the runtime");
    execve(child->command, args->items, child->env.items != NULL ? child->env.items : no_env);
    int errnum = errno;
    enum error_kind kind = errnum == ENOENT ? ERROR_NOT_FOUND : ERROR_FORBIDDEN;
    const char *text = errnum == ENOENT    ? "no such file or directory"
                       : errnum == ENOEXEC ? "exec format error"
                       : errnum == EACCES  ? "permission denied"
                                           : strerror(errnum);
    return error_set(err, kind, errnum == ENOENT ? ENOENT : EACCES, "exec %s: %s", child->command, text);
}

static const struct {
    const char *name;
    int (*run)(struct child *child, struct error *err);
} steps[] = {
    {"signals", child_reset_signals},
    {"namespaces", step_namespaces},
    {"session", child_new_session},
    {"root", child_attach_root},
    {"mounts", child_mount_all},
    {"devices", child_make_devices},
    {"console", child_make_console},
    {"network", child_network_up},
    {"cwd", step_make_cwd},
    {"environment", child_make_environment},
    {"cgroup mount", child_mount_late},
    {"create hooks", step_create_hooks},
    {"pivot", child_pivot},
    {"names", child_set_names},
    {"labels", child_set_labels},
    {"sysctl", child_set_sysctls},
    {"readonly paths", child_readonly_paths},
    {"masked paths", child_mask_paths},
    {"read-only mounts", child_finish_readonly},
    {"enter cwd", child_enter_cwd},
    {"prepare wait", step_prepare_wait},
    {"descriptors", child_set_descriptors},
    {"scheduling", child_set_scheduling},
    {"cgroup", child_await_cgroup}, /* at the latest: its namespace needs our capabilities */
    {"limits", child_set_limits},
    {"privileges", child_drop_privileges},
    {"command", child_resolve_command},
    {"wait", step_wait},
    {"lock down", child_lock_down},
    {"init", step_init},
    {"exec", child_exec},
};

void child_main(const struct child_start *start)
{
    struct child child = {
        .options = start->options,
        .spec = start->options->spec,
        .plan = start->plan,
        .cgroup = start->cgroup,
        .sync_fd = start->sync_fd,
        .sources = start->sources,
        .root_fd = -1,
        .proc_fd = -1,
        .null_fd = -1,
        .start_fd = -1,
        .pts_fd = -1,
        .own_dev = true,
    };
    struct error error = {0};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (steps[i].run(&child, &error) < 0)
            break;
    if (child.sync_fd >= 0) {
        sync_send_error(child.sync_fd, &error);
    } else { /* created, and started by a process that knows us by the FIFO only, and may have gone meanwhile */
        signal(SIGPIPE, SIG_IGN);
        if (child.start_fd < 0 || write(child.start_fd, error.message, strlen(error.message)) < 0)
            dprintf(2, "%s\n", error.message);
    }
    _exit(error.kind == ERROR_NOT_FOUND ? 127 : error.kind == ERROR_FORBIDDEN ? 126 : 1);
}
