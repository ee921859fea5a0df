/* The last things before execve: descriptors, environment, and which file it is that will run. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/parse.h"
#include "runtime/child.h"

#define PASSWD_MAX (1u << 20)

/* ---- descriptors ---- */

/* Sources are first moved above 2, so that one does not overwrite another. */
static int place_stdio(struct child *child, struct error *err)
{
    int sources[3];
    for (int i = 0; i < 3; i++) {
        int fd = child->pts_fd >= 0 ? child->pts_fd : child->options->stdio[i];
        if (fd < 0) {
            /* The container's own null device: the host's would be a descriptor into the host's file system. */
            fd = child->null_fd >= 0 ? openat(child->root_fd, "dev/null", O_RDWR | O_NOFOLLOW | O_CLOEXEC)
                                     : open("/dev/null", O_RDWR | O_CLOEXEC);
            if (fd < 0)
                return error_errno(err, errno, "cannot open /dev/null");
        }
        sources[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (sources[i] < 0)
            return error_errno(err, errno, "cannot place descriptor %d", i);
    }
    for (int i = 0; i < 3; i++)
        if (dup3(sources[i], i, 0) < 0)
            return error_errno(err, errno, "cannot place descriptor %d", i);
    return 0;
}

int child_set_descriptors(struct child *child, struct error *err)
{
    int r = place_stdio(child, err);
    if (r < 0)
        return r;
    unsigned keep_until = 3 + child->options->preserve_fds;
    for (unsigned fd = 3; fd < keep_until; fd++)
        fd_set_cloexec((int)fd, 0); /* one that is not open stays so */
    /* Really closed, not only at exec: a command like /proc/self/fd/7/sh would still find them. The pair to the parent,
     * and what waiting for the start needs, live a little longer and are sockets, a FIFO and an empty procfs mount. */
    int keep[3] = {child->sync_fd, -1, -1};
    if (child->options->wait_for_start && child->options->has_start_fifo) {
        keep[1] = child->options->start_fifo_fd;
        keep[2] = child->proc_fd;
    }
    unsigned from = keep_until;
    for (;;) { /* the gaps between those that are kept */
        unsigned next = ~0U;
        for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
            if (keep[i] >= (int)from && (unsigned)keep[i] < next)
                next = (unsigned)keep[i];
        if (next == ~0U)
            break;
        if (next > from && close_range(from, next - 1, 0) < 0)
            return error_errno(err, errno, "close_range");
        from = next + 1;
    }
    if (close_range(from, ~0U, 0) < 0)
        return error_errno(err, errno, "close_range");
    return 0;
}

/* ---- environment ---- */

/* The sixth field of the uid's line, or NULL. */
static char *home_from_passwd(char *text, uint32_t uid)
{
    for (char *line = text, *next; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        CLEANUP_STRV struct strv fields = STRV_INIT;
        strv_split(&fields, line, ':');
        uint64_t number;
        if (fields.count >= 6 && parse_uint64(fields.items[2], UINT32_MAX, &number) == 0 && number == uid &&
            fields.items[5][0] != '\0')
            return xstrdup(fields.items[5]);
    }
    return NULL;
}

/* Of a name that is there several times the last one counts; whoever reads the list may take the first. */
static void copy_environment(struct strv *to, const struct strv *from)
{
    for (size_t i = 0; i < from->count; i++) {
        size_t size = strcspn(from->items[i], "=") + 1;
        bool again = false;
        for (size_t k = i + 1; k < from->count && !again; k++)
            again = strncmp(from->items[i], from->items[k], size) == 0;
        if (!again)
            strv_add(to, from->items[i]);
    }
}

int child_make_environment(struct child *child, struct error *err)
{
    (void)err;
    copy_environment(&child->env, &child->spec->process.env);
    const char *home = strv_env_get(&child->env, "HOME");
    if (home != NULL && home[0] != '\0')
        return 0;
    CLEANUP_FREE char *text = NULL;
    CLEANUP_FREE char *found = NULL;
    /* No passwd, or one that is a FIFO or endless, is as good as one without the user. */
    if (beneath_read_file(child->root_fd, "/etc/passwd", PASSWD_MAX, &text, NULL) == 0)
        found = home_from_passwd(text, child->spec->process.user.uid);
    CLEANUP_FREE char *entry = xasprintf("HOME=%s", found != NULL ? found : "/");
    strv_env_set(&child->env, entry);
    return 0;
}

/* ---- command ---- */

static int check_executable(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int command_error(const char *name, int r, struct error *err)
{
    if (r == -ENOENT || r == -ENOTDIR)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "exec: \"%s\": stat %s: %s", name, name,
                         r == -ENOENT ? "no such file or directory" : "not a directory");
    return error_set(err, ERROR_FORBIDDEN, EACCES, "exec: \"%s\": %s", name,
                     r == -EISDIR  ? "is a directory"
                     : r == -ELOOP ? "too many levels of symbolic links"
                                   : "permission denied");
}

int child_find_command(struct child *child, char **ret, struct error *err)
{
    const char *name = child->spec->process.args.items[0];
    if (strchr(name, '/') != NULL) {
        int r = check_executable(name);
        if (r < 0)
            return command_error(name, r, err);
        *ret = xstrdup(name);
        return 0;
    }
    const char *path = strv_env_get(&child->env, "PATH");
    CLEANUP_STRV struct strv dirs = STRV_INIT;
    if (path != NULL && name[0] != '\0')
        strv_split(&dirs, path, ':');
    for (size_t i = 0; i < dirs.count; i++) {
        CLEANUP_FREE char *candidate = xasprintf("%s/%s", dirs.items[i][0] != '\0' ? dirs.items[i] : ".", name);
        if (check_executable(candidate) == 0) {
            *ret = TAKE_PTR(candidate);
            return 0;
        }
    }
    return error_set(err, ERROR_NOT_FOUND, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}
