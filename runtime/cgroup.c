/* What v1 and v2 share: finding the hierarchies, walking a container's cgroup, killing and removing it. */
#include "runtime/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "base/beneath.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"
#define CGROUP_PATH_MAX 1024
#define CGROUP_DEPTH_MAX 64
#define CGROUP_FILE_MAX 65536 /* /proc/PID/cgroup */
#define REMOVE_TRIES 200      /* of 1, 2, 3 ... at most 10 ms */

const char *const cgroup_controller_names[CGROUP_CONTROLLERS] = {
    [CGROUP_MEMORY] = "memory",   [CGROUP_PIDS] = "pids",       [CGROUP_CPU] = "cpu",
    [CGROUP_CPUACCT] = "cpuacct", [CGROUP_DEVICES] = "devices", [CGROUP_FREEZER] = "freezer",
    [CGROUP_BLKIO] = "blkio",     [CGROUP_CPUSET] = "cpuset",   [CGROUP_HUGETLB] = "hugetlb",
    [CGROUP_RDMA] = "rdma",       [CGROUP_NET_CLS] = "net_cls", [CGROUP_NET_PRIO] = "net_prio",
};

/* ---- control files ---- */

int cgroup_write(int dir_fd, const char *name, const char *text, struct error *err)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    int errnum = errno;
    fd_close(fd);
    if (n < 0)
        return error_errno(err, errnum, "failed to write \"%s\" to cgroup file %s", text, name);
    return 0;
}

int cgroup_writef(int dir_fd, const char *name, struct error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CLEANUP_FREE char *text = xvasprintf(format, args);
    va_end(args);
    return cgroup_write(dir_fd, name, text, err);
}

ssize_t cgroup_read(int dir_fd, const char *name, char *buf, size_t size)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = fd_read_full(fd, buf, size - 1);
    if (n >= 0)
        buf[n] = '\0';
    return n;
}

int cgroup_read_number(int dir_fd, const char *name, uint64_t *ret)
{
    char buf[64];
    ssize_t n = cgroup_read(dir_fd, name, buf, sizeof(buf));
    if (n < 0)
        return (int)n;
    buf[strcspn(buf, "\n")] = '\0';
    if (strcmp(buf, "max") == 0) {
        *ret = UINT64_MAX;
        return 0;
    }
    int64_t negative;
    if (buf[0] == '-' && parse_int64(buf, INT64_MIN, -1, &negative) == 0) {
        *ret = UINT64_MAX;
        return 0;
    }
    return parse_uint64(buf, UINT64_MAX, ret);
}

uint64_t cgroup_field(const char *text, const char *key)
{
    size_t size = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, size) == 0 && line[size] == ' ')
            return strtoull(line + size + 1, NULL, 10);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return 0;
}

/* ---- finding the place ---- */

int cgroup_clean_path(const char *path, char **ret, struct error *err)
{
    if (strchr(path, ':') != NULL)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP,
                         "cgroupsPath \"%s\" is one for systemd: it takes --systemd-cgroup", path);
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    while (*path != '\0') {
        size_t size = strcspn(path, "/");
        if (size == 2 && strncmp(path, "..", 2) == 0)
            return error_set(err, ERROR_INVALID, 0, "cgroupsPath must not contain \"..\"");
        if (size > 0 && !(size == 1 && path[0] == '.')) {
            if (out.size > 0)
                strbuf_addc(&out, '/');
            strbuf_add(&out, path, size);
        }
        path += size + (path[size] == '/');
    }
    if (out.size == 0 || out.size > CGROUP_PATH_MAX)
        return error_set(err, ERROR_INVALID, 0, "cgroupsPath must name a cgroup of at most %d characters",
                         CGROUP_PATH_MAX);
    *ret = strbuf_take(&out);
    return 0;
}

static bool is_filesystem(int fd, long magic)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && (long)fs.f_type == magic;
}

/* Opens the roots of the v1 controllers that are mounted below /sys/fs/cgroup. */
static int find_v1(struct runtime_cgroup *cgroup, struct error *err)
{
    struct stat seen[CGROUP_CONTROLLERS];
    bool any = false;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        CLEANUP_CLOSE int fd = openat(cgroup->mount_fd, cgroup_controller_names[c], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || !is_filesystem(fd, CGROUP_SUPER_MAGIC) || fstat(fd, &seen[c]) < 0)
            continue;
        any = true;
        for (int k = 0; k < c; k++)
            if (cgroup->root_fds[k] >= 0 && seen[k].st_dev == seen[c].st_dev && seen[k].st_ino == seen[c].st_ino)
                cgroup->alias[c] = true;
        cgroup->root_fds[c] = TAKE_FD(fd);
    }
    CLEANUP_CLOSE int unified = openat(cgroup->mount_fd, "unified", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (unified >= 0 && is_filesystem(unified, CGROUP2_SUPER_MAGIC))
        cgroup->unified_root_fd = TAKE_FD(unified);
    if (!any)
        return error_set(err, ERROR_UNAVAILABLE, ENOENT, "no cgroup controller is mounted below " CGROUP_MOUNT);
    return 0;
}

bool runtime_cgroup_is_v2(void)
{
    CLEANUP_CLOSE int fd = open(CGROUP_MOUNT, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && is_filesystem(fd, CGROUP2_SUPER_MAGIC);
}

static void cgroup_free_ptr(struct runtime_cgroup **cgroup)
{
    runtime_cgroup_free(*cgroup);
}

int cgroup_new(const char *path, const char *id, struct runtime_cgroup **ret, struct error *err)
{
    CLEANUP(cgroup_free_ptr) struct runtime_cgroup *cgroup = xcalloc(1, sizeof(*cgroup));
    cgroup->mount_fd = cgroup->unified_root_fd = cgroup->unified_fd = -1;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        cgroup->root_fds[c] = cgroup->fds[c] = -1;
    CLEANUP_FREE char *fallback = path == NULL || path[0] == '\0' ? xasprintf("/dory/%s", id) : NULL;
    int r = cgroup_clean_path(fallback != NULL ? fallback : path, &cgroup->path, err);
    if (r < 0)
        return r;
    cgroup->mount_fd = open(CGROUP_MOUNT, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (cgroup->mount_fd < 0)
        return error_errno(err, errno, "cannot open " CGROUP_MOUNT);
    if (is_filesystem(cgroup->mount_fd, CGROUP2_SUPER_MAGIC)) {
        cgroup->ops = &cgroup_ops_v2;
        cgroup->unified_root_fd = fd_dup(cgroup->mount_fd);
    } else {
        cgroup->ops = &cgroup_ops_v1;
        r = find_v1(cgroup, err);
        if (r < 0)
            return r;
    }
    *ret = TAKE_PTR(cgroup);
    return 0;
}

/* The directory that lists the container's processes: v2's if there is one. */
static int process_dir(const struct runtime_cgroup *cgroup)
{
    if (cgroup->unified_fd >= 0)
        return cgroup->unified_fd;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (cgroup->fds[c] >= 0)
            return cgroup->fds[c];
    return -1;
}

/* Whatever is put into it stands still, and we would wait for it for ever. */
static bool found_frozen(const struct runtime_cgroup *cgroup)
{
    char text[16] = "";
    CLEANUP_FREE char *v1 = xasprintf("%s/freezer.state", cgroup->path);
    CLEANUP_FREE char *v2 = xasprintf("%s/cgroup.freeze", cgroup->path);
    int freezer = cgroup->root_fds[CGROUP_FREEZER];
    if (freezer >= 0 && cgroup_read(freezer, v1, text, sizeof(text)) > 0 && strncmp(text, "THAWED", 6) != 0)
        return true;
    return cgroup->unified_root_fd >= 0 && cgroup_read(cgroup->unified_root_fd, v2, text, sizeof(text)) > 0 &&
           text[0] == '1';
}

int cgroup_refuse_inhabited(struct runtime_cgroup *cgroup, struct error *err)
{
    int root = cgroup->unified_root_fd;
    for (int c = 0; root < 0 && c < CGROUP_CONTROLLERS; c++)
        root = cgroup->root_fds[c];
    CLEANUP_FREE char *file = xasprintf("%s/cgroup.procs", cgroup->path);
    char text[16];
    ssize_t n = cgroup_read(root, file, text, sizeof(text));
    if (n < 0 && n != -ENOENT) /* with v1 there may be one of the freezer's all the same */
        return error_errno(err, (int)n, "cannot read cgroup.procs of cgroup %s", cgroup->path);
    if (n > 0)
        return error_set(err, ERROR_CONFLICT, EBUSY, "container's cgroup is not empty: %s", cgroup->path);
    return found_frozen(cgroup)
               ? error_set(err, ERROR_CONFLICT, EBUSY, "container's cgroup unexpectedly frozen: %s", cgroup->path)
               : 0;
}

bool cgroup_tolerates(const struct runtime_cgroup *cgroup, int r)
{
    return cgroup->lenient && (r == -EACCES || r == -EPERM || r == -EROFS);
}

bool runtime_cgroup_exists(const struct runtime_cgroup *cgroup)
{
    return process_dir(cgroup) >= 0;
}

int cgroup_make_dir(int root_fd, const char *path)
{
    int errnum = mkdirat(root_fd, path, 0755) < 0 ? errno : 0;
    if (errnum == ENOENT) {
        CLEANUP_FREE char *copy = xstrdup(path);
        for (char *slash = strchr(copy, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            if (mkdirat(root_fd, copy, 0755) < 0 && errno != EEXIST)
                return -errno;
            *slash = '/';
        }
        if (mkdirat(root_fd, path, 0755) < 0 && errno != EEXIST)
            return -errno;
    }
    int fd = openat(root_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && errnum != 0 && errnum != EEXIST)
        return -errnum; /* why it could not be made says more */
    return fd < 0 ? -errno : fd;
}

int runtime_cgroup_open(const char *cgroups_path, struct runtime_cgroup **ret, struct error *err)
{
    CLEANUP(cgroup_free_ptr) struct runtime_cgroup *cgroup = NULL;
    int r = cgroup_new(cgroups_path, "", &cgroup, err);
    if (r < 0)
        return r;
    r = cgroup->ops->open(cgroup, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(cgroup);
    return 0;
}

void runtime_cgroup_free(struct runtime_cgroup *cgroup)
{
    if (cgroup == NULL)
        return;
    fd_close(cgroup->mount_fd);
    fd_close(cgroup->unified_root_fd);
    fd_close(cgroup->unified_fd);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        fd_close(cgroup->root_fds[c]);
        fd_close(cgroup->fds[c]);
    }
    free(cgroup->path);
    free(cgroup);
}

/* ---- processes ---- */

struct pid_list {
    pid_t *items;
    size_t count, capacity;
};

static int add_pids(int dir_fd, struct pid_list *list)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *text = NULL;
    if (fd < 0)
        return errno == ENOENT || errno == ENODEV ? 0 : -errno;
    int r = fd_read_all(fd, 64u << 20, &text, NULL);
    if (r < 0)
        return r == -ENODEV ? 0 : r;
    for (char *p = text; *p != '\0';) {
        char *end;
        long pid = strtol(p, &end, 10);
        if (end == p)
            break;
        xgrow((void **)&list->items, list->count, &list->capacity, sizeof(list->items[0]));
        list->items[list->count++] = (pid_t)pid;
        p = end + (*end == '\n');
    }
    return 0;
}

/* The directories in dir_fd; none when it has gone meanwhile. */
static int list_children(int dir_fd, struct strv *ret)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    int r = directory_open(dir_fd, ".", &dir);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    while (errno = 0, 1) {
        const struct dirent *entry = readdir(dir);
        if (entry == NULL)
            return errno == ENOENT ? 0 : -errno;
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            strv_add(ret, entry->d_name);
    }
}

static int add_all_pids(int dir_fd, int depth, struct pid_list *list)
{
    CLEANUP_STRV struct strv children = STRV_INIT;
    int r = depth > CGROUP_DEPTH_MAX ? -ELOOP : list_children(dir_fd, &children);
    for (size_t i = 0; r == 0 && i < children.count; i++) {
        CLEANUP_CLOSE int child = openat(dir_fd, children.items[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = child < 0 ? 0 : add_all_pids(child, depth + 1, list);
    }
    return r < 0 ? r : add_pids(dir_fd, list);
}

int runtime_cgroup_pids(struct runtime_cgroup *cgroup, pid_t **ret, size_t *ret_count, struct error *err)
{
    struct pid_list list = {0};
    int r = add_all_pids(process_dir(cgroup), 0, &list);
    if (r < 0) {
        free(list.items);
        return error_errno(err, r, "cannot list the processes of cgroup %s", cgroup->path);
    }
    *ret = list.items;
    *ret_count = list.count;
    return 0;
}

int runtime_cgroup_kill(struct runtime_cgroup *cgroup, int signal, struct error *err)
{
    /* cgroup.kill (Linux 5.14) is atomic against forks and reaches sub-cgroups. */
    if (signal == SIGKILL && cgroup->unified_fd >= 0 && cgroup_write(cgroup->unified_fd, "cgroup.kill", "1", NULL) == 0)
        return 0;
    /* A process that forks while we read the list escapes one round of it, never the last: repeat until nothing is new.
     */
    size_t before = SIZE_MAX;
    for (int round = 0; round < (signal == SIGKILL ? 16 : 1); round++) {
        CLEANUP_FREE pid_t *pids = NULL;
        size_t count = 0;
        int r = runtime_cgroup_pids(cgroup, &pids, &count, err);
        if (r < 0)
            return r;
        if (count == 0 || (count == before && round > 8))
            return 0;
        for (size_t i = 0; i < count; i++)
            if (pids[i] > 0 && kill(pids[i], signal) < 0 && errno != ESRCH)
                return error_errno(err, errno, "cannot signal process %d", pids[i]);
        before = count;
    }
    return 0;
}

/* One directory, which a lenient cgroup gives up if it may not be entered. */
static int join_one(struct runtime_cgroup *cgroup, int root_fd, int *dir_fd, pid_t pid, struct error *err)
{
    int r = cgroup_writef(*dir_fd, "cgroup.procs", err, "%d", pid);
    if (!cgroup_tolerates(cgroup, r))
        return r;
    if (err != NULL)
        error_clear(err);
    *dir_fd = fd_close(*dir_fd);
    unlinkat(root_fd, cgroup->path, AT_REMOVEDIR);
    return 0;
}

int runtime_cgroup_join(struct runtime_cgroup *cgroup, pid_t pid, bool in_unified, struct error *err)
{
    int r = 0;
    if (cgroup->unified_fd >= 0 && !in_unified)
        r = join_one(cgroup, cgroup->unified_root_fd, &cgroup->unified_fd, pid, err);
    for (int c = 0; r == 0 && c < CGROUP_CONTROLLERS; c++)
        if (cgroup->fds[c] >= 0 && !cgroup->alias[c])
            r = join_one(cgroup, cgroup->root_fds[c], &cgroup->fds[c], pid, err);
    if (r < 0)
        error_context(err, "cannot join cgroup %s", cgroup->path);
    return r;
}

/* Where the v2 hierarchy has `member`, as a path below the cgroup's own; NULL when that is not below it. */
static int find_below(const struct runtime_cgroup *cgroup, pid_t member, char **ret, struct error *err)
{
    char file[64];
    CLEANUP_FREE char *text = NULL, *prefix = xasprintf("0::/%s/", cgroup->path);
    snprintf(file, sizeof(file), "/proc/%d/cgroup", member);
    int r = file_read(AT_FDCWD, file, CGROUP_FILE_MAX, &text, NULL, err);
    *ret = NULL;
    for (const char *line = text; r == 0 && line != NULL && *ret == NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, prefix, strlen(prefix)) == 0)
            *ret = xstrndup(line + strlen(prefix), strcspn(line, "\n") - strlen(prefix));
    }
    return r;
}

int cgroup_join_beside(struct runtime_cgroup *cgroup, pid_t member, pid_t pid, struct error *err)
{
    CLEANUP_FREE char *below = NULL;
    int r = find_below(cgroup, member, &below, err);
    if (r < 0)
        return r;
    if (below == NULL)
        return error_set(
            err, ERROR_SYSTEM, EBUSY,
            "cannot join cgroup %s: it gives controllers to cgroups below it, and process %d is in none of "
            "those",
            cgroup->path, member);
    CLEANUP_CLOSE int fd = beneath_open_nofollow(cgroup->unified_fd, below, O_PATH | O_DIRECTORY, 0);
    r = fd < 0 ? error_errno(err, fd, "cannot open it") : cgroup_writef(fd, "cgroup.procs", err, "%d", pid);
    return r < 0 ? error_context(err, "cannot join cgroup %s/%s", cgroup->path, below)
                 : runtime_cgroup_join(cgroup, pid, true, err);
}

int runtime_cgroup_freeze(struct runtime_cgroup *cgroup, bool frozen, struct error *err)
{
    return cgroup->ops->freeze(cgroup, frozen, err);
}

int runtime_cgroup_frozen(struct runtime_cgroup *cgroup, bool *ret, struct error *err)
{
    return cgroup->ops->frozen(cgroup, ret, err);
}

int runtime_cgroup_oom_kills(struct runtime_cgroup *cgroup, uint64_t *ret, struct error *err)
{
    return cgroup->ops->oom_kills(cgroup, ret, err);
}

int runtime_cgroup_update(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err)
{
    return cgroup->ops->update(cgroup, resources, err);
}

int runtime_cgroup_stats(struct runtime_cgroup *cgroup, struct runtime_stats *ret, struct error *err)
{
    struct runtime_stats stats = {0};
    int r = cgroup->ops->stats(cgroup, &stats, err);
    if (r == 0)
        *ret = stats;
    return r;
}

/* ---- removal ---- */

/* Removes the directories below dir_fd, deepest first. */
static int remove_children(int dir_fd, int depth)
{
    CLEANUP_STRV struct strv children = STRV_INIT;
    int r = depth > CGROUP_DEPTH_MAX ? -ELOOP : list_children(dir_fd, &children);
    for (size_t i = 0; r == 0 && i < children.count; i++) {
        CLEANUP_CLOSE int child = openat(dir_fd, children.items[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = child < 0 ? 0 : remove_children(child, depth + 1);
        if (r == 0 && unlinkat(dir_fd, children.items[i], AT_REMOVEDIR) < 0 && errno != ENOENT)
            r = -errno;
    }
    return r;
}

static int remove_once(int root_fd, int dir_fd, const char *path)
{
    if (unlinkat(root_fd, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    /* EBUSY: processes, or cgroups that the container made inside. */
    int r = remove_children(dir_fd, 0);
    if (r < 0)
        return r;
    return unlinkat(root_fd, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* A killed process leaves its cgroup a moment after it was reaped elsewhere, hence the patience. */
static int remove_dir(int root_fd, int dir_fd, const char *path)
{
    for (int i = 0;; i++) {
        int r = remove_once(root_fd, dir_fd, path);
        if (r != -EBUSY || i == REMOVE_TRIES)
            return r;
        struct timespec pause = {.tv_nsec = 1000000L * (i < 10 ? i + 1 : 10)};
        nanosleep(&pause, NULL);
    }
}

int runtime_cgroup_remove(struct runtime_cgroup *cgroup, struct error *err)
{
    int result = 0;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        if (cgroup->fds[c] < 0 || cgroup->alias[c])
            continue;
        int r = remove_dir(cgroup->root_fds[c], cgroup->fds[c], cgroup->path);
        if (r < 0 && result == 0)
            result = error_errno(err, r, "cannot remove cgroup %s of %s", cgroup->path, cgroup_controller_names[c]);
    }
    if (cgroup->unified_fd >= 0) {
        int r = remove_dir(cgroup->unified_root_fd, cgroup->unified_fd, cgroup->path);
        if (r < 0 && result == 0)
            result = error_errno(err, r, "cannot remove cgroup %s", cgroup->path);
    }
    return result;
}

void runtime_cgroup_remove_named(const char *cgroups_path)
{
    CLEANUP_CLOSE int root = open("/sys/fs/cgroup/systemd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *path = cgroups_path + strspn(cgroups_path, "/");
    CLEANUP_CLOSE int fd = root < 0 ? -1 : openat(root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        remove_dir(root, fd, path);
}
