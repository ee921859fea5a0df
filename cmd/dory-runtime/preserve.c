/* Descriptors of ours that go to the process: those that were named, and those of a socket activation
 * (sd_listen_fds(3)). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/parse.h"
#include "cmd/dory-runtime/runtime.h"

#define LISTEN_FDS_MAX 1000

static bool activated(void)
{
    const char *pid = getenv("LISTEN_PID");
    int64_t number;
    return pid != NULL && parse_int64(pid, 1, INT32_MAX, &number) == 0 && number == getpid();
}

int preserve_fds(const char *text, unsigned *ret_count, unsigned *ret_listen, struct error *err)
{
    int64_t named = 0, listen = 0;
    const char *listen_text = activated() ? getenv("LISTEN_FDS") : NULL;
    int r = text != NULL ? option_number("preserve-fds", text, 0, 1000, &named, err) : 0;
    if (r < 0)
        return r;
    if (listen_text != NULL && parse_int64(listen_text, 0, LISTEN_FDS_MAX, &listen) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid LISTEN_FDS=%s in the environment", listen_text);
    /* One that is not open would be opened by us, on something of the host's, and handed over. */
    for (int fd = 3; fd < 3 + named + listen; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            return error_set(err, ERROR_INVALID, EBADF, "descriptor %d is to be preserved, but is not open", fd);
    *ret_count = (unsigned)(named + listen);
    *ret_listen = (unsigned)listen;
    return 0;
}

void preserve_announce(struct strv *env, unsigned listen)
{
    if (listen == 0)
        return;
    char text[32];
    snprintf(text, sizeof(text), "LISTEN_FDS=%u", listen);
    strv_env_set(env, text);
    strv_env_set(env, "LISTEN_PID=1");
    const char *names = getenv("LISTEN_FDNAMES");
    CLEANUP_FREE char *entry = names != NULL ? xasprintf("LISTEN_FDNAMES=%s", names) : NULL;
    if (entry != NULL)
        strv_env_set(env, entry);
}
