#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/strbuf.h"

/* More than any helper is given. */
#define FDS_MAX 64

/* Copies of descriptors that stood where the child's will be; the parent closes them after the spawn. */
struct moved {
    int fds[FDS_MAX + 1];
    size_t count;
};

static void moved_release(struct moved *m)
{
    for (size_t i = 0; i < m->count; i++)
        fd_close(m->fds[i]);
}

/* fd, or its copy above the `targets` numbers that are about to be overwritten. */
static int move_up(struct moved *m, int fd, int targets)
{
    if (fd >= targets)
        return fd;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, targets);
    if (copy < 0)
        return -errno;
    m->fds[m->count++] = copy;
    return copy;
}

static int add_descriptors(const struct process_options *o, struct moved *m, posix_spawn_file_actions_t *actions)
{
    int targets = o->fd_count > 3 ? (int)o->fd_count : 3;
    for (int i = 0; i < targets; i++) {
        int fd = (size_t)i < o->fd_count ? o->fds[i] : -1;
        int r;
        if (fd < 0) {
            r = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
        } else {
            fd = move_up(m, fd, targets);
            if (fd < 0)
                return fd;
            r = posix_spawn_file_actions_adddup2(actions, fd, i);
        }
        if (r != 0)
            return -r;
    }
    int r = o->close_others ? -posix_spawn_file_actions_addclosefrom_np(actions, targets) : 0;
    return r < 0 || o->directory == NULL ? r : -posix_spawn_file_actions_addchdir_np(actions, o->directory);
}

/* A program named by one of our descriptors must not be overwritten either. The path to use, or NULL with *ret_r. */
static const char *program_path(const struct process_options *o, struct moved *m, char *room, size_t size, int *ret_r)
{
    static const char prefix[] = "/proc/self/fd/";
    uint64_t n;
    if (strncmp(o->path, prefix, sizeof prefix - 1) != 0 || parse_uint64(o->path + sizeof prefix - 1, FDS_MAX, &n) < 0)
        return o->path;
    int fd = move_up(m, (int)n, o->fd_count > 3 ? (int)o->fd_count : 3);
    if (fd < 0) {
        *ret_r = fd;
        return NULL;
    }
    snprintf(room, size, "%s%d", prefix, fd);
    return room;
}

static int spawn(const struct process_options *o, posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                 pid_t *ret_pid)
{
    static char *const empty[] = {NULL};
    CLEANUP(moved_release) struct moved moved = {.count = 0};
    int r = add_descriptors(o, &moved, actions);
    if (r < 0)
        return r;
    char room[40];
    const char *path = program_path(o, &moved, room, sizeof room, &r);
    if (!path)
        return r;

    sigset_t all;
    sigset_t none;
    /* sigfillset(3) leaves out the two signals that the C library keeps to itself; posix_spawn would have the child
     * ignore them, for as long as nobody along its line resets them. */
    memset(&all, 0xff, sizeof all);
    sigemptyset(&none);
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    if (o->new_session)
        flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setflags(attributes, flags);
    return -posix_spawnp(ret_pid, path, actions, attributes, o->argv, o->env ? o->env : empty);
}

int process_spawn(const struct process_options *options, pid_t *ret_pid, struct error *err)
{
    if (options->fd_count > FDS_MAX)
        return error_set(err, ERROR_SYSTEM, E2BIG, "start %s: too many descriptors", options->path);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0 || posix_spawnattr_init(&attributes) != 0)
        abort();
    pid_t pid = -1;
    int r = spawn(options, &actions, &attributes, &pid);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (r < 0)
        return error_errno(err, r, "start %s", options->path);
    *ret_pid = pid;
    return 0;
}

int process_wait(pid_t pid, int *ret_status)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

/* Enough of a program's complaint. */
#define STDERR_MAX 1500

struct run {
    pid_t pid;
    int pid_fd; /* -1 on a kernel without pidfd_open */
    int out_fd;
    int err_fd;
    struct strbuf out;
    struct strbuf err;
};

static void run_release(struct run *run)
{
    if (run->pid > 0) {
        int status;
        kill(run->pid, SIGKILL);
        process_wait(run->pid, &status);
    }
    fd_close(run->pid_fd);
    fd_close(run->out_fd);
    fd_close(run->err_fd);
    strbuf_release(&run->out);
    strbuf_release(&run->err);
}

/* A file in memory: unlike a pipe it never waits for the reader and raises no SIGPIPE. */
static int input_file(const char *input)
{
    CLEANUP_CLOSE int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fd_write_all(fd, input, strlen(input));
    if (r < 0)
        return r;
    return lseek(fd, 0, SEEK_SET) == 0 ? TAKE_FD(fd) : -errno;
}

static int run_start(struct run *run, char *const *argv, const char *input, struct error *err)
{
    CLEANUP_CLOSE int in = -1;
    if (input) {
        in = input_file(input);
        if (in < 0)
            return error_errno(err, in, "start %s", argv[0]);
    }
    int out_pipe[2];
    int err_pipe[2];
    int r = fd_pipe(out_pipe);
    if (r < 0)
        return error_errno(err, r, "start %s", argv[0]);
    run->out_fd = out_pipe[0];
    CLEANUP_CLOSE int out_end = out_pipe[1];
    r = fd_pipe(err_pipe);
    if (r < 0)
        return error_errno(err, r, "start %s", argv[0]);
    run->err_fd = err_pipe[0];
    CLEANUP_CLOSE int err_end = err_pipe[1];
    if (fd_set_nonblock(run->out_fd, 1) < 0 || fd_set_nonblock(run->err_fd, 1) < 0)
        return error_errno(err, errno, "start %s", argv[0]);

    int fds[] = {in, out_end, err_end};
    struct process_options options = {
        .path = argv[0], .argv = argv, .env = environ, .fds = fds, .fd_count = ARRAY_SIZE(fds)};
    r = process_spawn(&options, &run->pid, err);
    if (r < 0)
        return r;
    run->pid_fd = (int)syscall(SYS_pidfd_open, run->pid, 0);
    return 0;
}

/* Takes what is there now; at the end *fd is closed. What goes over the limit is dropped with -EFBIG. */
static int drain(int *fd, struct strbuf *out, size_t limit)
{
    while (*fd >= 0) {
        char *room = strbuf_reserve(out, 4096);
        ssize_t n = read(*fd, room, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        if (n == 0) {
            *fd = fd_close(*fd);
            break;
        }
        if ((size_t)n > limit - out->size) {
            out->size = limit;
            strbuf_terminate(out);
            return -EFBIG;
        }
        out->size += (size_t)n;
        strbuf_terminate(out);
    }
    return 0;
}

/* Until the program has ended or closed both outputs: a grandchild that keeps them open is not waited for. */
static int run_collect(struct run *run, size_t limit)
{
    bool over = false;
    while (!over && (run->out_fd >= 0 || run->err_fd >= 0)) {
        struct pollfd p[] = {
            {.fd = run->out_fd, .events = POLLIN},
            {.fd = run->err_fd, .events = POLLIN},
            {.fd = run->pid_fd, .events = POLLIN},
        };
        if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
            return -errno;
        over = p[2].revents != 0;
        int r = drain(&run->out_fd, &run->out, limit);
        if (r < 0)
            return r;
        r = drain(&run->err_fd, &run->err, STDERR_MAX);
        if (r < 0 && r != -EFBIG)
            return r;
    }
    return 0;
}

int process_run(char *const *argv, const char *input, size_t limit, char **ret_output, struct error *err)
{
    CLEANUP(run_release) struct run run = {.pid = -1, .pid_fd = -1, .out_fd = -1, .err_fd = -1};
    int r = run_start(&run, argv, input, err);
    if (r < 0)
        return r;
    r = run_collect(&run, limit);
    if (r == -EFBIG)
        return error_set(err, ERROR_SYSTEM, EFBIG, "%s: more than %zu bytes of output", argv[0], limit);
    if (r < 0)
        return error_errno(err, r, "%s", argv[0]);
    int status;
    r = process_wait(run.pid, &status);
    run.pid = -1;
    if (r < 0)
        return error_errno(err, r, "%s", argv[0]);
    if (status != 0) {
        while (run.err.size > 0 && strchr("\n\r ", run.err.data[run.err.size - 1]))
            run.err.data[--run.err.size] = '\0';
        if (run.err.size == 0)
            return error_set(err, ERROR_SYSTEM, EIO, "%s: exit status %d", argv[0], status);
        return error_set(err, ERROR_SYSTEM, EIO, "%s: exit status %d: %s", argv[0], status, strbuf_str(&run.err));
    }
    if (ret_output)
        *ret_output = strbuf_take(&run.out);
    return 0;
}
