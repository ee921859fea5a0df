/* delete: removes what is left of a container, also of one whose creation or deletion was cut short. */
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "base/fd.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"
#include "runtime/hooks.h"
#include "runtime/resctrl.h"
#include "runtime/systemd.h"

#define KILL_WAIT_MS 10000

/* systemd removes the cgroup of a unit that has failed, and keeps the unit. One that does not run has neither. */
static int forget_unit(const struct state *state, struct error *err)
{
    struct error said = {0};
    int r = state->systemd_unit != NULL ? systemd_unit_stop(state->systemd_unit, state->systemd_user, &said) : 0;
    return r < 0 && r != -ENOTCONN ? error_propagate(err, &said) : 0;
}

static int remove_cgroup(const struct state *state, struct error *err)
{
    struct runtime_cgroup *cgroup = NULL;
    if (state->cgroups_path[0] == '\0')
        return 0;
    int r = state_open_cgroup(state, &cgroup, err);
    if (r == -ENOENT) {
        if (err != NULL)
            error_clear(err);
        return forget_unit(state, err);
    }
    if (r < 0)
        return r;
    r = runtime_cgroup_kill(cgroup, SIGKILL, err);
    if (r == 0)
        runtime_cgroup_freeze(cgroup, false, NULL); /* frozen ones die when thawed; nothing to thaw is no failure */
    if (r == 0 && state->systemd_unit != NULL)
        r = systemd_unit_stop(state->systemd_unit, state->systemd_user, err);
    r = r < 0 ? r : runtime_cgroup_remove(cgroup, err);
    runtime_cgroup_free(cgroup);
    return r;
}

static int end_process(const struct state *state, struct error *err)
{
    CLEANUP_CLOSE int fd = -1;
    if (state_open_init(state, &fd, NULL) < 0)
        return 0; /* ended this moment */
    int r = container_signal(state, SIGKILL, err);
    if (r < 0)
        return r == -ESRCH ? 0 : r;
    struct pollfd end = {.fd = fd, .events = POLLIN};
    int n;
    do
        n = poll(&end, 1, KILL_WAIT_MS);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : error_set(err, ERROR_SYSTEM, EBUSY, "container init still running");
}

int container_delete(const struct global *global, struct state *state, int dir, bool force, struct error *err)
{
    enum status status = state_status(state, dir);
    if ((status == STATUS_RUNNING || status == STATUS_PAUSED) && !force)
        return error_set(err, ERROR_CONFLICT, EBUSY, "cannot delete container %s that is not stopped: %s", state->id,
                         status_name(status));
    int r = status == STATUS_STOPPED ? 0 : end_process(state, err);
    r = r < 0 ? r : remove_cgroup(state, err);
    r = r < 0 ? r : runtime_resctrl_remove(state->resctrl_made, err);
    if (r < 0)
        return r;
    struct runtime_hook_state told = {
        .version = state->version, .id = state->id, .bundle = state->bundle, .annotations = &state->annotations};
    runtime_hooks_run_poststop(&state->poststop, told, global_warn, (void *)global);
    return state_remove(global->root, state->id, err);
}

int command_delete(const struct global *global, int argc, char **argv, struct error *err)
{
    bool force = false;
    const struct option_row rows[] = {
        OPTION_FLAG("force", 'f', &force, "kill it first when it runs; an absent container is no error"), OPTION_END};
    const char *id;
    int rest;
    int r = options_one_id(rows, argc, argv, 1, &id, &rest, err);
    if (r < 0)
        return r;
    struct state state = {0};
    CLEANUP_CLOSE int dir = -1;
    r = state_lock(global->root, id, &state, &dir, err);
    if (r == -ENOENT && force) {
        error_clear(err);
        return state_remove(global->root, id, err); /* a directory without a record: cut short in its first moment */
    }
    if (r < 0)
        return r;
    r = container_delete(global, &state, dir, force, err);
    state_release(&state);
    return r;
}
