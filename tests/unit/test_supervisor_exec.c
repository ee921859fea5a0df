/* Execs below a supervisor: streams, exit codes, records for a later daemon. */
#include "tests/unit/supervisor_test.h"

struct ends {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
    char id[ID_SIZE + 1];
    struct shim_exit exit;
};
static struct ends ends = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_exec_exit(const char *id, const char *exec_id, const struct shim_exit *exit, void *data)
{
    (void)id;
    (void)data;
    pthread_mutex_lock(&ends.lock);
    ends.count++;
    snprintf(ends.id, sizeof(ends.id), "%s", exec_id);
    ends.exit = *exit;
    pthread_cond_broadcast(&ends.changed);
    pthread_mutex_unlock(&ends.lock);
}

static int wait_end(int count)
{
    struct timespec until;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&ends.lock);
    while (ends.count < count && r == 0)
        r = pthread_cond_timedwait(&ends.changed, &ends.lock, &until);
    r = r == 0 ? ends.exit.status : -1;
    pthread_mutex_unlock(&ends.lock);
    return r;
}

/* The rig's supervisor does not ask for the ends of execs: one that does takes its place. */
static void reopen(struct rig *rig)
{
    struct supervisor_options options = {.exec_root = rig->exec_root,
                                         .shim_path = rig_shim_path(),
                                         .exited = rig_on_exit,
                                         .detached = rig_on_detach,
                                         .exec_exited = on_exec_exit,
                                         .data = rig};
    struct error err = {0};

    supervisor_close(rig->supervisor);
    if (supervisor_open(&options, &rig->supervisor, &err) < 0)
        fail_msg("supervisor_open: %s", err.message);
    ends.count = 0;
}

static const char exec_id[] = "00000000000000000000000000000000000000000000000000000000000000aa";

static int start_exec(struct shim *shim, const char *script, struct shim_exec exec, int *ret_fd, struct error *err)
{
    CLEANUP_STRBUF struct strbuf quoted = STRBUF_INIT;
    CLEANUP_FREE char *process = NULL;
    struct shim_attach attach = {.use_stdin = true, .use_stdout = true, .use_stderr = true};
    int pair[2], r;
    pid_t pid = 0;

    json_quote(&quoted, script, strlen(script));
    process = xasprintf("{\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"/bin/busybox\",\"sh\",\"-c\",%s],"
                        "\"env\":[\"PATH=/bin\",\"HOME=/\"],\"cwd\":\"/\"}",
                        exec.tty ? "true" : "false", strbuf_str(&quoted));
    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    attach.fd = pair[1];
    exec.exec_id = exec_id;
    exec.process_json = process;
    exec.process_size = strlen(process);
    exec.attach = &attach;
    r = shim_exec(shim, &exec, &pid, err);
    close(pair[1]);
    if (r < 0) {
        close(pair[0]);
        return r;
    }
    assert_true(pid > 0);
    *ret_fd = pair[0];
    return 0;
}

static struct shim *run_container(struct rig *rig)
{
    struct shim *shim = NULL;

    reopen(rig);
    rig_run(rig, "trap 'exit 0' TERM; while :; do busybox sleep 0.05; done", NULL, &shim);
    return shim;
}

static void end_container(struct rig *rig, struct shim *shim)
{
    shim_signal(shim, SIGKILL, NULL);
    rig_wait_exit(rig);
    shim_unref(shim);
}

static void the_exit_code_is_known_before_the_stream_ends(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim *shim = run_container(rig);
    struct error err = {0};
    CLEANUP_FREE char *text = NULL;
    int fd;

    if (start_exec(shim, "read a; echo got $a; exit 7", (struct shim_exec){.raw = true}, &fd, &err) < 0)
        fail_msg("shim_exec: %s", err.message);
    assert_int_equal(write(fd, "it\n", 3), 3);
    text = rig_read(fd, NULL);
    assert_string_equal(text, "got it\n");
    /* No waiting: whoever sees the end of the stream may ask. */
    pthread_mutex_lock(&ends.lock);
    assert_int_equal(ends.count, 1);
    assert_int_equal(ends.exit.status, 7);
    assert_string_equal(ends.id, exec_id);
    pthread_mutex_unlock(&ends.lock);
    close(fd);
    end_container(rig, shim);
}

static void what_cannot_be_run_leaves_nothing_and_the_id_free(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim *shim = run_container(rig);
    struct error err = {0};
    struct shim_exec bad = {.exec_id = exec_id,
                            .process_json = "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"/nosuch\"],\"cwd\":\"/\"}"};
    pid_t pid;
    int fd;

    bad.process_size = strlen(bad.process_json);
    assert_true(shim_exec(shim, &bad, &pid, &err) < 0);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    bad.process_json = "{\"args\":";
    bad.process_size = strlen(bad.process_json);
    assert_true(shim_exec(shim, &bad, &pid, &err) < 0);
    assert_int_equal(start_exec(shim, "exit 3", (struct shim_exec){.raw = true}, &fd, &err), 0);
    close(fd);
    assert_int_equal(wait_end(1), 3);
    assert_true(shim_exec_signal(shim, exec_id, SIGKILL, &err) < 0);
    assert_int_equal(err.errnum, ESRCH);
    end_container(rig, shim);
}

static void an_exec_is_resized_and_signalled(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim *shim = run_container(rig);
    struct error err = {0};
    CLEANUP_FREE char *text = NULL;
    int fd;

    assert_int_equal(start_exec(shim,
                                "echo up; until [ \"$(busybox stty size)\" = '33 44' ]; do busybox sleep 0.05; done; "
                                "echo sized; busybox sleep 1000",
                                (struct shim_exec){.raw = true, .tty = true, .tty_rows = 10, .tty_columns = 20}, &fd,
                                &err),
                     0);
    assert_int_equal(shim_exec_resize(shim, exec_id, 33, 44, &err), 0);
    text = rig_read(fd, "sized\r\n");
    assert_int_equal(shim_exec_signal(shim, exec_id, SIGKILL, &err), 0);
    assert_int_equal(wait_end(1), 137);
    close(fd);
    end_container(rig, shim);
}

/* ---- across supervisors ---- */

struct found {
    int running, ended, status;
    char note[64];
};

static void on_found(const char *id, pid_t pid, const struct json *note, const struct shim_exit *exit, void *data)
{
    struct found *found = data;

    assert_string_equal(id, exec_id);
    snprintf(found->note, sizeof(found->note), "%s", json_get_string(note, "a"));
    if (exit) {
        found->ended++;
        found->status = exit->status;
    } else {
        found->running++;
        assert_true(pid > 0);
    }
}

static struct shim *find_again(struct rig *rig)
{
    enum shim_found kind;
    struct shim *shim = NULL;
    struct shim_exit exit;
    struct error err = {0};
    pid_t pid;

    reopen(rig);
    if (supervisor_find(rig->supervisor, rig->id, &kind, &shim, &pid, &exit, &err) < 0)
        fail_msg("supervisor_find: %s", err.message);
    assert_int_equal(kind, SHIM_RUNNING);
    return shim;
}

static void an_exec_is_found_again_with_its_note_and_later_its_end(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim *shim = run_container(rig);
    struct error err = {0};
    struct found found = {0};
    CLEANUP_FREE char *go = NULL, *text = NULL;
    int fd;

    assert_int_equal(start_exec(shim, "until [ -e /tmp/go ]; do busybox sleep 0.05; done; echo went; exit 9",
                                (struct shim_exec){.raw = true, .note = "{\"a\":\"b\"}"}, &fd, &err),
                     0);
    /* The answer comes before the note is written; another answer comes after it. */
    assert_int_equal(shim_resize(shim, 1, 1, &err), 0);
    shim_unref(shim);
    shim = find_again(rig);
    supervisor_find_execs(rig->supervisor, rig->id, on_found, &found);
    assert_int_equal(found.running, 1);
    assert_int_equal(found.ended, 0);
    assert_string_equal(found.note, "b");
    go = xasprintf("%s/tmp/go", rig->root);
    assert_int_equal(file_write_atomic(AT_FDCWD, go, "", 0, 0644, NULL), 0);
    text = rig_read(fd, NULL);
    assert_string_equal(text, "went\n");
    assert_int_equal(wait_end(1), 9);
    found = (struct found){0};
    supervisor_find_execs(rig->supervisor, rig->id, on_found, &found);
    assert_int_equal(found.ended, 1);
    assert_int_equal(found.status, 9);
    supervisor_forget_exec(rig->supervisor, rig->id, exec_id);
    found = (struct found){0};
    supervisor_find_execs(rig->supervisor, rig->id, on_found, &found);
    assert_int_equal(found.running + found.ended, 0);
    close(fd);
    unlink(go);
    end_container(rig, shim);
}

static void a_transient_exec_ends_with_the_daemon_and_has_no_record(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim *shim = run_container(rig);
    struct error err = {0};
    struct found found = {0};
    CLEANUP_FREE char *text = NULL;
    int fd;

    assert_int_equal(start_exec(shim, "echo up; exec busybox sleep 1000",
                                (struct shim_exec){.raw = true, .transient = true}, &fd, &err),
                     0);
    free(rig_read(fd, "up\n"));
    shim_unref(shim);
    reopen(rig); /* without looking for the container: the connection ends */
    text = rig_read(fd, NULL);
    assert_string_equal(text, "");
    close(fd);
    shim = find_again(rig);
    supervisor_find_execs(rig->supervisor, rig->id, on_found, &found);
    assert_int_equal(found.running + found.ended, 0);
    end_container(rig, shim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CONTAINERS(the_exit_code_is_known_before_the_stream_ends),
        WITH_CONTAINERS(what_cannot_be_run_leaves_nothing_and_the_id_free),
        WITH_CONTAINERS(an_exec_is_resized_and_signalled),
        WITH_CONTAINERS(an_exec_is_found_again_with_its_note_and_later_its_end),
        WITH_CONTAINERS(a_transient_exec_ends_with_the_daemon_and_has_no_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
