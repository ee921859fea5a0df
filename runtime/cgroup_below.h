/*
 * The cgroups below a container's that one of its processes is put into: what `exec --cgroup` names, in runc's form.
 */
#ifndef DORY_RUNTIME_CGROUP_BELOW_H
#define DORY_RUNTIME_CGROUP_BELOW_H

#include "base/error.h"
#include "base/strmap.h"
#include "base/strv.h"
#include "runtime/cgroup.h"

/* Key for one path in every hierarchy: with cgroup v2 the only one there is. */
#define CGROUP_BELOW_ALL ""

/*
 * One argument is PATH, for all hierarchies, and nothing else is given then; or CONTROLLER[,CONTROLLER...]:PATH, for
 * those of v1, each at most once. Paths are below the container's cgroup ("/" is that one itself). *ret, from
 * controller to path, is added to; the caller releases. Errors in runc's words. Pure.
 */
int cgroup_below_parse(const struct strv *arguments, struct strmap *ret, struct error *err);
/*
 * Turns an opened cgroup's directories to those below, so that runtime_cgroup_join() joins them: nothing else is to be
 * done with it. Hierarchies that are not named stay. Each directory must exist, in every hierarchy that the container
 * is in; symlinks do not, and ".." leads nowhere. ERROR_INVALID for a controller that the container has no cgroup of,
 * ERROR_NOT_FOUND names path and hierarchy.
 */
int cgroup_descend(struct runtime_cgroup *cgroup, const struct strmap *below, struct error *err);

#endif
