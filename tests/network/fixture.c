#include "tests/network/fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/id.h"
#include <time.h>

int remote;
struct network_manager *manager;
static const struct network_options options = {.bridge = BRIDGE, .bip = GATEWAY "/16"};

void fixture_open(void)
{
    struct error err = {0};
    if (network_manager_open(&options, &manager, &err) < 0) {
        fail_msg("network_manager_open: %s", err.message);
    }
}

void fixture_restored(void)
{
    struct error err = {0};
    if (network_restore_done(manager, &err) < 0) {
        fail_msg("network_restore_done: %s", err.message);
    }
}

int fixture_setup(void **state)
{
    (void)state;
    fixture_open();
    fixture_restored();
    return 0;
}

int fixture_teardown(void **state)
{
    (void)state;
    struct error err = {0};
    if (network_manager_destroy(manager, &err) < 0) {
        fail_msg("network_manager_destroy: %s", err.message);
    }
    manager = NULL;
    return 0;
}

struct network_port port(const char *protocol, const char *address, uint16_t host, uint16_t container)
{
    struct network_port p = {.host_port = host, .container_port = container};
    snprintf(p.protocol, sizeof(p.protocol), "%s", protocol);
    snprintf(p.host_address, sizeof(p.host_address), "%s", address);
    return p;
}

struct rig_container plain(void)
{
    return rig_container(manager, NULL, 0);
}

const char *refused(const struct network_port *ports, size_t count)
{
    static struct error err;
    char id[65];
    struct network_sandbox sandbox;
    int netns;
    id_generate(id);
    err = (struct error){0};
    struct network_request request = {.container_id = id, .ports = ports, .port_count = count};
    assert_true(network_attach(manager, &request, "web", &netns, &sandbox, &err) < 0);
    return err.message;
}

void expect_answer(int netns, int protocol, const char *address, uint16_t to, const char *seen_as)
{
    char answer[64];
    if (!rig_ask(netns, protocol, address, to, 0, answer)) {
        fail_msg("no answer from %s:%u", address, to);
    }
    if (seen_as) {
        assert_string_equal(answer, seen_as);
    }
}

void expect_nothing(int netns, int protocol, const char *address, uint16_t to)
{
    char answer[64];
    if (rig_ask(netns, protocol, address, to, 0, answer)) {
        fail_msg("%s:%u answered \"%s\"", address, to, answer);
    }
}

void settle_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

int listen_on_8080(void *data)
{
    (void)data;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(8080)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0) {
        return errno;
    }
    return 0;
}
