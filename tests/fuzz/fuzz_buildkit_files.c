/* A client of BuildKit's that sends whatever it likes when it is asked for its files: nothing comes out of the
 * directory that they are received in. The input is messages, each behind two bytes of its size, most significant
 * first. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/buildkit/grpc.h"
#include "api/buildkit/session.h"
#include "base/beneath.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/memory.h"
#include "daemon/build/context_sync.h"
#include "daemon/engine_internal.h"
#include "daemon/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* A connection's thread may still be about to free what it has when its end is known. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

struct input {
    const uint8_t *data;
    size_t size;
};

static int send_messages(struct grpc_call *call, void *data, struct error *err)
{
    const struct input *input = data;
    size_t at = 0;
    while (at + 2 <= input->size) {
        size_t size = (size_t)input->data[at] << 8 | input->data[at + 1];
        at += 2;
        size = size < input->size - at ? size : input->size - at;
        if (grpc_send(call, input->data + at, size, err) < 0)
            return -EPIPE;
        at += size;
    }
    return 0;
}

static void serve(struct http2_stream *stream, void *data)
{
    static const struct grpc_method methods[] = {{"/moby.filesync.v1.FileSync/DiffCopy", send_messages}, {0}};
    grpc_serve(stream, methods, data);
}

/* One daemon for all inputs; its data root is the only thing in a directory of ours. */
static struct engine *the_engine(const char *root)
{
    static struct daemon_options options;
    static struct engine engine;
    struct error err = {0};
    if (engine.cleaner != NULL)
        return &engine;
    options.data_root = (char *)root;
    engine.options = &options;
    if (worker_new("cleaner", &engine.cleaner, &err) < 0)
        abort();
    return &engine;
}

static void receive(struct engine *engine, struct input *input)
{
    struct http2 *client = NULL, *connection = NULL;
    struct context_sync *sync = NULL;
    struct session_list list;
    struct error err = {0};
    int64_t bytes;
    int pair[2], fd;
    const struct session_files_options options = {.name = "context", .cancel_fd = -1};
    if (fd_socketpair(SOCK_STREAM, pair) < 0 || http2_new(pair[0], serve, input, &client, &err) < 0 ||
        http2_new(pair[1], NULL, NULL, &connection, &err) < 0)
        abort();
    session_list_init(&list);
    struct session *session = session_add(&list, "id", "", http2_ref(connection));
    int r = session_files(session, engine, &options, &sync, &fd, &bytes, &err);
    if (r < 0 && (err.kind == ERROR_NONE || sync != NULL))
        abort();
    context_sync_free(sync);
    http2_close(connection);
    http2_wait(connection);
    http2_wait(client);
    session_remove(&list, session);
    session_list_release(&list);
    http2_unref(connection);
    http2_unref(client);
}

static char top[] = "/dev/shm/dory-fuzz-XXXXXX";

static void clean_up(void)
{
    rmdir(top);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char root[sizeof(top) + 5];
    static int top_fd = -1;
    struct input input = {.data = data, .size = size};
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    if (top_fd < 0) {
        if (!mkdtemp(top))
            abort();
        top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        snprintf(root, sizeof(root), "%s/root", top);
        atexit(clean_up);
    }
    receive(the_engine(root), &input);
    if (directory_open(top_fd, ".", &dir) < 0)
        abort();
    while (directory_next(dir, &name) > 0)
        if (strcmp(name, "root") != 0)
            abort(); /* it got out */
    beneath_remove_tree(top_fd, "root");
    return 0;
}
