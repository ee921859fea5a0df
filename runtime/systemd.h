/*
 * The cgroup of a container as a transient unit of systemd (org.freedesktop.systemd1.Manager(5)), for hosts whose
 * cgroup tree systemd owns: what --systemd-cgroup of runc asks for, and what Kubernetes expects by default. systemd
 * makes the cgroup and moves the process into it; the limits are its properties, so that it does not undo them, and are
 * written to the control files as without it.
 */
#ifndef DORY_RUNTIME_SYSTEMD_H
#define DORY_RUNTIME_SYSTEMD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/spec.h"

struct systemd_unit {
    char *name;  /* "prefix-id.scope" */
    char *slice; /* "system.slice" */
    char *path;  /* its cgroup below a hierarchy's root, "/system.slice/prefix-id.scope" */
    bool user;   /* a unit of the user's own systemd (systemd --user), which makes cgroups below its own */
};

/* linux.cgroupsPath in the form slice:prefix:name; NULL or "" is SLICE:dory:ID, and the slice that is not said is
 * system.slice, or user.slice with `user`. ERROR_INVALID names what is wrong. With `user` the path is complete only
 * after systemd_unit_place(). Pure. */
int systemd_unit_parse(const char *cgroups_path, const char *id, bool user, struct systemd_unit *ret,
                       struct error *err);
/* Asks the user's systemd where its own cgroup is, below which it makes those of units. Nothing for the system's.
 * ERROR_UNAVAILABLE when none answers. Blocks. */
int systemd_unit_place(struct systemd_unit *unit, struct error *err);
void systemd_unit_release(struct systemd_unit *unit);

/* Starts the unit with this process in it and waits until systemd has done so. ERROR_UNAVAILABLE when no systemd
 * answers. *ret_made, also of a failure: systemd has taken the unit on, so that it is the caller's to stop; one of that
 * name that was there before is somebody else's. Blocks. */
int systemd_unit_start(const struct systemd_unit *unit, const struct oci_resources *resources, pid_t pid,
                       bool *ret_made, struct error *err);
/* Tells systemd of the limits that are given, so that it does not put its own back; the others stay. Blocks. */
int systemd_unit_update(const char *name, bool user, const struct oci_resources *resources, struct error *err);
/* Stops it by name, and makes systemd forget it when it has failed (an OOM kill is a failure to it); one that is gone
 * is no error. */
int systemd_unit_stop(const char *name, bool user, struct error *err);

#endif
