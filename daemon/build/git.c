#include "daemon/build/git.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/strv.h"

/* What git is run with. */
struct git_run {
    int cancel_fd;
    const char *ssh_auth_sock, *authorization;
    char *origin; /* "https://host:port/", to which alone the authorization goes; NULL: it is no such URL */
};

/* What git says is read to this size; the rest is thrown away. */
#define OUTPUT_MAX 65536
/* Modes of what is checked out: 0644 and 0755. */
#define GIT_UMASK 0022

/* ---- the program ---- */

/* Waits for the process; kills it when asked to give up. */
static int wait_git(pid_t pid, int cancel_fd, int *ret_status, struct error *err)
{
    CLEANUP_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd fds[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = cancel_fd, .events = fd_end_events(cancel_fd)}};
    int n;
    do
        n = poll(fds, 2, -1);
    while (n < 0 && errno == EINTR);
    bool cancelled = fds[1].revents != 0 && fds[0].revents == 0;
    if (cancelled || pidfd < 0)
        kill(-pid, SIGKILL); /* its helpers with it: it leads a session */
    int r = process_wait(pid, ret_status);
    if (cancelled)
        return error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled");
    return r < 0 ? error_errno(err, r, "wait for git") : 0;
}

/* The caller frees. */
static char *origin_of(const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
    return host ? xasprintf("%.*s/", (int)((size_t)(host - url) + strcspn(host, "/?#")), url) : NULL;
}

static void fill_environment(struct strv *env, const struct git_run *options)
{
    static const char *const fixed[] = {
        "GIT_TERMINAL_PROMPT=0",  "GIT_ALLOW_PROTOCOL=https:http:git:ssh",
        "GIT_CONFIG_NOSYSTEM=1",  "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_ASKPASS=/bin/false", "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
        "HOME=/nonexistent",      "LC_ALL=C",
    };
    static const char *const passed[] = {"PATH",        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
                                         "https_proxy", "no_proxy",   "ALL_PROXY",   "all_proxy"};
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        strv_add(env, fixed[i]);
    for (size_t i = 0; i < ARRAY_SIZE(passed); i++) {
        if (getenv(passed[i]))
            strv_addf(env, "%s=%s", passed[i], getenv(passed[i]));
    }
    if (options->ssh_auth_sock)
        strv_addf(env, "SSH_AUTH_SOCK=%s", options->ssh_auth_sock);
    if (options->authorization && options->origin) {
        strv_add(env, "GIT_CONFIG_COUNT=1");
        strv_addf(env, "GIT_CONFIG_KEY_0=http.%s.extraHeader", options->origin);
        strv_addf(env, "GIT_CONFIG_VALUE_0=Authorization: %s", options->authorization);
    }
}

/* The last line that is not empty. */
static const char *last_line(char *text)
{
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        text[--size] = '\0';
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

/* Runs git with `words` in the repository; output (may be NULL) gets what it prints. */
static int run_git(const char *path, const struct git_run *options, const char *const *words, char **ret_output,
                   struct error *err)
{
    CLEANUP_STRV struct strv argv = STRV_INIT, env = STRV_INIT;
    CLEANUP_CLOSE int out = memfd_create("git-out", MFD_CLOEXEC), failures = memfd_create("git-err", MFD_CLOEXEC);
    static const char *const fixed[] = {"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
                                        "-c", "protocol.ext.allow=never", "-c", "protocol.file.allow=never"};
    if (out < 0 || failures < 0)
        return error_errno(err, errno, "memfd_create");
    strv_add(&argv, "git");
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        strv_add(&argv, fixed[i]);
    strv_add(&argv, "-C");
    strv_add(&argv, path);
    for (const char *const *w = words; *w; w++)
        strv_add(&argv, *w);
    fill_environment(&env, options);
    const int fds[] = {-1, out, failures};
    const struct process_options process = {
        .path = "git", .argv = argv.items, .env = env.items, .fds = fds, .fd_count = 3, .new_session = 1};
    pid_t pid;
    /* Steps run without a umask, in threads that have their own; everybody else's is this one. */
    mode_t before = umask(GIT_UMASK);
    int status = 0, r = process_spawn(&process, &pid, err);
    umask(before);
    if (r == 0)
        r = wait_git(pid, options->cancel_fd, &status, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *text = NULL;
    int from = status != 0 ? failures : out;
    lseek(from, 0, SEEK_SET);
    text = xcalloc(1, OUTPUT_MAX + 1);
    if (fd_read_full(from, text, OUTPUT_MAX) < 0)
        return error_errno(err, errno, "read what git says");
    if (status != 0)
        return error_set(err, ERROR_INVALID, EIO, "git %s failed: %s", words[0], last_line(text));
    if (ret_output)
        *ret_output = TAKE_PTR(text);
    return 0;
}

/* One commit where the server lets it be asked for, else the history that it is in. */
static int fetch(const char *path, const struct git_source *source, const struct git_run *options, struct error *err)
{
    const char *ref = source->ref ? source->ref : "HEAD";
    const char *const shallow[] = {"fetch", "-q", "--no-tags", "--depth=1", "--", source->url, ref, NULL};
    const char *const deep[] = {"fetch", "-q", "--no-tags", "--", source->url, ref, NULL};
    const char *const whole[] = {"fetch", "-q", "--tags", "--", source->url, "+refs/heads/*:refs/remotes/origin/*",
                                 NULL};
    struct error first = {0}, next = {0};
    int r = run_git(path, options, shallow, NULL, &first);
    if (r < 0 && first.kind != ERROR_CANCELLED) /* "dumb http" has whole histories only */
        r = run_git(path, options, deep, NULL, &next);
    if (r == 0)
        return 0;
    if (first.kind == ERROR_CANCELLED || next.kind == ERROR_CANCELLED || !source->ref)
        return error_propagate(err, next.kind == ERROR_CANCELLED ? &next : &first);
    /* An abbreviated commit, or a server that cannot give a single one. */
    r = run_git(path, options, whole, NULL, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *spec = xasprintf("%s^{commit}", ref);
    const char *const resolve[] = {"update-ref", "FETCH_HEAD", spec, NULL};
    r = run_git(path, options, resolve, NULL, NULL);
    return r < 0 ? error_propagate(err, &first) : 0;
}

static int read_commit(const char *path, const struct git_run *options, char ret_commit[65], struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    const char *const words[] = {"rev-parse", "HEAD", NULL};
    int r = run_git(path, options, words, &text, err);
    if (r == 0) {
        memset(ret_commit, 0, 65);
        memcpy(ret_commit, text, strnlen(text, 64));
        ret_commit[strcspn(ret_commit, "\n")] = '\0';
    }
    return r;
}

static int check_commit(const struct git_source *source, const char *commit, struct error *err)
{
    if (!source->checksum || strncmp(commit, source->checksum, strlen(source->checksum)) == 0)
        return 0;
    return error_set(err, ERROR_INVALID, EBADMSG, "expected checksum to match %s, got %s", source->checksum, commit);
}

static int open_subdir(const struct git_source *source, const char *path, int *ret_fd, struct error *err)
{
    CLEANUP_CLOSE int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return error_errno(err, errno, "open %s", path);
    if (!source->subdir) {
        *ret_fd = TAKE_FD(root);
        return 0;
    }
    int fd = beneath_open(root, source->subdir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return error_set(err, ERROR_INVALID, -fd, "subdirectory %s of %s: %s", source->subdir, source->url,
                         strerror(-fd));
    *ret_fd = fd;
    return 0;
}

int git_checkout(const struct git_source *source, const char *path, const struct git_options *given, int *ret_fd,
                 char ret_commit[65], struct error *err)
{
    static const char *const init[] = {"init", "-q", NULL};
    static const char *const checkout[] = {"checkout", "-q", "--detach", "FETCH_HEAD", NULL};
    static const char *const submodules[] = {"submodule",   "--quiet",   "update", "--init",
                                             "--recursive", "--depth=1", NULL};
    char commit[65] = "";
    CLEANUP_FREE char *origin = origin_of(source->url);
    const struct git_run run = {.cancel_fd = given->cancel_fd,
                                .ssh_auth_sock = given->ssh_auth_sock,
                                .authorization = given->authorization,
                                .origin = origin},
                         *options = &run;
    int r = run_git(path, options, init, NULL, err);
    if (r == 0)
        r = fetch(path, source, options, err);
    if (r == 0)
        r = run_git(path, options, checkout, NULL, err);
    if (r == 0 && source->submodules != GIT_NO)
        r = run_git(path, options, submodules, NULL, err);
    if (r == 0)
        r = read_commit(path, options, commit, err);
    if (r == 0)
        r = check_commit(source, commit, err);
    if (r == 0 && ret_commit)
        memcpy(ret_commit, commit, sizeof(commit));
    bool keep = source->keep_git_dir == GIT_UNSAID ? given->keep_git_dir : source->keep_git_dir == GIT_YES;
    CLEANUP_CLOSE int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && !keep)
        r = beneath_remove_tree(root, ".git") < 0 ? error_set(err, ERROR_SYSTEM, EIO, "remove .git") : 0;
    if (r == 0)
        r = open_subdir(source, path, ret_fd, err);
    return r < 0 ? error_context(err, "git repository %s", source->url) : 0;
}
