/* create, start, run: from a bundle to a running container. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/timestamp.h"
#include "cmd/dory-runtime/launch.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"
#include "runtime/hooks.h"
#include "runtime/resctrl.h"
#include "runtime/seccomp.h"

static int parse(struct launch *l, int argc, char **argv, struct error *err)
{
    const struct option_row rows[] = {
        OPTION_TEXT("bundle", 'b', &l->bundle, "directory of config.json (default: this one)"),
        OPTION_TEXT("console-socket", 0, &l->console_socket, "Unix socket that is sent the terminal's master"),
        OPTION_TEXT("pid-file", 0, &l->pid_file, "write the pid of the container there"),
        OPTION_TEXT("pidfd-socket", 0, &l->pidfd_socket, "Unix socket that is sent a pidfd of the container's process"),
        OPTION_TEXT("preserve-fds", 0, &l->preserve_text, "number of descriptors from 3 on that the container gets"),
        OPTION_FLAG("no-pivot", 0, &l->no_pivot,
                    "chroot instead of pivot_root: for a host that runs from an initramfs"),
        OPTION_FLAG("no-new-keyring", 0, &l->no_keyring, "leave the caller's session keyring to the container"),
        OPTION_FLAG("no-subreaper", 0, &l->no_subreaper, "nothing: this runtime is no subreaper"),
        OPTION_FLAG("detach", 'd', &l->detach, "run: do not wait for the container's end"),
        OPTION_FLAG("keep", 0, &l->keep, "run: keep the state and the cgroup when the container has ended"),
        OPTION_END,
    };
    int rest;
    int r = options_one_id(rows, argc, argv, 1, &l->id, &rest, err);
    if (r < 0)
        return r;
    if (l->create && (l->detach || l->keep))
        return error_set(err, ERROR_INVALID, 0, "--detach and --keep are options of run");
    r = preserve_fds(l->preserve_text, &l->preserve_fds, &l->listen_fds, err);
    return r < 0 ? r : state_check_id(l->id, err);
}

/* Where its cgroup will be, as a path. */
static int find_cgroup(struct launch *l, struct error *err)
{
    char **path = &l->spec.linux_.cgroups_path;
    if (l->global->systemd) {
        bool user = l->global->rootless;
        if (user && !runtime_cgroup_is_v2())
            return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP,
                             "cannot use rootless systemd cgroups manager on cgroup v1");
        int r = systemd_unit_parse(*path, l->id, user, &l->unit, err);
        r = r < 0 ? r : systemd_unit_place(&l->unit, err);
        if (r == 0)
            xstrset(path, l->unit.path);
        return r;
    }
    if (*path == NULL || (*path)[0] == '\0') {
        free(*path);
        *path = rootless_cgroup(l->global->rootless, l->id);
    }
    return 0;
}

int launch_make_unit(void *context, pid_t pid, struct error *err)
{
    struct launch *l = context;
    struct oci_resources resources = l->spec.linux_.resources;
    if (l->unit.user)
        resources.devices = (struct json_array){0}; /* as for any cgroup of an ordinary user */
    return systemd_unit_start(&l->unit, &resources, pid, &l->unit_made, err);
}

static int load(struct launch *l, struct error *err)
{
    char path[PATH_MAX];
    if (realpath(l->bundle != NULL ? l->bundle : ".", path) == NULL)
        return error_errno(err, errno, "bundle %s", l->bundle != NULL ? l->bundle : ".");
    l->bundle_path = xstrdup(path);
    l->bundle_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->bundle_fd < 0)
        return error_errno(err, errno, "bundle %s", path);
    int r = oci_spec_load(l->bundle_fd, "config.json", &l->spec, err);
    r = r < 0 ? r : oci_spec_validate(&l->spec, err);
    if (r < 0)
        return r;
    if (l->global->rootless && geteuid() != 0 && oci_spec_namespace(&l->spec, "user") == NULL)
        return error_set(err, ERROR_INVALID, 0,
                         "linux.namespaces: rootless containers need a user namespace (see spec --rootless)");
    preserve_announce(&l->spec.process.env, l->listen_fds);
    bool terminal = l->spec.process.terminal, away = l->create || l->detach;
    if (terminal && away && l->console_socket == NULL)
        return error_set(err, ERROR_INVALID, 0,
                         "cannot allocate tty if runc will detach without setting console socket");
    if (l->console_socket != NULL && !(terminal && away))
        return error_set(err, ERROR_INVALID, 0, "cannot use console socket if runc will not detach or allocate tty");
    r = find_cgroup(l, err);
    if (r < 0)
        return r;
    if (l->spec.linux_.seccomp == NULL)
        return 0;
    return runtime_seccomp_compile(l->spec.linux_.seccomp, &l->seccomp, &l->seccomp_size, &l->seccomp_flags, err);
}

int pid_file_write(const char *path, pid_t pid, struct error *err)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", pid);
    return file_write_atomic(AT_FDCWD, path, text, (size_t)n, 0644, err);
}

/* Before the start, without a pid, so that nothing of it is ever unaccounted for; and with it after. */
static int write_record(struct launch *l, struct error *err)
{
    char now[TIMESTAMP_MAX];
    timestamp_format(now, timestamp_now());
    const char *root = l->spec.root.path != NULL ? l->spec.root.path : "";
    CLEANUP_FREE char *rootfs = root[0] == '/' ? xstrdup(root) : xasprintf("%s/%s", l->bundle_path, root);
    const struct oci_namespace *pids = oci_spec_namespace(&l->spec, "pid");
    struct state state = {
        /* borrows everything */
        .id = (char *)l->id,
        .version = l->spec.version,
        .pid = l->container.pid,
        .start_time = l->container.pid > 0 ? process_start_time(l->container.pid, NULL) : 0,
        .bundle = l->bundle_path,
        .rootfs = rootfs,
        .created = now,
        .cgroups_path = l->without_cgroup ? (char *)"" : l->spec.linux_.cgroups_path,
        .systemd_unit = l->unit.name,
        .systemd_user = l->unit.user,
        .resctrl_clos = l->container.resctrl.clos,
        .resctrl_made = l->container.pid > 0 ? l->container.resctrl.made : l->resctrl_planned,
        .shared_pids = pids == NULL || (pids->path != NULL && pids->path[0] != '\0'),
        .no_new_keyring = l->no_keyring,
        .annotations = l->spec.annotations,
        .poststart = l->spec.hooks.poststart,
        .poststop = l->spec.hooks.poststop,
    };
    return state_write(l->state_fd, &state, err);
}

/* The FIFO stays until `start` has read from it; its mode lets the process of any user open it. */
static int make_state(struct launch *l, struct error *err)
{
    int r = state_make(l->global->root, l->id, &l->state_fd, err);
    if (r < 0)
        return r;
    l->state_made = true;
    l->resctrl_planned = runtime_resctrl_plan(l->spec.linux_.intel_rdt, l->id);
    r = write_record(l, err);
    if (r < 0 || !l->create)
        return r;
    if (mkfifoat(l->state_fd, STATE_FIFO, 0) < 0 || fchmodat(l->state_fd, STATE_FIFO, 0622, 0) < 0)
        return error_errno(err, errno, "cannot create the start FIFO");
    l->fifo_fd = openat(l->state_fd, STATE_FIFO, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return l->fifo_fd < 0 ? error_errno(err, errno, "cannot open the start FIFO") : 0;
}

static int launch_container(struct launch *l, struct error *err)
{
    struct runtime_options options = {
        .id = l->id,
        .spec = &l->spec,
        .bundle_fd = l->bundle_fd,
        .seccomp_bpf = l->seccomp,
        .seccomp_size = l->seccomp_size,
        .seccomp_flags = l->seccomp_flags,
        .stdio = {0, 1, 2},
        .has_console = l->spec.process.terminal,
        .plain_lines = l->console_socket == NULL, /* whoever reads our output may be no terminal */
        .wait_for_start = l->create,
        .has_start_fifo = l->create,
        .start_fifo_fd = l->fifo_fd,
        .preserve_fds = l->preserve_fds,
        .no_pivot = l->no_pivot,
        .no_new_keyring = l->no_keyring,
        .rootless = l->global->rootless,
        .make_cgroup = l->unit.name != NULL ? launch_make_unit : NULL,
        .make_cgroup_context = l,
        .warn = global_warn,
        .warn_context = (void *)l->global,
    };
    int r = runtime_container_start(&options, &l->container, err);
    l->started = r == 0;
    if (r == 0 && !runtime_cgroup_exists(l->container.cgroup)) {
        l->without_cgroup = true;
        CLEANUP_FREE char *text = xasprintf(
            "container %s has no cgroup: %s is not delegated to this user, and linux.resources asks for nothing", l->id,
            l->spec.linux_.cgroups_path);
        global_warn((void *)l->global, text);
    }
    return r;
}

static int record(struct launch *l, struct error *err)
{
    int r = write_record(l, err);
    if (r == 0 && l->console_socket != NULL)
        r = console_send(l->console_socket, l->container.console_fd, err);
    if (r == 0 && l->pidfd_socket != NULL)
        r = pidfd_send(l->pidfd_socket, l->container.pid_fd, err);
    if (r == 0 && l->pid_file != NULL)
        r = pid_file_write(l->pid_file, l->container.pid, err);
    if (r == 0)
        state_unlock(l->state_fd);
    return r;
}

static void forget(struct launch *l, bool poststop)
{
    if (l->started)
        runtime_cgroup_kill(l->container.cgroup, SIGKILL, NULL);
    if (l->unit_made)
        systemd_unit_stop(l->unit.name, l->unit.user,
                          NULL); /* its processes are gone: systemd would notice by itself */
    if (l->started) {
        runtime_cgroup_remove(l->container.cgroup, NULL);
        runtime_resctrl_remove(l->container.resctrl.made, NULL);
        struct runtime_hook_state state = {
            .version = l->spec.version, .id = l->id, .bundle = l->bundle_path, .annotations = &l->spec.annotations};
        if (poststop)
            runtime_hooks_run_poststop(&l->spec.hooks.poststop, state, global_warn, (void *)l->global);
    }
    /* Somebody else may have deleted it meanwhile, and the id may be a new container's. */
    if (l->state_made && state_relock(l->state_fd))
        state_remove(l->global->root, l->id, NULL);
}

static int foreground(struct launch *l, struct error *err)
{
    int status = 0;
    int r = terminal_proxy(l->container.console_fd, l->container.pid_fd, l->container.pid, &status, err);
    if (r < 0)
        return r;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void release(struct launch *l)
{
    runtime_container_release(&l->container);
    oci_spec_release(&l->spec);
    systemd_unit_release(&l->unit);
    free(l->seccomp);
    free(l->bundle_path);
    free(l->resctrl_planned);
    fd_close(l->bundle_fd);
    fd_close(l->state_fd);
    fd_close(l->fifo_fd);
}

int launch_run(struct launch *l, struct error *err)
{
    int r = load(l, err);
    r = r < 0 ? r : make_state(l, err);
    r = r < 0 ? r : (l->begin != NULL ? l->begin : launch_container)(l, err);
    r = r < 0 ? r : record(l, err);
    if (r < 0) {
        if (l->started)
            kill(l->container.pid, SIGKILL);
        forget(l, l->started);
    } else if (!l->create && !l->detach) {
        r = foreground(l, err);
        if (!l->keep)
            forget(l, true);
    }
    release(l);
    return r;
}

static int launch(struct launch *l, int argc, char **argv, struct error *err)
{
    int r = parse(l, argc, argv, err);
    return r < 0 ? r : launch_run(l, err);
}

const struct launch launch_empty = {
    .bundle_fd = -1,
    .state_fd = -1,
    .fifo_fd = -1,
    .container = {.pid_fd = -1, .console_fd = -1, .mounts_fd = -1, .start_fd = -1},
};

int command_create(const struct global *global, int argc, char **argv, struct error *err)
{
    struct launch l = launch_empty;
    l.global = global;
    l.create = true;
    return launch(&l, argc, argv, err);
}

int command_run(const struct global *global, int argc, char **argv, struct error *err)
{
    struct launch l = launch_empty;
    l.global = global;
    return launch(&l, argc, argv, err);
}

/* ---- start ---- */

/* Opening waits for the process on the other side; if that has died meanwhile it would wait for ever. */
static int open_gate(int dir_fd, const struct state *state, int *ret_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, STATE_FIFO, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open the start FIFO of container %s", state->id);
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int n = poll(&ready, 1, 100);
        char byte;
        if (n > 0 && read(fd, &byte, 1) == 1)
            break;
        bool zombie = false;
        if (process_start_time((pid_t)state->pid, &zombie) != state->start_time || zombie)
            return error_set(err, ERROR_CONFLICT, ESRCH, "cannot start a container that has stopped");
    }
    if (unlinkat(dir_fd, STATE_FIFO, 0) < 0 || fcntl(fd, F_SETFL, O_RDONLY) < 0) /* no longer O_NONBLOCK */
        return error_errno(err, errno, "cannot remove the start FIFO");
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* What comes behind the byte is why startContainer hooks or the command itself could not run. */
static int await_exec(int gate_fd, struct error *err)
{
    char text[2000];
    size_t size = 0;
    ssize_t n;
    while ((n = read(gate_fd, text + size, sizeof(text) - 1 - size)) != 0)
        if (n > 0)
            size += (size_t)n;
        else if (errno != EINTR)
            return error_errno(err, errno, "cannot read from the start FIFO");
    text[size] = '\0';
    return size > 0 ? error_set(err, ERROR_SYSTEM, EIO, "%s", text) : 0;
}

/* A container whose poststart hook fails is stopped (runtime.md). */
static int run_poststart(const struct state *state, struct error *err)
{
    struct runtime_hook_state told = {.version = state->version,
                                      .id = state->id,
                                      .status = "running",
                                      .pid = (pid_t)state->pid,
                                      .bundle = state->bundle,
                                      .annotations = &state->annotations};
    int r = runtime_hooks_run("poststart", &state->poststart, &told, NULL, err);
    if (r < 0)
        container_signal(state, SIGKILL, NULL);
    return r;
}

int command_start(const struct global *global, int argc, char **argv, struct error *err)
{
    const struct option_row none[] = {OPTION_END};
    const char *id;
    int rest;
    int r = options_one_id(none, argc, argv, 1, &id, &rest, err);
    if (r < 0)
        return r;
    struct state state = {0};
    CLEANUP_CLOSE int dir = -1;
    CLEANUP_CLOSE int gate = -1;
    r = state_lock(global->root, id, &state, &dir, err);
    if (r < 0)
        return r;
    switch (state_status(&state, dir)) {
    case STATUS_CREATED:
        r = open_gate(dir, &state, &gate, err);
        state_unlock(dir); /* hooks may use us */
        r = r < 0 ? r : await_exec(gate, err);
        r = r < 0 ? r : run_poststart(&state, err);
        break;
    case STATUS_CREATING:
        r = error_set(err, ERROR_CONFLICT, EBUSY, "cannot start a container whose creation was cut short");
        break;
    case STATUS_STOPPED:
        r = error_set(err, ERROR_CONFLICT, ESRCH, "cannot start a container that has stopped");
        break;
    default:
        r = error_set(err, ERROR_CONFLICT, EBUSY, "cannot start an already running container");
    }
    state_release(&state);
    return r;
}
