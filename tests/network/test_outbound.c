/*
 * From a container through the real host into the real network: needs root and a network in which deb.debian.org can be
 * reached directly; skips itself without. Uses a bridge of its own and removes it.
 */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/file.h"
#include "daemon/network/firewall.h"
#include "tests/network/rig.h"

#define IP_FORWARD "/proc/sys/net/ipv4/ip_forward"

static int fetch(void *data)
{
    static const char request[] = "GET /debian/ HTTP/1.0\r\nHost: deb.debian.org\r\n\r\n";
    char answer[256];
    struct timeval limit = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, data, sizeof(struct sockaddr_in)) < 0) {
        perror("connect");
        return 1;
    }
    if (send(fd, request, strlen(request), 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 8) {
        perror("request");
        return 1;
    }
    printf("# %.*s\n", (int)strcspn(answer, "\r\n"), answer);
    fflush(stdout);
    return memcmp(answer, "HTTP/", 5) != 0;
}

int main(void)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *mirror;
    if (getaddrinfo("deb.debian.org", "80", &hints, &mirror) != 0 || rig_run_in(-1, fetch, mirror->ai_addr) != 0) {
        printf("ok 1 - outbound # SKIP deb.debian.org cannot be reached from this host\n1..1\n");
        return 0;
    }
    char chain[128];
    if (firewall_foreign_drop(chain, sizeof(chain))) {
        printf("ok 1 - outbound # SKIP the chain %s of somebody else drops forwarded packets\n1..1\n", chain);
        return 0;
    }
    struct network_options options = {.bridge = "rigout0", .bip = "10.89.0.1/16"};
    struct network_manager *manager;
    struct error err = {0};
    char *forwarding = NULL;
    if (file_read(AT_FDCWD, IP_FORWARD, 16, &forwarding, NULL, &err) < 0 ||
        network_manager_open(&options, &manager, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    struct rig_container c = rig_container(manager, NULL, 0);
    int failed = rig_run_in(c.netns, fetch, mirror->ai_addr);
    rig_remove(manager, &c);
    if (network_manager_destroy(manager, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        failed = 1;
    }
    if (forwarding[0] == '0') {
        file_write_control(AT_FDCWD, IP_FORWARD, "0");
    }
    free(forwarding);
    freeaddrinfo(mirror);
    printf("%s 1 - a container reaches deb.debian.org through the real host\n1..1\n", failed ? "not ok" : "ok");
    return failed;
}
