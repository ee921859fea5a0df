#include "cmd/dory-runtime/state.h"

#include <errno.h>
#include <fcntl.h>
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
    ROW("annotations", STRMAP, annotations, 0),
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

int state_make(const char *root, const char *id, int *ret_fd, struct error *err)
{
    int r = file_mkdirs(root, 0700, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *path = xasprintf("%s/%s", root, id);
    if (mkdir(path, 0711) < 0) {
        if (errno == EEXIST)
            return error_set(err, ERROR_CONFLICT, EEXIST, "container with given ID already exists: %s", id);
        return error_errno(err, errno, "cannot create %s", path);
    }
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? error_errno(err, errno, "cannot open %s", path) : 0;
}

int state_write(int dir_fd, const struct state *state, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_table_encode(&table, state, &w);
    return file_write_atomic(dir_fd, STATE_FILE, text.data, text.size, 0600, err);
}

int state_read(const char *root, const char *id, struct state *ret, int *ret_fd, struct error *err)
{
    int r = state_check_id(id, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *path = xasprintf("%s/%s", root, id);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_FREE char *text = NULL;
    size_t size;
    if (fd < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot open %s", path);
    r = fd < 0 ? -ENOENT : file_read(fd, STATE_FILE, STATE_MAX, &text, &size, err);
    if (r == -ENOENT) {
        error_clear(err);
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "container does not exist: %s", id);
    }
    r = r < 0 ? r : json_table_decode_text(&table, text, size, ret, err);
    if (r < 0) {
        state_release(ret);
        return error_context(err, "the state of container %s", id);
    }
    if (ret_fd != NULL)
        *ret_fd = TAKE_FD(fd);
    return 0;
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

enum status state_status(const struct state *state, int dir_fd)
{
    bool zombie = false;
    if (state->pid <= 0)
        return STATUS_CREATING;
    if (process_start_time((pid_t)state->pid, &zombie) != state->start_time || zombie)
        return STATUS_STOPPED;
    return faccessat(dir_fd, STATE_FIFO, F_OK, 0) == 0 ? STATUS_CREATED : STATUS_RUNNING;
}

const char *status_name(enum status status)
{
    static const char *const names[] = {"creating", "created", "running", "stopped"};
    return names[status];
}
