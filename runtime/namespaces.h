/*
 * Internal to runtime/: which namespaces are made and which are joined, and by whom. See namespaces(7),
 * user_namespaces(7), time_namespaces(7).
 *
 * A pid namespace takes effect for children only, and a process in a new user namespace may no longer join the others:
 * the parent does those around clone3 and comes back. Nobody comes back from a user namespace, so that one is joined by
 * a helper process, whose child becomes ours (CLONE_PARENT). The rest is done by the child.
 */
#ifndef DORY_RUNTIME_NAMESPACES_H
#define DORY_RUNTIME_NAMESPACES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/container.h"

#define NAMESPACE_JOINS_MAX 8

struct namespace_join {
    int fd;
    int flag;      /* CLONE_NEW* */
    bool borrowed; /* not ours to close */
    size_t index;  /* in linux.namespaces, for errors; unless borrowed */
};

struct namespace_plan {
    const struct oci_spec *spec;
    /* For clone3; without the cgroup namespace, which is made after the cgroup is entered, and without the time
     * namespace, whose offsets have to be set before anybody is in it. */
    uint64_t clone_flags;
    bool new_cgroup, new_user, new_network, new_time;
    bool joins_user, joins_mount;
    struct namespace_join joins[NAMESPACE_JOINS_MAX];
    size_t join_count;
};

/* Opens the paths. Released with namespace_plan_release in every case. */
int namespace_plan_make(const struct runtime_options *options, struct namespace_plan *ret, struct error *err);
void namespace_plan_release(struct namespace_plan *plan);
/* The namespace of this kind (CLONE_NEW*) that is joined, or -1. */
int namespace_joined_fd(const struct namespace_plan *plan, int flag);

/*
 * fork, into what the plan says for the parent's side, and into the v2 cgroup at cgroup_fd (-1: none), which
 * *ret_in_cgroup says has worked. 0 in the child, the pid in the parent, -errno. After a failure to come back from a
 * joined namespace the process is in foreign namespaces: there is nothing to do but to end it.
 */
pid_t namespace_clone(const struct namespace_plan *plan, int cgroup_fd, int *ret_pid_fd, bool *ret_in_cgroup,
                      struct error *err);

/* The child's side, after the user namespace has its maps. */
int namespace_join_child(const struct namespace_plan *plan, struct error *err);
/* A new time namespace with the spec's offsets. offsets_fd is /proc/self/timens_offsets, opened for writing while the
 * process was still its owner. */
int namespace_enter_time(const struct namespace_plan *plan, int offsets_fd, struct error *err);

/* CLONE_NEWNET -> "net", its file in /proc/PID/ns. */
const char *namespace_file(int flag);
/* Whether the parent or the helper joins it, not the child. */
bool namespace_joined_before_clone(const struct namespace_plan *plan, const struct namespace_join *join);
int namespace_join_error(const struct namespace_join *join, int errnum, struct error *err);

#endif
