/*
 * The kernel operations of a container without network and limits, and nothing else: floor COUNT DIRECTORY (with lower,
 * upper, work and merged below it). Prints the median in microseconds from before clone to after the child was reaped.
 */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void must(int r, const char *what)
{
    if (r < 0) {
        perror(what);
        _exit(1);
    }
}

static void container(void)
{
    char *argv[] = {"/bin/busybox", "true", NULL}, *env[] = {NULL};
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
    must(mount("overlay", "merged", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work"), "overlay");
    must(chdir("merged"), "chdir");
    must(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
    must(mount("sysfs", "sys", "sysfs", MS_RDONLY, NULL), "sysfs");
    must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755"), "dev");
    must(mkdir("dev/pts", 0755), "mkdir");
    must(mount("devpts", "dev/pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=0620"), "devpts");
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "umount");
    must(sethostname("floor", 5), "sethostname");
    execve(argv[0], argv, env);
    must(-1, "exec");
}

static double once(void)
{
    struct timespec a, b;
    int status;
    struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
                                       CLONE_NEWCGROUP | CLONE_VFORK,
                              .exit_signal = SIGCHLD};
    clock_gettime(CLOCK_MONOTONIC, &a);
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    must(pid, "clone3");
    if (pid == 0)
        container();
    waitpid(pid, &status, 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (status != 0)
        exit(1);
    return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int count = (int)strtol(argv[1], NULL, 10);
    must(chdir(argv[2]), "chdir");
    double *times = calloc((size_t)count + 1, sizeof(*times));
    if (!times || count < 1)
        return 1;
    once();
    for (int i = 0; i < count; i++)
        times[i] = once();
    qsort(times, (size_t)count, sizeof(*times), compare);
    printf("%.0f\n", times[count / 2]);
    free(times);
    return 0;
}
