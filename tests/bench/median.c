/*
 * Times a command: median -n COUNT [-w WARMUPS] -- COMMAND...
 * Runs it COUNT times with posix_spawn, output to /dev/null, and prints "median p90 min" in milliseconds. Any failure
 * of the command is a failure here.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
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

static double run_once(char **argv)
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
    waitpid(pid, &status, 0);
    double took = now_ms() - began;
    posix_spawn_file_actions_destroy(&actions);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "%s failed with status %#x\n", argv[0], (unsigned)status);
        exit(1);
    }
    return took;
}

int main(int argc, char **argv)
{
    int count = 20, warmups = 2, option;
    while ((option = getopt(argc, argv, "+n:w:")) != -1) {
        if (option == 'n')
            count = (int)strtol(optarg, NULL, 10);
        else if (option == 'w')
            warmups = (int)strtol(optarg, NULL, 10);
        else
            return 2;
    }
    if (optind >= argc || count < 1)
        return 2;
    double *times = calloc((size_t)count, sizeof(*times));
    if (!times)
        return 1;
    for (int i = 0; i < warmups; i++)
        run_once(argv + optind);
    for (int i = 0; i < count; i++)
        times[i] = run_once(argv + optind);
    qsort(times, (size_t)count, sizeof(*times), compare);
    printf("%.2f %.2f %.2f\n", times[count / 2], times[count * 9 / 10], times[0]);
    free(times);
    return 0;
}
