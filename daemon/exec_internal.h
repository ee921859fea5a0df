/* What the files of exec*.c share; for nobody else. */
#ifndef DORY_DAEMON_EXEC_INTERNAL_H
#define DORY_DAEMON_EXEC_INTERNAL_H

#include "daemon/engine_internal.h"
#include "daemon/exec.h"
#include "daemon/exec_config.h"

enum exec_state { EXEC_CREATED, EXEC_STARTING, EXEC_RUNNING, EXEC_ENDED };

struct exec {
    int references; /* atomic */
    char id[ID_SIZE + 1];
    struct container *container;
    struct exec_config config;
    bool transient;
    int64_t created; /* orders ExecIDs */

    /* under the table's lock */
    struct exec *previous, *next; /* of the table's list, oldest first */
    bool listed;
    enum exec_state state;
    bool has_result; /* it ran and its end is known; a failed start counts as well */
    pid_t pid;
    int exit_code;
    int64_t ended; /* monotonic */
};

/* The records of all containers. `lock` comes after a container's lock; nothing is taken while it is held. */
struct exec_table {
    pthread_mutex_t lock;
    struct map by_id;
    struct exec *first, *last;
    size_t ended; /* records of execs that have ended */
};

/* exec.c */
struct exec *exec_new(struct container *container);
struct exec *exec_ref(struct exec *exec);
/* Makes the record known, and forgets old ones. */
void exec_list_add(struct engine *engine, struct exec *exec);
void exec_list_remove(struct engine *engine, struct exec *exec);
/* Its end: state and exit code. False when it was known already. */
bool exec_note_end(struct engine *engine, struct exec *exec, int exit_code);
/* exec_start.c: whether the running container knows the user that the exec asks for. */
int exec_check_user(struct exec *exec, struct error *err);
/* Events carry the command after the action ("exec_start: ls -l"), except for "exec_die" and "exec_detach". */
void exec_event(struct engine *engine, const struct exec *exec, const char *action, const int *exit_code);

#endif
