/* docker-init: the shim's program in another part, as pid 1 of a container that another runtime runs with --init. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/dory-shim/shim.h"
#include "runtime/child.h"

#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

int init_main(int argc, char **argv)
{
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
    struct error err = {0};
    int errnum;

    if (first >= argc) {
        fputs("docker-init: no program to run\n", stderr);
        return EXIT_NOT_FOUND;
    }
    if (child_stay_as_init(NULL, &err) < 0) {
        fprintf(stderr, "docker-init: %s\n", err.message);
        return EXIT_NOT_EXECUTABLE;
    }
    execvp(argv[first], argv + first);
    errnum = errno;
    fprintf(stderr, "docker-init: exec %s: %s\n", argv[first], strerror(errnum));
    return errnum == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}
