#include "daemon/build/unpack_apart.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>

#include "archive/unpack.h"
#include "base/memory.h"

#define UNPACK_STACK ((size_t)1 << 20)

struct unpacking {
    tar_source_fn source;
    void *data;
    int dir_fd, result;
    struct error error;
};

static void *unpack_main(void *data)
{
    struct unpacking *u = data;
    const struct unpack_options options = {.plain = true};
    struct unpack_result result;
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(u->source, u->data);
    if (unshare(CLONE_FS) < 0) {
        u->result = error_errno(&u->error, errno, "unshare");
        return NULL;
    }
    umask(0);
    u->result = unpack_tree(reader, u->dir_fd, &options, &result, &u->error);
    if (u->result == 0)
        u->result = tar_reader_drain(reader, &u->error);
    return NULL;
}

int build_unpack_apart(tar_source_fn source, void *data, int dir_fd, struct error *err)
{
    struct unpacking u = {.source = source, .data = data, .dir_fd = dir_fd};
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, UNPACK_STACK);
    int r = pthread_create(&thread, &attributes, unpack_main, &u);
    pthread_attr_destroy(&attributes);
    if (r != 0)
        return error_errno(err, r, "start a thread");
    pthread_join(thread, NULL);
    return u.result < 0 ? error_propagate(err, &u.error) : 0;
}
