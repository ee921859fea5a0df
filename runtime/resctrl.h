/*
 * linux.intelRdt: a share of the L3 cache and of the memory bandwidth, and a group that is monitored, by the resctrl
 * file system (Linux, Documentation/arch/x86/resctrl.rst; OCI config-linux.md, "Intel RDT"). A class of service is a
 * directory at its root with the files schemata and tasks; processes that are in it hand it on to their children.
 */
#ifndef DORY_RUNTIME_RESCTRL_H
#define DORY_RUNTIME_RESCTRL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/spec.h"

/* Where a container is; both NULL for one without. */
struct resctrl_group {
    char *clos; /* its class of service, a name */
    char *made; /* the directory below the root that is the container's own and goes with it, or NULL */
};

/* What can be said without a machine that has it: names and combinations. Errors name the field. Pure. */
int resctrl_check(const struct oci_intel_rdt *rdt, struct error *err);
/* /sys/fs/resctrl. ERROR_NOT_IMPLEMENTED when the machine has none or it is not mounted. */
int resctrl_open(int *ret_root_fd, struct error *err);
/* Which directory resctrl_enter() will make that is the container's own; NULL: none, also when it is there already. To
 * be written down first, so that nothing is left of a runtime that is killed. The caller frees. */
char *resctrl_plan(int root_fd, const struct oci_intel_rdt *rdt, const char *id);
/* The same at /sys/fs/resctrl; NULL also without one, and for rdt NULL. */
char *runtime_resctrl_plan(const struct oci_intel_rdt *rdt, const char *id);
/* Puts the process into the class of service rdt->clos_id, or one of its own named `id`, and into a monitoring group if
 * one is asked for. A class that is there already is taken with the very schemata that are asked for and is never
 * changed. What was made for it goes again on failure. The caller releases *ret. */
int resctrl_enter(int root_fd, const struct oci_intel_rdt *rdt, const char *id, pid_t pid, struct resctrl_group *ret,
                  struct error *err);
/* Other schemata for an existing class of service. */
int resctrl_update(int root_fd, const char *clos, const struct oci_intel_rdt *rdt, struct error *err);
/* Removes what was made; what is gone is no error. */
int resctrl_remove(int root_fd, const char *made, struct error *err);
/* The same at /sys/fs/resctrl; nothing to do for NULL, and when it is not mounted any more. */
int runtime_resctrl_remove(const char *made, struct error *err);
void resctrl_group_release(struct resctrl_group *group);

/* What is to be written into schemata; "" for nothing. The caller frees. Pure. */
char *resctrl_schemata(const struct oci_intel_rdt *rdt);
/* Whether every value of `wanted` is in `existing`, in whatever order and with however many zeros. Pure. */
bool resctrl_matches(const char *existing, const char *wanted);

#endif
