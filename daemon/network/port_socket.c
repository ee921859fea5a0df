#include "daemon/network/port_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"

static int bind_to(int fd, const struct port_request *request, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(request->host_address),
    };
    struct sockaddr_in6 to6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(port),
        .sin6_addr = request->host_address6,
    };
    int r =
        request->ipv6 ? bind(fd, (struct sockaddr *)&to6, sizeof(to6)) : bind(fd, (struct sockaddr *)&to, sizeof(to));
    return r < 0 ? -errno : 0;
}

/*
 * A server that has just ended leaves connections in TIME_WAIT, which block a plain bind for a minute; docker's
 * listener has SO_REUSEADDR and is not blocked. With the option bind still fails when somebody listens. It is taken
 * off again at once: listen(2) of others looks at the option of sockets that are there, so the port stays ours.
 */
static int bind_over_time_wait(int fd, const struct port_request *request, uint16_t port)
{
    int on = 1, off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) {
        return -errno;
    }
    int r = bind_to(fd, request, port);
    if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off)) < 0) {
        return -errno;
    }
    return r;
}

int port_socket_reserve(const struct port_request *request, uint16_t port, int *ret_socket, void *data)
{
    (void)data;
    uint8_t protocol = request->protocol;
    int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, on = 1;
    CLEANUP_CLOSE int fd = socket(request->ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, protocol);
    if (fd < 0 && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)) {
        *ret_socket = -1;
        return 0;
    }
    if (fd < 0) {
        return -errno;
    }
    if (request->ipv6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) {
        return -errno;
    }
    if (type == SOCK_DGRAM) {
        /* Datagrams that come while the rules are missing must not fill a queue nobody reads. */
        struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
        struct sock_fprog program = {.len = 1, .filter = &drop};
        if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0) {
            return -errno;
        }
    }
    int r = bind_to(fd, request, port);
    if (r == -EADDRINUSE && protocol == IPPROTO_TCP) {
        r = bind_over_time_wait(fd, request, port);
    }
    if (r < 0) {
        return r;
    }
    *ret_socket = TAKE_FD(fd);
    return 0;
}
