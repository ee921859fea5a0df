/* The runtime's side of a start: what is prepared before clone3, what the child is given, and what is undone when it
 * fails. */
#include "runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "runtime/capabilities.h"
#include "runtime/cgroup.h"
#include "runtime/child_main.h"
#include "runtime/defaults.h"
#include "runtime/hooks.h"
#include "runtime/namespaces.h"
#include "runtime/net_devices.h"
#include "runtime/rlimits.h"
#include "runtime/seccomp_listener.h"
#include "runtime/sources.h"
#include "runtime/stdio.h"
#include "runtime/sync.h"
#include "runtime/user_maps.h"

struct start {
    const struct runtime_options *options;
    struct namespace_plan plan;
    struct runtime_cgroup *cgroup;
    struct oci_resources resources; /* the spec's, less what cannot be; borrowed */
    char *bundle;
    struct sources sources;
    int sync_fd, child_sync_fd;
    pid_t pid;
    int pid_fd;
    int console_fd;
    struct resctrl_group resctrl;
    int mounts_fd;
    bool in_unified; /* clone3 put the child into the v2 cgroup */
    bool exec_announced, ready;
};

/* ---- steps ---- */

static int step_check(struct start *start, struct error *err)
{
    const struct runtime_options *options = start->options;
    int r = oci_spec_validate(options->spec, err);
    if (r < 0)
        return r;
    if (options->spec->linux_.seccomp != NULL && options->seccomp_bpf == NULL)
        return error_set(err, ERROR_INVALID, 0, "linux.seccomp is set, but no compiled program was given");
    if (!options->has_rootfs_fd && (options->spec->root.path == NULL || options->spec->root.path[0] == '\0'))
        return error_set(err, ERROR_INVALID, 0, "root.path must not be empty");
    if (options->seccomp_size % 8 != 0 || options->seccomp_size / 8 > 4096)
        return error_set(err, ERROR_INVALID, 0, "the seccomp program has an impossible size");
    /* The child has a mount namespace of its own, in which our descriptors lead nowhere: it goes by path. */
    char link[64], path[4096];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", options->bundle_fd);
    ssize_t n = readlink(options->bundle_fd == AT_FDCWD ? "/proc/self/cwd" : link, path, sizeof(path) - 1);
    if (n < 0)
        return error_errno(err, errno, "cannot find the path of the bundle");
    start->bundle = xstrndup(path, (size_t)n);
    return 0;
}

static int step_plan(struct start *start, struct error *err)
{
    int r = namespace_plan_make(start->options, &start->plan, err);
    if (r == 0)
        capabilities_warn(&start->options->spec->process, start->plan.new_user || start->plan.joins_user,
                          start->options->warn, start->options->warn_context);
    return r;
}

static bool limits_something(const struct oci_resources *resources)
{
    static const struct oci_resources nothing;
    CLEANUP_STRBUF struct strbuf asked = STRBUF_INIT, none = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &asked);
    json_table_encode(&oci_resources_table, resources, &w);
    json_writer_init(&w, &none);
    json_table_encode(&oci_resources_table, &nothing, &w);
    return strcmp(strbuf_str(&asked), strbuf_str(&none)) != 0;
}

static int cgroup_error(const struct start *start, int r, struct error *err)
{
    if (start->options->rootless && (r == -EACCES || r == -EPERM))
        error_context(err, "linux.resources of a rootless container need a cgroup that is delegated to its user");
    else
        error_context(err, "unable to apply cgroup configuration");
    return r;
}

static int step_cgroup(struct start *start, struct error *err)
{
    const struct oci_linux *l = &start->options->spec->linux_;
    struct runtime_cgroup *cgroup = NULL;
    int r = cgroup_new(l->cgroups_path, start->options->id, &cgroup, err);
    r = r < 0 || start->options->make_cgroup != NULL ? r : cgroup_refuse_inhabited(cgroup, err);
    if (r < 0) {
        runtime_cgroup_free(cgroup);
        return r;
    }
    start->cgroup = cgroup;
    start->resources = l->resources;
    cgroup->rootless = start->options->rootless;
    if (cgroup->rootless) {
        /* A user namespace has no rights on devices beyond those that are bound into it. */
        start->resources.devices = (struct json_array){0};
        cgroup->lenient = !limits_something(&start->resources);
    }
    r = start->options->make_cgroup != NULL ? 0 : cgroup->ops->prepare(cgroup, &start->resources, err);
    return r < 0 ? cgroup_error(start, r, err) : 0;
}

static int step_sources(struct start *start, struct error *err)
{
    start->sources = (struct sources){.spec = start->options->spec,
                                      .bundle = start->bundle,
                                      .root_fd = -1,
                                      .user_fd = namespace_joined_fd(&start->plan, CLONE_NEWUSER)};
    /* An ordinary user has the right to clone mounts in there only. */
    bool elsewhere =
        (start->plan.new_user && !start->options->rootless) || start->plan.joins_user || start->plan.joins_mount;
    return sources_open(&start->sources, elsewhere, elsewhere && !start->options->has_rootfs_fd, err);
}

static int step_pair(struct start *start, struct error *err)
{
    int pair[2];
    int r = fd_socketpair(SOCK_SEQPACKET, pair);
    if (r < 0)
        return error_errno(err, r, "socketpair");
    start->sync_fd = pair[0];
    /* Above the descriptors that go to the container. */
    start->child_sync_fd = fcntl(pair[1], F_DUPFD_CLOEXEC, 3 + (int)start->options->preserve_fds);
    fd_close(pair[1]);
    return start->child_sync_fd < 0 ? error_errno(err, errno, "socketpair") : 0;
}

static int step_clone(struct start *start, struct error *err)
{
    pid_t pid = namespace_clone(&start->plan, start->cgroup->unified_fd, &start->pid_fd, &start->in_unified, err);
    if (pid == 0) {
        struct child_start child = {
            .options = start->options,
            .plan = &start->plan,
            .cgroup = start->cgroup,
            .sync_fd = start->child_sync_fd,
            .sources = &start->sources,
        };
        fd_close(start->sync_fd);
        child_main(&child);
    }
    start->child_sync_fd = fd_close(start->child_sync_fd);
    if (pid < 0)
        return pid;
    start->pid = pid;
    return 0;
}

static int step_maps(struct start *start, struct error *err)
{
    if (!start->plan.new_user)
        return 0;
    const struct oci_linux *l = &start->options->spec->linux_;
    int r = user_maps_write(start->pid, "linux", &l->uid_mappings, &l->gid_mappings, err);
    if (r < 0)
        return r;
    r = sync_send(start->sync_fd, SYNC_MAPPED, -1);
    return r < 0 ? error_errno(err, r, "cannot speak to the container") : 0;
}

/* Has its own from the clone on: the child is busy meanwhile. */
static int step_mounts(struct start *start, struct error *err)
{
    char path[64];
    (void)err;
    if (!start->options->hold_mounts || !(start->plan.clone_flags & CLONE_NEWNS))
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/ns/mnt", start->pid);
    start->mounts_fd = open(path, O_RDONLY | O_CLOEXEC); /* -1: its end is told a little later */
    return 0;
}

static int step_net_devices(struct start *start, struct error *err)
{
    if (start->options->spec->linux_.net_devices.count == 0)
        return 0;
    int joined = namespace_joined_fd(&start->plan, CLONE_NEWNET);
    CLEANUP_CLOSE int own = -1;
    if (joined < 0) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/ns/net", start->pid);
        own = open(path, O_RDONLY | O_CLOEXEC);
        if (own < 0)
            return error_errno(err, errno, "cannot open %s", path);
    }
    return net_devices_move(start->options->spec, joined < 0 ? own : joined, err);
}

static int step_oom_score(struct start *start, struct error *err)
{
    const int64_t *score = start->options->spec->process.oom_score_adj;
    if (score == NULL)
        return 0;
    char path[64], text[16];
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", start->pid);
    snprintf(text, sizeof(text), "%d", (int)*score);
    int r = file_write_control(AT_FDCWD, path, text);
    if (r == -EACCES && start->options->rootless)
        return 0; /* lower than our own: that is not given to ordinary users, and only protects from being chosen */
    if (r == -EACCES || r == -EPERM)
        return error_errno(err, r, "process.oomScoreAdj: cannot set to %s, lowering it takes CAP_SYS_RESOURCE", text);
    return r < 0 ? error_errno(err, r, "process.oomScoreAdj: cannot set to %s", text) : 0;
}

static int step_limits(struct start *start, struct error *err)
{
    if (!start->plan.new_user && !start->plan.joins_user)
        return 0;
    return rlimits_make_room(&start->options->spec->process, start->pid, err);
}

static int step_stdio(struct start *start, struct error *err)
{
    (void)err;
    if (start->plan.new_user || start->plan.joins_user)
        stdio_give(start->options->stdio, start->pid);
    return 0;
}

static int step_resctrl(struct start *start, struct error *err)
{
    const struct oci_intel_rdt *rdt = start->options->spec->linux_.intel_rdt;
    CLEANUP_CLOSE int root = -1;
    int r = rdt == NULL ? 0 : resctrl_open(&root, err);
    return r < 0 || rdt == NULL ? r : resctrl_enter(root, rdt, start->options->id, start->pid, &start->resctrl, err);
}

static int step_enter_cgroup(struct start *start, struct error *err)
{
    const struct runtime_options *options = start->options;
    int r = options->make_cgroup == NULL ? 0 : options->make_cgroup(options->make_cgroup_context, start->pid, err);
    if (r == 0 && options->make_cgroup != NULL)
        r = start->cgroup->ops->prepare(start->cgroup, &start->resources, err);
    r = r < 0 ? r : start->cgroup->ops->enter(start->cgroup, &start->resources, start->pid, start->in_unified, err);
    if (r == -ESRCH) { /* it failed meanwhile, and says why */
        if (err != NULL)
            error_clear(err);
        return 0;
    }
    if (r < 0)
        return cgroup_error(start, r, err);
    r = sync_send(start->sync_fd, SYNC_ENTERED, -1);
    return r == -EPIPE ? 0 : r < 0 ? error_errno(err, r, "cannot speak to the container") : 0;
}

static struct runtime_hook_state hook_state(const struct start *start, const char *status)
{
    return (struct runtime_hook_state){
        .version = start->options->spec->version,
        .id = start->options->id,
        .status = status,
        .pid = start->pid,
        .bundle = start->bundle,
        .annotations = &start->options->spec->annotations,
    };
}

static int on_listener(struct start *start, int number, struct error *err)
{
    struct runtime_hook_state state = hook_state(start, "creating");
    int r = seccomp_listener_pass(start->options->spec->linux_.seccomp, &state, start->pid, start->pid_fd, number, err);
    if (r < 0)
        return r;
    r = sync_send(start->sync_fd, SYNC_LISTENER_TAKEN, -1);
    return r < 0 ? error_errno(err, r, "cannot speak to the container") : 0;
}

static int on_hooks(struct start *start, struct error *err)
{
    const struct oci_hooks *hooks = &start->options->spec->hooks;
    struct runtime_hook_state state = hook_state(start, "creating");
    struct runtime_hook_place place = {.directory = state.bundle};
    int r = runtime_hooks_run("prestart", &hooks->prestart, &state, &place, err);
    r = r < 0 ? r : runtime_hooks_run("createRuntime", &hooks->create_runtime, &state, &place, err);
    if (r < 0)
        return r;
    r = sync_send(start->sync_fd, SYNC_HOOKS_DONE, -1);
    return r < 0 ? error_errno(err, r, "cannot speak to the container") : 0;
}

/* The child closed its end without a word of exec: something killed it. */
static int on_silence(struct start *start, struct error *err)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)start->pid, &info, WEXITED | WNOWAIT) == 0 && info.si_code != CLD_EXITED)
        return error_set(err, ERROR_SYSTEM, EIO,
                         "container init was killed by signal %d%s before it could run the command", info.si_status,
                         info.si_status == SIGKILL ? " (OOM-killed: the memory limit may be too low)" : "");
    return error_set(err, ERROR_SYSTEM, EIO, "container init ended before it could run the command");
}

/* Hears the child out: until exec, until it waits for its start, or until it fails. */
static int step_listen(struct start *start, struct error *err)
{
    for (;;) {
        struct error said = {0};
        int fd = -1;
        int type = sync_receive(start->sync_fd, &said, &fd);
        if (type < 0)
            return error_errno(err, type, "cannot hear from the container");
        int r = 0;
        switch (type) {
        case 0:
            return start->exec_announced ? 0 : on_silence(start, err);
        case SYNC_CONSOLE:
            start->console_fd = TAKE_FD(fd);
            break;
        case SYNC_HOOKS:
            r = on_hooks(start, err);
            break;
        case SYNC_LISTENER:
            r = on_listener(start, said.errnum, err);
            break;
        case SYNC_READY:
            start->ready = true;
            return 0;
        case SYNC_EXEC:
            start->exec_announced = true;
            break;
        case SYNC_ERROR:
            return error_propagate(err, &said);
        default:
            r = error_set(err, ERROR_SYSTEM, EPROTO, "the container's process said something unknown");
        }
        fd_close(fd);
        if (r < 0)
            return r;
    }
}

static int step_poststart(struct start *start, struct error *err)
{
    struct runtime_hook_state state = hook_state(start, "running");
    return start->ready ? 0 : runtime_hooks_run("poststart", &start->options->spec->hooks.poststart, &state, NULL, err);
}

static const struct {
    const char *name;
    int (*run)(struct start *start, struct error *err);
} steps[] = {
    {"check", step_check},         {"plan", step_plan},
    {"sources", step_sources},     {"cgroup", step_cgroup},
    {"pair", step_pair},           {"clone", step_clone},
    {"maps", step_maps},           {"mounts", step_mounts},
    {"oom score", step_oom_score}, {"limits", step_limits},
    {"stdio", step_stdio},         {"net devices", step_net_devices},
    {"resctrl", step_resctrl},     {"enter cgroup", step_enter_cgroup},
    {"listen", step_listen},       {"poststart", step_poststart},
};

/* ---- undoing ---- */

static void undo(struct start *start)
{
    if (start->pid > 0) {
        kill(start->pid, SIGKILL);
        while (waitpid(start->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    start->console_fd = fd_close(start->console_fd);
    start->pid_fd = fd_close(start->pid_fd);
    start->mounts_fd = fd_close(start->mounts_fd);
    start->sync_fd = fd_close(start->sync_fd);
    if (start->cgroup != NULL) {
        runtime_cgroup_kill(start->cgroup, SIGKILL, NULL);
        runtime_cgroup_remove(start->cgroup, NULL);
        runtime_cgroup_free(start->cgroup);
        start->cgroup = NULL;
    }
    runtime_resctrl_remove(start->resctrl.made, NULL);
    resctrl_group_release(&start->resctrl);
    /* The end of the life cycle, also of one that was cut short (runtime.md). */
    if (start->pid > 0)
        runtime_hooks_run_poststop(&start->options->spec->hooks.poststop, hook_state(start, "stopped"),
                                   start->options->warn, start->options->warn_context);
}

int runtime_container_start(const struct runtime_options *options, struct runtime_container *ret, struct error *err)
{
    struct start start = {.options = options,
                          .sync_fd = -1,
                          .child_sync_fd = -1,
                          .pid_fd = -1,
                          .console_fd = -1,
                          .mounts_fd = -1,
                          .sources = {.root_fd = -1}};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
        r = steps[i].run(&start, err);
    namespace_plan_release(&start.plan);
    sources_release(&start.sources);
    fd_close(start.child_sync_fd);
    if (r < 0)
        undo(&start);
    free(start.bundle);
    if (r < 0)
        return r;
    if (!start.ready || options->has_start_fifo)
        start.sync_fd = fd_close(start.sync_fd);
    *ret = (struct runtime_container){
        .pid = start.pid,
        .pid_fd = start.pid_fd,
        .console_fd = start.console_fd,
        .mounts_fd = start.mounts_fd,
        .cgroup = start.cgroup,
        .resctrl = start.resctrl,
        .start_fd = start.sync_fd,
    };
    return 0;
}

int runtime_container_continue(struct runtime_container *container, struct error *err)
{
    if (container->start_fd < 0)
        return error_set(err, ERROR_CONFLICT, EALREADY, "the container does not wait for its start");
    struct runtime_options none = {0};
    struct start start = {.options = &none, .sync_fd = container->start_fd, .pid = container->pid, .console_fd = -1};
    int r = sync_send(container->start_fd, SYNC_START, -1);
    r = r < 0 ? error_errno(err, r, "cannot speak to the container") : step_listen(&start, err);
    container->start_fd = fd_close(container->start_fd);
    return r;
}

void runtime_container_release(struct runtime_container *container)
{
    if (container == NULL)
        return;
    container->pid_fd = fd_close(container->pid_fd);
    container->console_fd = fd_close(container->console_fd);
    container->mounts_fd = fd_close(container->mounts_fd);
    container->start_fd = fd_close(container->start_fd);
    runtime_cgroup_free(container->cgroup);
    container->cgroup = NULL;
    resctrl_group_release(&container->resctrl);
}
