/* One call of another OCI runtime: its process, its terminal, its error. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process_tree.h"
#include "base/timestamp.h"
#include "cmd/dory-shim/driver.h"

#define LOG_NAME "runtime.log"
#define CONSOLE_NAME "console"
#define LOG_MAX ((size_t)1 << 20)
#define SAID_MAX 1500 /* of what it prints */
#define CONSOLE_SECONDS 5

/* ---- the process ---- */

/* All of ours are above 2. */
static int redirect(const int stdio[3])
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int i = 0; i < 3; i++) {
        if (dup3(stdio[i] >= 0 ? stdio[i] : null_fd, i, 0) < 0)
            return -errno;
    }
    return 0;
}

/* In the child: becomes the runtime, or writes why it could not. */
__attribute__((noreturn)) static void become(const struct driver_call *call, char *const *argv, const int stdio[3],
                                             int failure_fd, pid_t shim)
{
    struct error err = {0};
    sigset_t none;
    int r;

    /* A shim that is killed takes the runtime along; what that has put into the container's cgroup ends with it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != shim)
        _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    r = redirect(stdio);
    if (r < 0)
        error_errno(&err, r, "streams of %s", argv[0]);
    if (r >= 0 && call->prepare)
        r = call->prepare(call->prepare_data, &err);
    if (r >= 0) {
        execvp(argv[0], argv);
        error_errno(&err, errno, "start the runtime %s", argv[0]);
    }
    fd_write_all(failure_fd, &err, sizeof(err));
    _exit(127);
}

static int start_process(const struct driver_call *call, char *const *argv, const int stdio[3], pid_t *ret_pid,
                         struct error *err)
{
    CLEANUP_CLOSE int read_fd = -1, write_fd = -1;
    struct error failure;
    int pair[2], r = fd_pipe(pair), status;
    pid_t shim = getpid(), pid;

    if (r < 0)
        return error_errno(err, r, "start the runtime %s", argv[0]);
    read_fd = pair[0];
    write_fd = pair[1];
    pid = fork();
    if (pid < 0)
        return error_errno(err, errno, "start the runtime %s", argv[0]);
    if (pid == 0)
        become(call, argv, stdio, write_fd, shim);
    write_fd = fd_close(write_fd);
    /* The end of the file is its exec. */
    if (fd_read_full(read_fd, &failure, sizeof(failure)) == (ssize_t)sizeof(failure)) {
        waitpid(pid, &status, 0);
        failure.kind = ERROR_SYSTEM;
        return error_propagate(err, &failure);
    }
    *ret_pid = pid;
    return 0;
}

/* ---- its terminal ---- */

/* A runtime that connects and then fails sends nothing: what its log says counts then. */
static void receive_console(int listen_fd, int *ret)
{
    CLEANUP_CLOSE int connection = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    struct timeval limit = {.tv_sec = CONSOLE_SECONDS};
    int fds[FD_PASS_MAX];
    size_t count = 0;
    char name[256];

    if (connection < 0)
        return;
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (fd_recv_message(connection, name, sizeof(name), fds, &count) < 0)
        return;
    for (size_t i = 1; i < count; i++)
        fd_close(fds[i]);
    if (count > 0) {
        fd_close(*ret);
        *ret = fds[0];
    }
}

/* ---- its end ---- */

struct waiting {
    pid_t pid;
    int listen_fd, *console_fd;
    int timeout_ms;
};

/* With its helpers, and what it has begun to make: those would go on beside whoever cleans up. */
static int kill_late(const struct waiting *w, const char *program, struct error *err)
{
    int status;

    process_kill_tree(w->pid);
    waitpid(w->pid, &status, 0);
    return error_set(err, ERROR_SYSTEM, ETIMEDOUT, "the runtime %s has not ended within %d s", program,
                     w->timeout_ms / 1000);
}

static int await(const struct waiting *w, const char *program, int *ret_status, struct error *err)
{
    CLEANUP_CLOSE int pid_fd = pidfd_open(w->pid, 0);
    int64_t end = timestamp_monotonic() + (int64_t)w->timeout_ms * 1000000;
    struct pollfd fds[2] = {{.fd = pid_fd, .events = POLLIN}, {.fd = w->listen_fd, .events = POLLIN}};
    int r = 0;

    if (pid_fd < 0) {
        r = -errno;
        kill_late(w, program, NULL);
        return error_errno(err, r, "watch the runtime %s", program);
    }
    for (;;) {
        int64_t left = (end - timestamp_monotonic()) / 1000000;

        r = poll(fds, 2, left > 0 ? (int)left : 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return kill_late(w, program, err);
        if (fds[1].revents)
            receive_console(w->listen_fd, w->console_fd);
        else if (fds[0].revents)
            break;
    }
    while (waitpid(w->pid, ret_status, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

/* ---- its error ---- */

/* The last error in the log: one JSON object a line. NULL: it has told none. */
static char *last_error(const struct driver *driver)
{
    CLEANUP_FREE char *text = NULL;
    char *found = NULL, *line, *rest;

    if (file_read(driver->dir_fd, LOG_NAME, LOG_MAX, &text, NULL, NULL) < 0)
        return NULL;
    for (line = text; line && *line; line = rest) {
        CLEANUP_JSON struct json *record = NULL;
        const char *level, *message;

        rest = strchr(line, '\n');
        if (rest)
            *rest++ = '\0';
        if (json_parse(line, strlen(line), &record, NULL) < 0)
            continue;
        level = json_get_string(record, "level");
        message = json_get_string(record, "msg");
        if (level && message && (strcmp(level, "error") == 0 || strcmp(level, "fatal") == 0))
            xstrset(&found, message);
    }
    return found;
}

/* What it has printed, as far as it was not for the container. */
static char *read_said(int said_fd)
{
    char *text = xcalloc(1, SAID_MAX + 1);
    ssize_t n = said_fd < 0 ? 0 : pread(said_fd, text, SAID_MAX, 0);

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* crun writes the C library's sentences; clients look for Go's. */
static void lower_reasons(char *message)
{
    static const char *const reasons[] = {"No such file or directory", "Permission denied", "Not a directory",
                                          "Is a directory"};

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        char *at = strstr(message, reasons[i]);

        if (at)
            *at = (char)(*at - 'A' + 'a');
    }
}

/* Whether the command is what was missing or may not be run: dockerd finds that out by the same words. */
static enum error_kind kind_of(const char *message, int *ret_errnum)
{
    static const struct {
        const char *words;
        enum error_kind kind;
        int errnum;
    } rows[] = {
        {"permission denied", ERROR_FORBIDDEN, EACCES},
        {"not a directory", ERROR_FORBIDDEN, EACCES},
        {"is a directory", ERROR_FORBIDDEN, EACCES},
        {"executable file not found", ERROR_NOT_FOUND, ENOENT},
        {"no such file or directory", ERROR_NOT_FOUND, ENOENT},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (strstr(message, rows[i].words)) {
            *ret_errnum = rows[i].errnum;
            return rows[i].kind;
        }
    }
    *ret_errnum = EIO;
    return ERROR_SYSTEM;
}

static int failure(const struct driver *driver, int status, int said_fd, struct error *err)
{
    /* The daemon puts these in front itself. */
    static const char *const prefixes[] = {
        "runc create failed: ", "runc run failed: ", "exec failed: ", "unable to start container process: "};
    CLEANUP_FREE char *message = last_error(driver), *said = read_said(said_fd);
    char *text = message && *message ? message : said;
    enum error_kind kind;
    int errnum;

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            text += strlen(prefixes[i]);
    }
    if (*text) {
        lower_reasons(text);
        kind = kind_of(text, &errnum);
        return error_set(err, kind, errnum, "%s", text);
    }
    return error_set(err, ERROR_SYSTEM, EIO, "the runtime %s has ended with status %d and no message",
                     driver->command.items[0], WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* ---- the whole ---- */

static void add_arguments(const struct driver *driver, const struct driver_call *call, struct strv *argv)
{
    strv_add_all(argv, &driver->command);
    strv_add(argv, "--root");
    strv_addf(argv, "%s/state", driver->bundle);
    strv_add(argv, "--log");
    strv_addf(argv, "%s/" LOG_NAME, driver->bundle);
    strv_add(argv, "--log-format");
    strv_add(argv, "json");
    for (size_t i = 0; call->arguments[i]; i++)
        strv_add(argv, call->arguments[i]);
    if (call->console_fd) {
        /* By descriptor: the path of the bundle may be longer than a socket's address. */
        strv_add(argv, "--console-socket");
        strv_addf(argv, "/proc/%d/fd/%d/" CONSOLE_NAME, getpid(), driver->dir_fd);
    }
    if (!call->no_id)
        strv_add(argv, driver->id);
}

int driver_call(struct driver *driver, const struct driver_call *call, struct error *err)
{
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    CLEANUP_CLOSE int listen_fd = -1, said_fd = -1;
    struct waiting w = {.listen_fd = -1, .console_fd = call->console_fd, .timeout_ms = call->timeout_ms};
    const char *program = driver->command.items[0];
    int status = 0, r;

    unlinkat(driver->dir_fd, LOG_NAME, 0);
    if (call->console_fd) {
        w.listen_fd = listen_fd = fd_listen_unix(driver->dir_fd, CONSOLE_NAME, SOCK_STREAM, 0600);
        if (listen_fd < 0)
            return error_errno(err, listen_fd, "terminal of the container");
    }
    said_fd = call->stdio ? -1 : memfd_create("dory-runtime-output", MFD_CLOEXEC);
    add_arguments(driver, call, &arguments);
    r = start_process(call, arguments.items, call->stdio ? call->stdio : (const int[]){-1, said_fd, said_fd}, &w.pid,
                      err);
    if (r >= 0)
        r = await(&w, program, &status, err);
    if (call->console_fd)
        unlinkat(driver->dir_fd, CONSOLE_NAME, 0);
    if (r >= 0 && status != 0)
        r = failure(driver, status, said_fd, err);
    if (r >= 0 && call->console_fd && *call->console_fd < 0)
        r = error_set(err, ERROR_SYSTEM, EPROTO, "the runtime %s has sent no terminal", program);
    return r;
}
