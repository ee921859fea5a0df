/* Listening sockets: "unix:///path", "tcp://host:port", "fd://". */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "api/server_private.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/strv.h"

#define BACKLOG 128
#define GROUP_FILE_MAX (4 * 1024 * 1024)
#define FIRST_PASSED_FD 3

/* Gid of a group in /etc/group, read here because getgrnam(3) would load the name service's modules into the daemon for
 * good. -1 when there is none. */
static int64_t group_id(const char *group_file, const char *name)
{
    CLEANUP_STRV struct strv lines = STRV_INIT;
    int64_t gid = -1;

    strv_split(&lines, group_file, '\n');
    for (size_t i = 0; i < lines.count && gid < 0; i++) {
        CLEANUP_STRV struct strv fields = STRV_INIT;

        strv_split(&fields, lines.items[i], ':');
        if (fields.count >= 3 && strcmp(fields.items[0], name) == 0)
            parse_int64(fields.items[2], 0, UINT32_MAX, &gid);
    }
    return gid;
}

/* The group that may use a Unix socket: a name of /etc/group or a number; with none given dory, else docker. *ret is -1
 * when neither exists. */
static int choose_group(const char *group, int64_t *ret, struct error *err)
{
    CLEANUP_FREE char *groups = NULL;

    *ret = -1;
    if (group && !*group)
        return 0;
    if (file_read(AT_FDCWD, "/etc/group", GROUP_FILE_MAX, &groups, NULL, NULL) < 0)
        groups = xstrdup("");
    if (!group) {
        *ret = group_id(groups, "dory");
        if (*ret < 0)
            *ret = group_id(groups, "docker");
        return 0;
    }
    *ret = group_id(groups, group);
    if (*ret < 0 && parse_int64(group, 0, UINT32_MAX - 1, ret) < 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "group %s not found", group);
    return 0;
}

static int listen_unix(const char *path, const char *group, struct error *err)
{
    CLEANUP_FREE char *parent = xstrdup(path);
    CLEANUP_CLOSE int fd = -1;
    int64_t gid;
    int r = choose_group(group, &gid, err);

    if (r < 0)
        return r;
    if (path[0] != '/')
        return error_set(err, ERROR_INVALID, 0, "unable to listen on unix://%s: the path is not absolute", path);
    r = file_mkdirs(dirname(parent), 0755, err);
    if (r < 0)
        return r;
    fd = fd_listen_unix(AT_FDCWD, path, SOCK_STREAM, 0660);
    if (fd < 0)
        return error_errno(err, fd, "can't create unix socket %s", path);
    if (gid >= 0 && lchown(path, (uid_t)-1, (gid_t)gid) < 0)
        log_warn("cannot give the socket %s to its group: %m", path);
    return TAKE_FD(fd);
}

static int listen_tcp(const char *address, bool encrypted, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    CLEANUP_FREE char *host = xstrdup(address);
    char *colon = strrchr(host, ':');
    struct addrinfo *found = NULL;
    CLEANUP_CLOSE int fd = -1;
    char *node = host;
    int one = 1, r;

    if (!colon || !colon[1])
        return error_set(err, ERROR_INVALID, 0, "invalid bind address (tcp://%s): a port is needed", address);
    *colon = '\0';
    if (node[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        node++;
    }
    r = getaddrinfo(*node ? node : NULL, colon + 1, &hints, &found);
    if (r != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid bind address (tcp://%s): %s", address, gai_strerror(r));
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
                bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0
            ? -errno
            : 0;
    freeaddrinfo(found);
    if (r < 0)
        return error_errno(err, r, "listen tcp %s", address);
    if (!encrypted)
        log_warn("the API on tcp://%s is neither encrypted nor authenticated: whoever reaches it is root here",
                 address);
    return TAKE_FD(fd);
}

/* The sockets that the service manager hands over (sd_listen_fds(3)): all of them, or "fd://N" the one of that number.
 */
static int listen_passed(const char *which, int ret_fds[LISTEN_SOCKETS_MAX], size_t *ret_count, struct error *err)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int64_t n = 0, for_pid = 0, wanted = 0;

    if (!pid || !count || parse_int64(pid, 1, INT32_MAX, &for_pid) < 0 || for_pid != getpid() ||
        parse_int64(count, 1, LISTEN_SOCKETS_MAX, &n) < 0)
        return error_set(err, ERROR_INVALID, 0,
                         "fd://: no sockets found: they have to be passed by the service manager");
    if (*which && strcmp(which, "*") != 0 && parse_int64(which, FIRST_PASSED_FD, FIRST_PASSED_FD + n - 1, &wanted) < 0)
        return error_set(err, ERROR_INVALID, 0, "fd://%s: the service manager passed the descriptors 3 to %d", which,
                         (int)n + FIRST_PASSED_FD - 1);
    *ret_count = 0;
    for (int fd = FIRST_PASSED_FD; fd < FIRST_PASSED_FD + n; fd++) {
        fd_set_cloexec(fd, 1);
        if (wanted == 0 || fd == wanted)
            ret_fds[(*ret_count)++] = fd;
    }
    return 0;
}

int api_listen_sockets(const char *host, const char *group, bool encrypted, int ret_fds[LISTEN_SOCKETS_MAX],
                       size_t *ret_count, struct error *err)
{
    int fd;

    if (strncmp(host, "fd://", strlen("fd://")) == 0)
        return listen_passed(host + strlen("fd://"), ret_fds, ret_count, err);
    if (strncmp(host, "unix://", strlen("unix://")) == 0)
        fd = listen_unix(host + strlen("unix://"), group, err);
    else if (strncmp(host, "tcp://", strlen("tcp://")) == 0)
        fd = listen_tcp(host + strlen("tcp://"), encrypted, err);
    else
        return error_set(err, ERROR_INVALID, 0, "invalid bind address format: %s", host);
    if (fd < 0)
        return fd;
    ret_fds[0] = fd;
    *ret_count = 1;
    return 0;
}
