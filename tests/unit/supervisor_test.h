/* Real containers below a supervisor, for the tests of supervision: needs root and a static busybox. */
#ifndef DORY_TESTS_UNIT_SUPERVISOR_TEST_H
#define DORY_TESTS_UNIT_SUPERVISOR_TEST_H

#include <glob.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/strv.h"
#include "daemon/supervisor.h"
#include "tests/unit/base_test.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

struct rig {
    struct scratch *scratch;
    char *exec_root, *root, *log_path;
    struct supervisor *supervisor;
    char id[ID_SIZE + 1];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int exits, detaches;
    long long memory_limit; /* of the next container; -1: none */
    struct shim_exit exit;
};

static inline const char *rig_shim_path(void)
{
    static char path[4096];
    const char *bin = getenv("DORY_BIN");

    snprintf(path, sizeof(path), "%s/dory-shim", bin ? bin : "bin");
    return path;
}

static inline bool rig_possible(void)
{
    return geteuid() == 0 && access("/bin/busybox", X_OK) == 0 && access(rig_shim_path(), X_OK) == 0;
}

static inline void rig_on_exit(const char *id, const struct shim_exit *exit, void *data)
{
    struct rig *rig = data;

    pthread_mutex_lock(&rig->lock);
    if (strcmp(id, rig->id) == 0) {
        rig->exits++;
        rig->exit = *exit;
    }
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static inline void rig_on_detach(const char *id, const char *exec_id, void *data)
{
    struct rig *rig = data;

    (void)id;
    (void)exec_id;
    pthread_mutex_lock(&rig->lock);
    rig->detaches++;
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static inline void rig_open(struct rig *rig)
{
    struct supervisor_options options = {
        .exec_root = rig->exec_root,
        .shim_path = rig_shim_path(),
        .exited = rig_on_exit,
        .detached = rig_on_detach,
        .data = rig,
    };
    struct error err = {0};

    if (supervisor_open(&options, &rig->supervisor, &err) < 0)
        fail_msg("supervisor_open: %s", err.message);
}

static inline int rig_setup(void **state)
{
    struct rig *rig;
    CLEANUP_FREE char *busybox = NULL, *program = NULL;
    size_t size;
    void *scratch;

    if (!rig_possible()) {
        *state = NULL;
        return 0;
    }
    if (scratch_setup(&scratch) < 0)
        return -1;
    rig = xcalloc(1, sizeof(*rig));
    rig->scratch = scratch;
    rig->exec_root = xasprintf("%s/exec", rig->scratch->path);
    rig->root = xasprintf("%s/root", rig->scratch->path);
    rig->log_path = xasprintf("%s/json.log", rig->scratch->path);
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->changed, NULL);
    id_generate(rig->id);
    rig->memory_limit = -1;
    for (const char *const *dir = (const char *const[]){"bin", "proc", "dev", "tmp", NULL}; *dir; dir++) {
        char *path = xasprintf("%s/%s", rig->root, *dir);

        if (file_mkdirs(path, 0755, NULL) < 0)
            return -1;
        free(path);
    }
    busybox = xasprintf("%s/bin/busybox", rig->root);
    if (file_read(AT_FDCWD, "/bin/busybox", 64 << 20, &program, &size, NULL) < 0 ||
        file_write_atomic(AT_FDCWD, busybox, program, size, 0755, NULL) < 0)
        return -1;
    rig_open(rig);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *rig = *state;
    glob_t groups = {0};
    void *scratch;
    int r;

    if (!rig)
        return 0;
    supervisor_close(rig->supervisor);
    /* The parent of the containers' cgroups, wherever the controllers are. */
    rmdir("/sys/fs/cgroup/dory-test");
    if (glob("/sys/fs/cgroup/*/dory-test", 0, NULL, &groups) == 0) {
        for (size_t i = 0; i < groups.gl_pathc; i++)
            rmdir(groups.gl_pathv[i]);
        globfree(&groups);
    }
    scratch = rig->scratch;
    r = scratch_teardown(&scratch);
    free(rig->exec_root);
    free(rig->root);
    free(rig->log_path);
    pthread_mutex_destroy(&rig->lock);
    pthread_cond_destroy(&rig->changed);
    free(rig);
    return r;
}

#define WITH_CONTAINERS(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
/* The rig, or the test is skipped. */
#define NEED_RIG(state)                                                                                                \
    ({                                                                                                                 \
        if (!*(state))                                                                                                 \
            skip();                                                                                                    \
        (struct rig *)*(state);                                                                                        \
    })

/* The spec of a container that runs `script` in busybox's shell. */
static inline char *rig_spec(const struct rig *rig, const char *script, bool tty)
{
    CLEANUP_STRBUF struct strbuf quoted = STRBUF_INIT;
    static const char format[] =
        "{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0},"
        "\"args\":[\"/bin/busybox\",\"sh\",\"-c\",%s],\"env\":[\"PATH=/bin\",\"HOME=/\"],\"cwd\":\"/\"},"
        "\"root\":{\"path\":\"%s\"},\"mounts\":["
        "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
        "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"mode=755\"]},"
        "{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
        "\"options\":[\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}],"
        "\"linux\":{\"cgroupsPath\":\"/dory-test/"
        "%s\",\"resources\":{\"memory\":{\"limit\":%lld}},\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
        "{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"network\"}]}}";

    json_quote(&quoted, script, strlen(script));
    return xasprintf(format, tty ? "true" : "false", strbuf_str(&quoted), rig->root, rig->id, rig->memory_limit);
}

static inline struct shim_start rig_start_defaults(const struct rig *rig)
{
    return (struct shim_start){.rootfs_fd = -1, .netns_fd = -1, .log = {.path = rig->log_path}};
}

/* Starts the script in a container; `start` may be NULL. */
static inline int rig_start(struct rig *rig, const char *script, const struct shim_start *start, struct shim **ret,
                            struct error *err)
{
    struct shim_start s = start ? *start : rig_start_defaults(rig);
    CLEANUP_FREE char *spec = rig_spec(rig, script, s.tty);
    CLEANUP_CLOSE int root = (int)syscall(SYS_open_tree, AT_FDCWD, rig->root, OPEN_TREE_CLONE | O_CLOEXEC);
    struct shim *shim = NULL;
    pid_t pid = 0;
    int r;

    if (supervisor_spawn(rig->supervisor, rig->id, &shim, err) < 0)
        return -1;
    s.spec_json = spec;
    s.spec_size = strlen(spec);
    s.rootfs_fd = root;
    r = shim_start(shim, &s, &pid, err);
    if (r < 0) {
        shim_unref(shim);
        return r;
    }
    assert_true(pid > 0);
    if (ret)
        *ret = shim;
    else
        shim_unref(shim);
    return 0;
}

static inline void rig_run(struct rig *rig, const char *script, const struct shim_start *start, struct shim **ret)
{
    struct error err = {0};

    if (rig_start(rig, script, start, ret, &err) < 0)
        fail_msg("start of \"%s\": %s", script, err.message);
}

/* Waits until `counter` has reached `value`. */
static inline void rig_wait(struct rig *rig, const int *counter, int value)
{
    struct timespec until;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&rig->lock);
    while (*counter < value && r == 0)
        r = pthread_cond_timedwait(&rig->changed, &rig->lock, &until);
    pthread_mutex_unlock(&rig->lock);
    if (r != 0)
        fail_msg("nothing came within 20 seconds");
}

static inline int rig_wait_exit(struct rig *rig)
{
    rig_wait(rig, &rig->exits, 1);
    return rig->exit.status;
}

/* The texts of the log, one stream, joined. Caller frees. */
static inline char *rig_log(const struct rig *rig, const char *stream)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_STRV struct strv lines = STRV_INIT;
    struct strbuf out = STRBUF_INIT;

    assert_int_equal(file_read(AT_FDCWD, rig->log_path, 64 << 20, &text, NULL, NULL), 0);
    strv_split(&lines, text, '\n');
    for (size_t i = 0; i + 1 < lines.count; i++) {
        CLEANUP_JSON struct json *record = NULL;

        assert_int_equal(json_parse(lines.items[i], strlen(lines.items[i]), &record, NULL), 0);
        if (strcmp(json_get_string(record, "stream"), stream) == 0)
            strbuf_adds(&out, json_get_string(record, "log"));
    }
    return strbuf_take(&out);
}

/* Reads until end of file or until `until` (may be NULL) has come. Caller frees. */
static inline char *rig_read(int fd, const char *until)
{
    struct strbuf out = STRBUF_INIT;
    struct timeval limit = {.tv_sec = 20};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    while (!until || !strstr(strbuf_str(&out), until)) {
        ssize_t n = read(fd, strbuf_reserve(&out, 4096), 4096);

        if (n < 0)
            fail_msg("read: %s; so far \"%s\"", strerror(errno), strbuf_str(&out));
        if (n == 0)
            break;
        out.size += (size_t)n;
        strbuf_terminate(&out);
    }
    return strbuf_take(&out);
}

#endif
