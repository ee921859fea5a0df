/*
 * The cgroup of a container as a transient unit of systemd (org.freedesktop.systemd1.Manager(5)), for hosts whose
 * cgroup tree systemd owns: what --systemd-cgroup of runc asks for, and what Kubernetes expects by default. systemd
 * makes the cgroup and moves the process into it; the limits are its properties, so that it does not undo them, and are
 * written to the control files as without it.
 */
#ifndef DORY_RUNTIME_SYSTEMD_H
#define DORY_RUNTIME_SYSTEMD_H

#include <sys/types.h>

#include "base/error.h"
#include "runtime/spec.h"

struct systemd_unit {
    char *name;  /* "prefix-id.scope" */
    char *slice; /* "system.slice" */
    char *path;  /* its cgroup below a hierarchy's root, "/system.slice/prefix-id.scope" */
};

/* linux.cgroupsPath in the form slice:prefix:name; NULL or "" is system.slice:dory:ID. ERROR_INVALID names what is
 * wrong. Pure. */
int systemd_unit_parse(const char *cgroups_path, const char *id, struct systemd_unit *ret, struct error *err);
void systemd_unit_release(struct systemd_unit *unit);

/* Starts the unit with this process in it and waits until systemd has done so. ERROR_UNAVAILABLE when no systemd
 * answers. *ret_made, also of a failure: systemd has taken the unit on, so that it is the caller's to stop; one of that
 * name that was there before is somebody else's. Blocks. */
int systemd_unit_start(const struct systemd_unit *unit, const struct oci_resources *resources, pid_t pid,
                       bool *ret_made, struct error *err);
/* Tells systemd of the limits that are given, so that it does not put its own back; the others stay. Blocks. */
int systemd_unit_update(const char *name, const struct oci_resources *resources, struct error *err);
/* Stops it by name, and makes systemd forget it when it has failed (an OOM kill is a failure to it); one that is gone
 * is no error. */
int systemd_unit_stop(const char *name, struct error *err);

#endif
