#include "cmd/dory-runtime/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json_table.h"
#include "base/memory.h"
#include "base/strbuf.h"

#define ID_MAX 1024
#define STATE_MAX (4u << 20)
#define STATE_FILE "state.json"

#define ROW(name_, kind_, member_, flags_)                                                                             \
    {                                                                                                                  \
        .name = name_, .type = JSON_FIELD_##kind_, .offset = offsetof(struct state, member_), .flags = flags_          \
    }
static const struct json_field rows[] = {
    ROW("ociVersion", STRING, version, 0),
    ROW("id", STRING, id, JSON_REQUIRED),
    ROW("pid", INT, pid, JSON_REQUIRED),
    ROW("startTime", INT, start_time, JSON_REQUIRED),
    ROW("bundle", STRING, bundle, JSON_REQUIRED),
    ROW("rootfs", STRING, rootfs, 0),
    ROW("created", STRING, created, 0),
    ROW("cgroupsPath", STRING, cgroups_path, JSON_REQUIRED),
    ROW("systemdUnit", STRING, systemd_unit, JSON_OMIT_EMPTY),
    ROW("systemdUser", BOOL, systemd_user, JSON_OMIT_EMPTY),
    ROW("resctrlGroup", STRING, resctrl_clos, JSON_OMIT_EMPTY),
    ROW("resctrlMade", STRING, resctrl_made, JSON_OMIT_EMPTY),
    ROW("sharedPids", BOOL, shared_pids, JSON_OMIT_EMPTY),
    ROW("noNewKeyring", BOOL, no_new_keyring, JSON_OMIT_EMPTY),
    ROW("annotations", STRMAP, annotations, 0),
    {.name = "poststart",
     .type = JSON_FIELD_ARRAY,
     .offset = offsetof(struct state, poststart),
     .table = &oci_hook_table},
    {.name = "poststop",
     .type = JSON_FIELD_ARRAY,
     .offset = offsetof(struct state, poststop),
     .table = &oci_hook_table},
};
static const struct json_table table = JSON_TABLE(struct state, rows);

int state_check_id(const char *id, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
    size_t size = strlen(id);
    if (size == 0 || size > ID_MAX || strspn(id, allowed) != size || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
        return error_set(err, ERROR_INVALID, 0, "invalid container ID format: %s", id);
    return 0;
}

/* Locks a directory that somebody else made; it may be taken over when it holds no record. */
static int take_over(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -EEXIST;
    struct stat st;
    return fstatat(fd, STATE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0 ? -EEXIST : 0;
}

static int make_root(const char *root, struct error *err)
{
    int r = file_mkdirs(root, 0700, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", root);
    file_spread(fd);
    return 0;
}

int state_make(const char *root, const char *id, int *ret_fd, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/%s", root, id);
    int made = mkdir(path, 0711);
    if (made < 0 && errno == ENOENT) {
        int r = make_root(root, err);
        if (r < 0)
            return r;
        made = mkdir(path, 0711);
    }
    if (made < 0 && errno != EEXIST)
        return error_errno(err, errno, "cannot create %s", path);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", path);
    if (take_over(fd) < 0)
        return error_set(err, ERROR_CONFLICT, EEXIST, "container with given ID already exists: %s", id);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int state_write(int dir_fd, const struct state *state, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_table_encode(&table, state, &w);
    return file_write_fleeting(dir_fd, STATE_FILE, text.data, text.size, 0600, err);
}

static int open_dir(const char *root, const char *id, int *ret_fd, struct error *err)
{
    int r = state_check_id(id, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *path = xasprintf("%s/%s", root, id);
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_fd < 0 && errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "container does not exist: %s", id);
    return *ret_fd < 0 ? error_errno(err, errno, "cannot open %s", path) : 0;
}

static int read_record(int fd, const char *id, struct state *ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    int r = file_read(fd, STATE_FILE, STATE_MAX, &text, &size, err);
    /* Empty: the machine stopped before the disk had it (file_write_fleeting), and the container with it. */
    if (r == -ENOENT || (r == 0 && size == 0)) {
        if (err != NULL)
            error_clear(err);
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "container does not exist: %s", id);
    }
    r = r < 0 ? r : json_table_decode_text(&table, text, size, ret, err);
    if (r < 0) {
        state_release(ret);
        error_context(err, "the state of container %s", id);
    }
    return r;
}

static int read_state(const char *root, const char *id, bool lock, struct state *ret, int *ret_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = -1;
    int r = open_dir(root, id, &fd, err);
    while (r == 0 && lock && flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            r = error_errno(err, errno, "cannot lock container %s", id);
    /* After the wait: whoever had the lock may have deleted the container. */
    r = r < 0 ? r : read_record(fd, id, ret, err);
    if (r == 0 && ret_fd != NULL)
        *ret_fd = TAKE_FD(fd);
    return r;
}

int state_read(const char *root, const char *id, struct state *ret, int *ret_fd, struct error *err)
{
    return read_state(root, id, false, ret, ret_fd, err);
}

int state_lock(const char *root, const char *id, struct state *ret, int *ret_fd, struct error *err)
{
    return read_state(root, id, true, ret, ret_fd, err);
}

bool state_relock(int dir_fd)
{
    while (flock(dir_fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return false;
    struct stat st;
    return fstat(dir_fd, &st) == 0 && st.st_nlink > 0;
}

void state_unlock(int dir_fd)
{
    flock(dir_fd, LOCK_UN);
}

int state_remove(const char *root, const char *id, struct error *err)
{
    CLEANUP_CLOSE int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : beneath_remove_tree(fd, id);
    return r < 0 && r != -ENOENT ? error_errno(err, r, "cannot remove %s/%s", root, id) : 0;
}

void state_release(struct state *state)
{
    json_table_release(&table, state);
}

int64_t process_start_time(pid_t pid, bool *ret_zombie)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    /* The name in parentheses may hold anything; the fields go on behind the last of them. */
    const char *p = strrchr(text, ')');
    if (p == NULL || p[1] != ' ')
        return 0;
    p += 2;
    if (ret_zombie != NULL)
        *ret_zombie = *p == 'Z' || *p == 'X';
    for (int field = 3; p != NULL && field < 22; field++) {
        p = strchr(p, ' ');
        p = p != NULL ? p + 1 : NULL;
    }
    return p != NULL ? strtoll(p, NULL, 10) : 0;
}

int state_open_init(const struct state *state, int *ret_pid_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = state->pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)state->pid, 0) : -1;
    bool zombie = false;
    if (fd < 0 || process_start_time((pid_t)state->pid, &zombie) != state->start_time || zombie)
        return error_set(err, ERROR_CONFLICT, ESRCH, "container not running");
    *ret_pid_fd = TAKE_FD(fd);
    return 0;
}

int state_open_cgroup(const struct state *state, struct runtime_cgroup **ret, struct error *err)
{
    if (state->cgroups_path[0] == '\0')
        return error_set(err, ERROR_UNAVAILABLE, ENOTSUP, "container %s has no cgroup", state->id);
    return runtime_cgroup_open(state->cgroups_path, ret, err);
}

static bool is_paused(const struct state *state)
{
    struct runtime_cgroup *cgroup = NULL;
    bool paused = false;
    if (state_open_cgroup(state, &cgroup, NULL) == 0)
        runtime_cgroup_frozen(cgroup, &paused, NULL);
    runtime_cgroup_free(cgroup);
    return paused;
}

enum status state_status(const struct state *state, int dir_fd)
{
    bool zombie = false;
    if (state->pid <= 0)
        return STATUS_CREATING;
    if (process_start_time((pid_t)state->pid, &zombie) != state->start_time || zombie)
        return STATUS_STOPPED;
    if (faccessat(dir_fd, STATE_FIFO, F_OK, 0) == 0)
        return STATUS_CREATED;
    return is_paused(state) ? STATUS_PAUSED : STATUS_RUNNING;
}

const char *status_name(enum status status)
{
    static const char *const names[] = {"creating", "created", "running", "paused", "stopped"};
    return names[status];
}
