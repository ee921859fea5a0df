#include "tests/unit/base_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/timestamp.h"

/* What a test's callbacks leave behind, in the order in which they ran. */
struct trace {
    struct loop *loop;
    char text[200];
    struct loop_source *victim;
    struct loop_source *own;
    int pipe[2];
    int count;
    uint32_t events;
};

static void note(struct trace *t, const char *what)
{
    size_t used = strlen(t->text);
    snprintf(t->text + used, sizeof t->text - used, "%s ", what);
}

static int loop_setup(void **state)
{
    struct trace *t = xcalloc(1, sizeof *t);
    *state = t;
    return loop_new(&t->loop, NULL) || fd_pipe(t->pipe);
}

static int loop_teardown(void **state)
{
    struct trace *t = *state;
    loop_free(t->loop);
    fd_close(t->pipe[0]);
    fd_close(t->pipe[1]);
    free(t);
    return 0;
}

#define IN_LOOP(test) cmocka_unit_test_setup_teardown(test, loop_setup, loop_teardown)

static void on_quit_timer(struct loop_source *source, void *data)
{
    (void)source;
    loop_quit(((struct trace *)data)->loop, 99);
}

static void quit_after(struct trace *t, int64_t ms)
{
    assert_int_equal(loop_add_timer(t->loop, ms, on_quit_timer, t, NULL), 0);
}

static void on_readable(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)source;
    struct trace *t = data;
    char c[2] = "";
    t->events = events;
    if (events & EPOLLIN && read(fd, c, 1) == 1)
        note(t, c);
    if (strcmp(c, "q") == 0)
        loop_quit(t->loop, 7);
}

static void a_readable_descriptor_calls_back_until_quit(void **state)
{
    struct trace *t = *state;
    assert_int_equal(loop_add_io(t->loop, t->pipe[0], EPOLLIN, on_readable, t, &t->own), 0);
    fd_write_all(t->pipe[1], "abqz", 4);
    assert_int_equal(loop_run(t->loop), 7);
    assert_string_equal(t->text, "a b q ");
    assert_int_equal(t->events, EPOLLIN);
    /* And again, from where it stopped. */
    fd_write_all(t->pipe[1], "q", 1);
    assert_int_equal(loop_run(t->loop), 7);
    assert_string_equal(t->text, "a b q z q ");
}

static void quitting_before_the_run_ends_it_at_once(void **state)
{
    struct trace *t = *state;
    loop_quit(t->loop, 3);
    assert_int_equal(loop_run(t->loop), 3);
}

static void on_hangup(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)source;
    (void)fd;
    struct trace *t = data;
    t->events = events;
    loop_quit(t->loop, 0);
}

static void a_hangup_is_reported_without_being_asked_for(void **state)
{
    struct trace *t = *state;
    loop_add_io(t->loop, t->pipe[0], 0, on_hangup, t, NULL);
    t->pipe[1] = fd_close(t->pipe[1]);
    assert_int_equal(loop_run(t->loop), 0);
    assert_int_equal(t->events, EPOLLHUP);
}

static void failures_to_add_are_negative_errno(void **state)
{
    struct trace *t = *state;
    struct loop_source *s = (struct loop_source *)t;
    assert_int_equal(loop_add_io(t->loop, -1, EPOLLIN, on_readable, t, &s), -EBADF);
    assert_ptr_equal(s, t);
    assert_int_equal(loop_add_io(t->loop, t->pipe[0], EPOLLIN, on_readable, t, NULL), 0);
    assert_int_equal(loop_add_io(t->loop, t->pipe[0], EPOLLIN, on_readable, t, &s), -EEXIST);
}

static void events_can_be_switched_off_and_on(void **state)
{
    struct trace *t = *state;
    loop_add_io(t->loop, t->pipe[0], 0, on_readable, t, &t->own);
    fd_write_all(t->pipe[1], "aq", 2);
    quit_after(t, 20);
    assert_int_equal(loop_run(t->loop), 99);
    assert_string_equal(t->text, "");
    assert_int_equal(loop_source_set_events(t->own, EPOLLIN), 0);
    assert_int_equal(loop_run(t->loop), 7);
    assert_string_equal(t->text, "a q ");
    assert_int_equal(loop_source_set_events(t->own, 0), 0);
    fd_write_all(t->pipe[1], "b", 1);
    quit_after(t, 20);
    assert_int_equal(loop_run(t->loop), 99);
    assert_string_equal(t->text, "a q ");
}

static void on_remove_both(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)fd;
    (void)events;
    struct trace *t = data;
    note(t, "io");
    loop_remove(t->victim);
    t->victim = NULL;
    loop_remove(source);
    loop_remove(source); /* a second time does no harm while the callback runs */
    quit_after(t, 10);
}

static void a_callback_may_remove_itself_and_others_that_are_ready(void **state)
{
    struct trace *t = *state;
    int other[2];
    fd_pipe(other);
    struct loop_source *a;
    struct loop_source *b;
    loop_add_io(t->loop, t->pipe[0], EPOLLIN, on_remove_both, t, &a);
    loop_add_io(t->loop, other[0], EPOLLIN, on_readable, t, &b);
    t->victim = b;
    /* Both are ready in the same turn; whichever comes first, the loop must not touch freed memory. */
    fd_write_all(t->pipe[1], "x", 1);
    fd_write_all(other[1], "y", 1);
    assert_int_equal(loop_run(t->loop), 99);
    assert_non_null(strstr(t->text, "io "));
    assert_null(strstr(strstr(t->text, "io "), "y"));
    loop_remove(NULL);
    fd_close(other[0]);
    fd_close(other[1]);
}

static void on_replace(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)events;
    struct trace *t = data;
    loop_remove(source);
    note(t, "replaced");
    assert_int_equal(loop_add_io(t->loop, fd, EPOLLIN, on_readable, t, &t->own), 0);
}

static void a_callback_may_replace_its_own_source(void **state)
{
    struct trace *t = *state;
    loop_add_io(t->loop, t->pipe[0], EPOLLIN, on_replace, t, NULL);
    fd_write_all(t->pipe[1], "q", 1);
    assert_int_equal(loop_run(t->loop), 7);
    assert_string_equal(t->text, "replaced q ");
}

/* Where on_name writes: its data is the name. */
static struct trace *timer_trace;

static void on_name(struct loop_source *source, void *data)
{
    (void)source;
    note(timer_trace, data);
}

static void timers_fire_in_order_of_their_time_and_then_of_their_adding(void **state)
{
    struct trace *t = *state;
    timer_trace = t;
    char names[] = "a\0b\0c\0d";
    loop_add_timer(t->loop, 30, on_name, names + 0, NULL);
    loop_add_timer(t->loop, 0, on_name, names + 2, NULL);
    loop_add_timer(t->loop, -5, on_name, names + 4, NULL);
    loop_add_timer(t->loop, 15, on_name, names + 6, NULL);
    quit_after(t, 45);
    int64_t began = timestamp_monotonic();
    assert_int_equal(loop_run(t->loop), 99);
    assert_true(timestamp_monotonic() - began >= 45000000);
    assert_string_equal(t->text, "b c d a ");
}

static void a_removed_timer_does_not_fire(void **state)
{
    struct trace *t = *state;
    timer_trace = t;
    char name[] = "never";
    struct loop_source *s;
    loop_add_timer(t->loop, 5, on_name, name, &s);
    loop_remove(s);
    quit_after(t, 20);
    assert_int_equal(loop_run(t->loop), 99);
    assert_string_equal(t->text, "");
}

static void a_timer_in_the_far_future_does_not_overflow(void **state)
{
    struct trace *t = *state;
    timer_trace = t;
    char name[] = "never";
    loop_add_timer(t->loop, INT64_MAX, on_name, name, NULL);
    loop_add_timer(t->loop, INT64_MAX / 1000000, on_name, name, NULL);
    quit_after(t, 5);
    assert_int_equal(loop_run(t->loop), 99);
    assert_string_equal(t->text, "");
}

static void on_again(struct loop_source *source, void *data)
{
    struct trace *t = data;
    loop_remove(source); /* it is gone already: no harm */
    if (++t->count < 100)
        loop_add_timer(t->loop, 0, on_again, t, NULL);
}

static void timers_that_renew_themselves_do_not_starve_descriptors(void **state)
{
    struct trace *t = *state;
    loop_add_timer(t->loop, 0, on_again, t, NULL);
    loop_add_io(t->loop, t->pipe[0], EPOLLIN, on_readable, t, NULL);
    fd_write_all(t->pipe[1], "q", 1);
    assert_int_equal(loop_run(t->loop), 7);
    assert_true(t->count < 100);
    quit_after(t, 50);
    assert_int_equal(loop_run(t->loop), 99);
    assert_int_equal(t->count, 100);
}

static void on_signal(struct loop_source *source, int signal, void *data)
{
    (void)source;
    struct trace *t = data;
    char text[16];
    snprintf(text, sizeof text, "%d", signal);
    note(t, text);
    if (signal == SIGUSR2)
        loop_quit(t->loop, 0);
}

static void signals_arrive_as_callbacks(void **state)
{
    struct trace *t = *state;
    sigset_t set;
    sigset_t old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, NULL, &old);
    assert_int_equal(loop_add_signals(t->loop, &set, on_signal, t, &t->own), 0);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    assert_int_equal(loop_run(t->loop), 0);
    char expected[32];
    snprintf(expected, sizeof expected, "%d %d ", SIGUSR1, SIGUSR2);
    assert_string_equal(t->text, expected);

    loop_remove(t->own);
    kill(getpid(), SIGUSR1); /* still blocked, and nobody looks */
    quit_after(t, 10);
    assert_int_equal(loop_run(t->loop), 99);
    assert_string_equal(t->text, expected);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR1, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void on_signal_remove(struct loop_source *source, int signal, void *data)
{
    (void)signal;
    struct trace *t = data;
    note(t, "once");
    loop_remove(source);
    quit_after(t, 10);
}

static void a_signal_callback_may_remove_its_source_with_more_pending(void **state)
{
    struct trace *t = *state;
    sigset_t set;
    sigset_t old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, NULL, &old);
    loop_add_signals(t->loop, &set, on_signal_remove, t, NULL);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    assert_int_equal(loop_run(t->loop), 99);
    assert_string_equal(t->text, "once ");
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void on_file(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct trace *t = data;
    t->events = events;
    char c[2] = "";
    if (read(fd, c, 1) == 1) {
        note(t, c);
    } else {
        note(t, "end");
        loop_remove(source);
        quit_after(t, 5);
    }
}

static void regular_files_are_always_ready(void **state)
{
    struct trace *t = *state;
    char path[] = "/tmp/dory-unit-XXXXXX";
    CLEANUP_CLOSE int fd = mkostemp(path, O_CLOEXEC);
    unlink(path);
    fd_write_all(fd, "xyz", 3);
    lseek(fd, 0, SEEK_SET);
    struct loop_source *s;
    assert_int_equal(loop_add_io(t->loop, fd, 0, on_file, t, &s), 0);
    quit_after(t, 10);
    assert_int_equal(loop_run(t->loop), 99);
    assert_string_equal(t->text, "");
    assert_int_equal(loop_source_set_events(s, EPOLLIN), 0);
    assert_int_equal(loop_run(t->loop), 99);
    assert_string_equal(t->text, "x y z end ");
    assert_int_equal(t->events, EPOLLIN);
}

static void an_idle_loop_sleeps(void **state)
{
    struct trace *t = *state;
    quit_after(t, 100);
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    assert_int_equal(loop_run(t->loop), 99);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    int64_t used = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
    assert_true(used < 50000000);
}

static void freeing_a_loop_frees_what_is_in_it(void **state)
{
    struct trace *t = *state;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    struct loop *loop;
    int before = fcntl(0, F_DUPFD_CLOEXEC, 0);
    fd_close(before);
    assert_int_equal(loop_new(&loop, NULL), 0);
    loop_add_io(loop, t->pipe[0], EPOLLIN, on_readable, t, NULL);
    loop_add_timer(loop, 1000, on_quit_timer, t, NULL);
    loop_add_signals(loop, &set, on_signal, t, NULL);
    loop_free(loop);
    loop_free(NULL);
    int after = fcntl(0, F_DUPFD_CLOEXEC, 0);
    fd_close(after);
    assert_int_equal(after, before);
    assert_true(fcntl(t->pipe[0], F_GETFD) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LOOP(a_readable_descriptor_calls_back_until_quit),
        IN_LOOP(quitting_before_the_run_ends_it_at_once),
        IN_LOOP(a_hangup_is_reported_without_being_asked_for),
        IN_LOOP(failures_to_add_are_negative_errno),
        IN_LOOP(events_can_be_switched_off_and_on),
        IN_LOOP(a_callback_may_remove_itself_and_others_that_are_ready),
        IN_LOOP(a_callback_may_replace_its_own_source),
        IN_LOOP(timers_fire_in_order_of_their_time_and_then_of_their_adding),
        IN_LOOP(a_removed_timer_does_not_fire),
        IN_LOOP(a_timer_in_the_far_future_does_not_overflow),
        IN_LOOP(timers_that_renew_themselves_do_not_starve_descriptors),
        IN_LOOP(signals_arrive_as_callbacks),
        IN_LOOP(a_signal_callback_may_remove_its_source_with_more_pending),
        IN_LOOP(regular_files_are_always_ready),
        IN_LOOP(an_idle_loop_sleeps),
        IN_LOOP(freeing_a_loop_frees_what_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
