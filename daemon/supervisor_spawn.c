#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "base/beneath.h"
#include "base/id.h"
#include "base/log.h"
#include "base/process.h"
#include "daemon/supervisor_internal.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* The next idle shim is made when the start that took the last one is over, so as not to compete with it. */
#define REFILL_MS 5

/* So much of the program is ever loaded: what its segments cover. Symbols and debug information are not. */
static off_t loaded_size(int fd, off_t file_size)
{
    Elf64_Ehdr header;
    off_t end = 0;

    if (pread(fd, &header, sizeof(header), 0) != sizeof(header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
        return file_size;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;

        if (pread(fd, &segment, sizeof(segment), (off_t)(header.e_phoff + i * sizeof(segment))) != sizeof(segment))
            return file_size;
        if ((off_t)(segment.p_offset + segment.p_filesz) > end)
            end = (off_t)(segment.p_offset + segment.p_filesz);
    }
    return end > 0 && end < file_size ? end : file_size;
}

/*
 * A copy that nobody can change: a container that reaches its supervisor's program through /proc finds a sealed file
 * that is not the one on the disk (CVE-2019-5736).
 */
int supervisor_copy_image(const char *path, int *ret_fd, struct error *err)
{
    CLEANUP_CLOSE int from = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int to = -1;
    struct stat st;
    off_t left;

    if (from < 0 || fstat(from, &st) < 0)
        return error_errno(err, errno, "open %s", path);
    to = memfd_create("dory-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (to < 0 && errno == EINVAL) /* before Linux 6.3 every memfd could be executed */
        to = memfd_create("dory-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (to < 0)
        return error_errno(err, errno, "copy %s", path);
    for (left = loaded_size(from, st.st_size); left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);

        if (n <= 0)
            return error_errno(err, n < 0 ? errno : EIO, "copy %s", path);
        left -= n;
    }
    if (fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return error_errno(err, errno, "seal the copy of %s", path);
    *ret_fd = TAKE_FD(to);
    return 0;
}

static int spawn_process(struct supervisor *s, struct shim **ret, struct error *err)
{
    char name[] = "dory-shim", placeholder[ID_SIZE + 1], path[64];
    char *argv[] = {name, placeholder, NULL};
    CLEANUP_CLOSE int theirs = -1;
    struct shim *shim = shim_new(s);
    int pair[2], fds[4] = {-1, -1, -1, -1};
    struct process_options options = {
        .path = path, .argv = argv, .fds = fds, .fd_count = ARRAY_SIZE(fds), .new_session = 1};
    pid_t pid;
    int r;

    memset(placeholder, '-', ID_SIZE);
    placeholder[ID_SIZE] = '\0';
    snprintf(path, sizeof(path), "/proc/self/fd/%d", s->image_fd);
    r = fd_socketpair(SOCK_SEQPACKET, pair);
    if (r < 0) {
        shim_unref(shim);
        return error_errno(err, r, "start the container's shim");
    }
    shim->socket_fd = pair[0];
    fds[SHIM_CONTROL_FD] = theirs = pair[1];
    r = process_spawn(&options, &pid, err);
    if (r < 0) {
        shim_unref(shim);
        return error_context(err, "start the container's shim");
    }
    shim->process_fd = pidfd_open(pid, 0);
    r = shim->process_fd < 0 ? error_errno(err, errno, "watch the container's shim")
                             : shim_watch(shim, &shim->process_watch, shim->process_fd, err);
    if (r < 0) {
        fd_close_ptr(&shim->socket_fd);
        process_wait(pid, &(int){0});
        shim_unref(shim);
        return r;
    }
    *ret = shim;
    return 0;
}

void supervisor_refill_soon(struct supervisor *s)
{
    struct itimerspec when = {.it_value.tv_nsec = REFILL_MS * 1000000};

    timerfd_settime(s->refill_fd, 0, &when, NULL);
}

void supervisor_refill(struct supervisor *s)
{
    struct shim *shim = NULL;
    struct error err = {0};
    bool wanted;

    pthread_mutex_lock(&s->lock);
    wanted = !s->warm && !s->closing;
    pthread_mutex_unlock(&s->lock);
    if (!wanted)
        return;
    /* Only this thread makes warm ones, so it is still wanted afterwards. */
    if (spawn_process(s, &shim, &err) < 0) {
        log_warn("no shim in reserve: %s", err.message);
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->warm = shim;
    pthread_mutex_unlock(&s->lock);
}

void supervisor_reap(struct shim *shim)
{
    struct supervisor *s = shim->supervisor;
    siginfo_t info;
    bool was_warm;

    while (waitid(P_PIDFD, (id_t)shim->process_fd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&s->lock);
    was_warm = s->warm == shim && !s->closing;
    if (was_warm)
        s->warm = NULL;
    pthread_mutex_unlock(&s->lock);
    if (was_warm)
        shim_unref(shim);
    shim_unwatch(&shim->process_watch, &shim->process_fd);
}

/* The idle one if there is one and it lives. */
static struct shim *take_warm(struct supervisor *s)
{
    struct pollfd hangup = {.fd = -1};
    struct shim *shim;

    pthread_mutex_lock(&s->lock);
    shim = s->warm;
    s->warm = NULL;
    pthread_mutex_unlock(&s->lock);
    if (!shim)
        return NULL;
    hangup.fd = shim->socket_fd;
    if (poll(&hangup, 1, 0) == 0)
        return shim;
    shim_unref(shim);
    return NULL;
}

void supervisor_remove_directory(struct supervisor *s, const char *id)
{
    static const char *const names[] = {SHIM_SOCKET_NAME, SHIM_EXIT_NAME, SHIM_CONTAINER_NAME};
    CLEANUP_CLOSE int dir_fd = openat(s->root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (dir_fd < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unlinkat(dir_fd, names[i], 0);
    if (unlinkat(s->root_fd, id, AT_REMOVEDIR) < 0)
        beneath_remove_tree(s->root_fd, id);
}

/*
 * The directory and the listening socket are made here, not by the shim: from the moment START is sent a later daemon
 * can find the container, however early this one dies.
 */
static int make_directory(struct supervisor *s, struct shim *shim, struct error *err)
{
    if (mkdirat(s->root_fd, shim->id, 0700) < 0) {
        if (errno != EEXIST)
            return error_errno(err, errno, "create %s/shim/%s", s->options.exec_root, shim->id);
        /* Of a former life of the container. */
        supervisor_remove_directory(s, shim->id);
        if (mkdirat(s->root_fd, shim->id, 0700) < 0)
            return error_errno(err, errno, "create %s/shim/%s", s->options.exec_root, shim->id);
    }
    shim->dir_fd = openat(s->root_fd, shim->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (shim->dir_fd < 0)
        return error_errno(err, errno, "open %s/shim/%s", s->options.exec_root, shim->id);
    shim->listen_fd = fd_listen_unix(shim->dir_fd, SHIM_SOCKET_NAME, SOCK_SEQPACKET, 0600);
    if (shim->listen_fd < 0)
        return error_errno(err, shim->listen_fd, "listen on %s/shim/%s/" SHIM_SOCKET_NAME, s->options.exec_root,
                           shim->id);
    return 0;
}

int supervisor_spawn(struct supervisor *s, const char *id, struct shim **ret, struct error *err)
{
    struct shim *shim = take_warm(s);
    int r = 0;

    if (!*id || strchr(id, '/') || *id == '.')
        r = error_set(err, ERROR_INVALID, EINVAL, "invalid container id \"%s\"", id);
    else if (!shim)
        r = spawn_process(s, &shim, err);
    if (r >= 0) {
        shim->id = xstrdup(id);
        r = make_directory(s, shim, err);
    }
    if (r < 0) {
        if (shim)
            shim_abandon(shim);
        shim_unref(shim);
        return r;
    }
    *ret = shim;
    return 0;
}
