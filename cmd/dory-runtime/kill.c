/* kill: a signal to a container's init or to everything in it. */
#include <errno.h>
#include <signal.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/parse.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"

/* Names beside those that the C library prints. */
static const struct {
    const char *name;
    int number;
} aliases[] = {{"IOT", SIGABRT}, {"CLD", SIGCHLD}, {"IO", SIGIO}, {"POLL", SIGPOLL}};

static int parse_realtime(const char *name)
{
    int64_t offset = 0;
    if (strncasecmp(name, "RTMIN", 5) == 0 &&
        (name[5] == '\0' || (name[5] == '+' && parse_int64(name + 6, 0, 30, &offset) == 0)))
        return 34 + (int)offset; /* what programs see as SIGRTMIN: the C library keeps two */
    if (strncasecmp(name, "RTMAX", 5) == 0 &&
        (name[5] == '\0' || (name[5] == '-' && parse_int64(name + 6, 0, 30, &offset) == 0)))
        return 64 - (int)offset;
    return -1;
}

/* "9", "KILL", "SIGKILL", "rtmin+3", in either case; -1 when unknown */
static int parse_signal(const char *text)
{
    int64_t number;
    if (parse_int64(text, 0, 64, &number) == 0)
        return (int)number;
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (int i = 1; i < 32; i++)
        if (sigabbrev_np(i) != NULL && strcasecmp(sigabbrev_np(i), name) == 0)
            return i;
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
        if (strcasecmp(aliases[i].name, name) == 0)
            return aliases[i].number;
    return parse_realtime(name);
}

/* On v1 a frozen process does not even die before it is thawed. */
static int thaw_for_kill(struct runtime_cgroup *cgroup, struct error *err)
{
    bool frozen = false;
    int r = runtime_cgroup_frozen(cgroup, &frozen, err);
    return r < 0 || !frozen ? r : runtime_cgroup_freeze(cgroup, false, err);
}

int container_signal(const struct state *state, int signal, struct error *err)
{
    CLEANUP_CLOSE int fd = -1;
    int r = state_open_init(state, &fd, err);
    if (r < 0)
        return r;
    if (syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) < 0)
        return error_errno(err, errno, "cannot signal container %s", state->id);
    struct runtime_cgroup *cgroup = NULL;
    if (signal == SIGKILL && state_open_cgroup(state, &cgroup, NULL) == 0)
        r = thaw_for_kill(cgroup, err);
    runtime_cgroup_free(cgroup);
    return r;
}

static int send_to_all(const struct state *state, int signal, struct error *err)
{
    struct runtime_cgroup *cgroup = NULL;
    if (state->cgroups_path[0] == '\0' && signal == SIGKILL)
        return container_signal(state, signal, err); /* its pid namespace ends with it */
    int r = state_open_cgroup(state, &cgroup, err);
    if (r < 0)
        return r;
    bool frozen = false;
    r = runtime_cgroup_frozen(cgroup, &frozen, err);
    /* Standing still, nothing forks past us. A host that cannot freeze gets what is possible without. */
    bool freeze = r == 0 && !frozen && signal != SIGKILL && runtime_cgroup_freeze(cgroup, true, NULL) == 0;
    r = r < 0 ? r : runtime_cgroup_kill(cgroup, signal, err);
    if (r == 0 && signal == SIGKILL)
        r = thaw_for_kill(cgroup, err);
    if (freeze) {
        int thawed = runtime_cgroup_freeze(cgroup, false, r == 0 ? err : NULL);
        r = r < 0 ? r : thawed;
    }
    runtime_cgroup_free(cgroup);
    return r;
}

/* Without a pid namespace of its own a container is not over with its init. */
static int kill_inhabitants(const struct state *state, struct error *err)
{
    struct runtime_cgroup *cgroup = NULL;
    CLEANUP_FREE pid_t *pids = NULL;
    size_t count = 0;
    int r = state_open_cgroup(state, &cgroup, NULL);
    r = r < 0 ? r : runtime_cgroup_pids(cgroup, &pids, &count, NULL);
    runtime_cgroup_free(cgroup);
    if (r < 0 || count == 0)
        return container_signal(state, SIGKILL, err);
    return send_to_all(state, SIGKILL, err);
}

int command_kill(const struct global *global, int argc, char **argv, struct error *err)
{
    bool all = false;
    const struct option_row rows[] = {OPTION_FLAG("all", 'a', &all, "signal every process of the container"),
                                      OPTION_END};
    const char *id;
    int rest;
    int r = options_one_id(rows, argc, argv, 2, &id, &rest, err);
    if (r < 0)
        return r;
    const char *name = rest < argc ? argv[rest] : "SIGTERM";
    int signal = parse_signal(name);
    if (signal < 0)
        return error_set(err, ERROR_INVALID, 0, "unknown signal \"%s\"", name);
    struct state state = {0};
    r = state_read(global->root, id, &state, NULL, err);
    if (r < 0)
        return r;
    if (all)
        r = send_to_all(&state, signal, err);
    else
        r = state.shared_pids && signal == SIGKILL ? kill_inhabitants(&state, err)
                                                   : container_signal(&state, signal, err);
    state_release(&state);
    return r;
}
