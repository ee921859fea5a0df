#include "tests/unit/supervisor_test.h"

static void the_exit_status_is_the_programs(void **state)
{
    struct rig *rig = NEED_RIG(state);

    rig_run(rig, "exit 42", NULL, NULL);
    assert_int_equal(rig_wait_exit(rig), 42);
    assert_false(rig->exit.oom_killed);
    assert_true(rig->exit.finished > 0);
}

static void a_signal_ends_with_128_and_its_number(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim *shim;
    struct error err = {0};

    rig_run(rig, "exec sleep 100", NULL, &shim);
    assert_int_equal(shim_signal(shim, SIGKILL, &err), 0);
    assert_int_equal(rig_wait_exit(rig), 137);
    assert_int_equal(shim_signal(shim, SIGKILL, &err), -ESRCH);
    assert_int_equal(err.kind, ERROR_CONFLICT);
    shim_unref(shim);
}

static void both_streams_are_in_the_log_at_exit(void **state)
{
    struct rig *rig = NEED_RIG(state);
    CLEANUP_FREE char *out = NULL, *errors = NULL;

    rig_run(rig, "echo one; echo two >&2; printf three", NULL, NULL);
    assert_int_equal(rig_wait_exit(rig), 0);
    out = rig_log(rig, "stdout");
    errors = rig_log(rig, "stderr");
    assert_string_equal(out, "one\nthree");
    assert_string_equal(errors, "two\n");
}

static void much_output_is_all_there(void **state)
{
    struct rig *rig = NEED_RIG(state);
    CLEANUP_FREE char *out = NULL;
    CLEANUP_STRV struct strv lines = STRV_INIT;

    rig_run(rig, "seq 1 200000", NULL, NULL);
    assert_int_equal(rig_wait_exit(rig), 0);
    out = rig_log(rig, "stdout");
    strv_split(&lines, out, '\n');
    assert_int_equal(lines.count, 200001);
    assert_string_equal(lines.items[199999], "200000");
}

static void a_command_that_is_missing_fails_the_start_and_leaves_nothing(void **state)
{
    struct rig *rig = NEED_RIG(state);
    CLEANUP_FREE char *spec = rig_spec(rig, "x", false);
    CLEANUP_FREE char *dir = xasprintf("%s/shim/%s", rig->exec_root, rig->id);
    CLEANUP_CLOSE int root = (int)syscall(SYS_open_tree, AT_FDCWD, rig->root, OPEN_TREE_CLONE | O_CLOEXEC);
    struct shim_start start = rig_start_defaults(rig);
    struct error err = {0};
    struct shim *shim;
    pid_t pid;

    /* same length, so that the size stays right */
    memcpy(strstr(spec, "/bin/busybox"), "/bin/nothere", 12);
    start.spec_json = spec;
    start.spec_size = strlen(spec);
    start.rootfs_fd = root;
    assert_int_equal(supervisor_spawn(rig->supervisor, rig->id, &shim, &err), 0);
    assert_int_equal(shim_start(shim, &start, &pid, &err), -ENOENT);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_int_equal(access(dir, F_OK), -1);
    shim_unref(shim);
    assert_int_equal(rig->exits, 0);
}

static void an_abandoned_shim_leaves_nothing(void **state)
{
    struct rig *rig = NEED_RIG(state);
    CLEANUP_FREE char *dir = xasprintf("%s/shim/%s", rig->exec_root, rig->id);
    struct error err = {0};
    struct shim *shim;

    assert_int_equal(supervisor_spawn(rig->supervisor, rig->id, &shim, &err), 0);
    assert_int_equal(access(dir, F_OK), 0);
    shim_abandon(shim);
    assert_int_equal(access(dir, F_OK), -1);
    shim_unref(shim);
}

static void attached_clients_get_frames(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim_start start = rig_start_defaults(rig);
    int pair[2];
    char got[64];
    static const char expected[] = "\1\0\0\0\0\0\0\4out\n\2\0\0\0\0\0\0\4err\n";

    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    start.attaches = &(struct shim_attach){.fd = pair[1], .use_stdout = true, .use_stderr = true};
    start.attach_count = 1;
    rig_run(rig, "echo out; sleep 0.2; echo err >&2", &start, NULL);
    assert_int_equal(fd_read_full(pair[0], got, sizeof(got)), sizeof(expected) - 1);
    assert_memory_equal(got, expected, sizeof(expected) - 1);
    assert_int_equal(rig_wait_exit(rig), 0);
    close(pair[0]);
}

static void the_end_of_stdin_reaches_the_program(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim_start start = rig_start_defaults(rig);
    CLEANUP_FREE char *out = NULL;
    int pair[2];

    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    start.open_stdin = start.stdin_once = true;
    start.attaches = &(struct shim_attach){.fd = pair[1], .use_stdin = true};
    start.attach_count = 1;
    rig_run(rig, "cat; echo end", &start, NULL);
    assert_int_equal(fd_write_all(pair[0], "hello\n", 6), 0);
    shutdown(pair[0], SHUT_WR);
    assert_int_equal(rig_wait_exit(rig), 0);
    out = rig_log(rig, "stdout");
    assert_string_equal(out, "hello\nend\n");
    close(pair[0]);
}

/* More than all buffers between hold, while the program is slow to read and to write. */
static void large_input_comes_back_whole(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim_start start = rig_start_defaults(rig);
    size_t size = 4 << 20, got = 0;
    char *data = xmalloc(size), *back = xmalloc(size + 65536 * 16);
    int pair[2];
    pid_t writer;

    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 7 + i / 251);
    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    start.open_stdin = start.stdin_once = true;
    start.log = (struct shim_log){0};
    start.attaches = &(struct shim_attach){.fd = pair[1], .use_stdin = true, .use_stdout = true};
    start.attach_count = 1;
    rig_run(rig, "sleep 0.3; cat", &start, NULL);
    writer = fork();
    if (writer == 0) {
        fd_write_all(pair[0], data, size);
        shutdown(pair[0], SHUT_WR);
        _exit(0);
    }
    usleep(600000);
    for (;;) {
        unsigned char header[8];
        uint32_t length;

        if (fd_read_full(pair[0], header, 8) != 8)
            break;
        length = (uint32_t)header[4] << 24 | (uint32_t)header[5] << 16 | (uint32_t)header[6] << 8 | header[7];
        assert_true(got + length <= size);
        assert_int_equal(fd_read_full(pair[0], back + got, length), length);
        got += length;
    }
    assert_int_equal(got, size);
    assert_memory_equal(data, back, size);
    waitpid(writer, NULL, 0);
    assert_int_equal(rig_wait_exit(rig), 0);
    close(pair[0]);
    free(data);
    free(back);
}

static void a_client_that_does_not_read_does_not_hold_up_the_report_for_ever(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim_start start = rig_start_defaults(rig);
    CLEANUP_FREE char *out = NULL;
    int pair[2], small = 4096;
    struct stat st;

    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    start.attaches = &(struct shim_attach){.fd = pair[1], .use_stdout = true};
    start.attach_count = 1;
    /* More than the socket holds; less than the pipe, so that the program can end. */
    rig_run(rig, "head -c 60000 /bin/busybox", &start, NULL);
    assert_int_equal(rig_wait_exit(rig), 0);
    assert_int_equal(recv(pair[0], &small, 1, MSG_PEEK), 1);
    out = rig_read(pair[0], NULL);
    close(pair[0]);
    /* What was held back has gone to the log as well. */
    assert_int_equal(stat(rig->log_path, &st), 0);
    assert_true(st.st_size > 60000);
}

static void a_terminal_is_resized_and_detached_from(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct shim_start start = rig_start_defaults(rig);
    CLEANUP_FREE char *first = NULL, *second = NULL, *rest = NULL;
    struct error err = {0};
    struct shim *shim;
    int pair[2], other[2];

    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    start.tty = start.open_stdin = true;
    start.tty_rows = 33;
    start.tty_columns = 99;
    start.attaches = &(struct shim_attach){.fd = pair[1], .use_stdin = true, .use_stdout = true, .use_stderr = true};
    start.attach_count = 1;
    rig_run(rig, "stty size; read x; stty size; read y; echo got $y; exit 7", &start, &shim);
    first = rig_read(pair[0], "33 99\r\n");
    assert_int_equal(shim_resize(shim, 40, 120, &err), 0);
    assert_int_equal(fd_write_all(pair[0], "a\n", 2), 0);
    second = rig_read(pair[0], "40 120\r\n");
    assert_int_equal(fd_write_all(pair[0], "\x10\x11", 2), 0);
    rest = rig_read(pair[0], NULL);
    assert_string_equal(rest, "");
    rig_wait(rig, &rig->detaches, 1);
    assert_int_equal(rig->exits, 0);
    close(pair[0]);

    assert_int_equal(fd_socketpair(SOCK_STREAM, other), 0);
    assert_int_equal(
        shim_add_client(shim, &(struct shim_attach){.fd = other[1], .use_stdin = true, .use_stdout = true}, &err), 0);
    assert_int_equal(fd_write_all(other[0], "again\n", 6), 0);
    assert_int_equal(rig_wait_exit(rig), 7);
    close(other[0]);
    shim_unref(shim);
}

static void a_container_starts_again_at_once(void **state)
{
    struct rig *rig = NEED_RIG(state);

    for (int i = 1; i <= 20; i++) {
        rig_run(rig, "exit 3", NULL, NULL);
        rig_wait(rig, &rig->exits, i);
        assert_int_equal(rig->exit.status, 3);
    }
}

/* The other half of this program: a daemon that starts a container and is killed. */
static void run_daemon_and_die(struct rig *rig, const char *script)
{
    pid_t pid;
    int status;

    supervisor_close(rig->supervisor);
    rig->supervisor = NULL;
    pid = fork();
    if (pid == 0) {
        struct error err = {0};

        rig_open(rig);
        if (rig_start(rig, script, NULL, NULL, &err) < 0)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    rig_open(rig);
}

static void a_running_container_is_found_after_the_daemon_was_killed(void **state)
{
    struct rig *rig = NEED_RIG(state);
    CLEANUP_FREE char *out = NULL;
    CLEANUP_STRV struct strv lines = STRV_INIT;
    struct error err = {0};
    struct shim_exit exit;
    enum shim_found found;
    struct shim *shim = NULL;
    pid_t pid = 0;

    run_daemon_and_die(rig,
                       "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; sleep 0.5; echo end; exit 9");
    assert_int_equal(supervisor_find(rig->supervisor, rig->id, &found, &shim, &pid, &exit, &err), 0);
    assert_int_equal(found, SHIM_RUNNING);
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(rig_wait_exit(rig), 9);
    out = rig_log(rig, "stdout");
    strv_split(&lines, out, '\n');
    assert_int_equal(lines.count, 3002);
    assert_string_equal(lines.items[3000], "end");
    shim_unref(shim);
    supervisor_forget(rig->supervisor, rig->id);
    assert_int_equal(supervisor_find(rig->supervisor, rig->id, &found, &shim, &pid, &exit, &err), 0);
    assert_int_equal(found, SHIM_NONE);
}

static void the_exit_of_a_container_that_ended_without_a_daemon_is_found(void **state)
{
    struct rig *rig = NEED_RIG(state);
    CLEANUP_FREE char *out = NULL;
    struct error err = {0};
    struct shim_exit exit = {0};
    enum shim_found found;
    struct shim *shim = NULL;
    pid_t pid = 0;

    run_daemon_and_die(rig, "sleep 0.2; echo late; exit 5");
    usleep(800000);
    assert_int_equal(supervisor_find(rig->supervisor, rig->id, &found, &shim, &pid, &exit, &err), 0);
    assert_int_equal(found, SHIM_ENDED);
    assert_int_equal(exit.status, 5);
    out = rig_log(rig, "stdout");
    assert_string_equal(out, "late\n");
}

static bool know_nothing(const char *id, void *data)
{
    (void)id;
    (void)data;
    return false;
}

static void what_nobody_knows_is_ended(void **state)
{
    struct rig *rig = NEED_RIG(state);
    CLEANUP_FREE char *dir = xasprintf("%s/shim/%s", rig->exec_root, rig->id);
    CLEANUP_FREE char *cgroup = xasprintf("/sys/fs/cgroup/pids/dory-test/%s", rig->id);
    struct error err = {0};

    run_daemon_and_die(rig, "exec sleep 1000");
    assert_int_equal(access(dir, F_OK), 0);
    assert_int_equal(supervisor_sweep(rig->supervisor, know_nothing, NULL, &err), 0);
    assert_int_equal(access(dir, F_OK), -1);
    assert_int_equal(access(cgroup, F_OK), -1);
}

/* Before, during and after the start: it is found as what it is, ends as it should, and leaves nothing. */
static void wherever_the_daemon_is_killed_nothing_is_lost(void **state)
{
    struct rig *rig = NEED_RIG(state);
    CLEANUP_FREE char *dir = xasprintf("%s/shim", rig->exec_root);

    for (int i = 0; i < 40; i++) {
        struct error err = {0};
        struct shim_exit exit = {.status = 3};
        enum shim_found found;
        struct shim *shim = NULL;
        pid_t container, pid;

        supervisor_close(rig->supervisor);
        rig->supervisor = NULL;
        rig->exits = 0;
        id_generate(rig->id);
        pid = fork();
        if (pid == 0) {
            rig_open(rig);
            rig_start(rig, i % 3 ? "sleep 0.05; exit 3" : "exit 3", NULL, NULL, &err);
            pause();
        }
        usleep((useconds_t)i * 500);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        rig_open(rig);
        assert_int_equal(supervisor_find(rig->supervisor, rig->id, &found, &shim, &container, &exit, &err), 0);
        if (found == SHIM_RUNNING) {
            assert_int_equal(rig_wait_exit(rig), 3);
            shim_unref(shim);
        }
        assert_int_equal(exit.status, 3);
        assert_int_equal(supervisor_sweep(rig->supervisor, know_nothing, NULL, &err), 0);
        assert_int_equal(rmdir(dir), 0);
        assert_int_equal(mkdir(dir, 0700), 0);
        supervisor_close(rig->supervisor);
        rig_open(rig);
    }
}

static void running_out_of_memory_is_noted(void **state)
{
    struct rig *rig = NEED_RIG(state);

    rig->memory_limit = 16 << 20;
    rig_run(rig, "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done", NULL, NULL);
    assert_int_equal(rig_wait_exit(rig), 137);
    assert_true(rig->exit.oom_killed);
}

/* The shim is the parent of the container's init. */
static pid_t parent_of(pid_t pid)
{
    CLEANUP_FREE char *path = xasprintf("/proc/%d/stat", pid);
    CLEANUP_FREE char *text = NULL;
    int parent = 0;

    assert_int_equal(file_read(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);
    sscanf(strrchr(text, ')'), ") %*c %d", &parent);
    return parent;
}

static void a_container_whose_shim_was_killed_is_ended(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct error err = {0};
    struct shim_exit exit = {0};
    enum shim_found found;
    struct shim *shim = NULL;
    pid_t pid = 0;

    run_daemon_and_die(rig, "exec sleep 1000");
    assert_int_equal(supervisor_find(rig->supervisor, rig->id, &found, &shim, &pid, &exit, &err), 0);
    assert_int_equal(found, SHIM_RUNNING);
    kill(parent_of(pid), SIGKILL);
    assert_int_equal(rig_wait_exit(rig), 137);
    shim_unref(shim);
}

static void a_container_whose_shim_was_killed_without_a_daemon_is_ended(void **state)
{
    struct rig *rig = NEED_RIG(state);
    struct error err = {0};
    struct shim_exit exit = {0};
    enum shim_found found;
    struct shim *shim = NULL;
    pid_t pid = 0, parent;

    run_daemon_and_die(rig, "exec sleep 1000");
    assert_int_equal(supervisor_find(rig->supervisor, rig->id, &found, &shim, &pid, &exit, &err), 0);
    supervisor_close(rig->supervisor);
    shim_unref(shim);
    parent = parent_of(pid);
    kill(parent, SIGKILL);
    usleep(100000);
    rig_open(rig);
    assert_int_equal(supervisor_find(rig->supervisor, rig->id, &found, &shim, &pid, &exit, &err), 0);
    assert_int_equal(found, SHIM_ENDED);
    assert_int_equal(exit.status, 137);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CONTAINERS(the_exit_status_is_the_programs),
        WITH_CONTAINERS(a_signal_ends_with_128_and_its_number),
        WITH_CONTAINERS(both_streams_are_in_the_log_at_exit),
        WITH_CONTAINERS(much_output_is_all_there),
        WITH_CONTAINERS(a_command_that_is_missing_fails_the_start_and_leaves_nothing),
        WITH_CONTAINERS(an_abandoned_shim_leaves_nothing),
        WITH_CONTAINERS(attached_clients_get_frames),
        WITH_CONTAINERS(the_end_of_stdin_reaches_the_program),
        WITH_CONTAINERS(large_input_comes_back_whole),
        WITH_CONTAINERS(a_client_that_does_not_read_does_not_hold_up_the_report_for_ever),
        WITH_CONTAINERS(a_terminal_is_resized_and_detached_from),
        WITH_CONTAINERS(a_container_starts_again_at_once),
        WITH_CONTAINERS(a_running_container_is_found_after_the_daemon_was_killed),
        WITH_CONTAINERS(the_exit_of_a_container_that_ended_without_a_daemon_is_found),
        WITH_CONTAINERS(what_nobody_knows_is_ended),
        WITH_CONTAINERS(wherever_the_daemon_is_killed_nothing_is_lost),
        WITH_CONTAINERS(running_out_of_memory_is_noted),
        WITH_CONTAINERS(a_container_whose_shim_was_killed_is_ended),
        WITH_CONTAINERS(a_container_whose_shim_was_killed_without_a_daemon_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
