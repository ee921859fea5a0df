/* When, where and with what memory the process runs: sched(7), ioprio_set(2), personality(2), set_mempolicy(2). */
#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched/types.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/settings.h"

static int set_scheduler(const struct oci_scheduler *scheduler, struct error *err)
{
    struct sched_attr attr;
    int r = settings_scheduler(scheduler, &attr, err);
    if (r == 0 && syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
        return error_errno(err, errno, "process.scheduler: cannot set %s", scheduler->policy);
    return r;
}

static int set_io_priority(const struct oci_io_priority *priority, struct error *err)
{
    int value;
    int r = settings_io_priority(priority, &value, err);
    if (r == 0 && syscall(SYS_ioprio_set, IOPRIO_WHO_PGRP, 0, value) < 0)
        return error_errno(err, errno, "process.ioPriority: cannot set %s", priority->class);
    return r;
}

static int set_personality(const struct oci_personality *request, struct error *err)
{
    unsigned long persona;
    int r = settings_personality(request, &persona, err);
    if (r == 0 && personality(persona) < 0)
        return error_errno(err, errno, "linux.personality: cannot set %s", request->domain);
    return r;
}

static int set_memory_policy(const struct oci_memory_policy *policy, struct error *err)
{
    struct settings_memory_policy value = {0};
    int r = settings_memory_policy(policy, &value, err);
    if (r < 0)
        return r;
    /* The kernel counts from one: maxnode is one more than the number of bits. */
    size_t bits = value.nodes.count > 0 ? SETTINGS_BITS + 1 : 0;
    if (syscall(SYS_set_mempolicy, value.mode, bits > 0 ? value.nodes.words : NULL, bits) < 0)
        return error_errno(err, errno, "linux.memoryPolicy: cannot set %s with the nodes \"%s\"", policy->mode,
                           policy->nodes != NULL ? policy->nodes : "");
    return 0;
}

/* All CPUs that its cgroup has: those that the runtime was started on are no concern of the container's. What the
 * cpuset does not have now, it may have later. */
static int reset_affinity(struct error *err)
{
    struct settings_mask all;
    memset(&all, 0xff, sizeof(all));
    if (syscall(SYS_sched_setaffinity, 0, sizeof(all.words), all.words) < 0)
        return error_errno(err, errno, "cannot run on all CPUs");
    return 0;
}

int child_set_scheduling(struct child *child, struct error *err)
{
    const struct oci_process *process = &child->spec->process;
    const struct oci_linux *l = &child->spec->linux_;
    int r = child->has_affinity ? 0 : reset_affinity(err);
    if (r < 0)
        return r;
    if (process->scheduler != NULL || l->memory_policy != NULL) {
        /* Real-time time and memory nodes are the cgroup's to give. */
        r = child_await_cgroup(child, err);
        r = r < 0 || process->scheduler == NULL ? r : set_scheduler(process->scheduler, err);
        r = r < 0 || l->memory_policy == NULL ? r : set_memory_policy(l->memory_policy, err);
    }
    r = r < 0 || process->io_priority == NULL ? r : set_io_priority(process->io_priority, err);
    return r < 0 || l->personality == NULL ? r : set_personality(l->personality, err);
}
