/* pause and resume: the freezer. */
#include <errno.h>

#include "base/fd.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"

static int set_frozen(const struct state *state, bool frozen, struct error *err)
{
    struct runtime_cgroup *cgroup = NULL;
    int r = state_open_cgroup(state, &cgroup, err);
    r = r < 0 ? r : runtime_cgroup_freeze(cgroup, frozen, err);
    runtime_cgroup_free(cgroup);
    return r;
}

static int pause_or_resume(const struct global *global, int argc, char **argv, bool frozen, struct error *err)
{
    const struct option_row none[] = {OPTION_END};
    const char *id;
    int rest;
    int r = options_one_id(none, argc, argv, 1, &id, &rest, err);
    struct state state = {0};
    CLEANUP_CLOSE int dir = -1;
    r = r < 0 ? r : state_lock(global->root, id, &state, &dir, err);
    if (r < 0)
        return r;
    enum status status = state_status(&state, dir);
    if (frozen && status != STATUS_RUNNING && status != STATUS_CREATED)
        r = error_set(err, ERROR_CONFLICT, EBUSY, "container not running or created: %s", status_name(status));
    else if (!frozen && status != STATUS_PAUSED && status != STATUS_CREATED)
        r = error_set(err, ERROR_CONFLICT, EBUSY, "container not paused");
    else
        r = set_frozen(&state, frozen, err);
    state_release(&state);
    return r;
}

int command_pause(const struct global *global, int argc, char **argv, struct error *err)
{
    return pause_or_resume(global, argc, argv, true, err);
}

int command_resume(const struct global *global, int argc, char **argv, struct error *err)
{
    return pause_or_resume(global, argc, argv, false, err);
}
