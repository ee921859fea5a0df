#include <sys/socket.h>

#include "daemon/shim_protocol.h"
#include "tests/unit/base_test.h"

struct pair {
    int fd[2];
    char packet[SHIM_MESSAGE_MAX];
    struct shim_message message;
};

static struct pair *make_pair(void)
{
    struct pair *p = xcalloc(1, sizeof(*p));

    assert_int_equal(fd_socketpair(SOCK_SEQPACKET, p->fd), 0);
    return p;
}

static void free_pair(struct pair *p)
{
    shim_message_release(&p->message);
    fd_close(p->fd[0]);
    fd_close(p->fd[1]);
    free(p);
}

static int receive(struct pair *p)
{
    return shim_message_receive(p->fd[1], p->packet, sizeof(p->packet), &p->message);
}

static void a_message_arrives_with_its_parts(void **state)
{
    struct pair *p = make_pair();
    struct shim_signal_request request = {.signal = 15}, got;
    struct shim_outgoing message = {.type = SHIM_SIGNAL,
                                    .sequence = 7,
                                    .fixed = &request,
                                    .fixed_size = sizeof(request),
                                    .tail = "rest",
                                    .tail_size = 4,
                                    .fds = p->fd,
                                    .fd_count = 2};

    (void)state;
    assert_int_equal(shim_message_send(p->fd[0], &message), 0);
    assert_int_equal(receive(p), 1);
    assert_int_equal(p->message.header.type, SHIM_SIGNAL);
    assert_int_equal(p->message.header.sequence, 7);
    assert_int_equal(p->message.fd_count, 2);
    assert_int_equal(p->message.tail_size, 4);
    assert_memory_equal(p->message.tail, "rest", 4);
    shim_message_fixed(&p->message, &got, sizeof(got));
    assert_int_equal(got.signal, 15);
    free_pair(p);
}

static void descriptors_are_taken_once(void **state)
{
    struct pair *p = make_pair();
    struct shim_outgoing message = {.type = SHIM_STATUS, .fds = p->fd, .fd_count = 1};
    int fd;

    (void)state;
    assert_int_equal(shim_message_send(p->fd[0], &message), 0);
    assert_int_equal(receive(p), 1);
    fd = shim_message_take_fd(&p->message, 0);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(shim_message_take_fd(&p->message, 0), -1);
    assert_int_equal(shim_message_take_fd(&p->message, 1), -1);
    shim_message_release(&p->message);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    free_pair(p);
}

struct grown {
    struct shim_signal_request former;
    uint64_t later;
};

static void an_older_senders_shorter_part_reads_as_zero(void **state)
{
    struct pair *p = make_pair();
    struct shim_signal_request request = {.signal = 9};
    struct grown got = {.later = 1};
    struct shim_outgoing message = {.type = SHIM_SIGNAL, .fixed = &request, .fixed_size = sizeof(request)};

    (void)state;
    assert_int_equal(shim_message_send(p->fd[0], &message), 0);
    assert_int_equal(receive(p), 1);
    shim_message_fixed(&p->message, &got, sizeof(got));
    assert_int_equal(got.former.signal, 9);
    assert_int_equal(got.later, 0);
    free_pair(p);
}

static void a_newer_senders_longer_part_does_not_reach_the_tail(void **state)
{
    struct pair *p = make_pair();
    struct grown request = {.former.signal = 9, .later = 77};
    struct shim_signal_request got;
    struct shim_outgoing message = {
        .type = SHIM_SIGNAL, .fixed = &request, .fixed_size = sizeof(request), .tail = "t", .tail_size = 1};

    (void)state;
    assert_int_equal(shim_message_send(p->fd[0], &message), 0);
    assert_int_equal(receive(p), 1);
    shim_message_fixed(&p->message, &got, sizeof(got));
    assert_int_equal(got.signal, 9);
    assert_int_equal(p->message.tail_size, 1);
    assert_int_equal(p->message.tail[0], 't');
    free_pair(p);
}

static void an_error_travels_with_kind_number_and_words(void **state)
{
    struct pair *p = make_pair();
    struct shim_failure failure = {.kind = ERROR_NOT_FOUND, .errnum = ENOENT};
    struct error err = {0};
    struct shim_outgoing message = {
        .type = SHIM_FAILED, .fixed = &failure, .fixed_size = sizeof(failure), .tail = "no such", .tail_size = 7};

    (void)state;
    assert_int_equal(shim_message_send(p->fd[0], &message), 0);
    assert_int_equal(receive(p), 1);
    assert_int_equal(shim_message_error(&p->message, &err), -ENOENT);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_string_equal(err.message, "no such");
    free_pair(p);
}

static void an_error_with_nonsense_numbers_is_still_one(void **state)
{
    struct shim_failure failure = {.kind = 4711, .errnum = -3};
    struct shim_message message = {.header.fixed_size = sizeof(failure), .fixed = (char *)&failure, .tail = ""};
    struct error err = {0};

    (void)state;
    assert_int_equal(shim_message_error(&message, &err), -EIO);
    assert_int_equal(err.kind, ERROR_SYSTEM);
}

static void strange_packets_are_refused(void **state)
{
    struct shim_header header = {.magic = SHIM_MAGIC, .version = SHIM_VERSION, .type = SHIM_STATUS};
    struct shim_header bad;
    struct shim_message message;

    (void)state;
    assert_int_equal(shim_message_parse((char *)&header, sizeof(header), &message), 0);
    assert_int_equal(shim_message_parse((char *)&header, sizeof(header) - 1, &message), -EPROTO);
    bad = header;
    bad.magic++;
    assert_int_equal(shim_message_parse((char *)&bad, sizeof(bad), &message), -EPROTO);
    bad = header;
    bad.version++;
    assert_int_equal(shim_message_parse((char *)&bad, sizeof(bad), &message), -EPROTO);
    bad = header;
    bad.fixed_size = 1;
    assert_int_equal(shim_message_parse((char *)&bad, sizeof(bad), &message), -EPROTO);
    bad.fixed_size = UINT32_MAX;
    assert_int_equal(shim_message_parse((char *)&bad, sizeof(bad), &message), -EPROTO);
}

static void the_end_of_the_other_side_is_seen(void **state)
{
    struct pair *p = make_pair();
    struct shim_outgoing message = {.type = SHIM_STATUS};

    (void)state;
    p->fd[0] = fd_close(p->fd[0]);
    assert_int_equal(receive(p), 0);
    assert_int_equal(shim_message_send(p->fd[1], &message), -EPIPE);
    free_pair(p);
}

static void a_message_that_is_too_large_is_not_sent(void **state)
{
    struct pair *p = make_pair();
    CLEANUP_FREE char *tail = xcalloc(1, SHIM_MESSAGE_MAX);
    struct shim_outgoing message = {
        .type = SHIM_START, .tail = tail, .tail_size = SHIM_MESSAGE_MAX - sizeof(struct shim_header) + 1};

    (void)state;
    assert_int_equal(shim_message_send(p->fd[0], &message), -EMSGSIZE);
    message.tail_size--;
    assert_int_equal(shim_message_send(p->fd[0], &message), 0);
    assert_int_equal(receive(p), 1);
    assert_int_equal(p->message.tail_size, message.tail_size);
    free_pair(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_arrives_with_its_parts),
        cmocka_unit_test(descriptors_are_taken_once),
        cmocka_unit_test(an_older_senders_shorter_part_reads_as_zero),
        cmocka_unit_test(a_newer_senders_longer_part_does_not_reach_the_tail),
        cmocka_unit_test(an_error_travels_with_kind_number_and_words),
        cmocka_unit_test(an_error_with_nonsense_numbers_is_still_one),
        cmocka_unit_test(strange_packets_are_refused),
        cmocka_unit_test(the_end_of_the_other_side_is_seen),
        cmocka_unit_test(a_message_that_is_too_large_is_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
