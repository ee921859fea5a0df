#include "daemon/cpuset.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/strv.h"

#define CPUSET_MAX 8192 /* the kernel's NR_CPUS at most */

static int parse(const char *text, bool set[CPUSET_MAX])
{
    CLEANUP_STRV struct strv items = STRV_INIT;
    strv_split(&items, text, ',');
    for (size_t i = 0; i < items.count; i++) {
        int64_t first, last;
        char *dash = strchr(items.items[i], '-');
        if (dash != NULL)
            *dash = '\0';
        if (parse_int64(items.items[i], 0, CPUSET_MAX - 1, &first) < 0)
            return -EINVAL;
        last = first;
        if (dash != NULL && parse_int64(dash + 1, first, CPUSET_MAX - 1, &last) < 0)
            return -EINVAL;
        for (int64_t n = first; n <= last; n++)
            set[n] = true;
    }
    return 0;
}

int cpuset_is_subset(const char *list, const char *available)
{
    bool wanted[CPUSET_MAX] = {0}, there[CPUSET_MAX] = {0};
    if (parse(list, wanted) < 0 || parse(available, there) < 0)
        return -EINVAL;
    for (size_t i = 0; i < CPUSET_MAX; i++)
        if (wanted[i] && !there[i])
            return 0;
    return 1;
}

int cpuset_check(const char *list, enum cpuset_kind kind, struct error *err)
{
    static const struct {
        const char *file, *name, *what;
    } rows[] = {
        [CPUSET_CPUS] = {"/sys/devices/system/cpu/online", "cpus", "CPUs"},
        [CPUSET_MEMS] = {"/sys/devices/system/node/online", "mems", "memory nodes"},
    };
    if (list == NULL || *list == '\0')
        return 0;
    CLEANUP_FREE char *available = NULL;
    size_t size;
    if (file_read(AT_FDCWD, rows[kind].file, 65536, &available, &size, NULL) < 0)
        available = xstrdup("0"); /* a kernel without memory nodes has one */
    available[strcspn(available, "\n")] = '\0';
    int r = cpuset_is_subset(list, available);
    if (r < 0)
        return error_set(err, ERROR_INVALID, 0, "Invalid value %s for cpuset %s", list, rows[kind].name);
    if (r == 0)
        return error_set(err, ERROR_INVALID, 0, "Requested %s are not available - requested %s, available: %s",
                         rows[kind].what, list, available);
    return 0;
}
