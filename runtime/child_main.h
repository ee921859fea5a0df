/* Internal to runtime/: the entry of the cloned process. */
#ifndef DORY_RUNTIME_CHILD_MAIN_H
#define DORY_RUNTIME_CHILD_MAIN_H

#include "runtime/child.h"

struct child_start {
    const struct runtime_options *options;
    const struct namespace_plan *plan;
    const struct runtime_cgroup *cgroup;
    int sync_fd;
    struct sources *sources;
};

/* Execs or reports its error and exits. */
__attribute__((noreturn)) void child_main(const struct child_start *start);

#endif
