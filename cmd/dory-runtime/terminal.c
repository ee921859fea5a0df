#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/relay.h"
#include "cmd/dory-runtime/runtime.h"

static int send_descriptor(const char *path, const char *text, int sent_fd, const char *what, struct error *err)
{
    CLEANUP_CLOSE int fd = fd_connect_unix(AT_FDCWD, path, SOCK_STREAM);
    if (fd < 0)
        return error_errno(err, fd, "cannot connect to the %s socket %s", what, path);
    int r = fd_send_message(fd, text, strlen(text), &sent_fd, 1);
    return r < 0 ? error_errno(err, r, "cannot hand the %s over to %s", what, path) : 0;
}

int console_send(const char *path, int master_fd, struct error *err)
{
    return send_descriptor(path, "/dev/pts/ptmx", master_fd, "console", err);
}

int pidfd_send(const char *path, int pid_fd, struct error *err)
{
    return send_descriptor(path, "pidfd", pid_fd, "pidfd", err);
}

static void copy_size(int master_fd)
{
    struct winsize size;
    if (ioctl(0, TIOCGWINSZ, &size) == 0)
        ioctl(master_fd, TIOCSWINSZ, &size);
}

static void on_signal(int signal_fd, int master_fd, pid_t pid)
{
    struct signalfd_siginfo info;
    if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGWINCH)
        copy_size(master_fd);
    else
        kill(pid, (int)info.ssi_signo);
}

enum { INPUT, OUTPUT };
enum { PROCESS_POLL = RELAY_POLLS, SIGNAL_POLL, POLLS };

static int pump(struct relay_way ways[RELAY_WAYS], int pid_fd, int signal_fd, pid_t pid)
{
    bool exited = false;
    for (;;) {
        struct pollfd polls[POLLS];
        bool last = exited && relay_is_empty(&ways[OUTPUT]);
        relay_prepare(ways, polls);
        polls[PROCESS_POLL] = (struct pollfd){.fd = exited ? -1 : pid_fd, .events = POLLIN};
        polls[SIGNAL_POLL] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
        if (poll(polls, POLLS, last ? 0 : -1) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (last && (polls[2 * OUTPUT].fd < 0 || polls[2 * OUTPUT].revents == 0))
            return 0; /* ended, and nothing is left in the terminal */
        exited |= polls[PROCESS_POLL].revents != 0;
        if (polls[SIGNAL_POLL].revents != 0)
            on_signal(signal_fd, ways[INPUT].to, pid);
        relay_move(ways, polls);
        ways[OUTPUT].ended |= ways[OUTPUT].broken;
        ways[INPUT].ended |= ways[INPUT].broken || ways[OUTPUT].ended;
    }
}

/* Between the terminal and our own input and output. Without a terminal there is nothing to copy. */
static int relay_terminal(int master_fd, int pid_fd, int signal_fd, pid_t pid)
{
    struct relay_way ways[RELAY_WAYS] = {
        [INPUT] = {.from = 0, .to = master_fd, .ended = master_fd < 0},
        [OUTPUT] = {.from = master_fd, .to = 1, .ended = master_fd < 0},
    };
    int r = master_fd >= 0 ? fd_set_nonblock(master_fd, 1) : 0;
    if (r == 0)
        r = pump(ways, pid_fd, signal_fd, pid);
    relay_release(&ways[INPUT]);
    relay_release(&ways[OUTPUT]);
    return r;
}

int terminal_proxy(int master_fd, int pid_fd, pid_t pid, int *ret_status, struct error *err)
{
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CLEANUP_CLOSE int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (signal_fd < 0)
        return error_errno(err, errno, "signalfd");
    struct termios before, raw;
    bool restore = master_fd >= 0 && tcgetattr(0, &before) == 0;
    if (restore) {
        raw = before;
        cfmakeraw(&raw);
        raw.c_oflag = before.c_oflag; /* the container's terminal leaves it to ours how lines end */
        tcsetattr(0, TCSANOW, &raw);
        copy_size(master_fd);
    }
    int r = relay_terminal(master_fd, pid_fd, signal_fd, pid);
    if (restore)
        tcsetattr(0, TCSANOW, &before);
    if (r < 0)
        return error_errno(err, r, "copy from and to the terminal");
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return error_errno(err, errno, "waitpid");
    return 0;
}
