#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "cmd/dory-shim/shim.h"

static void ignore(int signal)
{
    (void)signal;
}

/*
 * Handlers instead of SIG_IGN: exec resets them, so that the container starts with defaults. An orderly end of the
 * daemon, or of the session it was started in, does not end containers.
 */
static void ignore_signals(void)
{
    static const int signals[] = {SIGPIPE, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM};
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &action, NULL);
}

static int become_supervisor(struct error *err)
{
    ignore_signals();
    umask(022);
    if (chdir("/") < 0)
        return error_errno(err, errno, "chdir /");
    prctl(PR_SET_NAME, "dory-shim");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return error_errno(err, errno, "become subreaper");
    /* Best effort: in a user namespace it is not allowed. The container gets its own value from its spec. */
    file_write_control(AT_FDCWD, "/proc/self/oom_score_adj", "-999");
    return 0;
}

static void init(struct shim *shim)
{
    shim->control_fd = SHIM_CONTROL_FD;
    shim->listen_fd = shim->dir_fd = shim->rootfs_fd = -1;
    shim->container.pid_fd = shim->container.console_fd = shim->container.start_fd = -1;
    shim->container.mounts_fd = -1;
    streams_init(&shim->streams, shim);
}

int main(int argc, char **argv)
{
    struct shim shim = {0};
    struct error err = {0};
    const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
    int r;

    if (name && strcmp(name, "/docker-init") == 0)
        return init_main(argc, argv);
    init(&shim);
    if (fcntl(SHIM_CONTROL_FD, F_GETFD) < 0) {
        fputs("dory-shim is started by doryd\n", stderr);
        return 125;
    }
    shim.title = argc > 1 ? argv[1] : NULL;
    shim.scratch = mmap(NULL, SCRATCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shim.scratch == MAP_FAILED)
        return 125;
    r = become_supervisor(&err);
    if (r >= 0)
        r = loop_new(&shim.loop, &err);
    if (r >= 0)
        r = ending_watch(&shim, &err);
    if (r >= 0)
        r = control_open(&shim, &err);
    if (r < 0)
        return 125;
    /* At once: everything is written, and nothing is left to be flushed or freed for anyone. */
    _exit(loop_run(shim.loop) < 0 ? 125 : 0);
}
