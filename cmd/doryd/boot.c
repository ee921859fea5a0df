#include "cmd/doryd/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "api/authz.h"
#include "api/server.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/build/build.h"
#include "daemon/engine.h"
#include "daemon/userns_remap.h"

#define CHILDREN_PATIENCE_MS 5000 /* those of a daemon that was killed */

void boot_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP_CLOSE int fd = -1;
    size_t length;

    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
        return;
    length = strlen(path);
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        log_warn("cannot tell the service manager %s: %m", state);
}

/* ---- steps ---- */

/* Every container holds a few descriptors; the hard limit is the administrator's. */
static int raise_limits(struct boot *boot, struct error *err)
{
    struct rlimit limit;

    (void)boot;
    umask(0022);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return error_errno(err, errno, "read the limit of descriptors");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warn("cannot raise the limit of descriptors: %m");
    return 0;
}

static int set_log_level(struct boot *boot, struct error *err)
{
    enum log_level level;

    log_set_json(strcmp(boot->options->log_format, "json") == 0);

    if (log_parse_level(boot->options->log_level, &level) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid logging level: %s", boot->options->log_level);
    log_set_level(level);
    return 0;
}

/* What talks to registries, and what builds run, reads the environment. */
static int set_proxies(struct boot *boot, struct error *err)
{
    const struct daemon_options *options = boot->options;
    const struct {
        const char *key, *flag, *upper, *lower;
    } rows[] = {{"http-proxy", options->http_proxy, "HTTP_PROXY", "http_proxy"},
                {"https-proxy", options->https_proxy, "HTTPS_PROXY", "https_proxy"},
                {"no-proxy", options->no_proxy, "NO_PROXY", "no_proxy"}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *file = strmap_get(&options->proxies, rows[i].key);
        const char *value = rows[i].flag ? rows[i].flag : file;

        if (rows[i].flag && file)
            return error_set(err, ERROR_INVALID, 0,
                             "the following directives are specified both as a flag and in the configuration file: "
                             "%s: (from flag: %s, from file: %s)",
                             rows[i].key, rows[i].flag, file);
        if (value && (setenv(rows[i].upper, value, 1) < 0 || setenv(rows[i].lower, value, 1) < 0))
            return error_errno(err, errno, "%s", rows[i].upper);
    }
    return 0;
}

/* The text of a lock's file names a process that runs, or nobody yet. */
static bool has_holder(const char *text)
{
    CLEANUP_FREE char *program = xasprintf("/proc/%s/exe", text);
    return !*text || access(program, F_OK) == 0; /* a zombie has none */
}

/* Opens a file and locks it for the life of the process; `what` names what another daemon would have in use. */
static int lock_file(const char *path, const char *what, int *ret_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    char text[32];

    if (fd < 0)
        return error_errno(err, errno, "%s", path);
    int r = fd_lock(fd, 0);
    if (r < 0) {
        ssize_t n = fd_read_full(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        text[strspn(text, "0123456789")] = '\0';
        r = has_holder(text) ? r : fd_lock(fd, CHILDREN_PATIENCE_MS);
    }
    if (r < 0)
        return error_set(err, ERROR_CONFLICT, EBUSY, "another dory daemon (process %s) uses %s", text, what);
    snprintf(text, sizeof(text), "%ld", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
        return error_errno(err, errno, "write %s", path);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* Containers of other ids, or without, have a data root of their own, as with dockerd: nobody meets the wrong owners.
 */
static int open_remap(struct boot *boot, struct error *err)
{
    struct daemon_options *options = boot->options;
    CLEANUP_FREE char *root = NULL;

    if (!options->userns_remap || !*options->userns_remap)
        return 0;
    int r = userns_remap_open(options->userns_remap, &boot->remap, err);
    if (r == 0)
        r = file_mkdirs(options->data_root, 0710, err);
    if (r == 0 && chmod(options->data_root, 0710) < 0)
        r = error_errno(err, errno, "%s", options->data_root);
    if (r < 0) {
        free(TAKE_PTR(boot->remap));
        return r;
    }
    root = userns_remap_root(boot->remap, options->data_root);
    xstrset(&options->data_root, root);
    options->remap = boot->remap;
    log_info("User namespaces: ID ranges will be mapped to subuid/subgid ranges of: %s", options->userns_remap);
    return 0;
}

static void close_remap(struct boot *boot)
{
    boot->options->remap = NULL;
    free(TAKE_PTR(boot->remap));
}

static int make_data_root(struct boot *boot, struct error *err)
{
    const char *root = boot->options->data_root;
    CLEANUP_FREE char *lock = xasprintf("%s/lock", root);
    CLEANUP_FREE char *what = xasprintf("the data root %s", root);
    int r = file_mkdirs(root, 0710, err);

    if (r < 0)
        return r;
    if (chmod(root, 0710) < 0)
        return error_errno(err, errno, "%s", root);
    return lock_file(lock, what, &boot->root_lock, err);
}

static void unlock_data_root(struct boot *boot)
{
    boot->root_lock = fd_close(boot->root_lock);
}

static int make_exec_root(struct boot *boot, struct error *err)
{
    return file_mkdirs(boot->options->exec_root, 0711, err);
}

static int write_pidfile(struct boot *boot, struct error *err)
{
    const char *path = boot->options->pidfile;
    CLEANUP_FREE char *parent = NULL, *what = NULL;
    int r;

    if (!path || !*path)
        return 0;
    parent = xstrdup(path);
    what = xasprintf("the pid file %s", path);
    r = file_mkdirs(dirname(parent), 0755, err);
    return r < 0 ? r : lock_file(path, what, &boot->pid_lock, err);
}

static void remove_pidfile(struct boot *boot)
{
    if (boot->pid_lock >= 0)
        unlink(boot->options->pidfile);
    boot->pid_lock = fd_close(boot->pid_lock);
}

/* A helper program beside this one, else in libexec of the same prefix; the caller frees. */
static int find_program(const char *name, char **ret, struct error *err)
{
    CLEANUP_FREE char *beside = NULL, *libexec = NULL;
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n < 0)
        return error_errno(err, errno, "/proc/self/exe");
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    beside = xasprintf("%s/%s", self, name);
    libexec = xasprintf("%s/../libexec/dory/%s", self, name);
    if (access(beside, X_OK) == 0)
        *ret = TAKE_PTR(beside);
    else if (access(libexec, X_OK) == 0)
        *ret = TAKE_PTR(libexec);
    else
        return error_set(err, ERROR_NOT_FOUND, 0, "%s is neither %s nor %s", name, beside, libexec);
    return 0;
}

static int find_shim(struct boot *boot, struct error *err)
{
    return boot->options->shim_path ? 0 : find_program("dory-shim", &boot->options->shim_path, err);
}

static void forget_tls(struct boot *boot)
{
    boot->tls = (struct server_tls){0};
    xstrset(&boot->connect_path, NULL);
}

/* Certificates are looked at now: a wrong path is found before anything else is touched. */
static int prepare_tls(struct boot *boot, struct error *err)
{
    const struct daemon_options *options = boot->options;
    int r;

    if (!options->tls && !options->tls_verify)
        return 0;
    r = find_program("dory-connect", &boot->connect_path, err);
    if (r < 0)
        return r;
    boot->tls = (struct server_tls){.cert = options->tls_cert,
                                    .key = options->tls_key,
                                    .ca = options->tls_verify ? options->tls_ca : NULL,
                                    .program = boot->connect_path};
    r = server_tls_check(&boot->tls, err);
    if (r < 0)
        forget_tls(boot);
    return r;
}

static int open_engine(struct boot *boot, struct error *err)
{
    const struct strv *repairs;
    int r = engine_open(boot->options, &boot->engine, err);

    if (r < 0)
        return r;
    if (boot->options->userland_proxy)
        log_warn("userland-proxy: there is no proxy: published ports are rules, which do all that it does but serve "
                 "connections to ::1");
    repairs = image_store_repairs(engine_images(boot->engine));
    for (size_t i = 0; i < repairs->count; i++)
        log_warn("%s", repairs->items[i]);
    return 0;
}

static void close_engine(struct boot *boot)
{
    engine_close(boot->engine);
    boot->engine = NULL;
}

static int check_plugins(struct boot *boot, struct error *err)
{
    return authz_check(&boot->options->authz_plugins, err);
}

/* Bound before the engine opens, so that an address in use is found early and clients may already queue. */
static void close_sockets(struct boot *boot)
{
    api_server_free(boot->server);
    boot->server = NULL;
}

static int open_sockets(struct boot *boot, struct error *err)
{
    const struct api_listen_options options = {.group = boot->options->group,
                                               .tls = boot->tls.cert ? &boot->tls : NULL};
    int r = api_server_new(&boot->server, err);

    for (size_t i = 0; r == 0 && i < boot->options->hosts.count; i++)
        r = api_server_listen(boot->server, boot->options->hosts.items[i], &options, err);
    if (r < 0)
        close_sockets(boot);
    return r;
}

static int start_server(struct boot *boot, struct error *err)
{
    int r = api_server_start(boot->server, boot->engine, err);

    for (size_t i = 0; r == 0 && i < boot->options->hosts.count; i++)
        log_info("API listen on %s", boot->options->hosts.items[i]);
    return r;
}

static void stop_server(struct boot *boot)
{
    build_stop_all(boot->engine); /* the server waits for its clients, and they for their builds */
    api_server_stop(boot->server);
}

static int tell_ready(struct boot *boot, struct error *err)
{
    (void)boot;
    (void)err;
    boot_notify("READY=1");
    log_info("Daemon has completed initialization");
    return 0;
}

static void tell_stopping(struct boot *boot)
{
    (void)boot;
    boot_notify("STOPPING=1");
}

static const struct {
    const char *name;
    int (*run)(struct boot *boot, struct error *err);
    void (*undo)(struct boot *boot);
} steps[] = {
    {"process limits", raise_limits, NULL},
    {"log level", set_log_level, NULL},
    {"proxies", set_proxies, NULL},
    {"shim", find_shim, NULL},
    {"TLS", prepare_tls, forget_tls},
    {"user namespaces", open_remap, close_remap},
    {"authorization plugins", check_plugins, NULL},
    {"data root", make_data_root, unlock_data_root},
    {"exec root", make_exec_root, NULL},
    {"pid file", write_pidfile, remove_pidfile},
    {"sockets", open_sockets, close_sockets},
    {"engine", open_engine, close_engine},
    {"API server", start_server, stop_server},
    {"ready", tell_ready, tell_stopping},
};

int boot_up(struct boot *boot, struct error *err)
{
    for (boot->done = 0; boot->done < ARRAY_SIZE(steps); boot->done++) {
        int r = steps[boot->done].run(boot, err);

        if (r < 0) {
            error_context(err, "failed to start daemon: %s", steps[boot->done].name);
            boot_down(boot);
            return r;
        }
        log_debug("boot: %s", steps[boot->done].name);
    }
    return 0;
}

void boot_down(struct boot *boot)
{
    for (; boot->done > 0; boot->done--) {
        if (steps[boot->done - 1].undo)
            steps[boot->done - 1].undo(boot);
    }
}
