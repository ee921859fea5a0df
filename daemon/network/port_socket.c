#include "daemon/network/port_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"

static int bind_to(int fd, uint32_t address, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(address),
    };
    return bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

/*
 * A server that has just ended leaves connections in TIME_WAIT, which block a plain bind for a minute; docker's
 * listener has SO_REUSEADDR and is not blocked. With the option bind still fails when somebody listens. It is taken
 * off again at once: listen(2) of others looks at the option of sockets that are there, so the port stays ours.
 */
static int bind_over_time_wait(int fd, uint32_t address, uint16_t port)
{
    int on = 1, off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) {
        return -errno;
    }
    int r = bind_to(fd, address, port);
    if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off)) < 0) {
        return -errno;
    }
    return r;
}

int port_socket_reserve(uint32_t host_address, uint8_t protocol, uint16_t port, int *ret_socket, void *data)
{
    (void)data;
    int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    CLEANUP_CLOSE int fd = socket(AF_INET, type | SOCK_CLOEXEC, protocol);
    if (fd < 0 && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)) {
        *ret_socket = -1;
        return 0;
    }
    if (fd < 0) {
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
    int r = bind_to(fd, host_address, port);
    if (r == -EADDRINUSE && protocol == IPPROTO_TCP) {
        r = bind_over_time_wait(fd, host_address, port);
    }
    if (r < 0) {
        return r;
    }
    *ret_socket = TAKE_FD(fd);
    return 0;
}
