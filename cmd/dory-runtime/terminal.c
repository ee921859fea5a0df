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
#include "cmd/dory-runtime/runtime.h"

int console_send(const char *path, int master_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = fd_connect_unix(AT_FDCWD, path, SOCK_STREAM);
    if (fd < 0)
        return error_errno(err, fd, "cannot connect to the console socket %s", path);
    char name[] = "/dev/pts/ptmx";
    int r = fd_send_message(fd, name, sizeof(name) - 1, &master_fd, 1);
    return r < 0 ? error_errno(err, r, "cannot hand the terminal over to %s", path) : 0;
}

static void copy_size(int master_fd)
{
    struct winsize size;
    if (ioctl(0, TIOCGWINSZ, &size) == 0)
        ioctl(master_fd, TIOCSWINSZ, &size);
}

/* False at the end of the input. */
static bool copy_bytes(int from, int to)
{
    char buf[16384];
    ssize_t n = read(from, buf, sizeof(buf));
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    return n > 0 && fd_write_all(to, buf, (size_t)n) == 0;
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

static int pump(int master_fd, int pid_fd, int signal_fd, pid_t pid)
{
    bool input = true, output = master_fd >= 0;
    for (;;) {
        struct pollfd fds[] = {
            {.fd = pid_fd, .events = POLLIN},
            {.fd = signal_fd, .events = POLLIN},
            {.fd = output ? master_fd : -1, .events = POLLIN},
            {.fd = input && output ? 0 : -1, .events = POLLIN},
        };
        if (poll(fds, 4, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (fds[1].revents != 0)
            on_signal(signal_fd, master_fd, pid);
        if (fds[2].revents != 0)
            output = copy_bytes(master_fd, 1);
        else if (fds[0].revents != 0)
            return 0; /* ended, and nothing is left in the terminal */
        if (fds[3].revents != 0)
            input = copy_bytes(0, master_fd);
    }
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
        tcsetattr(0, TCSANOW, &raw);
        copy_size(master_fd);
    }
    int r = pump(master_fd, pid_fd, signal_fd, pid);
    if (restore)
        tcsetattr(0, TCSANOW, &before);
    if (r < 0)
        return error_errno(err, r, "poll");
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return error_errno(err, errno, "waitpid");
    return 0;
}
