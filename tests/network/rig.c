#include "tests/network/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/id.h"

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "rig: %s: %m\n", what);
    exit(1);
}

static int this_namespace(void)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        die("open namespace");
    }
    return fd;
}

static void enter(int netns)
{
    if (netns >= 0 && setns(netns, CLONE_NEWNET) < 0) {
        die("setns");
    }
}

static int run_shell(void *command)
{
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int rig_run_in(int netns, int (*fn)(void *data), void *data)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        enter(netns);
        _exit(fn(data));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        die("run in namespace");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int rig_shell_in(int netns, const char *command)
{
    return rig_run_in(netns, run_shell, (void *)command);
}

int rig_setup(void)
{
    if (unshare(CLONE_NEWNET) < 0) {
        die("unshare (the network tests need root)");
    }
    int host = this_namespace();
    if (unshare(CLONE_NEWNET) < 0) {
        die("unshare");
    }
    int remote = this_namespace();
    enter(host);
    char command[256];
    snprintf(command, sizeof(command),
             "ip link set lo up && ip link add cable type veth peer name cable0 netns /proc/%d/fd/%d && "
             "ip addr add " RIG_HOST "/24 dev cable && ip link set cable up",
             getpid(), remote);
    static const char ping_for_all[] = "echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range";
    if (rig_shell_in(-1, command) != 0 || rig_shell_in(-1, ping_for_all) != 0 ||
        rig_shell_in(remote, ping_for_all) != 0) {
        die("lay the cable");
    }
    if (rig_shell_in(remote,
                     "ip link set lo up && ip addr add " RIG_REMOTE "/24 dev cable0 && ip link set cable0 up && "
                     "ip route add " RIG_SUBNET " via " RIG_HOST " && "
                     "echo 1 > /proc/sys/net/ipv4/conf/cable0/route_localnet && "
                     "ip rule add pref 10 to 127.0.0.5 lookup 77 && ip rule add pref 11 lookup local && "
                     "ip rule del pref 0 && "
                     "ip route add 127.0.0.5 via " RIG_HOST " table 77") != 0) {
        die("set up the other host");
    }
    close(host);
    return remote;
}

static struct sockaddr_in socket_address(const char *address, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    return to;
}

static int open_socket(int protocol, uint16_t source_port)
{
    int on = 1;
    int fd = socket(AF_INET, (protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, protocol);
    struct timeval second = {.tv_sec = 1};
    if (fd < 0) {
        die("socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
    if (source_port) {
        struct sockaddr_in from = socket_address("0.0.0.0", source_port);
        if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0) {
            die("bind client");
        }
    }
    return fd;
}

/* The client's address, and on the chargen port a lot of nothing. */
static void answer_stream(int client, const struct sockaddr_in *peer, uint16_t port)
{
    static char text[RIG_CHARGEN_SIZE];
    inet_ntop(AF_INET, &peer->sin_addr, text, sizeof(text));
    (void)fd_write_all(client, text, port == RIG_CHARGEN_PORT ? sizeof(text) : strlen(text));
    close(client);
}

static void serve(int netns, int protocol, const char *address, uint16_t port, int ready)
{
    enter(netns);
    /* Not the test's descriptors: a restarted daemon has to find its ports free. */
    if (dup3(ready, 3, O_CLOEXEC) < 0 && errno != EINVAL) {
        die("dup3");
    }
    ready = 3;
    close_range(4, ~0U, 0);
    int fd = open_socket(protocol, 0);
    struct timeval forever = {0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
    struct sockaddr_in at = socket_address(address, port);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || (protocol == IPPROTO_TCP && listen(fd, 16) < 0)) {
        die("serve");
    }
    close(ready);
    for (;;) {
        struct sockaddr_in peer;
        socklen_t size = sizeof(peer);
        char text[64];
        if (protocol == IPPROTO_TCP) {
            int client = accept4(fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
            answer_stream(client, &peer, port);
        } else if (recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&peer, &size) >= 0) {
            inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text));
            sendto(fd, text, strlen(text), 0, (struct sockaddr *)&peer, size);
        }
    }
}

pid_t rig_serve(int netns, int protocol, const char *address, uint16_t port)
{
    int ready[2];
    char byte;
    if (fd_pipe(ready) < 0) {
        die("pipe");
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        serve(netns, protocol, address, port, ready[1]);
    }
    close(ready[1]);
    (void)!read(ready[0], &byte, 1);
    close(ready[0]);
    return pid;
}

void rig_stop(pid_t server)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

struct question {
    int protocol;
    const char *address;
    uint16_t port, source_port;
    int answer_fd;
};

static int ask(void *data)
{
    struct question *q = data;
    struct sockaddr_in to = socket_address(q->address, q->port);
    int fd = open_socket(q->protocol, q->source_port);
    char text[64];
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        return 1;
    }
    if (q->protocol == IPPROTO_UDP && send(fd, "?", 1, 0) < 0) {
        return 1;
    }
    ssize_t n = recv(fd, text, sizeof(text), 0);
    return n <= 0 || write(q->answer_fd, text, n) != n;
}

bool rig_ask(int netns, int protocol, const char *address, uint16_t port, uint16_t source_port, char answer[64])
{
    int pipe_fds[2];
    if (fd_pipe(pipe_fds) < 0) {
        die("pipe");
    }
    struct question q = {protocol, address, port, source_port, pipe_fds[1]};
    bool ok = rig_run_in(netns, ask, &q) == 0;
    close(pipe_fds[1]);
    ssize_t n = read(pipe_fds[0], answer, 63);
    answer[n > 0 ? n : 0] = '\0';
    close(pipe_fds[0]);
    return ok;
}

static int download(void *data)
{
    struct question *q = data;
    struct sockaddr_in to = socket_address(q->address, q->port);
    int fd = open_socket(q->protocol, 0), total = 0;
    static char buffer[65536];
    ssize_t n;
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        return 1;
    }
    while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
        total += n;
    }
    return write(q->answer_fd, &total, sizeof(total)) != sizeof(total);
}

int rig_download(int netns, const char *address)
{
    int pipe_fds[2], total = -1;
    if (fd_pipe(pipe_fds) < 0) {
        die("pipe");
    }
    struct question q = {IPPROTO_TCP, address, RIG_CHARGEN_PORT, 0, pipe_fds[1]};
    rig_run_in(netns, download, &q);
    close(pipe_fds[1]);
    (void)!read(pipe_fds[0], &total, sizeof(total));
    close(pipe_fds[0]);
    return total;
}

static int ping(void *data)
{
    struct sockaddr_in to = socket_address(data, 0);
    struct icmphdr echo = {.type = ICMP_ECHO};
    char buffer[256];
    struct timeval second = {.tv_sec = 1};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (fd < 0) {
        return 2;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
    if (sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
        return 1;
    }
    return recv(fd, buffer, sizeof(buffer), 0) < (ssize_t)sizeof(echo) || buffer[0] != ICMP_ECHOREPLY;
}

bool rig_ping(int netns, const char *address)
{
    int status = rig_run_in(netns, ping, (void *)address);
    if (status > 1) {
        die("ping");
    }
    return status == 0;
}

struct rig_container rig_container(struct network_manager *manager, const struct network_port *ports, size_t count)
{
    struct rig_container c = {.netns = -1};
    struct error err = {0};
    id_generate(c.id);
    struct network_request request = {.container_id = c.id, .ports = ports, .port_count = count};
    if (network_attach(manager, &request, "rig", &c.netns, &c.sandbox, &err) < 0) {
        fprintf(stderr, "rig: network_attach: %s\n", err.message);
        abort();
    }
    c.endpoint = c.sandbox.endpoints[0];
    return c;
}

void rig_remove(struct network_manager *manager, struct rig_container *c)
{
    network_detach(manager, c->id);
    network_sandbox_release(&c->sandbox);
    c->netns = fd_close(c->netns);
}
