#include "api/client_connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "api/client_helper.h"
#include "api/client_ssh.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/strv.h"

#define HOSTS_FILE_MAX (1024 * 1024)
#define DEFAULT_PORT "2375"
#define DEFAULT_TLS_PORT "2376"

/* ---- where the daemon is ---- */

static int parse_tcp(const char *text, struct client_address *ret, struct error *err)
{
    size_t length = strcspn(text, "/");
    CLEANUP_FREE char *address = xstrndup(text, length);
    char *colon = strrchr(address, ':'), *name = address;

    if (text[length] && strcmp(text + length, "/") != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "a path in the docker host `tcp://%s` is not implemented",
                         text);
    if (name[0] == '[') {
        char *bracket = strchr(name, ']');

        if (!bracket || (bracket[1] && bracket[1] != ':'))
            return error_set(err, ERROR_INVALID, 0, "unable to parse docker host `tcp://%s`", text);
        *bracket = '\0';
        colon = bracket[1] ? bracket + 1 : NULL;
        name++;
    }
    if (colon)
        *colon++ = '\0';
    ret->name = xstrdup(*name ? name : "127.0.0.1");
    ret->port = xstrdup(colon && *colon ? colon : ret->tls.enabled ? DEFAULT_TLS_PORT : DEFAULT_PORT);
    return 0;
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

int client_address_parse(const char *host, const struct client_tls *tls, struct client_address *ret, struct error *err)
{
    const char *separator = strstr(host, "://");
    CLEANUP_FREE char *scheme = separator ? xstrndup(host, (size_t)(separator - host)) : NULL;

    ret->host = xstrdup(host);
    if (!separator || !separator[3])
        return error_set(err, ERROR_INVALID, 0, "unable to parse docker host `%s`", host);
    if (strcmp(scheme, "unix") == 0) {
        ret->path = xstrdup(separator + 3);
        return 0;
    }
    if (tls && tls->enabled)
        ret->tls = (struct client_tls){.enabled = true,
                                       .verify = tls->verify,
                                       .ca = copy(tls->ca),
                                       .cert = copy(tls->cert),
                                       .key = copy(tls->key),
                                       .server_name = copy(tls->server_name)};
    if (strcmp(scheme, "tcp") == 0 || strcmp(scheme, "http") == 0)
        return parse_tcp(separator + 3, ret, err);
    if (strcmp(scheme, "ssh") == 0) {
        CLEANUP_STRV struct strv arguments = STRV_INIT;
        ret->ssh = xstrdup(separator + 3);
        return client_ssh_arguments(ret->ssh, &arguments, err);
    }
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "unable to reach `%s`: %s:// is not implemented", host, scheme);
}

void client_address_release(struct client_address *address)
{
    free(address->host);
    free(address->path);
    free(address->ssh);
    free(address->name);
    free(address->port);
    free(address->tls.ca);
    free(address->tls.cert);
    free(address->tls.key);
    free(address->tls.server_name);
}

/* ---- connecting ---- */

/* The address of a name in /etc/hosts: the static program has no resolver, and asks no name server. */
static bool look_up_hosts(const char *name, char *address, size_t size)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_STRV struct strv lines = STRV_INIT;

    if (file_read(AT_FDCWD, "/etc/hosts", HOSTS_FILE_MAX, &text, NULL, NULL) < 0)
        return false;
    strv_split(&lines, text, '\n');
    for (size_t i = 0; i < lines.count; i++) {
        char *save = NULL, *line = lines.items[i];
        const char *first, *word;

        line[strcspn(line, "#")] = '\0';
        first = strtok_r(line, " \t", &save);
        while (first && (word = strtok_r(NULL, " \t", &save))) {
            if (strcasecmp(word, name) == 0 && strlen(first) < size) {
                snprintf(address, size, "%s", first);
                return true;
            }
        }
    }
    return false;
}

static int fill_address(const struct client_address *address, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    char text[INET6_ADDRSTRLEN];
    uint64_t port = 0;

    snprintf(text, sizeof(text), "%s", strcmp(address->name, "localhost") == 0 ? "127.0.0.1" : address->name);
    if (parse_uint64(address->port, UINT16_MAX, &port) < 0)
        return -EINVAL;
    memset(ret, 0, sizeof(*ret));
    for (int attempt = 0; attempt < 2; attempt++) {
        if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            v4->sin_port = htons((uint16_t)port);
            *ret_size = sizeof(*v4);
            return 0;
        }
        if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons((uint16_t)port);
            *ret_size = sizeof(*v6);
            return 0;
        }
        if (!look_up_hosts(address->name, text, sizeof(text)))
            break;
    }
    return -ENXIO;
}

static int connect_tcp(const struct client_address *address)
{
    struct sockaddr_storage to;
    socklen_t size = 0;
    int r = fill_address(address, &to, &size), one = 1;
    CLEANUP_CLOSE int fd = -1;

    if (r < 0)
        return r;
    fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, size) < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return TAKE_FD(fd);
}

static int explain(const struct client_address *address, int r, struct error *err)
{
    if (r == -EINVAL)
        return error_set(err, ERROR_INVALID, 0, "unable to parse docker host `%s`", address->host);
    if (r == -EACCES || r == -EPERM)
        return error_set(err, ERROR_FORBIDDEN, -r,
                         "permission denied while trying to connect to the Dory daemon socket at %s", address->host);
    CLEANUP_FREE char *message = connection_unreachable(address);
    return error_set(err, ERROR_UNAVAILABLE, -r, "%s", message);
}

/* A name that is not in /etc/hosts, and TLS, are for the helper. */
static int connect_to(const struct client_address *address, struct error *err)
{
    int fd = -ENXIO;

    if (address->path)
        fd = fd_connect_unix(AT_FDCWD, address->path, SOCK_STREAM);
    else if (!address->tls.enabled)
        fd = connect_tcp(address);
    if (fd == -ENXIO && !address->path)
        return client_helper_connect(address, err);
    return fd < 0 ? explain(address, fd, err) : fd;
}

char *connection_unreachable(const struct client_address *address)
{
    bool docker = strcmp(program_invocation_short_name, "docker") == 0;

    return xasprintf("Cannot connect to the %s daemon at %s. Is the %s daemon running?", docker ? "Docker" : "Dory",
                     address->host, docker ? "docker" : "dory");
}

int connection_open(const struct client_address *address, struct connection **ret, struct error *err)
{
    int fd = address->ssh ? client_ssh_connect(address->ssh, err) : connect_to(address, err);
    struct connection *connection;

    if (fd < 0)
        return fd;
    connection = xmalloc(sizeof(*connection));
    connection->fd = fd;
    connection->patience_ms = address->patience_ms > 0 ? address->patience_ms : -1;
    connection->used = false;
    connection->start = connection->end = 0;
    *ret = connection;
    return 0;
}

void connection_close(struct connection *connection)
{
    if (!connection)
        return;
    fd_close(connection->fd);
    free(connection);
}

/* ---- reading and writing ---- */

/* Until one of the events has come. 0 or -errno. */
static int await(const struct connection *connection, short events, short *ret_events)
{
    struct pollfd p = {.fd = connection->fd, .events = events};
    int r;

    do
        r = poll(&p, 1, connection->patience_ms);
    while (r < 0 && errno == EINTR);
    *ret_events = p.revents;
    return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

ssize_t connection_fill(struct connection *connection)
{
    ssize_t n;
    short ready;
    int r;

    if (connection->start == connection->end)
        connection->start = connection->end = 0;
    if (connection->end == sizeof(connection->buffer) && connection->start > 0) {
        memmove(connection->buffer, connection->buffer + connection->start, connection->end - connection->start);
        connection->end -= connection->start;
        connection->start = 0;
    }
    if (connection->end == sizeof(connection->buffer))
        return -ENOBUFS;
    r = connection->patience_ms < 0 ? 0 : await(connection, POLLIN, &ready);
    if (r < 0)
        return r;
    do
        n = recv(connection->fd, connection->buffer + connection->end, sizeof(connection->buffer) - connection->end, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    connection->end += (size_t)n;
    return n;
}

int connection_write(struct connection *connection, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t n = send(connection->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0) {
            at += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            bool room = connection->end < sizeof(connection->buffer) || connection->start > 0;
            short ready;
            int r = await(connection, (short)(POLLOUT | (room ? POLLIN : 0)), &ready);

            if (r < 0)
                return r;
            if (ready & POLLIN && !(ready & POLLOUT) && connection_fill(connection) <= 0)
                return -EPIPE;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}
