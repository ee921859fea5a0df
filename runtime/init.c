/* docker's --init: pid 1 is not the program but a process that forwards signals to it and reaps what is orphaned. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/child.h"

#define ARGUMENTS_MAX (8 << 20) /* more than the kernel takes */

/* Ends pid 1, and with it everything that is left, once the program has ended. */
static void reap(pid_t program)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == ECHILD)
            _exit(1);
        if (pid <= 0)
            return;
        if (pid == program && WIFEXITED(status))
            _exit(WEXITSTATUS(status));
        if (pid == program && WIFSIGNALED(status))
            _exit(128 + WTERMSIG(status));
    }
}

/* The arguments and the environment of the runtime lie between argv[0] and the path of the program, at the top of the
 * stack, and /proc/1/cmdline would show them to the container. */
static void hide_arguments(void)
{
    char *start = program_invocation_name, *end = (char *)getauxval(AT_EXECFN);
    static const char name[] = "docker-init";
    if (start == NULL || end <= start || end - start > ARGUMENTS_MAX)
        return;
    memset(start, 0, (size_t)(end - start));
    memcpy(start, name, (size_t)(end - start) < sizeof(name) ? 0 : sizeof(name));
}

__attribute__((noreturn)) static void serve(pid_t program, const sigset_t *all)
{
    close_range(3, ~0U, 0);
    prctl(PR_SET_NAME, "docker-init", 0, 0, 0);
    hide_arguments();
    /* This is still the runtime's memory: nobody in the container has a reason to look into it. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    for (;;) {
        siginfo_t info;
        int signal = sigwaitinfo(all, &info);
        if (signal < 0)
            continue;
        if (signal == SIGCHLD)
            reap(program);
        else if (signal != SIGTTIN && signal != SIGTTOU)
            kill(program, signal);
    }
}

int child_stay_as_init(struct child *child, struct error *err)
{
    (void)child;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, NULL);
    pid_t program = fork();
    if (program < 0)
        return error_errno(err, errno, "cannot fork the process of the container");
    if (program > 0)
        serve(program, &all);
    /* A process group of its own in the foreground, so that Ctrl-C reaches the program and not pid 1 twice. SIGTTOU is
     * still blocked, so that taking the terminal does not stop us. */
    setpgid(0, 0);
    if (isatty(0))
        tcsetpgrp(0, getpid());
    sigprocmask(SIG_SETMASK, &none, NULL);
    return 0;
}
