#include "runtime/stdio.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

#define MAP_FILE_MAX 65536

/* What 0 in there is here. */
static int root_outside(pid_t pid, const char *file, unsigned *ret)
{
    CLEANUP_FREE char *path = xasprintf("/proc/%d/%s", pid, file);
    CLEANUP_FREE char *text = NULL;
    int r = file_read(AT_FDCWD, path, MAP_FILE_MAX, &text, NULL, NULL);
    for (const char *p = text; r == 0 && p != NULL; p = strchr(p, '\n')) {
        unsigned inside, outside, count;
        p += *p == '\n';
        if (sscanf(p, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0) {
            *ret = outside;
            return 0;
        }
    }
    return r < 0 ? r : -1;
}

void stdio_give(const int stdio[3], pid_t pid)
{
    unsigned uid, gid;
    if (root_outside(pid, "uid_map", &uid) < 0 || root_outside(pid, "gid_map", &gid) < 0)
        return;
    for (int i = 0; i < 3; i++) {
        struct stat st;
        if (stdio[i] >= 0 && fstat(stdio[i], &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) &&
            st.st_uid == geteuid() && st.st_uid != uid)
            (void)!fchown(stdio[i], uid, gid);
    }
}
