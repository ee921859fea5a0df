#include "daemon/container_state.h"

#include <errno.h>

#include "base/memory.h"

static const char *const state_names[CONTAINER_STATE_COUNT] = {
    [CONTAINER_CREATED] = "created",   [CONTAINER_RUNNING] = "running",
    [CONTAINER_PAUSED] = "paused",     [CONTAINER_RESTARTING] = "restarting",
    [CONTAINER_REMOVING] = "removing", [CONTAINER_EXITED] = "exited",
    [CONTAINER_DEAD] = "dead",
};

const char *container_state_name(enum container_state state)
{
    return state_names[state];
}

int container_state_parse(const char *name, enum container_state *ret)
{
    for (int i = 0; i < CONTAINER_STATE_COUNT; i++) {
        if (strcmp(state_names[i], name) == 0) {
            *ret = (enum container_state)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool container_state_is_running(enum container_state state)
{
    return state == CONTAINER_RUNNING || state == CONTAINER_PAUSED;
}

/* Why a move is refused. 0 is a bug: every cell says something. */
enum refusal {
    REFUSE_UNSET = 0,
    REFUSE_UNCHANGED,
    REFUSE_NOT_RUNNING,
    REFUSE_KILL_NOT_RUNNING,
    REFUSE_NOT_PAUSED,
    REFUSE_ALREADY_PAUSED,
    REFUSE_START_PAUSED,
    REFUSE_START_REMOVED,
    REFUSE_RESTARTING,
    REFUSE_ATTACH_PAUSED,
    REFUSE_EXEC_PAUSED,
    REFUSE_REMOVE_RUNNING,
    REFUSE_REMOVE_PAUSED,
    REFUSE_REMOVE_RESTARTING,
    REFUSE_REMOVING,
    REFUSE_DEAD,
    REFUSE_UPDATE,
    REFUSE_IMPOSSIBLE,
};

static const struct {
    enum error_kind kind;
    const char *format; /* one %s */
} refusals[] = {
    [REFUSE_UNCHANGED] = {ERROR_NOT_MODIFIED, "container %s is already so"},
    [REFUSE_NOT_RUNNING] = {ERROR_CONFLICT, "container %s is not running"},
    [REFUSE_KILL_NOT_RUNNING] = {ERROR_CONFLICT, "container %s is not running"},
    [REFUSE_NOT_PAUSED] = {ERROR_CONFLICT, "Container %s is not paused"},
    [REFUSE_ALREADY_PAUSED] = {ERROR_CONFLICT, "Container %s is already paused"},
    [REFUSE_START_PAUSED] = {ERROR_CONFLICT, "cannot start a paused container, try unpause instead"},
    [REFUSE_START_REMOVED] = {ERROR_CONFLICT, "container is marked for removal and cannot be started"},
    [REFUSE_RESTARTING] = {ERROR_CONFLICT, "container %s is restarting, wait until the container is running"},
    [REFUSE_ATTACH_PAUSED] = {ERROR_CONFLICT, "container %s is paused, unpause the container before attach"},
    [REFUSE_EXEC_PAUSED] = {ERROR_CONFLICT, "Container %s is paused, unpause the container before exec"},
    [REFUSE_REMOVE_RUNNING] = {ERROR_CONFLICT, "cannot remove container \"%s\": container is running: stop the "
                                               "container before removing or force remove"},
    [REFUSE_REMOVE_PAUSED] = {ERROR_CONFLICT,
                              "cannot remove container \"%s\": container is paused and must be unpaused first"},
    [REFUSE_REMOVE_RESTARTING] = {ERROR_CONFLICT, "cannot remove container \"%s\": container is restarting: stop the "
                                                  "container before removing or force remove"},
    [REFUSE_REMOVING] = {ERROR_CONFLICT, "removal of container %s is already in progress"},
    [REFUSE_DEAD] = {ERROR_CONFLICT, "container %s is dead: it can only be removed"},
    [REFUSE_UPDATE] = {ERROR_CONFLICT,
                       "Cannot update container %s: Container is marked for removal and cannot be \"update\"."},
    [REFUSE_IMPOSSIBLE] = {ERROR_CONFLICT, "container %s is not in a state for this"},
};

/* A cell: a next state (stored + 1, so that a forgotten cell is noticed) or a refusal. */
struct cell {
    unsigned char next, refusal;
};

#define TO(state)                                                                                                      \
    {                                                                                                                  \
        .next = CONTAINER_##state + 1                                                                                  \
    }
#define NO(why)                                                                                                        \
    {                                                                                                                  \
        .refusal = REFUSE_##why                                                                                        \
    }

#define ROW(c, r, p, re, rm, e, d)                                                                                     \
    {                                                                                                                  \
        [CONTAINER_CREATED] = c, [CONTAINER_RUNNING] = r, [CONTAINER_PAUSED] = p, [CONTAINER_RESTARTING] = re,         \
        [CONTAINER_REMOVING] = rm, [CONTAINER_EXITED] = e, [CONTAINER_DEAD] = d                                        \
    }

/* clang-format off */
static const struct cell table[CONTAINER_EVENT_COUNT][CONTAINER_STATE_COUNT] = {
    /*                               created                running             paused             restarting               removing            exited                 dead */
    [CONTAINER_START] =          ROW(TO(CREATED),           NO(UNCHANGED),      NO(START_PAUSED),  NO(UNCHANGED),           NO(START_REMOVED),  TO(EXITED),            NO(START_REMOVED)),
    [CONTAINER_POLICY_START] =   ROW(NO(IMPOSSIBLE),        NO(UNCHANGED),      NO(IMPOSSIBLE),    TO(RESTARTING),          NO(START_REMOVED),  NO(IMPOSSIBLE),        NO(START_REMOVED)),
    [CONTAINER_STARTED] =        ROW(TO(RUNNING),           NO(IMPOSSIBLE),     NO(IMPOSSIBLE),    TO(RUNNING),             NO(START_REMOVED),  TO(RUNNING),           NO(START_REMOVED)),
    [CONTAINER_START_FAILED] =   ROW(TO(CREATED),           NO(IMPOSSIBLE),     NO(IMPOSSIBLE),    TO(EXITED),              TO(REMOVING),       TO(EXITED),            TO(DEAD)),
    [CONTAINER_EXIT] =           ROW(NO(IMPOSSIBLE),        TO(EXITED),         TO(EXITED),        TO(EXITED),              TO(REMOVING),       NO(IMPOSSIBLE),        NO(IMPOSSIBLE)),
    [CONTAINER_EXIT_RESTART] =   ROW(NO(IMPOSSIBLE),        TO(RESTARTING),     TO(RESTARTING),    TO(RESTARTING),          TO(REMOVING),       NO(IMPOSSIBLE),        NO(IMPOSSIBLE)),
    [CONTAINER_STOP] =           ROW(NO(UNCHANGED),         TO(RUNNING),        TO(PAUSED),        TO(EXITED),              NO(UNCHANGED),      NO(UNCHANGED),         NO(UNCHANGED)),
    [CONTAINER_KILL] =           ROW(NO(KILL_NOT_RUNNING),  TO(RUNNING),        TO(PAUSED),        TO(EXITED),              NO(KILL_NOT_RUNNING), NO(KILL_NOT_RUNNING), NO(KILL_NOT_RUNNING)),
    [CONTAINER_PAUSE] =          ROW(NO(NOT_RUNNING),       TO(PAUSED),         NO(ALREADY_PAUSED), NO(RESTARTING),         NO(NOT_RUNNING),    NO(NOT_RUNNING),       NO(NOT_RUNNING)),
    [CONTAINER_UNPAUSE] =        ROW(NO(NOT_PAUSED),        NO(NOT_PAUSED),     TO(RUNNING),       NO(NOT_PAUSED),          NO(NOT_PAUSED),     NO(NOT_PAUSED),        NO(NOT_PAUSED)),
    [CONTAINER_REMOVE] =         ROW(TO(REMOVING),          NO(REMOVE_RUNNING), NO(REMOVE_PAUSED), NO(REMOVE_RESTARTING),   NO(REMOVING),       TO(REMOVING),          TO(REMOVING)),
    [CONTAINER_REMOVE_FORCE] =   ROW(TO(REMOVING),          TO(REMOVING),       TO(REMOVING),      TO(REMOVING),            NO(REMOVING),       TO(REMOVING),          TO(REMOVING)),
    [CONTAINER_REMOVE_FAILED] =  ROW(NO(IMPOSSIBLE),        NO(IMPOSSIBLE),     NO(IMPOSSIBLE),    NO(IMPOSSIBLE),          TO(DEAD),           NO(IMPOSSIBLE),        NO(IMPOSSIBLE)),
    [CONTAINER_RENAME] =         ROW(TO(CREATED),           TO(RUNNING),        TO(PAUSED),        TO(RESTARTING),          NO(REMOVING),       TO(EXITED),            NO(DEAD)),
    [CONTAINER_NETWORK] =        ROW(TO(CREATED),           TO(RUNNING),        TO(PAUSED),        TO(RESTARTING),          NO(REMOVING),       TO(EXITED),            NO(DEAD)),
    [CONTAINER_ATTACH] =         ROW(TO(CREATED),           TO(RUNNING),        NO(ATTACH_PAUSED), NO(RESTARTING),          NO(REMOVING),       TO(EXITED),            NO(DEAD)),
    [CONTAINER_RESIZE] =         ROW(NO(NOT_RUNNING),       TO(RUNNING),        TO(PAUSED),        NO(NOT_RUNNING),         NO(NOT_RUNNING),    NO(NOT_RUNNING),       NO(NOT_RUNNING)),
    [CONTAINER_TOP] =            ROW(NO(NOT_RUNNING),       TO(RUNNING),        TO(PAUSED),        NO(RESTARTING),          NO(NOT_RUNNING),    NO(NOT_RUNNING),       NO(NOT_RUNNING)),
    [CONTAINER_EXEC] =           ROW(NO(NOT_RUNNING),       TO(RUNNING),        NO(EXEC_PAUSED),   NO(RESTARTING),          NO(NOT_RUNNING),    NO(NOT_RUNNING),       NO(NOT_RUNNING)),
    [CONTAINER_UPDATE] =         ROW(TO(CREATED),           TO(RUNNING),        TO(PAUSED),        TO(RESTARTING),          NO(UPDATE),         TO(EXITED),            NO(UPDATE)),
    [CONTAINER_FILES] =          ROW(TO(CREATED),           TO(RUNNING),        TO(PAUSED),        TO(RESTARTING),          NO(REMOVING),       TO(EXITED),            NO(DEAD)),
};
/* clang-format on */

int container_state_next(enum container_state state, enum container_event event, const char *name,
                         enum container_state *ret, struct error *err)
{
    struct cell cell = table[event][state];
    if (cell.next != 0) {
        *ret = (enum container_state)(cell.next - 1);
        return 0;
    }
    if (cell.refusal == REFUSE_UNSET)
        return error_set(err, ERROR_SYSTEM, EINVAL, "container %s: no rule for event %d in state %s", name, (int)event,
                         state_names[state]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    return error_set(err, refusals[cell.refusal].kind, 0, refusals[cell.refusal].format, name);
#pragma GCC diagnostic pop
}
