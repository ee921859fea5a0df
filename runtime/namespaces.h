/* Internal to runtime/: which namespaces are made by clone3 and which are joined, and by whom. */
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
};

struct namespace_plan {
    uint64_t clone_flags; /* for clone3; without the cgroup namespace, which is made after the cgroup is entered */
    bool new_cgroup, new_user, new_network;
    struct namespace_join joins[NAMESPACE_JOINS_MAX];
    size_t join_count;
};

/* Opens the paths. Released with namespace_plan_release in every case. */
int namespace_plan_make(const struct runtime_options *options, struct namespace_plan *ret, struct error *err);
void namespace_plan_release(struct namespace_plan *plan);

/*
 * Joining: a pid namespace takes effect for children only, and a process in a new user namespace may no longer join the
 * others, so the parent does those around clone3 and comes back; the child does the rest.
 */
struct namespace_return {
    int fds[NAMESPACE_JOINS_MAX];
    int flags[NAMESPACE_JOINS_MAX];
    size_t count;
};
int namespace_join_parent(const struct namespace_plan *plan, struct namespace_return *ret, struct error *err);
/* Failure leaves the process in foreign namespaces: there is nothing to do but to end it. */
int namespace_return(struct namespace_return *back, struct error *err);
int namespace_join_child(const struct namespace_plan *plan, struct error *err);

/* uid_map, gid_map of a child in a new user namespace. */
int namespace_write_maps(pid_t pid, const struct oci_spec *spec, struct error *err);

#endif
