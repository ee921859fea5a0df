#include "cmd/dory/build_ssh.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/process.h"

#define PID_TEXT_MAX 32

/* ---- An agent of our own ---- */

/* ssh-agent runs this in its own place once its socket is there, and ends when it has ended. */
static const char *const script = "echo $SSH_AGENT_PID; exec cat >/dev/null";

static int spawn(const char *const *argv, const struct strv *env, const int fds[3], pid_t *ret, struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    for (const char *const *word = argv; *word; word++)
        strv_add(&words, *word);
    const struct process_options options = {
        .path = argv[0], .argv = words.items, .env = env->items, .fds = fds, .fd_count = 3};
    return process_spawn(&options, ret, err);
}

/* Ours, but for the socket. */
static void environment(struct strv *ret, const char *socket)
{
    for (char **p = environ; *p; p++)
        if (strncmp(*p, "SSH_AUTH_SOCK=", 14) != 0)
            strv_add(ret, *p);
    if (socket)
        strv_addf(ret, "SSH_AUTH_SOCK=%s", socket);
}

/* The agent's process id, which the script tells when the socket is there. */
static int read_pid(int fd, pid_t *ret, struct error *err)
{
    char text[PID_TEXT_MAX + 1] = "";
    int64_t pid;
    for (size_t n = 0; n < PID_TEXT_MAX && !strchr(text, '\n'); n++)
        if (fd_read_full(fd, text + n, 1) != 1)
            break;
    text[strcspn(text, "\n")] = '\0';
    if (parse_int64(text, 1, INT32_MAX, &pid) < 0)
        return error_set(err, ERROR_UNAVAILABLE, 0, "--ssh: ssh-agent did not start");
    *ret = (pid_t)pid;
    return 0;
}

static int start_agent(struct build_ssh_agent *agent, const char *socket, struct error *err)
{
    CLEANUP_STRV struct strv env = STRV_INIT;
    const char *const argv[] = {"ssh-agent", "-a", socket, "sh", "-c", script, NULL};
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    int r = fd_pipe(in);
    if (r == 0)
        r = fd_pipe(out);
    CLEANUP_CLOSE int in_read = in[0], out_read = out[0], out_write = out[1];
    agent->hold_fd = in[1];
    if (r < 0)
        return error_errno(err, r, "pipe");
    environment(&env, NULL);
    r = spawn(argv, &env, (const int[]){in_read, out_write, STDERR_FILENO}, &agent->command, err);
    out_write = fd_close(out_write);
    if (r < 0)
        return error_context(err, "--ssh: a file with keys needs ssh-agent");
    return read_pid(out_read, &agent->agent, err);
}

static int add_key(const char *socket, const char *key, struct error *err)
{
    CLEANUP_STRV struct strv env = STRV_INIT;
    const char *const argv[] = {"ssh-add", "-q", "--", key, NULL};
    pid_t pid;
    int status = 0;
    environment(&env, socket);
    int r = spawn(argv, &env, (const int[]){STDIN_FILENO, STDERR_FILENO, STDERR_FILENO}, &pid, err);
    if (r == 0 && (r = process_wait(pid, &status)) < 0)
        error_errno(err, r, "wait for ssh-add");
    if (r < 0)
        return r;
    return status == 0 ? 0 : error_set(err, ERROR_INVALID, 0, "--ssh: ssh-add cannot use the key %s", key);
}

static int serve_keys(struct build_ssh *ssh, const char *id, const struct strv *keys, struct error *err)
{
    const char *tmp = getenv("TMPDIR");
    ssh->agents = xreallocarray(ssh->agents, ssh->count + 1, sizeof(*ssh->agents));
    struct build_ssh_agent *agent = &ssh->agents[ssh->count++];
    *agent = (struct build_ssh_agent){.hold_fd = -1};
    CLEANUP_FREE char *directory = xasprintf("%s/dory-ssh.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(directory))
        return error_errno(err, errno, "make %s", directory);
    agent->directory = TAKE_PTR(directory);
    CLEANUP_FREE char *socket = xasprintf("%s/agent", agent->directory);
    int r = start_agent(agent, socket, err);
    for (size_t i = 0; r == 0 && i < keys->count; i++)
        r = add_key(socket, keys->items[i], err);
    if (r == 0)
        strmap_set(&ssh->sockets, id, socket);
    return r;
}

static void end_agent(struct build_ssh_agent *agent)
{
    int status;
    if (agent->agent > 0)
        kill(agent->agent, SIGTERM);
    fd_close(agent->hold_fd);
    if (agent->command > 0)
        (void)process_wait(agent->command, &status);
    if (agent->directory) {
        CLEANUP_FREE char *socket = xasprintf("%s/agent", agent->directory);
        (void)unlink(socket); /* it has done so itself, or is about to */
        (void)rmdir(agent->directory);
    }
    free(agent->directory);
}

void build_ssh_release(struct build_ssh *ssh)
{
    for (size_t i = 0; i < ssh->count; i++)
        end_agent(&ssh->agents[i]);
    free(ssh->agents);
    strmap_release(&ssh->sockets);
    *ssh = (struct build_ssh){0};
}

/* ---- The option ---- */

static int read_one(struct build_ssh *ssh, const char *text, struct error *err)
{
    const char *equals = strchr(text, '=');
    CLEANUP_FREE char *id = equals ? xstrndup(text, (size_t)(equals - text)) : xstrdup(text);
    const char *given = equals ? equals + 1 : getenv("SSH_AUTH_SOCK");
    CLEANUP_STRV struct strv paths = STRV_INIT;
    struct stat st;
    bool keys = false;
    if (!*id)
        return error_set(err, ERROR_INVALID, 0, "invalid ssh agent \"%s\": id is missing", text);
    if (!given || !*given)
        return error_set(err, ERROR_INVALID, 0, "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
    strv_split(&paths, given, ',');
    for (size_t i = 0; i < paths.count; i++) {
        if (stat(paths.items[i], &st) < 0)
            return error_errno(err, errno, "--ssh %s: %s", text, paths.items[i]);
        if (!S_ISSOCK(st.st_mode) && !S_ISREG(st.st_mode))
            return error_set(err, ERROR_INVALID, 0, "--ssh %s: %s is neither an agent's socket nor a file with a key",
                             text, paths.items[i]);
        keys = keys || S_ISREG(st.st_mode);
        if (S_ISSOCK(st.st_mode) && paths.count > 1)
            return error_set(err, ERROR_INVALID, 0, "--ssh %s: only a single socket is allowed", text);
    }
    if (keys)
        return serve_keys(ssh, id, &paths, err);
    strmap_set(&ssh->sockets, id, given);
    return 0;
}

int build_ssh_read(const struct strv *ssh, struct build_ssh *ret, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < ssh->count; i++)
        r = read_one(ret, ssh->items[i], err);
    return r;
}
