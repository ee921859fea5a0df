/*
 * Times commands: median -n COUNT [-w WARMUPS] [-m] -- COMMAND... [::: COMMAND...]...
 * Runs each COUNT times with posix_spawn, output to /dev/null, one after another in turn, so that a machine that is
 * busy for a while is so for all of them. Prints one line per command: "median p90 min" in milliseconds, with -m
 * followed by the peak memory in kB (the largest of the runs, and no less than this program's own). Any failure of a
 * command is a failure here. A command after "@FILE" runs in that mount namespace, from its root; getting there is not
 * counted.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void enter(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNS) < 0) {
        perror(path);
        exit(1);
    }
    close(fd);
}

static double run_once(char **argv, long *peak)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    double began = now_ms();
    if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0) {
        perror(argv[0]);
        exit(1);
    }
    struct rusage usage;
    wait4(pid, &status, 0, &usage);
    if (usage.ru_maxrss > *peak)
        *peak = usage.ru_maxrss;
    double took = now_ms() - began;
    posix_spawn_file_actions_destroy(&actions);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "%s failed with status %#x\n", argv[0], (unsigned)status);
        exit(1);
    }
    return took;
}

#define COMMANDS_MAX 8

struct timed {
    const char *place; /* its mount namespace; NULL: ours */
    char **argv;
    double *times;
    long peak;
};

/* Splits argv at ":::"; the count of commands. */
static int split(char **argv, struct timed commands[COMMANDS_MAX])
{
    int count = 0;
    for (char **start = argv; *start != NULL && count < COMMANDS_MAX;) {
        char **end = start;
        while (*end != NULL && strcmp(*end, ":::") != 0)
            end++;
        commands[count].place = start[0][0] == '@' ? start[0] + 1 : NULL;
        commands[count++].argv = start + (start[0][0] == '@');
        if (*end == NULL)
            break;
        *end = NULL;
        start = end + 1;
    }
    return count;
}

int main(int argc, char **argv)
{
    int count = 20, warmups = 2, option, memory = 0;
    struct timed commands[COMMANDS_MAX] = {0};
    while ((option = getopt(argc, argv, "+n:w:m")) != -1) {
        if (option == 'n')
            count = (int)strtol(optarg, NULL, 10);
        else if (option == 'w')
            warmups = (int)strtol(optarg, NULL, 10);
        else if (option == 'm')
            memory = 1;
        else
            return 2;
    }
    char home[64]; /* /proc may be another one where a command runs */
    snprintf(home, sizeof(home), "/proc/self/fd/%d", open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    int n = optind < argc && count > 0 ? split(argv + optind, commands) : 0;
    if (n == 0)
        return 2;
    for (int k = 0; k < n; k++)
        commands[k].times = calloc((size_t)count, sizeof(double));
    for (int i = -warmups; i < count; i++)
        for (int k = 0; k < n; k++) {
            if (commands[k].place != NULL)
                enter(commands[k].place);
            double took = run_once(commands[k].argv, &commands[k].peak);
            if (commands[k].place != NULL)
                enter(home);
            if (i >= 0)
                commands[k].times[i] = took;
        }
    for (int k = 0; k < n; k++) {
        double *times = commands[k].times;
        qsort(times, (size_t)count, sizeof(double), compare);
        printf("%.2f %.2f %.2f", times[count / 2], times[count * 9 / 10], times[0]);
        if (memory)
            printf(" %ld", commands[k].peak);
        printf("\n");
        free(times);
    }
    return 0;
}
