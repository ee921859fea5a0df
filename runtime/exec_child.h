/* Internal to runtime/: the entry of the cloned helper of an exec. */
#ifndef DORY_RUNTIME_EXEC_CHILD_H
#define DORY_RUNTIME_EXEC_CHILD_H

#include "runtime/exec.h"

struct exec_child_start {
    const struct runtime_exec_options *options;
    int namespaces; /* CLONE_NEW* that differ from ours: those to join */
    int root_fd;    /* the container's root, O_PATH */
    int sync_fd;
};

/* Joins, forks the process and exits; the process execs, or reports its error over sync_fd and exits. */
__attribute__((noreturn)) void exec_child_main(const struct exec_child_start *start);

#endif
