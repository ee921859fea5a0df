/* Internal to runtime/: what parent and child say to each other during a start, over a SOCK_SEQPACKET pair that is
 * close-on-exec: its end of file after SYNC_EXEC is the news that exec succeeded. */
#ifndef DORY_RUNTIME_SYNC_H
#define DORY_RUNTIME_SYNC_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum sync_type {
    /* parent to child */
    SYNC_MAPPED = 1, /* the user namespace's maps are written */
    SYNC_ENTERED,    /* you are in the cgroup */
    SYNC_HOOKS_DONE,
    SYNC_START, /* with wait_for_start */
    SYNC_LISTENER_TAKEN,
    /* child to parent */
    SYNC_CONSOLE,  /* carries the pty master */
    SYNC_HOOKS,    /* the namespaces are ready: run the hooks of the runtime's side */
    SYNC_READY,    /* stopped before exec, with wait_for_start */
    SYNC_EXEC,     /* the next thing is execve */
    SYNC_FORKED,   /* of an exec: carries a pidfd of the process */
    SYNC_LISTENER, /* of a filter that notifies: carries the number of the descriptor in the child */
    SYNC_ERROR,    /* carries a struct error; nothing follows */
};

/* pass_fd -1: none. 0 or -errno. */
int sync_send(int fd, enum sync_type type, int pass_fd);
void sync_send_error(int fd, const struct error *error);
/* By write(2) alone: the filter is in force already. 0 or -errno. */
int sync_send_listener(int fd, int number);
/* Returns the type, 0 at end of file, or -errno. *error is filled by SYNC_ERROR, its errnum alone by SYNC_LISTENER (the
 * number); *ret_fd (NULL: refused) by what came along, else untouched. */
int sync_receive(int fd, struct error *error, int *ret_fd);
/* In the child: the next message must be this one; end of file (the parent is gone) is an error. */
int sync_expect(int fd, enum sync_type type, struct error *err);

#endif
