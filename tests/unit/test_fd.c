#include "tests/unit/base_test.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

static void assert_cloexec(int fd)
{
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void every_descriptor_made_here_is_close_on_exec(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(fd_pipe(pair), 0);
    assert_cloexec(pair[0]);
    assert_cloexec(pair[1]);
    int copy = fd_dup(pair[0]);
    assert_true(copy >= 3);
    assert_cloexec(copy);
    fd_close(copy);
    fd_close(pair[0]);
    fd_close(pair[1]);
    assert_int_equal(fd_socketpair(SOCK_SEQPACKET, pair), 0);
    assert_cloexec(pair[0]);
    assert_cloexec(pair[1]);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static void closing_keeps_errno_and_answers_minus_one(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    errno = EXDEV;
    int copy = fd_close(fd);
    assert_int_equal(copy, -1);
    assert_int_equal(errno, EXDEV);
    fd_close_ptr(&copy);
    assert_int_equal(fd_close(-1), -1);
}

static void failures_are_negative_errno(void **state)
{
    (void)state;
    int pair[2];
    char *data;
    assert_int_equal(fd_dup(-1), -EBADF);
    assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
    assert_int_equal(fd_read_full(-1, pair, 1), -EBADF);
    assert_int_equal(fd_read_all(-1, 10, &data, NULL), -EBADF);
    assert_int_equal(fd_set_nonblock(-1, 1), -EBADF);
    assert_int_equal(fd_set_cloexec(-1, 1), -EBADF);
    assert_int_equal(fd_socketpair(-1, pair), -EINVAL);
}

struct transfer {
    int fd;
    size_t size;
};

static void *write_much(void *data)
{
    struct transfer *t = data;
    CLEANUP_FREE char *text = xmalloc(t->size);
    for (size_t i = 0; i < t->size; i++)
        text[i] = (char)(i * 31);
    int r = fd_write_all(t->fd, text, t->size);
    fd_close(t->fd);
    return (void *)(intptr_t)r;
}

static void write_all_waits_on_a_full_non_blocking_pipe_and_loses_nothing(void **state)
{
    (void)state;
    int pair[2];
    fd_pipe(pair);
    fd_set_nonblock(pair[0], 1);
    fd_set_nonblock(pair[1], 1);
    struct transfer t = {.fd = pair[1], .size = 1000000};
    pthread_t thread;
    pthread_create(&thread, NULL, write_much, &t);
    CLEANUP_FREE char *data = NULL;
    size_t size = 0;
    assert_int_equal(fd_read_all(pair[0], t.size, &data, &size), 0);
    void *written;
    pthread_join(thread, &written);
    assert_int_equal((intptr_t)written, 0);
    assert_int_equal(size, t.size);
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++)
        wrong += data[i] != (char)(i * 31);
    assert_int_equal(wrong, 0);
    assert_int_equal(data[size], 0);
    fd_close(pair[0]);
}

static void read_full_stops_at_the_size_or_at_the_end(void **state)
{
    (void)state;
    int pair[2];
    fd_pipe(pair);
    fd_write_all(pair[1], "abcdef", 6);
    fd_close(pair[1]);
    char data[10];
    assert_int_equal(fd_read_full(pair[0], data, 4), 4);
    assert_memory_equal(data, "abcd", 4);
    assert_int_equal(fd_read_full(pair[0], data, 10), 2);
    assert_int_equal(fd_read_full(pair[0], data, 10), 0);
    fd_close(pair[0]);
}

static void read_all_refuses_more_than_the_limit_and_takes_exactly_it(void **state)
{
    struct scratch *s = *state;
    CLEANUP_CLOSE int fd = openat(s->fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    fd_write_all(fd, "12345", 5);
    char *data = (char *)1;
    size_t size = 77;
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(fd_read_all(fd, 4, &data, &size), -EFBIG);
    assert_ptr_equal(data, (char *)1);
    assert_int_equal(size, 77);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(fd_read_all(fd, 5, &data, &size), 0);
    assert_string_equal(data, "12345");
    assert_int_equal(size, 5);
    free(data);

    int pair[2];
    fd_pipe(pair);
    fd_write_all(pair[1], "12345", 5);
    fd_close(pair[1]);
    assert_int_equal(fd_read_all(pair[0], 4, &data, NULL), -EFBIG);
    fd_close(pair[0]);
}

static void read_all_reads_files_that_tell_no_size(void **state)
{
    (void)state;
    CLEANUP_CLOSE int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *data = NULL;
    size_t size;
    assert_int_equal(fd_read_all(fd, 1 << 20, &data, &size), 0);
    assert_int_equal(strlen(data), size);
    assert_non_null(strstr(data, "Pid:"));
}

static void an_empty_file_reads_as_the_empty_string(void **state)
{
    (void)state;
    CLEANUP_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *data = NULL;
    size_t size = 1;
    assert_int_equal(fd_read_all(fd, 0, &data, &size), 0);
    assert_string_equal(data, "");
    assert_int_equal(size, 0);
}

static void flags_are_switched_on_and_off(void **state)
{
    (void)state;
    int pair[2];
    fd_pipe(pair);
    assert_int_equal(fd_set_nonblock(pair[0], 1), 0);
    assert_int_equal(fcntl(pair[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fd_set_nonblock(pair[0], 0), 0);
    assert_int_equal(fcntl(pair[0], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fd_set_cloexec(pair[0], 0), 0);
    assert_int_equal(fcntl(pair[0], F_GETFD), 0);
    assert_int_equal(fd_set_cloexec(pair[0], 1), 0);
    assert_cloexec(pair[0]);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static void a_lock_that_a_child_has_for_a_moment_is_waited_for(void **state)
{
    (void)state;
    char path[] = "/tmp/dory-test-lock.XXXXXX";
    int go[2];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(pipe(go), 0);
    assert_int_equal(fd_lock(fd, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        (void)!read(go[0], &byte, 1);
        usleep(50000);
        _exit(0);
    }
    assert_true(child > 0);
    fd_close(fd); /* the child's copy holds it */
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fd_lock(fd, 0), -EWOULDBLOCK);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(fd_lock(fd, 60000), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    fd_close(fd);
    fd_close(go[0]);
    fd_close(go[1]);
    unlink(path);
}

static void a_message_arrives_with_its_descriptors(void **state)
{
    (void)state;
    int pair[2];
    int pipe[2];
    fd_socketpair(SOCK_SEQPACKET, pair);
    fd_pipe(pipe);
    assert_int_equal(fd_send_message(pair[0], "hello", 5, pipe, 2), 0);
    fd_close(pipe[1]);

    char data[10];
    int fds[FD_PASS_MAX];
    size_t count = 99;
    assert_int_equal(fd_recv_message(pair[1], data, sizeof data, fds, &count), 5);
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(count, 2);
    assert_cloexec(fds[0]);
    assert_cloexec(fds[1]);
    fd_write_all(fds[1], "x", 1);
    assert_int_equal(fd_read_full(pipe[0], data, 1), 1);
    fd_close(fds[0]);
    fd_close(fds[1]);
    fd_close(pipe[0]);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static void sixteen_descriptors_pass_and_seventeen_are_refused(void **state)
{
    (void)state;
    int pair[2];
    fd_socketpair(SOCK_STREAM, pair);
    int many[FD_PASS_MAX + 1];
    for (int i = 0; i < FD_PASS_MAX + 1; i++)
        many[i] = pair[0];
    assert_int_equal(fd_send_message(pair[0], "x", 1, many, FD_PASS_MAX + 1), -EINVAL);
    assert_int_equal(fd_send_message(pair[0], "x", 1, many, FD_PASS_MAX), 0);
    char data[4];
    int fds[FD_PASS_MAX];
    size_t count = 0;
    assert_int_equal(fd_recv_message(pair[1], data, sizeof data, fds, &count), 1);
    assert_int_equal(count, FD_PASS_MAX);
    for (size_t i = 0; i < count; i++)
        fd_close(fds[i]);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static int next_free_fd(void)
{
    int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
    fd_close(fd);
    return fd;
}

static void a_truncated_message_is_emsgsize_and_keeps_no_descriptor(void **state)
{
    (void)state;
    int pair[2];
    fd_socketpair(SOCK_SEQPACKET, pair);
    int before = next_free_fd();
    fd_send_message(pair[0], "too long", 8, pair, 2);
    char data[4];
    int fds[FD_PASS_MAX];
    size_t count = 99;
    assert_int_equal(fd_recv_message(pair[1], data, sizeof data, fds, &count), -EMSGSIZE);
    assert_int_equal(count, 99);
    assert_int_equal(next_free_fd(), before);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static void more_descriptors_than_fit_are_emsgsize_and_none_leaks(void **state)
{
    (void)state;
    int pair[2];
    fd_socketpair(SOCK_SEQPACKET, pair);
    int before = next_free_fd();
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * 20)];
    } control = {0};
    struct iovec iov = {.iov_base = (char[]){"x"}, .iov_len = 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * 20);
    for (int i = 0; i < 20; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &pair[0], sizeof(int));
    assert_int_equal(sendmsg(pair[0], &m, 0), 1);
    char data[4];
    int fds[FD_PASS_MAX];
    size_t count = 0;
    assert_int_equal(fd_recv_message(pair[1], data, sizeof data, fds, &count), -EMSGSIZE);
    assert_int_equal(next_free_fd(), before);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static void a_closed_peer_reads_as_zero_and_writes_epipe_without_a_signal(void **state)
{
    (void)state;
    int pair[2];
    fd_socketpair(SOCK_STREAM, pair);
    fd_close(pair[1]);
    char data[4];
    int fds[FD_PASS_MAX];
    size_t count = 5;
    assert_int_equal(fd_recv_message(pair[0], data, sizeof data, fds, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(fd_send_message(pair[0], "x", 1, NULL, 0), -EPIPE);
    fd_close(pair[0]);
}

static void an_empty_message_is_refused(void **state)
{
    (void)state;
    assert_int_equal(fd_send_message(0, "", 0, NULL, 0), -EINVAL);
}

static void a_non_blocking_socket_that_is_full_is_eagain(void **state)
{
    (void)state;
    int pair[2];
    fd_socketpair(SOCK_SEQPACKET, pair);
    fd_set_nonblock(pair[0], 1);
    fd_set_nonblock(pair[1], 1);
    char data[4096] = "";
    int fds[FD_PASS_MAX];
    size_t count;
    assert_int_equal(fd_recv_message(pair[1], data, sizeof data, fds, &count), -EAGAIN);
    int r = 0;
    for (int i = 0; i < 10000 && r == 0; i++)
        r = fd_send_message(pair[0], data, sizeof data, NULL, 0);
    assert_int_equal(r, -EAGAIN);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static void *send_much(void *data)
{
    struct transfer *t = data;
    CLEANUP_FREE char *text = xcalloc(1, t->size);
    return (void *)(intptr_t)fd_send_message(t->fd, text, t->size, &t->fd, 1);
}

static void a_long_message_on_a_stream_is_sent_whole(void **state)
{
    (void)state;
    int pair[2];
    fd_socketpair(SOCK_STREAM, pair);
    fd_set_nonblock(pair[0], 1);
    struct transfer t = {.fd = pair[0], .size = 3000000};
    pthread_t thread;
    pthread_create(&thread, NULL, send_much, &t);
    CLEANUP_FREE char *data = xmalloc(t.size);
    size_t got = 0;
    size_t descriptors = 0;
    while (got < t.size) {
        int fds[FD_PASS_MAX];
        size_t count;
        ssize_t n = fd_recv_message(pair[1], data, t.size, fds, &count);
        assert_true(n > 0);
        got += (size_t)n;
        descriptors += count;
        for (size_t i = 0; i < count; i++)
            fd_close(fds[i]);
    }
    void *sent;
    pthread_join(thread, &sent);
    assert_int_equal((intptr_t)sent, 0);
    assert_int_equal(descriptors, 1);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static void a_listening_socket_has_its_mode_whatever_the_umask(void **state)
{
    struct scratch *s = *state;
    mode_t old = umask(0077);
    CLEANUP_CLOSE int fd = fd_listen_unix(s->fd, "sock", SOCK_STREAM, 0660);
    umask(old);
    assert_true(fd >= 0);
    assert_cloexec(fd);
    struct stat st;
    assert_int_equal(fstatat(s->fd, "sock", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_mode, S_IFSOCK | 0660);
}

static void clients_connect_by_directory_and_name(void **state)
{
    struct scratch *s = *state;
    CLEANUP_CLOSE int server = fd_listen_unix(s->fd, "sock", SOCK_SEQPACKET, 0600);
    CLEANUP_CLOSE int client = fd_connect_unix(s->fd, "sock", SOCK_SEQPACKET);
    assert_true(client >= 0);
    assert_cloexec(client);
    CLEANUP_CLOSE int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(fd_send_message(client, "hi", 2, NULL, 0), 0);
    char data[4];
    assert_int_equal(read(accepted, data, sizeof data), 2);
    assert_int_equal(fd_connect_unix(s->fd, "sock", SOCK_STREAM), -EPROTOTYPE);
    assert_int_equal(fd_connect_unix(s->fd, "none", SOCK_STREAM), -ENOENT);
}

static void a_path_beyond_108_bytes_works(void **state)
{
    struct scratch *s = *state;
    char long_name[151];
    memset(long_name, 'd', 150);
    long_name[150] = '\0';
    mkdirat(s->fd, long_name, 0700);
    CLEANUP_FREE char *path = xasprintf("%s/%s/sock", s->path, long_name);
    CLEANUP_CLOSE int server = fd_listen_unix(AT_FDCWD, path, SOCK_STREAM, 0600);
    assert_true(server >= 0);
    CLEANUP_CLOSE int client = fd_connect_unix(AT_FDCWD, path, SOCK_STREAM);
    assert_true(client >= 0);
    assert_int_equal(fd_connect_unix(s->fd, long_name, SOCK_STREAM), -ENAMETOOLONG);
    assert_int_equal(fd_connect_unix(s->fd, "x/", SOCK_STREAM), -EINVAL);
    assert_int_equal(fd_connect_unix(s->fd, "x/y", SOCK_STREAM), -ENOENT);
}

static void a_stale_socket_is_replaced(void **state)
{
    struct scratch *s = *state;
    int dead = fd_listen_unix(s->fd, "sock", SOCK_STREAM, 0600);
    fd_close(dead);
    assert_int_equal(fd_connect_unix(s->fd, "sock", SOCK_STREAM), -ECONNREFUSED);
    CLEANUP_CLOSE int fd = fd_listen_unix(s->fd, "sock", SOCK_STREAM, 0600);
    assert_true(fd >= 0);
}

static void a_socket_that_answers_is_left_alone(void **state)
{
    struct scratch *s = *state;
    CLEANUP_CLOSE int first = fd_listen_unix(s->fd, "sock", SOCK_STREAM, 0600);
    assert_true(first >= 0);
    assert_int_equal(fd_listen_unix(s->fd, "sock", SOCK_STREAM, 0600), -EADDRINUSE);
    assert_int_equal(fd_listen_unix(s->fd, "sock", SOCK_SEQPACKET, 0600), -EADDRINUSE);
    CLEANUP_CLOSE int client = fd_connect_unix(s->fd, "sock", SOCK_STREAM);
    assert_true(client >= 0);
}

static void a_file_where_the_socket_should_be_is_not_removed(void **state)
{
    struct scratch *s = *state;
    fd_close(openat(s->fd, "sock", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(fd_listen_unix(s->fd, "sock", SOCK_STREAM, 0600), -EEXIST);
    assert_int_equal(faccessat(s->fd, "sock", F_OK, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_descriptor_made_here_is_close_on_exec),
        cmocka_unit_test(closing_keeps_errno_and_answers_minus_one),
        cmocka_unit_test(failures_are_negative_errno),
        cmocka_unit_test(write_all_waits_on_a_full_non_blocking_pipe_and_loses_nothing),
        cmocka_unit_test(read_full_stops_at_the_size_or_at_the_end),
        IN_SCRATCH(read_all_refuses_more_than_the_limit_and_takes_exactly_it),
        cmocka_unit_test(read_all_reads_files_that_tell_no_size),
        cmocka_unit_test(an_empty_file_reads_as_the_empty_string),
        cmocka_unit_test(flags_are_switched_on_and_off),
        cmocka_unit_test(a_lock_that_a_child_has_for_a_moment_is_waited_for),
        cmocka_unit_test(a_message_arrives_with_its_descriptors),
        cmocka_unit_test(sixteen_descriptors_pass_and_seventeen_are_refused),
        cmocka_unit_test(a_truncated_message_is_emsgsize_and_keeps_no_descriptor),
        cmocka_unit_test(more_descriptors_than_fit_are_emsgsize_and_none_leaks),
        cmocka_unit_test(a_closed_peer_reads_as_zero_and_writes_epipe_without_a_signal),
        cmocka_unit_test(an_empty_message_is_refused),
        cmocka_unit_test(a_non_blocking_socket_that_is_full_is_eagain),
        cmocka_unit_test(a_long_message_on_a_stream_is_sent_whole),
        IN_SCRATCH(a_listening_socket_has_its_mode_whatever_the_umask),
        IN_SCRATCH(clients_connect_by_directory_and_name),
        IN_SCRATCH(a_path_beyond_108_bytes_works),
        IN_SCRATCH(a_stale_socket_is_replaced),
        IN_SCRATCH(a_socket_that_answers_is_left_alone),
        IN_SCRATCH(a_file_where_the_socket_should_be_is_not_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
