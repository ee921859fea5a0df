/*
 * The life cycle of a container as a table: state x event gives the next state or the named refusal. Pure.
 */
#ifndef DORY_DAEMON_CONTAINER_STATE_H
#define DORY_DAEMON_CONTAINER_STATE_H

#include <stdbool.h>

#include "base/error.h"

enum container_state {
    CONTAINER_CREATED,
    CONTAINER_RUNNING,
    CONTAINER_PAUSED,
    CONTAINER_RESTARTING, /* ended; the restart policy will start it again */
    CONTAINER_REMOVING,
    CONTAINER_EXITED,
    CONTAINER_DEAD, /* removal failed half-way */
    CONTAINER_STATE_COUNT,
};

enum container_event {
    CONTAINER_START,        /* asked to start (the state changes when the process runs) */
    CONTAINER_POLICY_START, /* the restart policy starts it again */
    CONTAINER_STARTED,      /* its process runs */
    CONTAINER_START_FAILED, /* it could not be started */
    CONTAINER_EXIT,         /* the process ended for good */
    CONTAINER_EXIT_RESTART, /* the process ended and the policy says: again */
    CONTAINER_STOP,         /* asked to stop */
    CONTAINER_KILL,         /* asked to send a signal */
    CONTAINER_PAUSE,
    CONTAINER_UNPAUSE,
    CONTAINER_REMOVE,
    CONTAINER_REMOVE_FORCE,
    CONTAINER_REMOVE_FAILED,
    CONTAINER_RENAME,
    CONTAINER_NETWORK, /* connect to a network or disconnect from it */
    CONTAINER_ATTACH,
    CONTAINER_RESIZE,
    CONTAINER_TOP,
    CONTAINER_EXEC,
    CONTAINER_UPDATE,
    CONTAINER_FILES, /* files are read or written from outside */
    CONTAINER_EVENT_COUNT,
};

/* "created" "running" ... as the API prints it. */
const char *container_state_name(enum container_state state);
/* Inverse. -EINVAL for anything else. */
int container_state_parse(const char *name, enum container_state *ret);
/* A process of it exists (running, paused). */
bool container_state_is_running(enum container_state state);

/*
 * Looks the move up. On success *ret is the next state (the same one where an event leaves it). A refusal carries
 * docker's text with `name` (id or name of the container, as docker has it there) in it; ERROR_NOT_MODIFIED for start
 * of a running and stop of a stopped container.
 */
int container_state_next(enum container_state state, enum container_event event, const char *name,
                         enum container_state *ret, struct error *err);

#endif
