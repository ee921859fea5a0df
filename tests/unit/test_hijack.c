#include <poll.h>
#include <sys/socket.h>

#include "api/hijack.h"
#include "api/server.h"
#include "base/fd.h"
#include "tests/unit/base_test.h"

/* No routes: nothing is served here. */
const struct api_route api_container_routes[] = {{0}}, api_exec_routes[] = {{0}}, api_archive_routes[] = {{0}},
                       api_stream_routes[] = {{0}}, api_registry_routes[] = {{0}}, api_image_routes[] = {{0}},
                       api_system_routes[] = {{0}}, api_volume_routes[] = {{0}}, api_network_routes[] = {{0}},
                       api_swarm_routes[] = {{0}}, api_missing_routes[] = {{0}};

#define EARLY "early "
#define SIZE 1000000
#define WAIT_MS 30000

/* A client, and behind a relay with something pushed back what the daemon has of it. */
struct ends {
    int client, daemon;
};

static struct ends make_ends(const char *early, size_t size)
{
    int pair[2];
    struct ends ends;

    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    ends.client = pair[0];
    ends.daemon = hijack_push_back(pair[1], early, size);
    assert_true(ends.daemon >= 0);
    return ends;
}

static void wait_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
}

/* Reads `size` bytes, which are all `expected`. */
static void read_bytes(int fd, size_t size, char expected)
{
    char buffer[4096];

    while (size > 0) {
        ssize_t n;

        wait_ready(fd, POLLIN);
        n = recv(fd, buffer, size < sizeof(buffer) ? size : sizeof(buffer), MSG_DONTWAIT);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(buffer[i], expected);
        size -= (size_t)n;
    }
}

/* Writes until nothing is taken for a while (longer only makes the test stronger). What was taken. */
static size_t stuff(int fd, char c)
{
    char buffer[4096];
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    size_t size = 0;

    memset(buffer, c, sizeof(buffer));
    while (poll(&p, 1, 100) == 1) {
        ssize_t n = send(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0)
            size += (size_t)n;
    }
    return size;
}

static void a_way_that_is_full_does_not_hold_the_other(void **state)
{
    struct ends ends = make_ends(EARLY, strlen(EARLY));
    char buffer[4096], early[sizeof(EARLY)] = "";
    size_t in = stuff(ends.client, 'i'), out = 0;

    (void)state;
    memset(buffer, 'o', sizeof(buffer));
    for (; out < SIZE; out += sizeof(buffer)) {
        wait_ready(ends.daemon, POLLOUT);
        assert_int_equal(send(ends.daemon, buffer, sizeof(buffer), 0), sizeof(buffer));
        read_bytes(ends.client, sizeof(buffer), 'o');
    }
    assert_int_equal(fd_read_full(ends.daemon, early, strlen(EARLY)), strlen(EARLY));
    assert_string_equal(early, EARLY);
    read_bytes(ends.daemon, in, 'i');
    fd_close(ends.client);
    fd_close(ends.daemon);
}

static void more_than_a_socket_holds_can_be_pushed_back(void **state)
{
    CLEANUP_FREE char *early = xmalloc(SIZE);
    struct ends ends;

    (void)state;
    memset(early, 'e', SIZE);
    ends = make_ends(early, SIZE);
    read_bytes(ends.daemon, SIZE, 'e');
    fd_close(ends.client);
    fd_close(ends.daemon);
}

static void each_end_is_passed_on_by_itself(void **state)
{
    struct ends ends = make_ends("e", 1);
    char c;

    (void)state;
    shutdown(ends.client, SHUT_WR);
    read_bytes(ends.daemon, 1, 'e');
    wait_ready(ends.daemon, POLLIN);
    assert_int_equal(read(ends.daemon, &c, 1), 0);
    assert_int_equal(send(ends.daemon, "x", 1, 0), 1);
    read_bytes(ends.client, 1, 'x');
    fd_close(ends.daemon);
    wait_ready(ends.client, POLLIN);
    assert_int_equal(read(ends.client, &c, 1), 0);
    fd_close(ends.client);
}

static void a_client_that_is_gone_ends_the_daemons_writes(void **state)
{
    struct ends ends = make_ends("e", 1);
    char buffer[4096] = "";
    ssize_t n = 0;

    (void)state;
    fd_close(ends.client);
    while (n >= 0) {
        wait_ready(ends.daemon, POLLOUT);
        n = send(ends.daemon, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    assert_true(errno == EPIPE || errno == ECONNRESET);
    fd_close(ends.daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_way_that_is_full_does_not_hold_the_other),
        cmocka_unit_test(more_than_a_socket_holds_can_be_pushed_back),
        cmocka_unit_test(each_end_is_passed_on_by_itself),
        cmocka_unit_test(a_client_that_is_gone_ends_the_daemons_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
