#include "runtime/rlimits.h"

#include <errno.h>
#include <sys/resource.h>

#include "runtime/defaults.h"

int rlimits_make_room(const struct oci_process *process, pid_t pid, struct error *err)
{
    const struct oci_rlimit *items = process->rlimits.items;
    for (size_t i = 0; i < process->rlimits.count; i++) {
        int number = runtime_rlimit_number(items[i].type);
        struct rlimit limit;
        if (prlimit(pid, (enum __rlimit_resource)number, NULL, &limit) < 0)
            return errno == ESRCH ? 0 : error_errno(err, errno, "process.rlimits[%zu]: prlimit", i);
        if (limit.rlim_max >= items[i].hard)
            continue;
        limit.rlim_max = items[i].hard;
        if (prlimit(pid, (enum __rlimit_resource)number, &limit, NULL) < 0 && errno != ESRCH)
            return error_errno(err, errno, "process.rlimits[%zu]: cannot raise %s", i, items[i].type);
    }
    return 0;
}
