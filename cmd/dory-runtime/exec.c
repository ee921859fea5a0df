/* exec: another process in a container. What it is comes from --process, or from the bundle's config.json as the other
 * options change it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"
#include "runtime/cgroup_below.h"
#include "runtime/container.h"
#include "runtime/defaults.h"
#include "runtime/exec.h"
#include "runtime/seccomp.h"

struct exec {
    const struct global *global;
    const char *id;
    const char *process_file, *console_socket, *pidfd_socket, *pid_file, *cwd, *user, *apparmor, *label, *preserve_text;
    bool detach, tty, no_new_privs, no_new_privs_given, ignore_paused;
    struct strv env, gids, caps, cgroups;
    struct strmap below; /* what cgroups says */
    struct state state;
    int state_fd, pid_fd;
    struct oci_spec spec;
    struct oci_process own; /* of --process */
    const struct oci_process *process;
    unsigned preserve_fds, listen_fds;
    struct runtime_exec started;
};

static int parse(struct exec *e, int argc, char **argv, int *ret_first, struct error *err)
{
    const struct option_row rows[] = {
        OPTION_TEXT("process", 'p', &e->process_file,
                    "file with the process as in config.json; no other option changes it"),
        OPTION_FLAG("detach", 'd', &e->detach, "do not wait for the process"),
        OPTION_FLAG("tty", 't', &e->tty, "give the process a terminal"),
        OPTION_TEXT("console-socket", 0, &e->console_socket, "Unix socket that is sent the terminal's master"),
        OPTION_TEXT("pid-file", 0, &e->pid_file, "write the pid of the process there"),
        OPTION_TEXT("cwd", 0, &e->cwd, "working directory in the container"),
        OPTION_LIST("env", 'e', &e->env, "NAME=VALUE"),
        OPTION_TEXT("user", 'u', &e->user, "UID[:GID]"),
        OPTION_LIST("additional-gids", 'g', &e->gids, "supplementary group"),
        OPTION_LIST("cap", 'c', &e->caps, "capability to add"),
        {.name = "no-new-privs",
         .flag = &e->no_new_privs,
         .help = "no privileges through set-user-ID files",
         .given = &e->no_new_privs_given},
        OPTION_TEXT("apparmor", 0, &e->apparmor, "AppArmor profile of the process"),
        OPTION_TEXT("process-label", 0, &e->label, "SELinux label of the process"),
        OPTION_TEXT("pidfd-socket", 0, &e->pidfd_socket, "Unix socket that is sent a pidfd of the process"),
        OPTION_TEXT("preserve-fds", 0, &e->preserve_text, "number of descriptors from 3 on that the process gets"),
        OPTION_LIST("cgroup", 0, &e->cgroups,
                    "cgroup below the container's, which exists: PATH, or CONTROLLER[,CONTROLLER]:PATH with v1"),
        OPTION_FLAG("ignore-paused", 0, &e->ignore_paused, "wait in a paused container instead of failing"),
        OPTION_END,
    };
    int r = options_one_id(rows, argc, argv, 0, &e->id, ret_first, err);
    if (r < 0)
        return r;
    if (e->process_file == NULL && *ret_first >= argc)
        return error_set(err, ERROR_INVALID, 0, "process args cannot be empty");
    r = cgroup_below_parse(&e->cgroups, &e->below, err);
    return r < 0 ? r : preserve_fds(e->preserve_text, &e->preserve_fds, &e->listen_fds, err);
}

/* ---- the container ---- */

static int find_container(struct exec *e, const struct global *global, struct error *err)
{
    int r = state_read(global->root, e->id, &e->state, &e->state_fd, err);
    if (r < 0)
        return r;
    r = state_open_init(&e->state, &e->pid_fd, err);
    if (r < 0)
        return r;
    if (!e->ignore_paused && state_status(&e->state, e->state_fd) == STATUS_PAUSED)
        return error_set(err, ERROR_CONFLICT, EBUSY,
                         "cannot exec in a paused container (use --ignore-paused to override)");
    CLEANUP_CLOSE int bundle = open(e->state.bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (bundle < 0)
        return error_errno(err, errno, "bundle %s", e->state.bundle);
    return oci_spec_load(bundle, "config.json", &e->spec, err);
}

/* ---- the process ---- */

static int set_user(struct oci_user *user, const char *text, struct error *err)
{
    CLEANUP_FREE char *uid = xstrndup(text, strcspn(text, ":"));
    const char *gid = text[strlen(uid)] == ':' ? text + strlen(uid) + 1 : NULL;
    int64_t number;
    int r = option_number("user", uid, 0, UINT32_MAX - 1, &number, err);
    if (r < 0)
        return r;
    user->uid = (uint32_t)number;
    if (gid == NULL)
        return 0;
    r = option_number("user", gid, 0, UINT32_MAX - 1, &number, err);
    user->gid = r < 0 ? user->gid : (uint32_t)number;
    return r;
}

/* One that there is not is warned of and left out, as in config.json. */
static void add_capabilities(struct oci_capabilities *to, const struct strv *caps, const struct global *global)
{
    for (size_t i = 0; i < caps->count; i++) {
        int number = runtime_capability_number(caps->items[i]);
        if (number < 0) {
            CLEANUP_FREE char *text = xasprintf("--cap: ignoring unknown capability %s", caps->items[i]);
            global_warn((void *)global, text);
            continue;
        }
        const char *name = runtime_capability_name(number);
        strv_add(&to->bounding, name);
        strv_add(&to->effective, name);
        strv_add(&to->permitted, name);
        /* An ambient capability has to be inheritable, and nothing becomes that here. */
        if (strv_contains(&to->inheritable, name))
            strv_add(&to->ambient, name);
    }
}

static int change_process(struct exec *e, char *const *args, struct error *err)
{
    struct oci_process *p = &e->spec.process;
    strv_clear(&p->args);
    for (; *args != NULL; args++)
        strv_add(&p->args, *args);
    if (e->cwd != NULL)
        xstrset(&p->cwd, e->cwd);
    if (e->apparmor != NULL)
        xstrset(&p->apparmor_profile, e->apparmor);
    if (e->label != NULL)
        xstrset(&p->selinux_label, e->label);
    for (size_t i = 0; i < e->env.count; i++) {
        if (strchr(e->env.items[i], '=') == NULL)
            return error_set(err, ERROR_INVALID, 0, "invalid value \"%s\" for --env: NAME=VALUE is expected",
                             e->env.items[i]);
        strv_env_set(&p->env, e->env.items[i]);
    }
    p->terminal = e->tty;
    if (e->no_new_privs_given)
        p->no_new_privileges = e->no_new_privs;
    int r = e->user != NULL ? set_user(&p->user, e->user, err) : 0;
    for (size_t i = 0; r == 0 && i < e->gids.count; i++) {
        int64_t gid;
        r = option_number("additional-gids", e->gids.items[i], 0, UINT32_MAX - 1, &gid, err);
        if (r == 0)
            oci_id_list_add(&p->user.additional_gids, (uint32_t)gid);
    }
    preserve_announce(&p->env, e->listen_fds);
    e->process = p;
    add_capabilities(&p->capabilities, &e->caps, e->global);
    return r;
}

static int load_process(struct exec *e, char *const *args, struct error *err)
{
    if (e->process_file == NULL)
        return change_process(e, args, err);
    CLEANUP_FREE char *text = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, e->process_file, OCI_SPEC_SIZE_MAX, &text, &size, err);
    r = r < 0 ? r : json_table_decode_text(&oci_process_table, text, size, &e->own, err);
    if (r < 0)
        return error_context(err, "process file %s", e->process_file);
    preserve_announce(&e->own.env, e->listen_fds);
    e->process = &e->own;
    return 0;
}

static int check_terminal(const struct exec *e, struct error *err)
{
    bool terminal = e->process->terminal;
    if (terminal && e->detach && e->console_socket == NULL)
        return error_set(err, ERROR_INVALID, 0,
                         "cannot allocate tty if runc will detach without setting console socket");
    if (e->console_socket != NULL && !(terminal && e->detach))
        return error_set(err, ERROR_INVALID, 0, "cannot use console socket if runc will not detach or allocate tty");
    return 0;
}

/* ---- running it ---- */

static int start(struct exec *e, struct error *err)
{
    CLEANUP_FREE void *seccomp = NULL;
    struct runtime_exec_options options = {
        .id = e->id,
        .pid = (pid_t)e->state.pid,
        .pid_fd = e->pid_fd,
        .cgroups_path = e->state.cgroups_path[0] != '\0' ? e->state.cgroups_path : NULL,
        .process = e->process,
        .stdio = {0, 1, 2},
        .preserve_fds = e->preserve_fds,
        .plain_lines = e->console_socket == NULL,
        .personality = e->spec.linux_.personality,
        .memory_policy = e->spec.linux_.memory_policy,
        .no_new_keyring = e->state.no_new_keyring,
        .below = &e->below,
    };
    if (e->spec.linux_.seccomp != NULL) {
        int r = runtime_seccomp_compile(e->spec.linux_.seccomp, &seccomp, &options.seccomp_size, &options.seccomp_flags,
                                        err);
        if (r < 0)
            return r;
        options.seccomp_bpf = seccomp;
    }
    struct runtime_hook_state state = {.version = e->spec.version,
                                       .id = e->id,
                                       .status = "running",
                                       .pid = (pid_t)e->state.pid,
                                       .bundle = e->state.bundle,
                                       .annotations = &e->state.annotations};
    options.seccomp = e->spec.linux_.seccomp;
    options.state = &state;
    return runtime_exec_start(&options, &e->started, err);
}

static int end_started(struct exec *e)
{
    kill(e->started.pid, SIGKILL);
    while (waitpid(e->started.pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

static int finish(struct exec *e, struct error *err)
{
    int r = 0, status = 0;
    if (e->console_socket != NULL)
        r = console_send(e->console_socket, e->started.console_fd, err);
    if (r == 0 && e->pidfd_socket != NULL)
        r = pidfd_send(e->pidfd_socket, e->started.pid_fd, err);
    if (r == 0 && e->pid_file != NULL)
        r = pid_file_write(e->pid_file, e->started.pid, err);
    if (r < 0)
        end_started(e);
    if (r < 0 || e->detach)
        return r;
    r = terminal_proxy(e->started.console_fd, e->started.pid_fd, e->started.pid, &status, err);
    if (r < 0)
        return r;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void release(struct exec *e)
{
    runtime_exec_release(&e->started);
    oci_spec_release(&e->spec);
    json_table_release(&oci_process_table, &e->own);
    state_release(&e->state);
    fd_close(e->state_fd);
    fd_close(e->pid_fd);
    strv_release(&e->env);
    strv_release(&e->gids);
    strv_release(&e->caps);
    strv_release(&e->cgroups);
    strmap_release(&e->below);
}

int command_exec(const struct global *global, int argc, char **argv, struct error *err)
{
    struct exec e = {.global = global, .state_fd = -1, .pid_fd = -1, .started = {.pid_fd = -1, .console_fd = -1}};
    int first = 0;
    int r = parse(&e, argc, argv, &first, err);
    r = r < 0 ? r : find_container(&e, global, err);
    r = r < 0 ? r : load_process(&e, argv + first, err);
    r = r < 0 ? r : check_terminal(&e, err);
    r = r < 0 ? r : start(&e, err);
    r = r < 0 ? r : finish(&e, err);
    release(&e);
    if (r < 0)
        error_context(err, "exec failed");
    return r;
}
