/* What the unit tests of base/ share. */
#ifndef DORY_TESTS_UNIT_BASE_TEST_H
#define DORY_TESTS_UNIT_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/memory.h"

/* A directory of its own for each test, in memory where that is possible (tests make thousands of files): setup and
 * teardown of cmocka_unit_test_setup_teardown. */
struct scratch {
    char *path;
    int fd;
};

static inline int scratch_setup(void **state)
{
    struct scratch *s = xcalloc(1, sizeof *s);
    s->path = xasprintf("%s/dory-unit-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(s->path))
        return -1;
    s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = s;
    return s->fd >= 0 ? 0 : -1;
}

static inline int scratch_teardown(void **state)
{
    struct scratch *s = *state;
    close(s->fd);
    char *slash = strrchr(s->path, '/');
    *slash = '\0';
    int parent = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = beneath_remove_tree(parent, slash + 1);
    close(parent);
    free(s->path);
    free(s);
    return r;
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

/* The signal that ends a child which calls fn(data); 0 if it comes back. */
static inline int signal_that_ends(void (*fn)(void *), void *data)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup3(null, 1, 0);
        dup3(null, 2, 0);
        signal(SIGABRT, SIG_DFL);
        fn(data);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#endif
