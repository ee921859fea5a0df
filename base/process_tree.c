#include "base/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/strv.h"

#define STAT_MAX 4096
/* Counted from the field after the name, which is the third. */
#define STAT_PARENT 1
#define STAT_START_TIME 19

/* A number of /proc/PID/stat, -1: no such process. */
static int64_t stat_field(pid_t pid, size_t field)
{
    CLEANUP_FREE char *path = xasprintf("/proc/%d/stat", pid);
    CLEANUP_FREE char *text = NULL;
    CLEANUP_STRV struct strv fields = STRV_INIT;
    int64_t value = -1;
    if (file_read(AT_FDCWD, path, STAT_MAX, &text, NULL, NULL) < 0)
        return -1;
    /* The name may have spaces and parentheses. */
    const char *after_name = strrchr(text, ')');
    if (after_name == NULL || after_name[1] != ' ')
        return -1;
    strv_split(&fields, after_name + 2, ' ');
    if (fields.count > field && parse_int64(fields.items[field], 0, INT64_MAX, &value) < 0)
        return -1;
    return value;
}

int64_t process_start_time(pid_t pid)
{
    return stat_field(pid, STAT_START_TIME);
}

struct pids {
    pid_t *items;
    size_t count;
};

static bool has(const struct pids *pids, int64_t pid)
{
    for (size_t i = 0; i < pids->count; i++)
        if (pids->items[i] == pid)
            return true;
    return false;
}

static void stop_and_add(struct pids *pids, pid_t pid)
{
    kill(pid, SIGSTOP);
    pids->items = xreallocarray(pids->items, pids->count + 1, sizeof(*pids->items));
    pids->items[pids->count++] = pid;
}

/* One look at all processes; true when there were children that are new. */
static bool add_children(struct pids *pids)
{
    size_t before = pids->count;
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int64_t pid;
    while (proc != NULL && (entry = readdir(proc)) != NULL)
        if (parse_int64(entry->d_name, 2, INT32_MAX, &pid) == 0 && !has(pids, pid) &&
            has(pids, stat_field((pid_t)pid, STAT_PARENT)))
            stop_and_add(pids, (pid_t)pid);
    if (proc != NULL)
        closedir(proc);
    return pids->count > before;
}

void process_kill_tree(pid_t pid)
{
    struct pids pids = {0};
    stop_and_add(&pids, pid);
    /* One look more than needed: a fork that was under way when its process was stopped has come to its end by then. */
    for (int quiet = 0; quiet < 2;)
        quiet = add_children(&pids) ? 0 : quiet + 1;
    for (size_t i = 0; i < pids.count; i++)
        kill(pids.items[i], SIGKILL);
    free(pids.items);
}
