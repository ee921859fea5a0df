#include "tests/unit/base_test.h"

#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/timestamp.h"

#define ARGV(...) ((char *const *)(const char *const[]){__VA_ARGS__, NULL})

/* Runs options with stdout (or descriptor `slot`) into a pipe and answers what came and the exit status. */
static char *output_of(struct process_options o, int *ret_status)
{
    int pipe[2];
    assert_int_equal(fd_pipe(pipe), 0);
    int fds[] = {-1, pipe[1], -1};
    o.fds = fds;
    o.fd_count = 3;
    if (!o.path)
        o.path = o.argv[0];
    pid_t pid;
    struct error err = {0};
    int r = process_spawn(&o, &pid, &err);
    fd_close(pipe[1]);
    if (r < 0)
        fail_msg("%s", err.message);
    char *text = NULL;
    assert_int_equal(fd_read_all(pipe[0], 1 << 20, &text, NULL), 0);
    fd_close(pipe[0]);
    assert_int_equal(process_wait(pid, ret_status), 0);
    return text;
}

/* The exit status alone. */
static int status_of(struct process_options o)
{
    int status = -1;
    free(output_of(o, &status));
    return status;
}

static void a_program_is_found_in_the_path_and_its_exit_code_told(void **state)
{
    (void)state;
    int status;
    CLEANUP_FREE char *text = output_of((struct process_options){.argv = ARGV("sh", "-c", "echo hi; exit 7")}, &status);
    assert_string_equal(text, "hi\n");
    assert_int_equal(status, 7);
}

static void a_signal_is_128_and_its_number(void **state)
{
    (void)state;
    assert_int_equal(status_of((struct process_options){.argv = ARGV("/bin/sh", "-c", "kill -9 $$")}), 128 + 9);
}

static void the_environment_is_empty_unless_given(void **state)
{
    (void)state;
    int status;
    CLEANUP_FREE char *none = output_of((struct process_options){.argv = ARGV("env")}, &status);
    assert_string_equal(none, "");
    CLEANUP_FREE char *one =
        output_of((struct process_options){.argv = ARGV("env"), .env = ARGV("A=1", "B=two words")}, &status);
    assert_string_equal(one, "A=1\nB=two words\n");
}

static void only_the_given_descriptors_reach_the_child(void **state)
{
    (void)state;
    int status;
    CLEANUP_FREE char *text =
        output_of((struct process_options){.argv = ARGV("/bin/sh", "-c", "ls /proc/$$/fd; true")}, &status);
    assert_string_equal(text, "0\n1\n2\n");
}

static void missing_descriptors_are_dev_null(void **state)
{
    (void)state;
    int status;
    CLEANUP_FREE char *text = output_of(
        (struct process_options){.argv = ARGV("/bin/sh", "-c", "readlink /proc/$$/fd/0 /proc/$$/fd/2")}, &status);
    assert_string_equal(text, "/dev/null\n/dev/null\n");
    pid_t pid;
    struct process_options none = {
        .path = "sh", .argv = ARGV("sh", "-c", "[ -c /dev/fd/0 ] && [ -c /dev/fd/1 ] && [ -c /dev/fd/2 ]")};
    assert_int_equal(process_spawn(&none, &pid, NULL), 0);
    assert_int_equal(process_wait(pid, &status), 0);
    assert_int_equal(status, 0);
}

static void ignored_signals_and_the_mask_are_reset_in_the_child(void **state)
{
    (void)state;
    sigset_t set;
    sigset_t old;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &old);
    signal(SIGPIPE, SIG_IGN);
    int status;
    CLEANUP_FREE char *text =
        output_of((struct process_options){.argv = ARGV("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")}, &status);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    assert_string_equal(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void a_new_session_is_one(void **state)
{
    (void)state;
    const char *script = "read -r pid comm s ppid pgrp session rest </proc/$$/stat; [ $session = $$ ]";
    struct process_options o = {.argv = ARGV("/bin/sh", "-c", script), .new_session = 1};
    assert_int_equal(status_of(o), 0);
    o.new_session = 0;
    assert_int_equal(status_of(o), 1);
}

/* Forks a child whose descriptors stand in each other's way and answers its exit code. */
static int in_child(int (*fn)(int dir_fd), int dir_fd)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(fn(dir_fd));
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int place(int dir_fd, const char *name, int number)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (fd != number) {
        dup3(fd, number, O_CLOEXEC);
        close(fd);
    }
    return 0;
}

static bool holds(int dir_fd, const char *name, const char *text)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *data = NULL;
    return fd_read_all(fd, 1000, &data, NULL) == 0 && strcmp(data, text) == 0;
}

/* Descriptors 0-4 rotated: each target number is another one's source. */
static int spawn_rotated(int dir_fd)
{
    int dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 100);
    char name[] = "f0";
    for (int i = 0; i < 5; i++) {
        name[1] = (char)('0' + i);
        if (place(dir, name, i) < 0)
            return 10;
    }
    const int fds[] = {1, 2, 3, 4, 0};
    struct process_options o = {
        .path = "/bin/sh",
        .argv = ARGV("/bin/sh", "-c", "for i in 0 1 2 3 4; do echo to$i >&$i; done; [ ! -e /dev/fd/100 ]"),
        .fds = fds,
        .fd_count = 5,
    };
    pid_t pid;
    int status;
    if (process_spawn(&o, &pid, NULL) < 0 || process_wait(pid, &status) < 0 || status != 0)
        return 11;
    const char *const expected[] = {"to4\n", "to0\n", "to1\n", "to2\n", "to3\n"};
    for (int i = 0; i < 5; i++) {
        name[1] = (char)('0' + i);
        if (!holds(dir, name, expected[i]))
            return 20 + i;
    }
    return 0;
}

static void descriptors_whose_numbers_collide_arrive_where_they_should(void **state)
{
    struct scratch *s = *state;
    assert_int_equal(in_child(spawn_rotated, s->fd), 0);
}

static int spawn_in_place(int dir_fd)
{
    int dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 100);
    if (place(dir, "f", 1) < 0)
        return 10;
    const int fds[] = {-1, 1, 1};
    struct process_options o = {
        .path = "/bin/sh", .argv = ARGV("/bin/sh", "-c", "echo out; echo err >&2"), .fds = fds, .fd_count = 3};
    pid_t pid;
    int status;
    if (process_spawn(&o, &pid, NULL) < 0 || process_wait(pid, &status) < 0 || status != 0)
        return 11;
    return holds(dir, "f", "out\nerr\n") ? 0 : 12;
}

static void a_descriptor_already_in_place_and_given_twice_stays_open(void **state)
{
    struct scratch *s = *state;
    assert_int_equal(in_child(spawn_in_place, s->fd), 0);
}

static int spawn_program_descriptor(int dir_fd)
{
    (void)dir_fd;
    int program = open("/bin/sh", O_RDONLY | O_CLOEXEC);
    dup3(program, 1, O_CLOEXEC); /* where the child's standard output will be */
    struct process_options o = {.path = "/proc/self/fd/1", .argv = ARGV("sh", "-c", "exit 42")};
    pid_t pid;
    int status;
    if (process_spawn(&o, &pid, NULL) < 0 || process_wait(pid, &status) < 0)
        return 11;
    return status;
}

static void a_program_given_by_descriptor_runs_even_from_a_number_that_is_replaced(void **state)
{
    struct scratch *s = *state;
    assert_int_equal(in_child(spawn_program_descriptor, s->fd), 42);
    CLEANUP_CLOSE int program = open("/bin/sh", O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *path = xasprintf("/proc/self/fd/%d", program);
    int status;
    CLEANUP_FREE char *text =
        output_of((struct process_options){.path = path, .argv = ARGV("sh", "-c", "echo ok")}, &status);
    assert_string_equal(text, "ok\n");
}

static void a_program_that_is_missing_is_an_error_with_its_name(void **state)
{
    (void)state;
    struct error err = {0};
    pid_t pid = 77;
    struct process_options o = {.path = "/no/such/program", .argv = ARGV("x")};
    assert_int_equal(process_spawn(&o, &pid, &err), -ENOENT);
    assert_string_equal(err.message, "start /no/such/program: No such file or directory");
    assert_int_equal(pid, 77);
    o.path = "no-such-program-anywhere";
    assert_int_equal(process_spawn(&o, &pid, &err), -ENOENT);
    o.path = "/etc/passwd";
    assert_int_equal(process_spawn(&o, &pid, &err), -EACCES);
    o.fd_count = 1000;
    assert_int_equal(process_spawn(&o, &pid, &err), -E2BIG);
}

static void failures_leave_no_descriptor_behind(void **state)
{
    (void)state;
    int before = fcntl(0, F_DUPFD_CLOEXEC, 0);
    fd_close(before);
    const int fds[] = {1, 0, 2};
    struct process_options o = {.path = "/no/such/program", .argv = ARGV("x"), .fds = fds, .fd_count = 3};
    pid_t pid;
    char *text = NULL;
    process_spawn(&o, &pid, NULL);
    process_run(ARGV("/no/such/program"), "input", 10, &text, NULL);
    process_run(ARGV("true"), "input", 10, &text, NULL);
    free(text);
    int after = fcntl(0, F_DUPFD_CLOEXEC, 0);
    fd_close(after);
    assert_int_equal(after, before);
}

static void waiting_for_a_stranger_is_an_error(void **state)
{
    (void)state;
    int status = 5;
    assert_int_equal(process_wait(getpid(), &status), -ECHILD);
    assert_int_equal(status, 5);
}

static void run_passes_input_and_captures_output(void **state)
{
    (void)state;
    struct error err = {0};
    char *text = NULL;
    assert_int_equal(process_run(ARGV("tr", "a-z", "A-Z"), "hello", 100, &text, &err), 0);
    assert_string_equal(text, "HELLO");
    free(text);
    assert_int_equal(process_run(ARGV("cat"), NULL, 100, &text, &err), 0);
    assert_string_equal(text, "");
    free(text);
    setenv("DORY_UNIT", "ours", 1);
    assert_int_equal(process_run(ARGV("sh", "-c", "echo -n $DORY_UNIT"), NULL, 100, &text, &err), 0);
    assert_string_equal(text, "ours");
    free(text);
    assert_int_equal(process_run(ARGV("echo", "x"), NULL, 100, NULL, &err), 0);
}

static void run_copes_with_more_than_a_pipe_holds_on_every_side(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf input = STRBUF_INIT;
    for (int i = 0; i < 200000; i++)
        strbuf_addf(&input, "%d\n", i);
    char *text = NULL;
    struct error err = {0};
    int r = process_run(ARGV("sh", "-c", "tee /dev/stderr"), strbuf_str(&input), input.size, &text, &err);
    assert_int_equal(r, 0);
    assert_string_equal(text, strbuf_str(&input));
    free(text);
    /* A program that does not read its input raises no signal. */
    assert_int_equal(process_run(ARGV("true"), strbuf_str(&input), 10, &text, &err), 0);
    free(text);
}

static void run_makes_a_bad_exit_an_error_with_the_programs_words(void **state)
{
    (void)state;
    struct error err = {0};
    char *text = NULL;
    assert_int_equal(
        process_run(ARGV("sh", "-c", "echo out; echo 'no such thing' >&2; exit 3"), NULL, 100, &text, &err), -EIO);
    assert_string_equal(err.message, "sh: exit status 3: no such thing");
    assert_int_equal(process_run(ARGV("sh", "-c", "kill -TERM $$"), NULL, 100, &text, &err), -EIO);
    assert_string_equal(err.message, "sh: exit status 143");
    assert_int_equal(process_run(ARGV("/no/such/helper"), NULL, 100, &text, &err), -ENOENT);
    assert_string_equal(err.message, "start /no/such/helper: No such file or directory");
    assert_null(text);
}

static void run_kills_a_program_that_says_too_much(void **state)
{
    (void)state;
    struct error err = {0};
    char *text = NULL;
    assert_int_equal(process_run(ARGV("yes"), NULL, 1000, &text, &err), -EFBIG);
    assert_string_equal(err.message, "yes: more than 1000 bytes of output");
    assert_null(text);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(process_run(ARGV("sh", "-c", "printf 12345"), NULL, 5, &text, &err), 0);
    assert_string_equal(text, "12345");
    free(text);
}

static void run_cuts_a_long_complaint(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(process_run(ARGV("sh", "-c", "yes | head -c 1000000 >&2; exit 1"), NULL, 10, NULL, &err), -EIO);
    assert_memory_equal(err.message, "sh: exit status 1: y\ny\n", 23);
    assert_true(strlen(err.message) < 1600);
}

static void run_does_not_wait_for_a_grandchild_that_holds_the_pipes(void **state)
{
    (void)state;
    char *text = NULL;
    struct error err = {0};
    int64_t began = timestamp_monotonic();
    assert_int_equal(process_run(ARGV("sh", "-c", "sleep 20 & echo -n $!"), NULL, 100, &text, &err), 0);
    assert_true(timestamp_monotonic() - began < 10000000000);
    pid_t sleeper = (pid_t)strtol(text, NULL, 10);
    assert_true(sleeper > 1);
    kill(sleeper, SIGKILL);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_found_in_the_path_and_its_exit_code_told),
        cmocka_unit_test(a_signal_is_128_and_its_number),
        cmocka_unit_test(the_environment_is_empty_unless_given),
        cmocka_unit_test(only_the_given_descriptors_reach_the_child),
        cmocka_unit_test(missing_descriptors_are_dev_null),
        cmocka_unit_test(ignored_signals_and_the_mask_are_reset_in_the_child),
        cmocka_unit_test(a_new_session_is_one),
        IN_SCRATCH(descriptors_whose_numbers_collide_arrive_where_they_should),
        IN_SCRATCH(a_descriptor_already_in_place_and_given_twice_stays_open),
        IN_SCRATCH(a_program_given_by_descriptor_runs_even_from_a_number_that_is_replaced),
        cmocka_unit_test(a_program_that_is_missing_is_an_error_with_its_name),
        cmocka_unit_test(failures_leave_no_descriptor_behind),
        cmocka_unit_test(waiting_for_a_stranger_is_an_error),
        cmocka_unit_test(run_passes_input_and_captures_output),
        cmocka_unit_test(run_copes_with_more_than_a_pipe_holds_on_every_side),
        cmocka_unit_test(run_makes_a_bad_exit_an_error_with_the_programs_words),
        cmocka_unit_test(run_kills_a_program_that_says_too_much),
        cmocka_unit_test(run_cuts_a_long_complaint),
        cmocka_unit_test(run_does_not_wait_for_a_grandchild_that_holds_the_pipes),
    };
    setenv("PATH", "/usr/bin:/bin", 1);
    /* What the test itself was started with is not ours to account for. */
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
