#include "api/client_ssh.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"

/* How long ssh tries, in seconds: docker's. */
#define CONNECT_TIMEOUT "ConnectTimeout=30"

static int refuse(const char *destination, const char *why, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "invalid SSH URL: ssh://%s: %s", destination, why);
}

/* Only what names of users and hosts consist of: the words go to a program and to a remote shell. */
static bool is_plain(const char *text)
{
    if (!*text || *text == '-')
        return false;
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && !strchr("-_.+%:[]", *text))
            return false;
    }
    return true;
}

static bool is_path(const char *text)
{
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && !strchr("-_.+/", *text))
            return false;
    }
    return true;
}

int client_ssh_arguments(const char *destination, struct strv *ret, struct error *err)
{
    size_t size = strcspn(destination, "/?#");
    CLEANUP_FREE char *authority = xstrndup(destination, size);
    const char *path = destination + size;
    char *host = strrchr(authority, '@'), *user = host ? authority : NULL, *port;
    if (host)
        *host++ = '\0';
    else
        host = authority;
    port = host[0] == '[' ? strchr(host, ']') : host;
    port = port ? strchr(port, ':') : NULL;
    if (port)
        *port++ = '\0';
    if (*path && *path != '/')
        return refuse(destination, "no query and no fragment can be in it", err);
    if (user && strchr(user, ':'))
        return refuse(destination, "plain-text password is not supported", err);
    if (!*host)
        return refuse(destination, "no host specified", err);
    if (!is_plain(host) || (user && !is_plain(user)) || (port && strspn(port, "0123456789") != strlen(port)) ||
        !is_path(path))
        return refuse(destination, "unexpected characters", err);
    strv_add(ret, "ssh");
    if (user) {
        strv_add(ret, "-l");
        strv_add(ret, user);
    }
    if (port && *port) {
        strv_add(ret, "-p");
        strv_add(ret, port);
    }
    strv_add(ret, "-o");
    strv_add(ret, CONNECT_TIMEOUT);
    strv_add(ret, "-T");
    strv_add(ret, "--");
    size_t length = strlen(host);
    bool brackets = host[0] == '[' && host[length - 1] == ']';
    strv_add_take(ret, brackets ? xstrndup(host + 1, length - 2) : xstrdup(host));
    strv_add(ret, "dory");
    if (path[0] && path[1])
        strv_addf(ret, "--host=unix://%s", path);
    strv_add(ret, "system");
    strv_add(ret, "dial-stdio");
    return 0;
}

int client_ssh_connect(const char *destination, struct error *err)
{
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    CLEANUP_CLOSE int ours = -1, theirs = -1;
    int pair[2];
    pid_t pid;
    int r = client_ssh_arguments(destination, &arguments, err);
    if (r < 0)
        return r;
    r = fd_socketpair(SOCK_STREAM, pair);
    if (r < 0)
        return error_errno(err, r, "connect to ssh://%s", destination);
    ours = pair[0];
    theirs = pair[1];
    int fds[] = {theirs, theirs, STDERR_FILENO};
    struct process_options options = {
        .path = "ssh", .argv = arguments.items, .env = environ, .fds = fds, .fd_count = ARRAY_SIZE(fds)};
    r = process_spawn(&options, &pid, err);
    return r < 0 ? error_context(err, "connect to ssh://%s", destination) : TAKE_FD(ours);
}
